"""`lapt why FILE ARCH`: kept, or rejected by whom and for what reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.logic.principles import PrincipleSet


@click.command("why")
@shell.file_argument
@click.argument("architecture", metavar="ARCH")
@shell.space_option
@shell.json_option
def command(file: str, architecture: str, space_name: str | None, as_json: bool) -> None:
    """Say whether FILE keeps ARCH, and every clause that rejects it.

    ARCH is an arch string of the space or a list [op, op, ...]; `-` reads many, one a line, from
    standard input, and names for each the principles that reject it. Exits with 1 where one is
    rejected.
    """
    principles = shell.read_principles(file, space_name)
    if architecture == "-":
        _many(principles, shell.read_lines(), as_json)
    _one(principles, architecture, as_json)


def _one(principles: PrincipleSet, architecture: str, as_json: bool) -> None:
    from lapt_rules.audit.explain import explain

    found = explain(principles, shell.read_architecture(principles.space, architecture))
    lines = []
    last = ""
    for rejection in found.rejections:
        if rejection.principle != last:
            reason = f': "{rejection.why}"' if rejection.why else ""
            lines.append(f"rejected by `{rejection.principle}`{reason}")
            last = rejection.principle
        lines.append(f"  {principles.file.path}:{rejection.line}: {rejection.clause}")
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


def _many(principles: PrincipleSet, written: list[str], as_json: bool) -> None:
    from lapt_rules.audit.explain import rejections

    texts = [text.strip() for text in written if text.strip()]
    architectures = [shell.read_architecture(principles.space, text) for text in texts]
    rejected = rejections(principles, architectures)
    names = [principle.name for principle in principles.principles]
    by = [[names[column] for column in row.nonzero()[0]] for row in rejected]
    kept = sum(not who for who in by)
    lines = [
        f"{architecture}  {'rejected by ' + ', '.join(who) if who else 'kept'}"
        for architecture, who in zip(architectures, by, strict=True)
    ]
    entries = [
        {"architecture": str(architecture), "kept": not who, "rejected_by": who}
        for architecture, who in zip(architectures, by, strict=True)
    ]
    lines.append(f"{kept:,} of {shell.plural(len(by), 'architecture')} kept")
    value = {"kept": kept, "rejected": len(by) - kept, "architectures": entries}
    shell.answer(as_json, value, "\n".join(lines))
    shell.leave(0 if kept == len(by) else 1)
