"""Exactly uniform samples from a diagram, millions a second.

Every node chooses among its children in proportion to how many completions each has. The first
bits of a uniform u decide nearly always, by a table with one entry for each of their values; where
a boundary between two children falls inside that entry, more bits of the same u settle it: 53 at
once against boundaries in floating point that are known to 2^-40, and, where even that leaves
it open, exact integers. So no draw is rounded, whatever the size of the set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapt_rules.logic.diagram import Counts, Diagram, Table

_OPEN = np.uint32(0xFFFFFFFF)  # a table entry that the first bits do not decide
_MARGIN = 2.0**-40
_CHUNK = 1 << 16  # rows drawn together: few enough to stay in the cache
_TABLE_BITS = 22  # a level's table has at most this many bits of entries


@dataclass(frozen=True)
class _Level:
    """One level: child and value packed for each node and first bits, and what settles the rest."""

    bits: int
    packed: npt.NDArray[np.uint32]
    boundaries: npt.NDArray[np.float64]
    cumulative: Counts
    children: Table


class Sampler:
    """Draws rows of a set uniformly; the tables take at most `bits` bits of u, 1 to 8."""

    def __init__(self, diagram: Diagram, bits: int = 8) -> None:
        spread = diagram.spread()
        self._root = spread.root
        self._levels = [
            _level(table, cumulative, bits)
            for table, cumulative in zip(spread.tables, spread.cumulative, strict=True)
        ]

    def sample(self, number: int, generator: np.random.Generator) -> npt.NDArray[np.int8]:
        """`number` rows, drawn uniformly with replacement. Shape: number x variables."""
        rows = np.empty((len(self._levels), number), np.int8)
        for start in range(0, number, _CHUNK):
            self._draw(rows[:, start : start + _CHUNK], generator)
        return np.ascontiguousarray(rows.T)

    def _draw(self, rows: npt.NDArray[np.int8], generator: np.random.Generator) -> None:
        number = rows.shape[1]
        node = np.full(number, self._root, np.uint32)
        for values, level in zip(rows, self._levels, strict=True):
            first = np.frombuffer(generator.bytes(number), np.uint8) >> np.uint8(8 - level.bits)
            chosen = level.packed.take((node << np.uint32(level.bits)) | first)
            still_open = np.flatnonzero(chosen == _OPEN)
            if len(still_open):
                chosen[still_open] = _settle(level, node[still_open], first[still_open], generator)
            values[:] = chosen & np.uint32(0xFF)
            node = chosen >> np.uint32(8)


def _level(table: Table, cumulative: Counts, bits: int) -> _Level:
    """The tables of one level, from the children of its nodes and their cumulative counts."""
    bits = min(bits, max(1, _TABLE_BITS - len(table).bit_length()))
    width = 1 << bits
    total = cumulative[:, -1:].astype(np.float64)
    total[total == 0] = 1.0  # of nodes that are never reached
    boundaries = cumulative[:, :-1].astype(np.float64) / total
    exact = _on_edge(cumulative, width)
    # A boundary inside an entry leaves it open; one that lies exactly on its edge does not.
    margin = np.where(exact, 0, width * _MARGIN)
    low = np.floor(boundaries * width - margin).astype(np.int64)
    high = np.floor(boundaries * width + margin).astype(np.int64)
    edges = np.where(exact, np.rint(boundaries * width).astype(np.int64), high + 1)
    node = np.arange(len(table))[:, None].repeat(edges.shape[1], axis=1)
    passed = np.bincount(
        (node * (width + 1) + edges.clip(0, width)).reshape(-1), minlength=len(table) * (width + 1)
    )
    value = np.cumsum(passed.reshape(len(table), width + 1)[:, :-1], axis=1)
    child = np.take_along_axis(table, value, axis=1).astype(np.uint32)
    packed = (child << np.uint32(8)) | value.astype(np.uint32)
    for entry in (low, high):
        inside = ~exact & (entry >= 0) & (entry < width)
        packed[node[inside], entry[inside]] = _OPEN
    return _Level(bits, packed.reshape(-1), boundaries, cumulative, table)


def _on_edge(cumulative: Counts, width: int) -> npt.NDArray[np.bool_]:
    """Where a boundary is known to lie exactly on the edge of a table entry."""
    parts, total = cumulative[:, :-1], cumulative[:, -1:]
    at_end = (parts == 0) | (parts == total)
    small = (total > 0) & (total < 2**54)  # part * width stays within int64
    parts = np.where(small, parts, 1).astype(np.int64)
    total = np.where(small, total, 1).astype(np.int64)
    return np.asarray(at_end | (small & (parts * width % total == 0)), np.bool_)


def _settle(
    level: _Level,
    node: npt.NDArray[np.uint32],
    first: npt.NDArray[np.uint8],
    generator: np.random.Generator,
) -> npt.NDArray[np.uint32]:
    """Choose for draws whose first bits leave it open, with 53 more bits of the same u."""
    more = generator.integers(0, 1 << 53, len(node))
    u = (first + more / 2.0**53) / (1 << level.bits)
    difference = u[:, None] - level.boundaries[node]
    value = (difference >= 0).sum(axis=1)
    for i in np.flatnonzero((np.abs(difference) < _MARGIN).any(axis=1)):
        drawn = (int(first[i]) << 53) + int(more[i])
        value[i] = _settle_exactly(level.cumulative[node[i]], drawn, level.bits + 53, generator)
    child = level.children[node, value].astype(np.uint32)
    packed: npt.NDArray[np.uint32] = (child << np.uint32(8)) | value.astype(np.uint32)
    return packed


def _settle_exactly(
    cumulative: Counts, drawn: int, bits: int, generator: np.random.Generator
) -> int:
    """The value for a u known to lie in [drawn, drawn + 1) / 2^bits, in integers alone.

    u is refined by a uniform integer below the total; then u >= part / total is a comparison of
    integers.
    """
    total = int(cumulative[-1])
    refined = drawn * total + _below(total, generator)
    return sum(refined >= int(part) << bits for part in cumulative[:-1])


def _below(bound: int, generator: np.random.Generator) -> int:
    """A uniform integer from 0 to bound - 1, of any size."""
    bits = bound.bit_length()
    while True:  # ends: at least half of all draws are below the bound
        number = int.from_bytes(generator.bytes((bits + 7) // 8), "little") >> (-bits % 8)
        if number < bound:
            return number
