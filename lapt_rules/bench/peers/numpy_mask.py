"""numpy on a space that fits into memory: every row is looked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.formula import And


class NumpyMask(Peer):
    about = About("numpy, all rows", ("count", "first", "samples"), largest_space=1 << 20)

    def _kept(self) -> Rows:
        rows = _all_rows(tuple(len(variable.values) for variable in self.space.variables))
        both = And((invariants(self.space), self.principles.keeps))
        return rows[Arrays(self.space, rows).holds(both)]

    def count(self) -> int:
        return len(self._kept())

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        kept = self._kept()

        def listed(number: int | None) -> Sequence[Sequence[int]]:
            rows: list[list[int]] = kept[:number].tolist()
            return rows

        return listed

    def sampler(self) -> Callable[[int], Rows]:
        kept, generator = self._kept(), np.random.default_rng(0)
        return lambda number: kept[generator.integers(0, len(kept), number)]


@cache
def _all_rows(sizes: tuple[int, ...]) -> Rows:
    return np.ascontiguousarray(np.indices(sizes, np.int8).reshape(len(sizes), -1).T)
