"""The results as tables, for a terminal and for a README: one source, so no figure is typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapt_rules.bench import peers
from lapt_rules.bench.engine import Report, Result
from lapt_rules.bench.peers.peer import QUESTIONS, TIMED

if TYPE_CHECKING:
    from lapt_rules.bench.decoding import Decoding

_LEGEND = (
    "In brackets: how many times as long the peer takes, or how many times as many we make in the "
    "same time; more than 1 is in our favour."
)


@dataclass(frozen=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """For a terminal: aligned columns under a title."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        padded = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *(f"  {line}" for line in padded)])

    def markdown(self) -> str:
        rows = [self.header, tuple("---" for _ in self.header), *self.rows]
        body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        return f"**{self.title}**\n\n{body}"


def engine_tables(report: Report) -> list[Table]:
    """One table for each question: a row for each set, a column for each peer that was asked."""
    return [table for question in QUESTIONS if (table := _of(report, question)) is not None]


def _of(report: Report, question: str) -> Table | None:
    asked = [r for r in report.results if r.question == question]
    names = [name for name in report.peers if any(r.peer == name for r in asked)]
    if not names:
        return None
    titles = [peers.load(name).about.title for name in names]
    rows = []
    for case in report.cases:
        ours = report.of(case, peers.OURS, question)
        found = [report.of(case, name, question) for name in names]
        if any(found):
            rows.append((case, *(cell(one, ours) for one in found)))
    return Table(QUESTIONS[question], ("set", *titles), tuple(rows))


def cell(result: Result | None, ours: Result | None) -> str:
    """A figure with its ratio to ours; a dash where a peer was not asked."""
    if result is None:
        return "–"
    if result.error:
        return "failed"
    if result.over is not None:
        return f"over {result.over:g} s"
    figure = duration(result.seconds) if result.question in TIMED else rate(result.rate)
    if not result.rate and result.note and result.question not in TIMED:
        figure = result.note
    factor = ratio(result, ours)
    return figure if factor is None or result is ours else f"{figure} ({times(factor)})"


def ratio(result: Result | None, ours: Result | None, after: bool = False) -> float | None:
    """How many times as fast ours is; None where one of the two has no figure.

    With `after`, without the preparation that both have in common.
    """
    if result is None or ours is None:
        return None
    if result.seconds is not None and ours.seconds:
        theirs, own = result.seconds, ours.seconds
        if after:
            theirs, own = theirs - (result.before or 0), own - (ours.before or 0)
        return theirs / own
    if result.rate and ours.rate is not None:
        return ours.rate / result.rate
    if result.over is not None and ours.seconds:
        return result.over / ours.seconds
    return None


def duration(seconds: float | None) -> str:
    """
    >>> duration(4.2e-6), duration(0.0042), duration(0.35), duration(12.3)
    ('4.2 µs', '4.2 ms', '350 ms', '12.3 s')
    """
    if seconds is None:
        return "–"
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds < 1e-4:
        return f"{1e6 * seconds:.2g} µs"
    milliseconds = 1000 * seconds
    digits = 2 if milliseconds < 1 else 1 if milliseconds < 10 else 0
    return f"{milliseconds:,.{digits}f} ms"


def rate(per_second: float | None) -> str:
    """
    >>> rate(4_600_000), rate(6_400), rate(33.3), rate(0.4)
    ('4.6 M/s', '6.4 k/s', '33 /s', '0.4 /s')
    """
    if per_second is None:
        return "–"
    for size, letter in ((1e6, " M/s"), (1e3, " k/s")):
        if per_second >= size:
            return f"{per_second / size:.3g}{letter}"
    return f"{per_second:.0f} /s" if per_second >= 10 else f"{per_second:.2g} /s"


def times(factor: float) -> str:
    """
    >>> times(0.93), times(7.25), times(1234.5), times(2.3e7)
    ('0.93x', '7.2x', '1,234x', '2.3e+07x')
    """
    if factor >= 1e6:
        return f"{factor:.1e}x"
    return f"{factor:,.0f}x" if factor >= 10 else f"{factor:.2g}x"


def growth_table(report: Report) -> Table:
    rows = []
    for result in report.results:
        if result.seconds is None:
            state = f"over {result.over:g} s" if result.over is not None else "failed"
            rows.append((result.case, "–", state, "–", "–", "–", "–"))
            continue
        rows.append(
            (
                result.case,
                magnitude(int(result.answer)),
                duration(result.seconds),
                f"{result.nodes:,}",
                duration(result.before),
                rate(result.rate),
                f"{result.peak / 2**20:,.0f} MiB",
            )
        )
    header = ("family", "kept", "first count", "nodes", "sampler", "draws", "peak memory")
    return Table("How our cost grows, each row in a new process", header, tuple(rows))


def decoding_tables(report: Decoding) -> list[Table]:
    """What a token costs in each way of decoding, and what became of the files of each space."""
    cost = report.cost
    masked, forced = cost.ratios
    ways = (
        ("free text", duration(cost.free), "1.00"),
        ("under the grammar", duration(cost.masked), f"{masked:.2f}"),
        ("under the grammar, forced tokens not asked for", duration(cost.forced), f"{forced:.2f}"),
    )
    title = (
        f"A token written by {report.model}: {report.parameters:,} parameters, "
        f"{report.vocabulary:,} tokens, threads {report.threads}, median of {cost.rounds} rounds; "
        f"once for a grammar {duration(cost.compiling)}"
    )
    files = tuple(
        (
            one.space,
            *map(str, (one.written, one.parse, one.bind, one.cut)),
            f"{one.tokens:,.0f}",
            f"{one.characters:,.0f}",
        )
        for one in report.files
    )
    header = ("space", "files", "parse", "bind", "cut back", "tokens", "characters")
    return [
        Table(title, ("decoding", "a token", "ratio"), ways),
        Table("Files under the grammar; tokens and characters are means", header, files),
    ]


def magnitude(number: int) -> str:
    """
    >>> magnitude(15_625), magnitude(3 * 10**20)
    ('15,625', '3.0e+20')
    """
    return f"{number:,}" if number < 10**7 else f"{number:.1e}"


def page(report: Report, tables: list[Table], as_markdown: bool) -> str:
    """All of a report: the machine, the tables, and what is missing or wrong."""
    about = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    parts = [about.replace("date ", "", 1)]
    parts += [table.markdown() if as_markdown else table.text() for table in tables]
    if len(report.peers) > 1:
        parts.append(_LEGEND)
    if report.disturbed:
        parts.append(
            f"{report.disturbed} of {len(report.results)} measurements had to share their "
            "processor with something else: repeat them on a quieter machine"
        )
    if report.missing:
        names = ", ".join(report.missing)
        parts.append(f"not installed: {names}; `pip install 'lapt-rules[bench]'` brings them")
    return "\n\n".join(parts)
