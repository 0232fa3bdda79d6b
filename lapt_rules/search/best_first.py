"""Best-first search: the architectures in the order of their `prefer` weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapt_rules.search.searcher import SearchState
from lapt_rules.space import Architecture


@dataclass(frozen=True)
class BestFirst:
    """The highest-scoring member that is not taken; equal scores in an order drawn by the seed.

    Where a principle set prefers nothing all scores are equal, and this is a uniform draw without
    replacement.
    """

    def ask(self, state: SearchState) -> Architecture | None:
        total = state.subspace.count()
        tie_break = int(np.random.default_rng(state.seed).integers(2**63))
        seen, wanted = 0, 32
        while seen < total:  # ever longer prefixes of the order: it ends with the last member
            for architecture in state.subspace.best(wanted, tie_break)[seen:]:
                if state.is_fresh(architecture):
                    return architecture
            seen, wanted = wanted, 4 * wanted
        return None
