"""Sums as decision graphs: one node for all partial sums that leave the same choice.

This is the construction of Abío et al., A New Look at BDDs for Pseudo-Boolean Constraints, JAIR
2012: every node is kept with the interval of bounds that it stands for, so that the graph is
reduced as it is built.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

from lapt_rules.bench.algebra import Algebra, Node


@dataclass(frozen=True)
class Item(Generic[Node]):
    """One part of a sum: a weight for each value of some variables, or of a ladder of conditions.

    Of several variables the last varies fastest, with `sizes` values each. On a ladder,
    `steps[k - 1]` says that the value is k at least.
    """

    weights: tuple[int, ...]
    variables: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    steps: tuple[Node, ...] = ()


class Sums(Generic[Node]):
    """The decision graph of one sum: item by item, one node for all bounds that mean the same."""

    def __init__(self, algebra: Algebra[Node], items: Sequence[Item[Node]]) -> None:
        self._algebra = algebra
        self._items = items
        self._most = [0]
        for item in reversed(items):
            self._most.append(self._most[-1] + max(item.weights))
        self._most.reverse()
        self._lows: list[list[int]] = [[] for _ in items]
        self._found: list[list[tuple[Node, int, int]]] = [[] for _ in items]

    def at_least(self, bound: int) -> Node:
        return self._node(0, bound)[0]

    def _node(self, level: int, bound: int) -> tuple[Node, int, int]:
        """Σ of the items from `level` on >= bound, and the least and greatest bound it means."""
        far = 1 << 62
        if bound <= 0:
            return self._algebra.true, -far, 0
        if bound > self._most[level]:
            return self._algebra.false, self._most[level] + 1, far
        place = bisect_right(self._lows[level], bound) - 1
        if place >= 0 and bound <= self._found[level][place][2]:
            return self._found[level][place]
        item = self._items[level]
        below = {w: self._node(level + 1, bound - w) for w in dict.fromkeys(item.weights)}
        low = max(child[1] + weight for weight, child in below.items())
        high = min(child[2] + weight for weight, child in below.items())
        entry = self._joined(item, {w: child[0] for w, child in below.items()}), low, high
        place = bisect_right(self._lows[level], low)
        self._lows[level].insert(place, low)
        self._found[level].insert(place, entry)
        return entry

    def _joined(self, item: Item[Node], below: dict[int, Node]) -> Node:
        children: list[Any] = [below[weight] for weight in item.weights]
        if all(child == children[0] for child in children):
            return below[item.weights[0]]
        if item.variables:
            for variable, size in zip(reversed(item.variables), reversed(item.sizes), strict=True):
                groups = range(0, len(children), size)
                children = [self._branch(variable, children[i : i + size]) for i in groups]
            only: Node = children[0]
            return only
        node = children[0]
        for before, child, step in zip(children, children[1:], item.steps, strict=False):
            if child != before:
                node = self._algebra.either(step, child, node)
        result: Node = node
        return result

    def _branch(self, variable: int, children: Sequence[Node]) -> Node:
        if all(child == children[0] for child in children):
            return children[0]
        return self._algebra.branch(variable, children)
