"""What is left of a file that the gate refuses: the principles that pass."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import replace

from lapt_rules.authors.author import Brief
from lapt_rules.gate import Report, examine
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import parse_tolerant
from lapt_rules.language.printer import print_file
from lapt_rules.logic.binding import bind_tolerant


def passing(text: str, brief: Brief, support: float, can_order: Callable[[Report], bool]) -> Report:
    """The gate's report on what it admits of a file, at the least on one that only names the space.

    Statements that do not parse or bind go first. Of what then clashes the smallest repair goes; of
    what keeps too little of the archive, the principle that keeps least of it; of what keeps too
    little at all, the one with the greatest margin; of what cannot be compiled, the last. Where the
    preferences are too many to order by, the last principle that has some goes.
    """
    file = _bound(text, brief)
    while True:
        report = examine(print_file(file), "principles", brief.space, brief.archive, support,
                         brief.population)  # fmt: skip
        names = [block.name.text for block in file.principles]
        if not names or (report.admitted and can_order(report)):
            return report
        dropped = _prefers(file)[-1:] if report.admitted else _to_drop(report)
        file = _without(file, dropped or names[-1:])


def _to_drop(report: Report) -> Collection[str]:
    codes = {error.code for error in report.errors}
    hard = [e for e in report.effects if e.margin or e.archive != report.archive_size]
    if "conflict" in codes:
        return report.repair or report.conflicts[0][-1:] if report.conflicts else ()
    if "support" in codes and hard:
        return [min(hard, key=lambda effect: effect.archive or 0).principle]
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


def _bound(text: str, brief: Brief) -> ast.File:
    """The statements that parse and bind, the file's own tests left out."""
    bare = ast.File((ast.SpaceLine(ast.Name(brief.space.name)),))
    file, _ = parse_tolerant(text)
    if file is None:
        return bare
    rules = ast.Region | ast.Define | ast.Principle
    blocks = [*bare.blocks, *(block for block in file.blocks if isinstance(block, rules))]
    while True:
        text = print_file(replace(file, blocks=tuple(blocks), closing=()))
        parsed, found = parse_tolerant(text)
        assert parsed is not None, found
        _, errors = bind_tolerant(parsed, brief.space)
        if not errors:
            return parsed
        starts = [block.span.line for block in parsed.blocks]
        wrong = {bisect_right(starts, error.span.line) - 1 for error in errors}
        if not wrong - {-1, 0}:
            return bare
        blocks = [block for n, block in enumerate(parsed.blocks) if n not in wrong or n == 0]
