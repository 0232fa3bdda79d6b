"""The Author protocol: who writes principles from an archive, and adapts them to a new task.

An author answers with the text of a principle file and nothing else; the gate decides what becomes
of it. It is shown a `Brief`, which holds what the search has paid for and no other target value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lapt_rules.evaluate.evaluator import Archive
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.search.searcher import Trial
from lapt_rules.space import Space


@dataclass(frozen=True)
class Brief:
    """What an author may know.

    `archive` is of the source task; `trials` are those paid for on the target so far, `top` how
    many of the best of them Algorithm 2 shows (r), `principles` those in force, None at the start.
    `rounds` of search are over. `left` is how many evaluations the budget still holds, and `round`
    how many of them the next round of search spends; None where that is not known.
    """

    space: Space
    archive: Archive
    top: int
    population: int
    trials: Sequence[Trial] = ()
    principles: PrincipleSet | None = None
    rounds: int = 0
    left: int | None = None
    round: int | None = None

    @property
    def found(self) -> list[Trial]:
        """The best r trials, best first."""
        return sorted(self.trials, key=lambda trial: -trial.value)[: self.top]


class Author(Protocol):
    """Writes principle files for the space of a brief."""

    @property
    def name(self) -> str: ...

    def learn(self, brief: Brief) -> str:
        """Principles behind the archive (LAPT, learning stage)."""
        ...

    def update(self, brief: Brief) -> str:
        """The principles adapted to what was found: Algorithm 2, Base ≤ Best."""
        ...

    def explore(self, brief: Brief) -> str:
        """Principles that open what the current ones leave out: Algorithm 2, Base > Best."""
        ...
