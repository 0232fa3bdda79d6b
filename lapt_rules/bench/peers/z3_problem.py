"""A principle set as Z3's own users would state it: one-hot Booleans and pseudo-Boolean sums.

For listing what can be satisfied this is the fastest form known to us; for deciding infeasible sums
it is not, which is why `lapt_rules.logic.smt` has another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import z3

from lapt_rules.bench.algebra import Algebra
from lapt_rules.bench.circuit import Circuit
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.principles import PrincipleSet


class Z3Algebra(Algebra[Any]):
    has_sums = True

    def __init__(self, sizes: Sequence[int]) -> None:
        self.true, self.false = z3.BoolVal(True), z3.BoolVal(False)
        self.takes = [
            [z3.Bool(f"v{number}={value}") for value in range(size)]
            for number, size in enumerate(sizes)
        ]

    def choice(self, variable: int, values: frozenset[int]) -> Any:
        takes = self.takes[variable]
        if len(values) == len(takes):
            return self.true
        return self.disjunction([takes[value] for value in sorted(values)])

    def negation(self, node: Any) -> Any:
        if node is self.true or node is self.false:
            return self.false if node is self.true else self.true
        return z3.Not(node)

    def conjunction(self, nodes: Sequence[Any]) -> Any:
        parts = [node for node in nodes if node is not self.true]
        if any(part is self.false for part in parts):
            return self.false
        return z3.And(*parts) if len(parts) > 1 else parts[0] if parts else self.true

    def disjunction(self, nodes: Sequence[Any]) -> Any:
        parts = [node for node in nodes if node is not self.false]
        if any(part is self.true for part in parts):
            return self.true
        return z3.Or(*parts) if len(parts) > 1 else parts[0] if parts else self.false

    def at_least(self, terms: Sequence[tuple[int, Any]], bound: int) -> Any:
        return z3.PbGe([(node, weight) for weight, node in terms], bound)


def state(principles: PrincipleSet, solver: Any) -> list[list[Any]]:
    """Put a principle set into a solver; the literal of each variable and value."""
    space = principles.space
    algebra = Z3Algebra([len(variable.values) for variable in space.variables])
    circuit = Circuit(space, algebra)
    for takes in algebra.takes:
        solver.add(z3.PbEq([(literal, 1) for literal in takes], 1))
    solver.add(circuit.lower(invariants(space)))
    for principle in principles.principles:
        solver.add(circuit.lower(principle.keeps))
    return algebra.takes
