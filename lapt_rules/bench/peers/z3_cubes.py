"""Z3, which fixes one variable after the other and goes back where nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import z3

from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.bench.peers.z3_problem import state
from lapt_rules.logic.arrays import Mask, Rows
from lapt_rules.subspace import kept_moves


class Z3Cubes(Peer):
    about = About("Z3 cubes", ("count", "first", "members", "neighbours"), counts_by_listing=True)

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        # The simple solver needs no other preparation than push and pop.
        solver = z3.SimpleSolver()
        takes = state(self.principles, solver)

        def descend(row: list[int], found: list[list[int]], number: int | None) -> None:
            if solver.check() != z3.sat:
                return
            if len(row) == len(takes):
                found.append(row)
                return
            for value, literal in enumerate(takes[len(row)]):
                if len(found) == number:
                    return
                solver.push()
                solver.add(literal)
                descend([*row, value], found, number)
                solver.pop()

        def listed(number: int | None) -> list[list[int]]:
            found: list[list[int]] = []
            descend([], found, number)
            return found

        return listed

    def membership(self) -> Callable[[Rows], Mask]:
        solver = z3.SimpleSolver()
        takes = state(self.principles, solver)

        def holds(row: Sequence[int]) -> bool:
            chosen = [values[value] for values, value in zip(takes, row, strict=True)]
            return bool(solver.check(*chosen) == z3.sat)

        return lambda rows: np.array([holds(row) for row in rows.tolist()])

    def neighbourhood(self) -> Callable[[Rows], list[int]]:
        members = self.membership()
        return lambda rows: [len(kept) for kept in kept_moves(self.space, rows, members)]
