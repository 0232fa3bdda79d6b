"""What the bench asks of a peer, and of our own engine in the same words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lapt_rules.logic.arrays import Mask, Rows
from lapt_rules.logic.principles import PrincipleSet

QUESTIONS = {
    "fresh": "The first count in a new process, the space itself included",
    "count": "Exact count from the principles",
    "again": "Exact count of the same file with other numbers",
    "first": "The first 1,000 architectures, or all of fewer",
    "samples": "Uniform draws",
    "members": "Rows whose membership is decided",
    "neighbours": "Architectures whose neighbours in the set are listed",
    "explain": "Excluded architectures explained by the principles that reject them",
}
"""What is measured, and what the tables call it."""

TIMED = ("fresh", "count", "again", "first")
"""Questions that take a time; the others have a rate."""

ONE_SHOT = ("fresh", "count", "again")
"""Questions asked in a process of their own: nothing is left over from an earlier answer."""


@dataclass(frozen=True)
class About:
    """A peer as the command line and the tables show it.

    Where it counts by listing, only sets small enough for that are counted.
    """

    title: str
    questions: tuple[str, ...]
    counts_by_listing: bool = False
    largest_space: int | None = None


class Peer:
    """One engine with one principle set; building it does no work that a question should pay for.

    A question that is not in `about.questions` is never asked.
    """

    about: ClassVar[About]

    def __init__(self, principles: PrincipleSet) -> None:
        self.principles = principles
        self.space = principles.space

    def count(self) -> int:
        """The exact number, from the formulas: everything that it takes is built anew."""
        return len(self.lister()(None))

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        """What gives the values of so many different members, or of all, once all is built.

        It is called once.
        """
        raise NotImplementedError

    def sampler(self) -> Callable[[int], Rows]:
        """What draws members, once all is built.

        A call attempts that many draws; the rows that it gives, fewer where it rejects, count.
        """
        raise NotImplementedError

    def membership(self) -> Callable[[Rows], Mask]:
        """What says of each row whether it is kept, once all is built."""
        raise NotImplementedError

    def neighbourhood(self) -> Callable[[Rows], list[int]]:
        """What lists the members one move away from each row and tells how many they are."""
        raise NotImplementedError

    def explainer(self) -> Callable[[Rows], Sequence[Sequence[str]]]:
        """What names for each row the principles that reject it, once all is built."""
        raise NotImplementedError
