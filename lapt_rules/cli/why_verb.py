"""`lapt why FILE ARCH`: kept, or rejected by whom and for what reason."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("why")
@shell.file_argument
@click.argument("architecture", metavar="ARCH")
@shell.space_option
@shell.json_option
def command(file: str, architecture: str, space_name: str | None, as_json: bool) -> None:
    """Say whether FILE keeps ARCH, and every clause that rejects it.

    ARCH is an arch string of the space or a list [op, op, ...]. Exits with 1 where it is rejected.
    """
    from lapt_rules.audit.explain import explain

    principles = shell.read_principles(file, space_name)
    found = explain(principles, shell.read_architecture(principles.space, architecture))
    lines = []
    last = ""
    for rejection in found.rejections:
        if rejection.principle != last:
            reason = f': "{rejection.why}"' if rejection.why else ""
            lines.append(f"rejected by `{rejection.principle}`{reason}")
            last = rejection.principle
        lines.append(f"  {file}:{rejection.line}: {rejection.clause}")
    if found.kept:
        lines.append(f"kept: {shell.plural(len(principles.principles), 'principle')}, no objection")
    if principles.preferences:
        lines.append(f"preferences score it {found.score:+.3g}")
    if found.dead_layers:
        lines.append(f"dead layers: {', '.join(found.dead_layers)}")
    value = {
        "architecture": str(found.architecture),
        "kept": found.kept,
        "rejected_by": [
            {"principle": r.principle, "why": r.why, "clause": r.clause, "line": r.line}
            for r in found.rejections
        ],
        "score": found.score,
        "dead_layers": list(found.dead_layers),
    }
    shell.answer(as_json, value, "\n".join(lines))
    shell.leave(0 if found.kept else 1)
