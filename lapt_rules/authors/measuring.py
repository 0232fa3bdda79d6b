"""A file that the gate admitted, made ready to go into force: every claim with what it is worth.

Each principle gets its support and lift written above it, each preference the weight that the
archive itself would give it beside it. What was said before is taken out, and so is a claim that
the archive contradicts; a weight that is larger than the evidence supports becomes smaller. The
file says so. When principles are adapted to a target, what was found there speaks, too: its better
half beside all that was evaluated. Then a claim goes only where both are against it; when
principles are to explore, none goes, and weights from -1 to 1 stand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from lapt_rules.authors.author import Brief
from lapt_rules.authors.evidence import (
    Evidence,
    Support,
    found_evidence,
    leanings_of,
    supported_weight,
    told_leaning,
)
from lapt_rules.authors.leaning import is_leaning
from lapt_rules.gate import Report
from lapt_rules.language import syntax as ast
from lapt_rules.language.printer import print_clause
from lapt_rules.logic.principles import Preference, Principle

Step = Literal["learn", "update", "explore"]
Statement = TypeVar("Statement", bound=ast.Statement)

_MARK = "# measured:"
_LONGEST_TOLD = 300
_NOTES = ("# learn:", "# update:", "# explore:")


@dataclass(frozen=True)
class Measured:
    """A file with its measures, and what was done to it: claims taken out, weights bounded."""

    file: ast.File
    dropped: Sequence[str]
    bounded: Sequence[str]

    @property
    def notes(self) -> list[str]:
        """The same as comments for the head of a file."""
        dropped = [f"# dropped: {claim}" for claim in self.dropped]
        return dropped + [f"# bounded: {weight}" for weight in self.bounded]


def measured(step: Step, brief: Brief, report: Report) -> Measured:
    """The file of a report of the gate, measured.

    Above its `space` stand the notes on how the principles before it came about.
    """
    assert report.principles is not None
    measures = _Measures(step, brief, report)
    file = as_written(report.principles.file)
    of_name = {principle.name: principle for principle in report.principles.principles}
    blocks: list[ast.Block] = []
    for block in file.blocks:
        if isinstance(block, ast.Principle):
            blocks += measures.told(block, of_name[block.name.text])
        else:
            blocks.append(block)
    tests = [block for block in blocks if isinstance(block, ast.Expect | ast.Test)]
    if measures.dropped and tests:
        blocks = [block for block in blocks if block not in tests]
        measures.dropped.append("the tests of the file, which were for these claims as well")
    file = replace(file, blocks=tuple(_headed(blocks, _history(brief))))
    return Measured(file, measures.dropped + measures.repeated, measures.bounded)


def as_written(file: ast.File) -> ast.File:
    """The file without leanings, and without what was measured of an earlier one."""
    kept: list[ast.Block] = []
    for block in file.blocks:
        if is_leaning(block):
            continue
        if isinstance(block, ast.Principle):
            block = replace(block, clauses=tuple(_plain(clause) for clause in block.clauses))
        kept.append(_plain(block))
    return replace(file, blocks=tuple(kept))


class _Measures:
    """Measures the principles of one report.

    `dropped` tells the claims that the evidence contradicts, `repeated` those that were made
    before, `bounded` the weights that became smaller.
    """

    def __init__(self, step: Step, brief: Brief, report: Report) -> None:
        self.step = step
        self.dropped: list[str] = []
        self.repeated: list[str] = []
        self.bounded: list[str] = []
        self._said: dict[str, str] = {}  # by meaning, the principle that says it
        self._effects = {effect.principle: effect for effect in report.effects}
        self._archive = Evidence(brief.space, brief.archive.architectures)
        self._found = found_evidence(brief)

    def told(self, block: ast.Principle, principle: Principle) -> Iterator[ast.Principle]:
        """The principle with what is measured of it; nothing where nothing of it is left."""
        clauses: list[ast.Clause] = []
        support = self._support(principle)
        contradicted = support is not None and self._contradicted(principle, support)
        if contradicted:
            self.dropped.append(f"what `{principle.name}` requires: {support}")
        preferences = iter(principle.preferences)
        rules = iter(principle.clauses)
        for clause in block.clauses:
            if isinstance(clause, ast.Prefer):
                clauses += self._preference(clause, next(preferences), principle.name)
            elif isinstance(clause, ast.Hard):
                rule = next(rules)
                if not contradicted and self._is_new(repr(rule.keeps), clause, principle.name):
                    clauses.append(clause)
            elif not contradicted:
                clauses.append(clause)
        if any(isinstance(clause, ast.Hard | ast.Prefer) for clause in clauses):
            above = block.comments.above
            if support is not None and not contradicted:
                above = (*above, f"{_MARK} {support}")
            comments = replace(block.comments, above=above)
            yield replace(block, clauses=tuple(clauses), comments=comments)

    def _support(self, principle: Principle) -> Support | None:
        effect = self._effects.get(principle.name)
        if not principle.clauses or effect is None or not self._archive.size:
            return None
        return self._archive.support(principle.keeps, effect.alone)

    def _contradicted(self, principle: Principle, support: Support) -> bool:
        if self.step == "explore" or not support.contradicts:
            return False
        if self._found is None:
            return True
        alone = self._effects[principle.name].alone
        return self._found.support(principle.keeps, alone).contradicts

    def _preference(
        self, clause: ast.Prefer, preference: Preference, name: str
    ) -> Iterator[ast.Prefer]:
        if not self._is_new(repr((preference.what, preference.when)), clause, name):
            return
        measured = told_leaning(preference, self._archive, self._found)
        against = self.step != "explore" and self._archive.contradicts(preference)
        if against and self._found is not None:
            against = self._found.contradicts(preference)
        if against:
            self.dropped.append(f"{_claim(clause, name)}: measured {measured}")
            return
        leanings = leanings_of(preference, self._archive, self._found)
        weight = supported_weight(clause.weight, leanings, free=self.step == "explore")
        if abs(weight - clause.weight) >= 0.01:
            weight = round(weight, 2)
            self.bounded.append(f"{_claim(clause, name)} to {weight:g}: measured {measured}")
            clause = replace(clause, weight=weight)
        if measured:
            clause = replace(
                clause, comments=replace(clause.comments, beside=f"{_MARK} {measured}")
            )
        yield clause

    def _is_new(self, meaning: str, clause: ast.Clause, name: str) -> bool:
        """Whether no clause before says the same; of a preference the weight does not count."""
        if meaning in self._said:
            said_by = self._said[meaning]
            self.repeated.append(f"{_claim(clause, name)}: `{said_by}` says so already")
            return False
        self._said[meaning] = name
        return True


def _claim(clause: ast.Clause, name: str) -> str:
    written = textwrap.shorten(print_clause(clause), _LONGEST_TOLD, placeholder=" ...")
    return f"`{written}` of `{name}`"


def _history(brief: Brief) -> Sequence[str]:
    """The notes on how the principles in force came about."""
    if brief.principles is None:
        return ()
    lines = [b for b in brief.principles.file.blocks if isinstance(b, ast.SpaceLine)]
    return [note for line in lines for note in line.comments.above if note.startswith(_NOTES)]


def _headed(blocks: Sequence[ast.Block], notes: Sequence[str]) -> Iterator[ast.Block]:
    """The blocks with notes above the `space` line, and no others of their kind there."""
    for block in blocks:
        if isinstance(block, ast.SpaceLine):
            ours = (*_NOTES, "# dropped:", "# bounded:")
            own = [line for line in block.comments.above if not line.startswith(ours)]
            block = replace(block, comments=replace(block.comments, above=(*own, *notes)))
        yield block


def _plain(statement: Statement) -> Statement:
    """A statement without comments that tell what was measured."""
    comments = statement.comments
    above = tuple(line for line in comments.above if not line.startswith(_MARK))
    beside = "" if comments.beside.startswith(_MARK) else comments.beside
    return replace(statement, comments=ast.Comments(above, beside))
