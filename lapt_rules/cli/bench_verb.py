"""`lapt bench`: the exact engine beside its peers, and how its cost grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.bench.engine import Report
    from lapt_rules.bench.tables import Table

_limit = click.option(
    "--limit", default=20.0, show_default=True, metavar="SECONDS", help="For each question.",
    type=click.FloatRange(min=0, min_open=True),
)  # fmt: skip
_quick = click.option("--quick", is_flag=True, help="Fewer sets and shorter measurements.")
_markdown = click.option("--markdown", is_flag=True, help="Print the tables for a README.")


@click.group("bench")
def command() -> None:
    """Measure the exact engine: beside its peers, or as spaces and files grow.

    Each measurement has a process of its own, one at a time. What counts are the ratios within one
    run; on a busy machine the figures themselves say little. Both measurements print tables, with
    --json one object, with --markdown tables for a README.
    """


@command.command("engine")
@click.option("--set", "sets", multiple=True, metavar="NAME", help="As darts/a; all by default.")
@click.option("--peer", "names", multiple=True, metavar="NAME", help="Beside ours; all by default.")
@_limit
@_quick
@_markdown
@shell.json_option
def engine(
    sets: tuple[str, ...],
    names: tuple[str, ...],
    limit: float,
    quick: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Count, list, draw and explain with our engine and with others, on the same principle files.

    Every figure of a peer is compared with ours, and every answer, too: where two counts differ
    this ends with exit code 1.
    """
    from lapt_rules.bench import peers
    from lapt_rules.bench.cases import QUICK, chosen_cases
    from lapt_rules.bench.engine import run
    from lapt_rules.bench.goals import goals_table
    from lapt_rules.bench.tables import engine_tables

    cases = chosen_cases(sets or (QUICK if quick else ()))
    for name in names:
        peers.load(name)  # a name that is none, or a library that is missing, is told at once
    asked = (peers.OURS, *names) if names else peers.NAMES
    report = run(cases, asked, limit, quick, shell.status)
    tables = [*engine_tables(report), goals_table(report)]
    _answer(report, tables, markdown, as_json)


@command.command("growth")
@_limit
@_quick
@_markdown
@shell.json_option
def growth(limit: float, quick: bool, markdown: bool, as_json: bool) -> None:
    """Count and draw with our engine as layers and principles become more."""
    from lapt_rules.bench import growth as families
    from lapt_rules.bench.tables import growth_table

    report = families.run(limit, quick, shell.status)
    _answer(report, [growth_table(report)], markdown, as_json)


@command.command("decoding")
@click.option(
    "--model", required=True, metavar="MODEL",
    help="smollm2, a folder, a GGUF file or a hub name.",
)  # fmt: skip
@click.option(
    "--files", default=200, show_default=True, metavar="N", help="How many to write.",
    type=click.IntRange(min=1),
)  # fmt: skip
@click.option(
    "--space", "spaces", multiple=True, metavar="NAME", help="Of a file; four in turn by default."
)
@click.option(
    "--tokens", default=512, show_default=True, metavar="N", help="Most tokens of a file.",
    type=click.IntRange(min=1),
)  # fmt: skip
@shell.json_option
def decoding(model: str, files: int, spaces: tuple[str, ...], tokens: int, as_json: bool) -> None:
    """Let a local model write under a grammar: what it costs a token, and whether all files bind.

    Free text, text under the grammar with and without forced tokens are timed in turn; what counts
    are their ratios. Where a file does not bind this ends with exit code 1.
    """
    from lapt_rules.bench.decoding import measure
    from lapt_rules.bench.tables import decoding_tables

    report = measure(model, files, spaces, tokens, shell.status)
    shell.status("")
    tables = "\n\n".join(table.text() for table in decoding_tables(report))
    bound = sum(one.bind for one in report.files)
    masked, forced = report.cost.ratios
    shell.answer(
        as_json,
        report.as_json(),
        f"{tables}\n\n{bound} of {files} files bind; a token under the grammar costs "
        f"{masked:.2f} times a free one, {forced:.2f} times with forced tokens.",
    )
    if report.wrong:
        shell.leave(1)


def _answer(report: Report, tables: list[Table], markdown: bool, as_json: bool) -> None:
    from lapt_rules.bench.tables import page

    shell.status("")
    shell.answer(as_json, report.as_json(), page(report, tables, markdown))
    if not as_json:
        for failure in report.failures:
            shell.tell(f"error: {failure}")
        shell.show(f"\n{_summary(report)}")
    if report.failures:
        shell.leave(1)


def _summary(report: Report) -> str:
    failures = len(report.failures)
    agree = shell.plural(failures, "failure") if failures else "every answer agrees"
    measured = shell.plural(len(report.results), "measurement")
    sets = shell.plural(len(report.cases), "set")
    return f"{measured} of {sets} in {report.seconds:.0f} s: {agree}."
