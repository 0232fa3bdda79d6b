"""What a search needs to know of whoever rates its candidates, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lapt_rules.space import Architecture, Space


class Evaluator(Protocol):
    """Rates one architecture at a time; every call is an evaluation that the search pays for."""

    @property
    def name(self) -> str:
        """What is measured, for people: the table or task."""
        ...

    def evaluate(self, architecture: Architecture) -> float:
        """The value of an architecture; higher is better."""
        ...


@dataclass(frozen=True)
class Rated:
    """An architecture with the value it was found to have."""

    architecture: Architecture
    value: float


@dataclass(frozen=True)
class Archive:
    """Top architectures of a *source* task, best first: all that principles are learned from.

    `origin` tells people which task that was; `fingerprint` tells a run whether it is the target.
    """

    space: Space
    members: tuple[Rated, ...]
    origin: str
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.members)

    @property
    def architectures(self) -> Sequence[Architecture]:
        return [member.architecture for member in self.members]
