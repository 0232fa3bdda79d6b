"""An exact set of architectures as a multi-valued decision diagram in numpy arrays.

One level a variable. Node 0 holds nothing and node 1 everything below it, on every level; the other
nodes of a level are rows of its table, which give the node of the next level for each value. A
diagram has tables only from `top` to the last variable that matters to it: above, its root waits;
below, everything is decided. Between the two no level is skipped (quasi-reduced), so the
algorithms run level by level on whole arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lapt_rules.errors import LimitError
from lapt_rules.logic.budget import Budget

Table: TypeAlias = npt.NDArray[np.int32]
"""Nodes x values: the child of each; rows 0 and 1 are the two nodes that every level has."""

Counts: TypeAlias = npt.NDArray[Any]
"""One number a node: int64 where all fit, Python integers where they do not."""

_FEW_NODES = 10_000  # and some for each node of the parts: then parts are joined at once
_SAFE = 2.0**62  # codes of int64 stay below this
_LARGEST = 2.0**63 * (1 - 1e-9)  # counts are int64 only while they are below this in floats


@dataclass(frozen=True, eq=False)
class Diagram:
    """A set of rows of values, for variables with `sizes` values each.

    `root` is a node of the level `top`, or 0 or 1 where nothing matters (`tables` is then empty).
    """

    sizes: tuple[int, ...]
    root: int
    top: int = 0
    tables: tuple[Table, ...] = field(default=(), repr=False)

    @property
    def bottom(self) -> int:
        """The level after the last that matters."""
        return self.top + len(self.tables)

    @property
    def nodes(self) -> int:
        """How many nodes it has, beside the two that every level has."""
        return sum(len(table) - 2 for table in self.tables)

    @property
    def is_empty(self) -> bool:
        return self.root == 0

    def complement(self) -> Diagram:
        """All rows that are not in the set."""
        if not self.tables:
            return Diagram(self.sizes, 1 - self.root)
        flip = np.array([1, 0], np.int32)
        tables = []
        for table in self.tables:
            swapped = np.where(table < 2, flip[table.clip(0, 1)], table).astype(np.int32)
            swapped[[0, 1]] = [[0], [1]]
            tables.append(swapped)
        return Diagram(self.sizes, self.root, self.top, tuple(tables))

    # ------------------------------------------------------------------------------- counting

    @cached_property
    def counts(self) -> tuple[Counts, ...]:
        """For each level from `top` to `bottom`: how many ways each node can be completed.

        0 for a node 1 that nothing leads to: it would often be far larger than all others.
        """
        below = 1
        for size in self.sizes[self.bottom :]:
            below *= size
        floats = self._counted(np.array([0, below], np.float64))
        fits = max(float(level.max()) for level in floats) < _LARGEST
        return self._counted(np.array([0, below], np.int64 if fits else object))

    def _counted(self, ends: Counts) -> tuple[Counts, ...]:
        """The counts of every level, in the kind of number that those of the two ends have."""
        reached = [self.root == 1]  # for each level, whether something leads to its node 1
        for table in self.tables[:-1]:
            reached.append(reached[-1] or bool((table[2:] == 1).any()))
        counts = [ends]
        for level in reversed(range(len(self.tables))):
            counts.append(counts[-1][self.tables[level]].sum(axis=1))
            counts[-1][1] *= reached[level]
        return tuple(reversed(counts))

    def count(self) -> int:
        """How many rows the set has: exact, whatever the size."""
        above = 1
        for size in self.sizes[: self.top]:
            above *= size
        return above * int(self.counts[0][self.root])

    @cached_property
    def cumulative(self) -> tuple[Counts, ...]:
        """For each level, node and value: the completions through this value or an earlier one."""
        tables = zip(self.tables, self.counts[1:], strict=True)
        return tuple(np.cumsum(below[table], axis=1) for table, below in tables)

    def value_counts(self) -> list[list[int]]:
        """For each variable and value of a spread diagram: how many rows take it, exactly."""
        found = []
        ways = np.zeros(len(self.tables[0]), self.counts[0].dtype)  # rows that lead to each node
        ways[self.root] = 1
        for table, below in zip(self.tables, self.counts[1:], strict=True):
            through = ways[:, None] * below[table]
            found.append([int(number) for number in through.sum(axis=0)])
            reached = np.zeros(len(below), below.dtype)
            np.add.at(reached, table, np.broadcast_to(ways[:, None], table.shape))
            ways = reached
        return found

    # --------------------------------------------------------------------------------- order

    def rank(self, values: Sequence[int]) -> int:
        """How many rows of a spread diagram come before one of its rows."""
        node, rank = self.root, 0
        for table, cumulative, value in zip(self.tables, self.cumulative, values, strict=True):
            if value:
                rank += int(cumulative[node, value - 1])
            node = int(table[node, value])
        return rank

    def unrank(self, positions: Counts) -> npt.NDArray[np.int8]:
        """The rows of a spread diagram at these positions. Shape: positions x variables."""
        rows = np.empty((len(self.tables), len(positions)), np.int8)
        node = np.full(len(positions), self.root, np.int32)
        left = positions.astype(self.cumulative[0].dtype)
        for level, (table, cumulative) in enumerate(zip(self.tables, self.cumulative, strict=True)):
            steps = cumulative[node]
            value = (steps <= left[:, None]).sum(axis=1)
            before = np.take_along_axis(steps, np.maximum(value - 1, 0)[:, None], axis=1)[:, 0]
            left = left - np.where(value > 0, before, 0)
            rows[level] = value
            node = table[node, value]
        return np.ascontiguousarray(rows.T)

    def first(self, number: int) -> npt.NDArray[np.int8]:
        """The first `number` rows of a spread diagram, or all of fewer, without counting any.

        The first beginnings are carried down level by level: each has a row below it, so that no
        more of them are needed than rows.
        """
        rows = np.empty((number if self.root else 0, 0), np.int8)[:1]
        node = np.full(len(rows), self.root, np.int32)
        for table in self.tables:
            children = table[node].reshape(-1)
            place = np.flatnonzero(children)[:number]
            before, value = np.divmod(place, table.shape[1])
            rows = np.column_stack([rows[before], value.astype(np.int8)])
            node = children[place]
        return rows

    # ----------------------------------------------------------------------------- membership

    def contains(self, rows: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
        """For each row, whether it is in the set."""
        node = np.full(len(rows), self.root, np.int32)
        columns = np.ascontiguousarray(rows.T[self.top : self.bottom])
        for table, values in zip(self.tables, columns, strict=True):
            node = table.reshape(-1).take(node * np.int32(table.shape[1]) + values)
        return np.asarray(node == 1)

    def holds(self, values: Sequence[int]) -> bool:
        """Whether one row is in the set."""
        node = self.root
        for table, value in zip(self.tables, values[self.top :], strict=False):
            node = int(table[node, value])
        return node == 1

    def spread(self) -> Diagram:
        """The same set with tables for every level, as walks from the first variable want."""
        if self.top == 0 and self.bottom == len(self.sizes):
            return self
        above, below = self.sizes[: self.top], self.sizes[self.bottom :]
        tables = []
        for level, size in enumerate(above):
            following = self.root if level + 1 == self.top else 2
            tables.append(level_table(np.full((1, size), following, np.int32)))
        root = 2 if above and self.root > 1 else self.root
        tables += self.tables
        tables += [level_table(np.empty((0, size), np.int32)) for size in below]
        return Diagram(self.sizes, root, 0, tuple(tables))


def constant(sizes: tuple[int, ...], value: bool) -> Diagram:
    return Diagram(sizes, int(value))


def choice(sizes: tuple[int, ...], variable: int, values: frozenset[int]) -> Diagram:
    """The rows whose `variable` takes one of `values`."""
    row = np.array([[int(value in values) for value in range(sizes[variable])]], np.int32)
    if row.min() == row.max():
        return constant(sizes, bool(row[0, 0]))
    return Diagram(sizes, 2, variable, (level_table(row),))


def intersection(parts: Sequence[Diagram], budget: Budget) -> Diagram:
    """The rows that are in every part."""
    return _joined(parts, lambda number: [*[False] * number, True], budget)


def union(parts: Sequence[Diagram], budget: Budget) -> Diagram:
    """The rows that are in some part."""
    return _joined(parts, lambda number: [False, *[True] * number], budget)


def near_first(parts: Iterable[Diagram]) -> list[Diagram]:
    """The parts in an order in which joins stay small: near ones and small ones first."""
    return sorted(parts, key=lambda part: (part.top, part.bottom, part.nodes))


def _joined(
    parts: Sequence[Diagram], accept: Callable[[int], list[bool]], budget: Budget
) -> Diagram:
    """Parts joined at once where that takes few nodes, else by halves, and else at once after all.

    At once is faster, and the rest of the parts keeps the nodes of any two few. But equal nodes are
    merged in the end only: what two parts make small may be too large until then.
    """
    if len(parts) < 3:
        return counting(parts, accept(len(parts)), budget)
    half = len(parts) // 2
    with suppress(LimitError):
        few = _FEW_NODES + 4 * sum(part.nodes for part in parts)
        return counting(parts, accept(len(parts)), budget, few)
    with suppress(LimitError):
        halves = [_joined(some, accept, budget) for some in (parts[:half], parts[half:])]
        return counting(halves, accept(2), budget)
    return counting(parts, accept(len(parts)), budget)


def counting(
    parts: Sequence[Diagram], accept: Sequence[bool], budget: Budget, most_nodes: int | None = None
) -> Diagram:
    """The rows for which `accept[k]` is true, where k is the number of parts that they are in.

    All parts are walked at once, level by level; a state is one node of each part, and it is
    decided as soon as every number of parts that is still possible has the same answer. Raises
    LimitError for more than `most_nodes`, or what the budget has.
    """
    sizes = parts[0].sizes if parts else ()
    certain = sum(part.root == 1 and not part.tables for part in parts)
    parts = [part for part in parts if part.tables]
    accepted = np.asarray(accept, np.bool_)[certain : certain + len(parts) + 1]
    if not parts:
        return constant(sizes, bool(accepted[0]))
    if accepted.all() or not accepted.any():
        return constant(sizes, bool(accepted[0]))
    if len(parts) == 1:
        return parts[0] if accepted[1] else parts[0].complement()
    before = np.concatenate([[0], np.cumsum(accepted)])  # how many k' < k are accepted
    top, bottom = min(p.top for p in parts), max(p.bottom for p in parts)
    states = np.array([[part.root] for part in parts], np.int32)
    tables: list[Table] = []
    total = 0
    for level in range(top, bottom):
        budget.spend(states.size * sizes[level])
        children = children_of(parts, states, level)
        inside = np.zeros(children.shape[1], np.int16)
        most = np.full(children.shape[1], len(parts), np.int16)
        for child in children:  # many short sums are slow along the other axis
            inside += child == 1
            most -= child == 0
        good = before[most + 1] - before[inside]
        possible = most - inside + 1
        ids = (good > 0).astype(np.int32)
        undecided = np.flatnonzero((good > 0) & (good < possible))
        radix = [width_at(part, level + 1) for part in parts]
        states, number = distinct_states(children[:, undecided], radix)
        ids[undecided] = number + np.int32(2)
        tables.append(level_table(ids.reshape(-1, sizes[level])))
        total += states.shape[1]
        budget.hold(total, most_nodes)
    return reduced(Diagram(sizes, 2, top, tuple(tables)))


def from_mask(sizes: tuple[int, ...], mask: npt.NDArray[np.bool_]) -> Diagram:
    """The rows marked in a mask over all of them, in order."""
    tables: list[Table] = []
    nodes = mask.astype(np.int32)
    for size in reversed(sizes):
        table, nodes = _merged(nodes.reshape(-1, size))
        tables.append(table)
    return _trimmed(Diagram(sizes, int(nodes[0]), 0, tuple(reversed(tables))))


def reduced(diagram: Diagram) -> Diagram:
    """The same set with equal nodes merged, and no level at either end that decides nothing."""
    tables: list[Table] = []
    renamed = np.array([0, 1], np.int32)
    for table in reversed(diagram.tables):
        merged, numbers = _merged(renamed[table[2:]])
        tables.append(merged)
        renamed = np.concatenate([np.array([0, 1], np.int32), numbers])
    root = int(renamed[diagram.root])
    return _trimmed(Diagram(diagram.sizes, root, diagram.top, tuple(reversed(tables))))


def _merged(rows: Table) -> tuple[Table, npt.NDArray[np.int32]]:
    """A level's table without equal nodes, and the node that each of its rows became."""
    first = rows[:, 0]
    is_open = (first > 1) | (rows != rows[:, :1]).any(axis=1)
    if is_open.all():
        kept, number = _distinct_rows(rows)
        return level_table(kept), number + np.int32(2)
    nodes = first.copy()
    kept, number = _distinct_rows(rows[is_open])
    nodes[is_open] = number + np.int32(2)
    return level_table(kept), nodes


