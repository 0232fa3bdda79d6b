"""Random search: Li and Talwalkar, UAI 2019, the baseline that every searcher must beat."""

from __future__ import annotations

from dataclasses import dataclass

from lapt_rules.search.searcher import SearchState
from lapt_rules.space import Architecture

_DRAWS = 64


@dataclass(frozen=True)
class RandomSearch:
    """Uniform over the members of the subspace that are not taken."""

    def ask(self, state: SearchState) -> Architecture | None:
        generator = state.generator()
        for _ in range(_DRAWS if state.subspace.count() > _DRAWS else 0):
            drawn = state.subspace.sample(1, int(generator.integers(2**63)))[0]
            if state.is_fresh(drawn):
                return drawn
        # Nearly everything is taken: list what is left, and draw from that.
        left = state.fresh(state.subspace)
        return left[int(generator.integers(len(left)))] if left else None
