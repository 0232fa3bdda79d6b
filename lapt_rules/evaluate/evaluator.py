"""What a search needs to know of whoever rates its candidates, and no more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lapt_rules.errors import ArchitectureError, TableError
from lapt_rules.space import Architecture, Space


@runtime_checkable
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
class Objective:
    """A function of an architecture as an Evaluator.

    >>> Objective(len).name
    'len'
    """

    function: Callable[[Architecture], float]

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def evaluate(self, architecture: Architecture) -> float:
        return self.function(architecture)


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

    @classmethod
    def of(cls, rated: Iterable[Rated], origin: str = "a list") -> Archive:
        """The archive of architectures that were rated elsewhere, given in any order.

        Raises ArchitectureError for architectures of several spaces or none, and TableError for a
        value that is not finite.

        >>> from lapt_rules.space import load_space
        >>> space = load_space("trans101")
        >>> found = [Rated(space.parse("0_00_003"), 0.4), Rated(space.parse("3_33_333"), 0.9)]
        >>> [str(member.architecture) for member in Archive.of(found).members]
        ['64-41414-3_33_333', '64-41414-0_00_003']
        """
        members = sorted(rated, key=lambda member: -member.value)
        spaces = {member.architecture.space for member in members}
        if len(spaces) != 1:
            names = ", ".join(sorted(space.name for space in spaces)) or "none"
            fix = "give rated architectures of one space"
            raise ArchitectureError(f"an archive is of one space; these are of {names}", fix)
        for member in members:
            if not math.isfinite(member.value):
                message = f"{member.architecture}: the value is {member.value}"
                raise TableError(message, "correct or remove the entry")
        return cls(spaces.pop(), tuple(members), origin)

    @classmethod
    def empty(cls, space: Space) -> Archive:
        """The archive of a run that has no source."""
        return cls(space, (), "no source")

    def __len__(self) -> int:
        return len(self.members)

    @property
    def architectures(self) -> Sequence[Architecture]:
        return [member.architecture for member in self.members]