def _trimmed(diagram: Diagram) -> Diagram:
    """A merged diagram without the levels at either end that decide nothing."""
    root, top, tables = diagram.root, diagram.top, list(diagram.tables)
    if root < 2:
        return constant(diagram.sizes, bool(root))
    while len(tables[-1]) == 2:
        tables.pop()
    while (tables[0][root] == tables[0][root, 0]).all():  # the first variable does not matter
        root = int(tables.pop(0)[root, 0])
        top += 1
    return Diagram(diagram.sizes, root, top, tuple(tables))


def level_table(rows: Table) -> Table:
    """A level's table from the rows of its own nodes."""
    table = np.empty((len(rows) + 2, rows.shape[1]), np.int32)
    table[0], table[1], table[2:] = 0, 1, rows
    return table


def width_at(part: Diagram, level: int) -> int:
    """How many nodes a part may stand at on a level."""
    if level < part.top:
        return part.root + 1
    return len(part.tables[level - part.top]) if level < part.bottom else 2


def children_of(parts: Sequence[Diagram], states: Table, level: int) -> Table:
    """For every state and value the nodes one level down.

    Shapes: parts x states, and parts x (states x values).
    """
    size = parts[0].sizes[level]
    children = np.empty((len(parts), states.shape[1], size), np.int32)
    for part, nodes, below in zip(parts, states, children, strict=True):
        if part.top <= level < part.bottom:
            np.take(part.tables[level - part.top], nodes, axis=0, out=below, mode="clip")
        else:
            below[:] = nodes[:, None]
    return children.reshape(len(parts), -1)


