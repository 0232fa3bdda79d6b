"""The best architectures of a set by their preferences, in order, without listing the set.

A search from the first variable on, always from the prefix that promises most (A*). The promise is
the score so far, the best that the rest can add of what depends on one variable (exact, by dynamic
programming over the diagram), and every positive weight that is still open (optimistic). So the
first complete rows to come up are the best.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from lapt_rules.errors import LimitError
from lapt_rules.logic.diagram import Diagram
from lapt_rules.logic.scoring import Score

MAX_STEPS = 2_000_000

_Entry = tuple[float, float, tuple[int, ...], int, tuple[int, ...], float]
"""Negated promise, tie-break, prefix, node, nodes of the open sets, score so far."""


class Ranking:
    """Rows of a set by falling score."""

    def __init__(self, diagram: Diagram, score: Score) -> None:
        self.diagram = diagram.spread()
        self.score = score
        self._ahead = self._best_ahead()

    def _best_ahead(self) -> list[npt.NDArray[np.float64]]:
        """For each level and node: the most that single variables can still add."""
        ahead = [np.array([-np.inf, 0.0])]
        for table, gain in zip(
            reversed(self.diagram.tables), reversed(self.score.gain), strict=True
        ):
            ahead.append((ahead[-1][table] + gain).max(axis=1))
        return list(reversed(ahead))

    def rows(self, seed: int | None = None) -> Iterator[tuple[int, ...]]:
        """Every row, best first; equal promises in the order of the set, or drawn by the seed.

        Raises LimitError where the preferences leave so much open that the search would not end.
        """
        if self.diagram.is_empty:
            return
        generator = np.random.default_rng(seed)
        open_at_start = sum(max(weight, 0.0) for weight, _ in self.score.sets)
        first = self.score.base + float(self._ahead[0][self.diagram.root]) + open_at_start
        roots = tuple(soft.root for _, soft in self.score.sets)
        heap: list[_Entry] = [(-first, 0.0, (), self.diagram.root, roots, self.score.base)]
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
                gained = score + float(self.score.gain[level][value])
                still_open = 0.0
                following = []
                for (weight, diagram), at in zip(self.score.sets, soft, strict=True):
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
