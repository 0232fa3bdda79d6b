"""What one check may take, in work done and not in seconds.

A principle set is checked with one budget, which is handed to everything that is asked of it. It
counts what the engines do, so that the same question ends with the same answer on every machine,
fast or slow, and a run can be replayed.
"""

from __future__ import annotations

from lapt_rules.errors import LimitError

MAX_NODES = 1_000_000
"""Nodes of one diagram."""

MAX_STEPS = 200_000_000
"""Numbers that all diagrams together write into arrays: some 5 to 10 seconds of work."""

MAX_RESOURCES = 30_000_000
"""What Z3 may use for all questions, in the resources that it counts (`rlimit`): the same."""

MAX_CELLS = 1 << 25
"""The largest array, in numbers, that one step may make: about a quarter of a gigabyte."""

_LEVEL = 2_000
"""What a level of a diagram takes beside its numbers: as much time as so many of them."""

_EXPRESSION = 500
"""What it takes to state one expression in Z3: as much time as so many of its resources."""


class Budget:
    """What is left of the `steps` of the diagrams and of the `resources` of Z3.

    LimitError names what went beyond.
    """

    def __init__(
        self,
        steps: int = MAX_STEPS,
        nodes: int = MAX_NODES,
        resources: int = MAX_RESOURCES,
    ) -> None:
        self.steps = steps
        self.nodes = nodes
        self.resources = resources
        self.subject = "the principles"
        self._allowed = steps

    def spend(self, cells: int) -> None:
        """Take off one level of a diagram, before an array of so many numbers is made for it."""
        self.steps -= _LEVEL + cells
        if cells > MAX_CELLS:
            raise self._beyond("more memory than allowed")
        if self.steps < 0:
            raise self._beyond(f"more than {self._allowed:,} steps")

    def hold(self, nodes: int, most: int | None = None) -> None:
        """Raise where one diagram has more nodes than allowed, or than `most`."""
        most = self.nodes if most is None else min(most, self.nodes)
        if nodes > most:
            raise self._beyond(f"more than {most:,} nodes")

    def _beyond(self, what: str) -> LimitError:
        return LimitError(
            f"compiling {self.subject} exactly takes {what}",
            "drop it or weaken it; where it sums a finely graded cost, round the bound",
        )

    def state(self, expressions: int) -> None:
        """Take off what it takes to state so many expressions in Z3."""
        self.resources -= _EXPRESSION * expressions
        if self.resources < 0:
            raise LimitError(
                "to state these principles in Z3 takes more than a check may take",
                "nest fewer quantifiers, or drop some of the principles",
            )
