"""dd: CUDD's binary decision diagrams where the wheel has them, else those in pure Python.

The count that dd takes from CUDD is a float, wrong in its last digits beyond 2^53; so this peer
counts exactly, node by node, as its users must.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from lapt_rules.bench.bits import Bits
from lapt_rules.bench.circuit import Circuit
from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.bench.walks import Counted, Stepping, listed
from lapt_rules.logic.arrays import Mask, Rows
from lapt_rules.logic.binding import invariants
from lapt_rules.subspace import kept_moves

MEMORY = 4 << 30


def is_cudd() -> bool:
    return find_spec("dd") is not None and find_spec("dd.cudd") is not None


class _Dd(Bits):
    def __init__(self, sizes: Sequence[int], cudd: bool) -> None:
        super().__init__(sizes)
        if cudd:
            import dd.cudd

            self.manager = dd.cudd.BDD(memory_estimate=MEMORY)
        else:
            import dd.autoref

            self.manager = dd.autoref.BDD()
        self.manager.configure(reordering=False)  # the order of the space is a good one
        names = [f"b{bit}" for bit in range(self.bits)]
        self.manager.declare(*names)
        self.true, self.false = self.manager.true, self.manager.false
        self.each_bit = [self.manager.var(name) for name in names]

    def either(self, condition: Any, yes: Any, no: Any) -> Any:
        return self.manager.ite(condition, yes, no)


class Dd(Peer):
    about = About(
        "dd CUDD" if is_cudd() else "dd autoref",
        ("count", "first", "samples", "members", "neighbours"),
    )

    def _build(self) -> Stepping[Any]:
        algebra = _Dd([len(variable.values) for variable in self.space.variables], is_cudd())
        circuit = Circuit(self.space, algebra)
        kept = algebra.well_coded() & circuit.lower(invariants(self.space))
        for principle in self.principles.principles:
            kept = kept & circuit.lower(principle.keeps)
        manager = algebra.manager

        def children(node: Any) -> tuple[int, Any, Any]:
            bit, low, high = manager.succ(node)
            return (bit, ~low, ~high) if node.negated else (bit, low, high)

        return Stepping(
            kept, int, children, int(algebra.true), int(algebra.false), tuple(algebra.widths)
        )

    def count(self) -> int:
        return Counted(self._build()).total

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        stepping = self._build()
        return lambda number: listed(stepping, number)

    def sampler(self) -> Callable[[int], Rows]:
        counted, generator = Counted(self._build()), random.Random(0)  # noqa: S311
        return lambda number: np.array(counted.draw(number, generator), np.int8)

    def membership(self) -> Callable[[Rows], Mask]:
        counted = Counted(self._build())
        return lambda rows: np.array([counted.holds(row) for row in rows.tolist()])

    def neighbourhood(self) -> Callable[[Rows], list[int]]:
        members = self.membership()
        return lambda rows: [len(kept) for kept in kept_moves(self.space, rows, members)]
