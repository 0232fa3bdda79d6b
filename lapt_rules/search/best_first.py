"""Best-first search: the architectures in the order of their `prefer` weights."""

from __future__ import annotations

from dataclasses import dataclass

from lapt_rules.search.searcher import SearchState, draw
from lapt_rules.space import Architecture


@dataclass(frozen=True)
class BestFirst:
    """The highest-scoring member that is not taken; equal scores in an order drawn by the seed.

    Where a principle set prefers nothing all scores are equal, and this is a uniform draw without
    replacement.
    """

    def ask(self, state: SearchState) -> Architecture | None:
        return draw(state, state.seed)
