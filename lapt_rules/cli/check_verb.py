"""`lapt check FILE`: the gate, and what each principle does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell
from lapt_rules.cli.facts import effects_table

if TYPE_CHECKING:
    from lapt_rules.gate import Report


@click.command("check")
@shell.file_argument
@click.option("--archive", metavar="PATH[:TASK]", help="A source table whose best it should keep.")
@click.option("--archive-size", type=click.IntRange(min=1), metavar="N", help="How many of them.")
@click.option(
    "--support", type=click.FloatRange(0, 1), default=0.0, metavar="SHARE",
    help="The share of the archive that FILE must keep, 0 to 1.",
)  # fmt: skip
@shell.space_option
@shell.metric_option
@shell.json_option
def command(
    file: str,
    archive: str | None,
    archive_size: int | None,
    support: float,
    space_name: str | None,
    metric: str,
    as_json: bool,
) -> None:
    """Pass FILE through the gate: what is wrong, and what each principle keeps and rejects.

    For each principle: how many architectures it keeps on its own, and how many it rejects that
    all the others would keep (its margin). Exits with 1 for principles that keep nothing, or less
    of the archive than --support, or where that could not be decided, and with 2 for a file that
    does not parse or bind.
    """
    from lapt_rules.errors import PrincipleError
    from lapt_rules.evaluate.table import load_table
    from lapt_rules.gate import examine, space_of
    from lapt_rules.language.parser import parse
    from lapt_rules.space import load_space

    text = shell.read_file(file)
    space = load_space(space_name) if space_name else None
    source = None
    if archive is not None:
        space = space_of(parse(text, file), space)
        table = load_table(archive, space, metric=metric)
        source = table.archive(archive_size or min(space.settings.archive, len(table.values)))
    report = examine(text, file, space, source, support)
    if any(error.code not in _FINDINGS for error in report.errors):
        raise PrincipleError(report.errors)
    if not as_json:
        for diagnostic in report.diagnostics:
            shell.tell(f"{diagnostic}\n")
    shell.answer(as_json, _as_json(report), _as_text(report))
    shell.leave(0 if report.admitted else 1)


_FINDINGS = {"conflict", "support", "too-small"}


def _as_text(report: Report) -> str:
    assert report.principles is not None
    warnings = len(report.diagnostics) - len(report.errors)
    found = f"{shell.plural(len(report.errors), 'error')}, {shell.plural(warnings, 'warning')}"
    if report.subspace is None:
        return found
    size = report.archive_size
    lines = effects_table(report.principles, report.effects, report.total, size)
    count, space = report.subspace.count(), report.principles.space.name
    share = shell.percent(count, report.total)
    lines.append(f"together they keep {count:,} of {report.total:,} in {space} ({share})")
    if report.archive_kept is not None and report.archive_size:
        support = report.archive_kept / report.archive_size
        lift = support / (count / report.total)
        lines.append(
            f"and {report.archive_kept} of {report.archive_size} in the archive (lift {lift:.3g})"
        )
    return "\n".join([*lines, found])


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "admitted": report.admitted,
        "count": report.count,
        "total": report.total or None,
        "archive_kept": report.archive_kept,
        "archive_size": report.archive_size,
        "principles": [
            {
                "name": effect.principle,
                "alone": effect.alone,
                "margin": effect.margin,
                "archive": effect.archive,
            }
            for effect in report.effects
        ],
        "conflicts": [list(names) for names in report.conflicts],
        "repair": None if report.repair is None else list(report.repair),
        "diagnostics": [diagnostic.as_json() for diagnostic in report.diagnostics],
    }
