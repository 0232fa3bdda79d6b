"""The ask/tell protocol. To tell a searcher of a trial is to append it to the state's trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from lapt_rules.network import isomorphism_key
from lapt_rules.space import Architecture
from lapt_rules.subspace import Subspace


@dataclass(frozen=True)
class Trial:
    """One evaluation that was paid for: higher values are better."""

    architecture: Architecture
    value: float
    iteration: int


@dataclass(frozen=True)
class SearchState:
    """All that a searcher may look at.

    `trials` are those of this search, in order. `taken` holds the isomorphism keys of every
    architecture already paid for, here or in an earlier search; None allows twins, and repeats.
    """

    subspace: Subspace
    trials: Sequence[Trial] = ()
    taken: frozenset[str] | None = frozenset()
    seed: tuple[int, ...] = field(default=(0,))

    def generator(self) -> np.random.Generator:
        """Random numbers that depend on the seed and on how many trials there are, only."""
        return np.random.default_rng([*self.seed, len(self.trials)])

    def is_fresh(self, architecture: Architecture) -> bool:
        """Whether neither the architecture nor a twin of it was paid for."""
        return self.taken is None or isomorphism_key(architecture) not in self.taken

    def fresh(self, architectures: Iterable[Architecture]) -> list[Architecture]:
        return [architecture for architecture in architectures if self.is_fresh(architecture)]


class Searcher(Protocol):
    """Proposes the next architecture of a subspace.

    Implementations are frozen dataclasses, and `ask` is a pure function: the same state, the same
    answer. So a run resumes by replaying its trials.
    """

    def ask(self, state: SearchState) -> Architecture | None:
        """The next architecture to evaluate; None where everything in the subspace is taken."""
        ...


def draw(state: SearchState, seed: Sequence[int]) -> Architecture | None:
    """The best fresh member by the preferences, ties broken uniformly at random.

    Looks at ever longer prefixes of the order, so it ends after the last member at the latest.
    """
    total = state.subspace.count()
    tie_break = int(np.random.default_rng(list(seed)).integers(2**63))
    seen, wanted = 0, 32
    while seen < total:
        for architecture in state.subspace.best(wanted, tie_break)[seen:]:
            if state.is_fresh(architecture):
                return architecture
        seen, wanted = wanted, 4 * wanted
    return None