def distinct_states(states: Table, radix: Sequence[int]) -> tuple[Table, npt.NDArray[np.int32]]:
    """The different columns of `states`, and the number of each; row j is below radix[j]."""
    if states.shape[1] < 2:
        return states, np.zeros(states.shape[1], np.int32)
    code = states[0].astype(np.int64)
    bound = radix[0]
    for row, width in zip(states[1:], radix[1:], strict=True):
        if bound * width >= _SAFE:
            code = _sorted_out(code)[1].astype(np.int64)
            bound = int(code.max()) + 1
        code *= width
        code += row
        bound *= width
    first, number = _numbered(code, bound)
    return states[:, first], number


def _distinct_rows(rows: Table) -> tuple[Table, npt.NDArray[np.int32]]:
    """The different rows, and for each row its number: by hash, and verified."""
    if len(rows) < 2:
        return rows, np.zeros(len(rows), np.int32)
    mixed = rows.astype(np.uint64) @ _MULTIPLIERS[: rows.shape[1]]
    first, number = _sorted_out(mixed)
    kept = rows[first]
    if not (kept[number] == rows).all():  # two rows of one hash
        kept, inverse = np.unique(rows, axis=0, return_inverse=True)
        return kept, inverse.reshape(-1).astype(np.int32)
    return kept, number


def _sorted_out(codes: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Where some element of each code stands, codes in order, and the number of each element."""
    order = codes.argsort()
    is_new = np.empty(len(codes), np.bool_)
    is_new[0] = True
    ordered = codes[order]
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    number = np.empty(len(codes), np.int32)
    number[order] = is_new.cumsum(dtype=np.int32) - np.int32(1)
    return order[is_new], number


def _numbered(
    code: npt.NDArray[np.int64], bound: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """For different codes below `bound`: where each first stands, and the number of each code."""
    if bound > 8 * len(code) + 65_536:
        return _sorted_out(code)
    # A table of all codes beats sorting where they are dense.
    position = np.full(bound, -1, np.int64)
    position[code[::-1]] = np.arange(len(code) - 1, -1, -1)
    present = np.flatnonzero(position >= 0)
    number = np.empty(bound, np.int32)
    number[present] = np.arange(len(present), dtype=np.int32)
    return position[present], number[code]


_MULTIPLIERS = np.random.default_rng(0).integers(1, 2**63, 256, np.uint64) * np.uint64(
    2
) + np.uint64(1)
