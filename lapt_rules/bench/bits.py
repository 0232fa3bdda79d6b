"""Variables of several values in bits, for peers that decide yes or no."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from lapt_rules.bench.algebra import Algebra, Node


class Bits(Algebra[Node]):
    """An algebra over bits: each variable has as many as its values need, the highest first.

    Codes beyond the last value stand for nothing; `well_coded` says that none is taken.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self.widths = [max(1, (size - 1).bit_length()) for size in sizes]
        self.first = [sum(self.widths[:variable]) for variable in range(len(sizes))]
        self.bits = sum(self.widths)
        self._choices: dict[tuple[int, frozenset[int]], Node] = {}

    @abstractmethod
    def bit(self, number: int) -> Node:
        """The condition that a bit is set."""

    def choice(self, variable: int, values: frozenset[int]) -> Node:
        key = variable, values
        if key not in self._choices:
            taken = [self.true if v in values else self.false for v in range(self.sizes[variable])]
            codes = 1 << self.widths[variable]
            # Unlike in a branch, codes beyond the last value are `false` here.
            taken += [self.false] * (codes - len(taken))
            self._choices[key] = self._by_bits(self.first[variable], taken)
        return self._choices[key]

    def branch(self, variable: int, children: Sequence[Node]) -> Node:
        spare = (1 << self.widths[variable]) - len(children)
        return self._by_bits(self.first[variable], [*children, *[children[-1]] * spare])

    def _by_bits(self, bit: int, children: Sequence[Node]) -> Node:
        if len(children) == 1:
            return children[0]
        half = len(children) // 2
        high = self._by_bits(bit + 1, children[half:])
        low = self._by_bits(bit + 1, children[:half])
        return low if high == low else self.either(self.bit(bit), high, low)

    def well_coded(self) -> Node:
        """Every variable takes one of its values."""
        odd = [v for v, size in enumerate(self.sizes) if size & (size - 1) or size == 1]
        return self.conjunction([self.choice(v, frozenset(range(self.sizes[v]))) for v in odd])
