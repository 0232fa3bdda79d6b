"""numpy: draws blindly and keeps what the principles keep, many rows at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lapt_rules.bench.drawing import Drawing
from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic.arrays import Arrays, Mask, Rows
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.formula import Formula
from lapt_rules.subspace import kept_moves

CHUNK = 1 << 14  # rows evaluated together: few enough to stay in the cache


class NumpyRejection(Peer):
    about = About("numpy", ("samples", "members", "neighbours"))

    def _kept(self, rows: Rows, formulas: list[Formula]) -> Rows:
        """One principle after the other looks at what the others have left."""
        for formula in formulas:
            mask = Arrays(self.space, rows).holds(formula)
            if not mask.all():
                rows = rows[mask]
        return rows

    def sampler(self) -> Callable[[int], Rows]:
        drawing, generator = Drawing(self.space), np.random.default_rng(0)
        formulas = [principle.keeps for principle in self.principles.principles]
        example = drawing.rows(4096, generator)
        if not Arrays(self.space, example).holds(invariants(self.space)).all():
            formulas.insert(0, invariants(self.space))

        def sample(number: int) -> Rows:
            chunks = [min(CHUNK, number - start) for start in range(0, number, CHUNK)]
            kept = [self._kept(drawing.rows(size, generator), formulas) for size in chunks]
            return np.concatenate(kept)

        return sample

    def membership(self) -> Callable[[Rows], Mask]:
        def members(rows: Rows) -> Mask:
            arrays = Arrays(self.space, rows)
            return arrays.holds(invariants(self.space)) & arrays.holds(self.principles.keeps)

        return members

    def neighbourhood(self) -> Callable[[Rows], list[int]]:
        members = self.membership()
        return lambda rows: [len(kept) for kept in kept_moves(self.space, rows, members)]
