"""The ask/tell protocol. To tell a searcher of a trial is to append it to the state's trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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

    `trials` are those of this search, in order. `taken` holds a key of every architecture already
    paid for, here or in an earlier search. `key` is the same for two architectures if one of them
    is enough: twins by default; with `str` only an architecture itself is not paid for twice.
    """

    subspace: Subspace
    trials: Sequence[Trial] = ()
    taken: frozenset[str] = frozenset()
    seed: tuple[int, ...] = (0,)
    key: Callable[[Architecture], str] = isomorphism_key

    def generator(self) -> np.random.Generator:
        """Random numbers that depend on the seed and on how many trials there are, only."""
        return np.random.default_rng([*self.seed, len(self.trials)])

    def is_fresh(self, architecture: Architecture) -> bool:
        """Whether nothing with the key of this architecture was paid for."""
        return self.key(architecture) not in self.taken

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
