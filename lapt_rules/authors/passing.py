"""What is left of a file that the gate refuses: the principles that pass."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from lapt_rules.authors.author import Brief
from lapt_rules.gate import Report
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import parse_tolerant
from lapt_rules.language.printer import print_file
from lapt_rules.logic.binding import bind_tolerant


@dataclass(frozen=True)
class Passed:
    """The gate's report on what it admits of a file, and what was taken out, each with why."""

    report: Report
    dropped: tuple[str, ...]


def passing(
    text: str,
    brief: Brief,
    examined: Callable[[str, Brief], Report],
    wrong: Callable[[Report], str],
) -> Passed:
    """What the gate admits of a file, at the least one that only names the space.

    `examined` is the gate, `wrong` says why a search cannot go on from what it admits, if so.
    Statements that do not parse or bind go first. Of what then clashes the smallest repair goes; of
    what keeps too little of the archive, or of the best found, the principle that keeps least of
    it; of what keeps too little at all, the one with the greatest margin; of what cannot be
    compiled, the last. Where the preferences are too many to order by, the last principle that has
    some goes.
    """
    file, dropped = _bound(text, brief)
    while True:
        report = examined(print_file(file), brief)
        names = [block.name.text for block in file.principles]
        why = wrong(report) if report.admitted else report.errors[0].message
        if not names or not why:
            return Passed(report, tuple(dropped))
        going = _prefers(file)[-1:] if report.admitted else _to_drop(report)
        going = going or names[-1:]
        dropped += [f"`{name}`: {why.partition(chr(10))[0]}" for name in going]
        file = _without(file, going)


def _to_drop(report: Report) -> Collection[str]:
    codes = {error.code for error in report.errors}
    hard = [e for e in report.effects if e.margin or e.archive != report.archive_size]
    if "conflict" in codes:
        return report.repair or report.conflicts[0][-1:] if report.conflicts else ()
    if "support" in codes and hard:
        return [min(hard, key=lambda effect: effect.archive or 0).principle]
    if "found" in codes and hard:
        return [min(hard, key=lambda effect: effect.found or 0).principle]
    if "too-small" in codes and hard:
        return [max(hard, key=lambda effect: effect.margin).principle]
    return ()


def _prefers(file: ast.File) -> list[str]:
    """The principles that prefer something."""
    return [
        p.name.text for p in file.principles if any(isinstance(c, ast.Prefer) for c in p.clauses)
    ]


def _without(file: ast.File, names: Collection[str]) -> ast.File:
    left = (b for b in file.blocks if not (isinstance(b, ast.Principle) and b.name.text in names))
    return replace(file, blocks=tuple(left))


def _bound(text: str, brief: Brief) -> tuple[ast.File, list[str]]:
    """The statements that parse and bind, the file's own tests left out; and what is wrong."""
    bare = ast.File((ast.SpaceLine(ast.Name(brief.space.name)),))
    file, malformed = parse_tolerant(text)
    dropped = [f"line {error.span.line}: {error.message}" for error in malformed]
    if file is None:
        return bare, dropped
    rules = ast.Region | ast.Define | ast.Principle
    blocks = [*bare.blocks, *(block for block in file.blocks if isinstance(block, rules))]
    while True:
        text = print_file(replace(file, blocks=tuple(blocks), closing=()))
        parsed, found = parse_tolerant(text)
        assert parsed is not None, found
        _, errors = bind_tolerant(parsed, brief.space)
        if not errors:
            return parsed, dropped
        starts = [block.span.line for block in parsed.blocks]
        wrong = {bisect_right(starts, e.span.line) - 1: e.message for e in reversed(errors)}
        if not wrong.keys() - {-1, 0}:
            return bare, [*dropped, errors[0].message]
        dropped += [
            f"`{_name(parsed.blocks[n])}`: {wrong[n]}" for n in sorted(wrong.keys() - {-1, 0})
        ]
        blocks = [block for n, block in enumerate(parsed.blocks) if n not in wrong or n == 0]


def _name(block: ast.Block) -> str:
    return block.name.text if isinstance(block, ast.Region | ast.Define | ast.Principle) else ""
