"""Conditions as literals with clauses that define them, for peers that read CNF.

Every literal that is added is defined in both directions, so that a solution is settled by the
values of the variables and no architecture is found twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from lapt_rules.bench.algebra import Algebra


class Clauses(Algebra[int]):
    """Literals are numbers from 1, a negated one is negative; literal 1 is true.

    Variables are one-hot: `takes[v][value]` is the literal for each value of variable v.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.literals = 0
        self.clauses: list[list[int]] = []
        self._known: dict[tuple[int, ...], int] = {}
        self.true = self.new()
        self.false = -self.true
        self.clause([self.true])
        self.takes = [[self.new() for _ in range(size)] for size in sizes]
        for values in self.takes:
            self.exactly_one(values)

    def new(self) -> int:
        self.literals += 1
        return self.literals

    def clause(self, literals: Sequence[int]) -> None:
        self.clauses.append(list(literals))

    def exactly_one(self, literals: Sequence[int]) -> None:
        self.clause(literals)
        for index, literal in enumerate(literals):
            for other in literals[index + 1 :]:
                self.clause([-literal, -other])

    def choice(self, variable: int, values: frozenset[int]) -> int:
        takes = self.takes[variable]
        if 2 * len(values) <= len(takes):
            return self.disjunction([takes[value] for value in sorted(values)])
        others = [takes[value] for value in range(len(takes)) if value not in values]
        return -self.disjunction(others)

    def negation(self, node: int) -> int:
        return -node

    def conjunction(self, nodes: Sequence[int]) -> int:
        parts = tuple(sorted(set(nodes) - {self.true}))
        if self.false in parts or any(-part in parts for part in parts):
            return self.false
        if len(parts) < 2:
            return parts[0] if parts else self.true
        if parts not in self._known:
            both = self.new()
            for part in parts:
                self.clause([-both, part])
            self.clause([both, *(-part for part in parts)])
            self._known[parts] = both
        return self._known[parts]

    def branch(self, variable: int, children: Sequence[int]) -> int:
        if len(set(children)) == 1:
            return children[0]
        key = (0, variable, *children)
        if key not in self._known:
            node = self.new()
            for value, child in enumerate(children):
                takes = self.takes[variable][value]
                if child != self.true:
                    self.clause([-takes, -node, child])
                else:
                    self.clause([-takes, node])
                if child != self.false and child != self.true:
                    self.clause([-takes, node, -child])
            self._known[key] = node
        return self._known[key]

    def require(self, node: int) -> None:
        self.clause([node])
