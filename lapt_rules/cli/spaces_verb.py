"""`lapt spaces`: the spaces that are known."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("spaces")
@shell.json_option
def command(as_json: bool) -> None:
    """List every space that can be named, with its size and where it comes from."""
    from lapt_rules import content
    from lapt_rules.space import load_space

    lines = []
    entries = []
    for name in content.space_names():
        space = load_space(name)
        entries.append(
            {
                "name": name,
                "title": space.title,
                "layers": len(space.layers),
                "operators": len(space.operators),
                "folder": str(space.folder),
            }
        )
        size = f"{len(space.layers)} layers, {len(space.operators)} operators"
        lines.append(f"{name:<12} {space.title} ({size})")
    shell.answer(as_json, {"spaces": entries}, "\n".join(lines))
