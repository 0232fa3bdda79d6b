"""Variables of several values in bits, for the libraries of binary decision diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lapt_rules.bench.algebra import Algebra


class Bits(Algebra[Any]):
    """An algebra over bits: each variable has as many as its values need, the highest first.

    Nodes are objects of a library with `~`, `&` and `|`; `each_bit` are those of the bits.

    Codes beyond the last value stand for nothing; `well_coded` says that none is taken.
    """

    each_bit: Sequence[Any]

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self.widths = [max(1, (size - 1).bit_length()) for size in sizes]
        self.first = [sum(self.widths[:variable]) for variable in range(len(sizes))]
        self.bits = sum(self.widths)
        self._choices: dict[tuple[int, frozenset[int]], Any] = {}

    def negation(self, node: Any) -> Any:
        return ~node

    def conjunction(self, nodes: Sequence[Any]) -> Any:
        result = self.true
        for node in nodes:
            result = result & node
        return result

    def disjunction(self, nodes: Sequence[Any]) -> Any:
        result = self.false
        for node in nodes:
            result = result | node
        return result

    def choice(self, variable: int, values: frozenset[int]) -> Any:
        key = variable, values
        if key not in self._choices:
            taken = [self.true if v in values else self.false for v in range(self.sizes[variable])]
            codes = 1 << self.widths[variable]
            # Unlike in a branch, codes beyond the last value are `false` here.
            taken += [self.false] * (codes - len(taken))
            self._choices[key] = self._by_bits(self.first[variable], taken)
        return self._choices[key]

    def branch(self, variable: int, children: Sequence[Any]) -> Any:
        spare = (1 << self.widths[variable]) - len(children)
        return self._by_bits(self.first[variable], [*children, *[children[-1]] * spare])

    def _by_bits(self, bit: int, children: Sequence[Any]) -> Any:
        if len(children) == 1:
            return children[0]
        half = len(children) // 2
        high = self._by_bits(bit + 1, children[half:])
        low = self._by_bits(bit + 1, children[:half])
        return low if high == low else self.either(self.each_bit[bit], high, low)

    def well_coded(self) -> Any:
        """Every variable takes one of its values."""
        odd = [v for v, size in enumerate(self.sizes) if size & (size - 1) or size == 1]
        return self.conjunction([self.choice(v, frozenset(range(self.sizes[v]))) for v in odd])
