"""What a Python program does with a binary decision diagram that it can only step through.

The libraries of decision diagrams count and join; listing, exact counts where theirs are floats,
membership and uniform draws are left to their users, who walk the nodes like this.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Handle = TypeVar("Handle")

Step = tuple[int, Hashable, Hashable, int, int]
"""A node's bit, its low and high child, and how many rows each of the two has below that bit."""


@dataclass(frozen=True)
class Stepping(Generic[Handle]):
    """How to step through a diagram: `children` gives a node's bit, low child and high child."""

    root: Handle
    key: Callable[[Handle], Hashable]
    children: Callable[[Handle], tuple[int, Handle, Handle]]
    true: Hashable
    false: Hashable
    widths: tuple[int, ...]
    """Bits of each variable, which stand one after the other, the highest first."""

    @property
    def bits(self) -> int:
        return sum(self.widths)


def listed(stepping: Stepping[Handle], number: int | None) -> list[list[int]]:
    """The values of the first rows, in the order of the bits; steps to no node without need."""
    found: list[list[int]] = []
    known: dict[Hashable, tuple[int, Handle, Handle]] = {}
    row = [0] * stepping.bits

    def descend(node: Handle, bit: int) -> None:
        key = stepping.key(node)
        if key == stepping.false or len(found) == number:
            return
        if bit == len(row):
            found.append(_values(row, stepping.widths))
            return
        if key != stepping.true and key not in known:
            known[key] = stepping.children(node)
        own, low, high = known[key] if key != stepping.true else (len(row), node, node)
        for value, child in enumerate((low, high) if own == bit else (node, node)):
            row[bit] = value
            descend(child, bit + 1)

    descend(stepping.root, 0)
    return found


class Counted:
    """A diagram with exact counts at every node, in Python integers."""

    def __init__(self, stepping: Stepping[Handle]) -> None:
        self._true, self._false = stepping.true, stepping.false
        self._bits = stepping.bits
        self._widths = stepping.widths
        self._root = stepping.key(stepping.root)
        self._steps: dict[Hashable, Step] = {}
        counts: dict[Hashable, int] = {self._true: 1, self._false: 0}
        levels: dict[Hashable, int] = {self._true: self._bits, self._false: self._bits}
        stack = [stepping.root]
        while stack:
            node = stack[-1]
            key = stepping.key(node)
            if key in counts:
                stack.pop()
                continue
            bit, low, high = stepping.children(node)
            low_key, high_key = stepping.key(low), stepping.key(high)
            if low_key in counts and high_key in counts:
                stack.pop()
                below = counts[low_key] << (levels[low_key] - bit - 1)
                above = counts[high_key] << (levels[high_key] - bit - 1)
                self._steps[key] = bit, low_key, high_key, below, above
                counts[key], levels[key] = below + above, bit
            else:
                stack += [child for child in (low, high) if stepping.key(child) not in counts]
        self._counts = counts
        self.total = counts[self._root] << levels[self._root]

    def holds(self, values: Sequence[int]) -> bool:
        row = bits_of(values, self._widths)
        node = self._root
        while node in self._steps:
            bit, low, high, _, _ = self._steps[node]
            node = high if row[bit] else low
        return node == self._true

    def draw(self, number: int, generator: random.Random) -> list[list[int]]:
        """Uniform rows: one random integer each, the position of the row, is taken apart."""
        counts, steps, widths = self._counts, self._steps, self._widths
        rows = []
        for _ in range(number):
            left = generator.randrange(self.total)
            row = [0] * self._bits
            node, reached = self._root, 0
            while True:
                step = steps.get(node)
                bit = step[0] if step else self._bits
                if bit > reached:  # bits that do not matter here take any value
                    free, left = divmod(left, counts[node])
                    for place in range(reached, bit):
                        row[place] = free & 1
                        free >>= 1
                if not step:
                    break
                below = step[3]
                if left < below:
                    node = step[1]
                else:
                    left -= below
                    row[bit] = 1
                    node = step[2]
                reached = bit + 1
            rows.append(_values(row, widths))
        return rows


def _values(row: Sequence[int], widths: Sequence[int]) -> list[int]:
    values, place = [], 0
    for width in widths:
        value = 0
        for bit in row[place : place + width]:
            value = value << 1 | bit
        values.append(value)
        place += width
    return values


def bits_of(values: Sequence[int], widths: Sequence[int]) -> list[int]:
    """The bits of each value, the highest first."""
    return [
        value >> (width - 1 - place) & 1
        for value, width in zip(values, widths, strict=True)
        for place in range(width)
    ]
