"""OxiDD: binary decision diagrams in Rust, with exact counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lapt_rules.bench.bits import Bits
from lapt_rules.bench.circuit import Circuit
from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.bench.walks import Stepping, bits_of, listed
from lapt_rules.logic.arrays import Mask, Rows
from lapt_rules.logic.binding import invariants

NODES = 1 << 22
CACHED = 1 << 20


class _Oxidd(Bits):
    def __init__(self, sizes: Sequence[int]) -> None:
        from oxidd.bdd import BDDManager

        super().__init__(sizes)
        self.manager = BDDManager(NODES, CACHED, 1)
        self.manager.add_vars(self.bits)
        self.true, self.false = self.manager.true(), self.manager.false()
        self.each_bit = [self.manager.var(bit) for bit in range(self.bits)]

    def either(self, condition: Any, yes: Any, no: Any) -> Any:
        return condition.ite(yes, no)


class Oxidd(Peer):
    about = About("oxidd", ("count", "first", "members"))

    def _build(self) -> tuple[_Oxidd, Any]:
        algebra = _Oxidd([len(variable.values) for variable in self.space.variables])
        circuit = Circuit(self.space, algebra)
        kept = algebra.well_coded() & circuit.lower(invariants(self.space))
        for principle in self.principles.principles:
            kept = kept & circuit.lower(principle.keeps)
        return algebra, kept

    def count(self) -> int:
        algebra, kept = self._build()
        return int(kept.sat_count(algebra.bits))

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        algebra, kept = self._build()

        def children(node: Any) -> tuple[int, Any, Any]:
            level = node.node_level()
            cofactors = node.cofactors()
            assert level is not None
            assert cofactors is not None
            high, low = cofactors
            return level, low, high

        widths = tuple(algebra.widths)
        stepping = Stepping(kept, _itself, children, algebra.true, algebra.false, widths)
        return lambda number: listed(stepping, number)

    def membership(self) -> Callable[[Rows], Mask]:
        algebra, kept = self._build()

        def holds(row: Sequence[int]) -> bool:
            return bool(kept.eval(enumerate(map(bool, bits_of(row, algebra.widths)))))

        return lambda rows: np.array([holds(row) for row in rows.tolist()])


def _itself(node: Any) -> Any:
    return node
