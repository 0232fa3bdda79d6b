"""The engine of this project, through its public face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from lapt_rules.bench.peers.peer import QUESTIONS, About, Peer
from lapt_rules.logic.arrays import Arrays, Mask, Rows
from lapt_rules.subspace import Subspace


class Engine(Peer):
    about = About("lapt", tuple(QUESTIONS))

    def subspace(self) -> Subspace:
        return Subspace(self.space, self.principles.keeps)

    def count(self) -> int:
        return self.subspace().count()

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        subspace = self.subspace()
        return lambda number: [one.values for one in islice(subspace, number)]

    def sampler(self) -> Callable[[int], Rows]:
        subspace = self.subspace()
        subspace.sample_rows(1)  # the tables are made with the first draw
        seeds = iter(range(1 << 62))
        return lambda number: subspace.sample_rows(number, next(seeds))

    def membership(self) -> Callable[[Rows], Mask]:
        return self.subspace().contains

    def neighbourhood(self) -> Callable[[Rows], list[int]]:
        subspace = self.subspace()
        return lambda rows: [len(kept) for kept in subspace.neighbour_rows(rows)]

    def explainer(self) -> Callable[[Rows], Sequence[Sequence[str]]]:
        """In a batch: each principle is evaluated on all rows at once."""

        def explain(rows: Rows) -> list[list[str]]:
            arrays = Arrays(self.space, rows)
            rejected: list[list[str]] = [[] for _ in rows]
            for principle in self.principles.principles:
                for index in (~arrays.holds(principle.keeps)).nonzero()[0].tolist():
                    rejected[index].append(principle.name)
            return rejected

        return explain
