"""`lapt spaces`: the spaces that are known."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("spaces")
@shell.json_option
def command(as_json: bool) -> None:
    """List every space that can be named, with its size and where it comes from."""
    from lapt_rules import content
    from lapt_rules.errors import LaptError
    from lapt_rules.space import load_space
    from lapt_rules.subspace import whole

    lines = []
    entries: list[dict[str, object]] = []
    for name, folder in content.space_folders().items():
        try:
            space = load_space(folder)
        except LaptError as error:
            lines.append(f"{name:<12} cannot be used: {error.message.splitlines()[0]}")
            entries.append({"name": name, "error": error.message})
            continue
        size = whole(space).count()
        entries.append(
            {
                "name": name,
                "title": space.title,
                "layers": len(space.layers),
                "operators": len(space.operators),
                "size": size,
                "folder": str(space.folder),
            }
        )
        shape = f"{len(space.layers)} layers, {len(space.operators)} operators"
        lines.append(f"{name:<12} {space.title}: {size:,} architectures ({shape})")
        lines.append(f"{'':<12} {space.folder}")
    shell.answer(as_json, {"spaces": entries}, "\n".join(lines))
