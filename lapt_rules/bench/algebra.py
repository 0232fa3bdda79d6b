"""What a peer tells the circuit about its own conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

Node = TypeVar("Node")


class Algebra(ABC, Generic[Node]):
    """What a peer can do with its conditions; `true` and `false` are the same object always.

    One that `has_sums` is asked for `at_least`; for the others sums are taken apart.
    """

    has_sums = False
    true: Node
    false: Node

    @abstractmethod
    def choice(self, variable: int, values: frozenset[int]) -> Node:
        """The variable takes one of these values."""

    @abstractmethod
    def negation(self, node: Node) -> Node: ...

    @abstractmethod
    def conjunction(self, nodes: Sequence[Node]) -> Node: ...

    def disjunction(self, nodes: Sequence[Node]) -> Node:
        return self.negation(self.conjunction([self.negation(node) for node in nodes]))

    def either(self, condition: Node, yes: Node, no: Node) -> Node:
        """`yes` where the condition holds, `no` elsewhere."""
        first = self.conjunction([condition, yes])
        return self.disjunction([first, self.conjunction([self.negation(condition), no])])

    def branch(self, variable: int, children: Sequence[Node]) -> Node:
        """The child of the value that the variable takes; there is one for each value."""
        chosen = [
            self.conjunction([self.choice(variable, frozenset({value})), child])
            for value, child in enumerate(children)
            if child is not self.false
        ]
        return self.disjunction(chosen)

    def at_least(self, terms: Sequence[tuple[int, Node]], bound: int) -> Node:
        """Σ weight · node >= bound, with positive weights."""
        raise NotImplementedError
