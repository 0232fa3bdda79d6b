"""The best architectures of a set by their preferences, in order, without listing the set.

A search from the first variable on, always from the prefix that promises most (A*). The promise is
the score so far, the best that the rest can add of what depends on one variable (exact, by dynamic
programming over the diagram), and every positive weight that is still open (optimistic). So the
first complete rows to come up are the best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from lapt_rules.errors import LimitError
from lapt_rules.logic.compiling import Compiler, as_tally, single_choice
from lapt_rules.logic.diagram import Diagram
from lapt_rules.logic.formula import (
    TRUE,
    Amount,
    And,
    Choice,
    Compare,
    Formula,
    Holding,
    PathLength,
    Tally,
)
from lapt_rules.logic.principles import Preference

MAX_STEPS = 2_000_000

Weighted = tuple[float, Formula]

_Entry = tuple[float, float, tuple[int, ...], int, tuple[int, ...], float]
"""Negated promise, tie-break, prefix, node, nodes of the open preferences, score so far."""


class Ranking:
    """Rows of a set by falling score; `preferences` are those of its principles."""

    def __init__(
        self, diagram: Diagram, preferences: Iterable[Preference], compiler: Compiler
    ) -> None:
        self.diagram = diagram.spread()
        self.base = 0.0
        self.gain = [np.zeros(size) for size in diagram.sizes]
        self.soft: list[tuple[float, Diagram]] = []
        for preference in preferences:
            for weight, formula in self._terms(preference, compiler):
                single = single_choice(formula, diagram.sizes)
                if single is not None:
                    self.gain[single[0]][list(single[1])] += weight
                    continue
                compiled = compiler.compile(formula).spread()
                if compiled.root < 2:
                    self.base += weight * compiled.root
                else:
                    self.soft.append((weight, compiled))
        self._ahead = self._best_ahead()

    def _terms(self, preference: Preference, compiler: Compiler) -> Iterator[Weighted]:
        """A preference as weighted formulas that add up to it."""
        weight, when, what = preference.weight, preference.when, preference.what
        if not isinstance(what, Amount):
            yield weight, _both(when, what)
            return
        if what.constant:
            yield weight * what.constant, when
        for coefficient, measure in what.terms:
            factor = weight * coefficient
            tally = as_tally(measure, compiler.sizes)
            if tally is not None:
                yield from _tally_terms(tally, factor, when)
            elif isinstance(measure, Holding):
                for part in measure.parts:
                    yield factor, _both(when, part)
            elif isinstance(measure, PathLength):
                longest = max(len(compiler.space.flow_order[cell]) for cell in measure.cells)
                for length in range(1, longest + 1):
                    reached = Compare(Amount(-length, ((1, measure),)), ">=")
                    yield factor, _both(when, reached)

    def _best_ahead(self) -> list[npt.NDArray[np.float64]]:
        """For each level and node: the most that single variables can still add."""
        ahead = [np.array([-np.inf, 0.0])]
        for table, gain in zip(reversed(self.diagram.tables), reversed(self.gain), strict=True):
            ahead.append((ahead[-1][table] + gain).max(axis=1))
        return list(reversed(ahead))

    def rows(self, seed: int | None = None) -> Iterator[tuple[int, ...]]:
        """Every row, best first; equal promises in the order of the set, or drawn by the seed.

        Raises LimitError where the preferences leave so much open that the search would not end.
        """
        if self.diagram.is_empty:
            return
        generator = np.random.default_rng(seed)
        open_at_start = sum(max(weight, 0.0) for weight, _ in self.soft)
        first = self.base + float(self._ahead[0][self.diagram.root]) + open_at_start
        roots = tuple(soft.root for _, soft in self.soft)
        heap: list[_Entry] = [(-first, 0.0, (), self.diagram.root, roots, self.base)]
        steps = 0
        while heap:
            _, _, prefix, node, soft, score = heappop(heap)
            level = len(prefix)
            if level == len(self.diagram.sizes):
                yield prefix
                continue
            steps += 1
            if steps > MAX_STEPS:
                raise LimitError(
                    "the preferences leave too much open to find the best exactly",
                    "prefer single layers, or give fewer preferences over paths and sums",
                )
            children = self.diagram.tables[level][node]
            tie_breaks = generator.random(len(children)) if seed is not None else None
            for value in np.flatnonzero(children):
                child = int(children[value])
                gained = score + float(self.gain[level][value])
                still_open = 0.0
                following = []
                for (weight, diagram), at in zip(self.soft, soft, strict=True):
                    to = int(diagram.tables[level][at, value])
                    if at > 1 and to == 1:
                        gained += weight
                    elif to > 1:
                        still_open += max(weight, 0.0)
                    following.append(to)
                promise = gained + still_open + float(self._ahead[level + 1][child])
                tie = float(tie_breaks[value]) if tie_breaks is not None else 0.0
                entry = (-promise, tie, (*prefix, int(value)), child, tuple(following), gained)
                heappush(heap, entry)


def _both(when: Formula, formula: Formula) -> Formula:
    return formula if when is TRUE else And((when, formula))


def _tally_terms(tally: Tally, factor: float, when: Formula) -> Iterator[Weighted]:
    for variable, weights in tally.weights:
        for amount in sorted(set(weights) - {0}):
            values = frozenset(v for v, weight in enumerate(weights) if weight == amount)
            yield factor * amount, _both(when, Choice(variable, values))
