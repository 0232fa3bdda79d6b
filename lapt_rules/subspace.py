"""The refined subspace Ω_r: the exact set of architectures that principles keep, at any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt

from lapt_rules.errors import (
    ArchitectureError,
    LimitError,
    RunError,
)
from lapt_rules.logic.arrays import Arrays, Mask, Rows, scores
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.budget import Budget
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.diagram import Diagram
from lapt_rules.logic.formula import TRUE, And, Formula
from lapt_rules.logic.principles import Preference
from lapt_rules.logic.ranking import Ranking
from lapt_rules.logic.sampling import Sampler
from lapt_rules.logic.scoring import Score
from lapt_rules.logic.weighting import WeightedSampler
from lapt_rules.space import Architecture, Space

_LISTED_FIRST, _LISTED_AT_ONCE = 1_024, 16_384

MAX_LISTED = 1_000_000
"""The largest set whose architectures are listed one by one."""


def whole(space: Space) -> Subspace:
    """Every architecture of the space."""
    return Subspace(space, TRUE)


class Subspace:
    """The architectures of a space for which the formula `keeps` holds; it may be empty.

    They stand in the order of their variables' values: the first variable of the space varies
    slowest. `preferences` score them. `compiler` may have compiled parts of the formula already.
    Raises LimitError for a formula that cannot be compiled within the budget of the compiler.
    """

    def __init__(
        self,
        space: Space,
        keeps: Formula,
        preferences: Sequence[Preference] = (),
        compiler: Compiler | None = None,
    ) -> None:
        self.space = space
        self.keeps = keeps
        self.preferences = tuple(preferences)
        self._compiler = compiler or Compiler(space)
        self._compiler.learn(invariants(space), well_formed(space))
        self._diagram = self._compiler.compile(And((invariants(space), keeps))).spread()

    def __repr__(self) -> str:
        return f"<Subspace of {self.space.name}: {self.count():,} architectures>"

    def count(self) -> int:
        """How many architectures the set has, exactly."""
        return self._diagram.count()

    def value_counts(self) -> list[list[int]]:
        """For each variable of the space and each of its values: how many members take it."""
        return self._diagram.value_counts()

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.space is self.space and self._diagram.holds(architecture.values)

    def contains(self, rows: Rows) -> Mask:
        """For each row of variable values (shape: architectures x variables), whether it is in."""
        return self._diagram.contains(rows)

    def __iter__(self) -> Iterator[Architecture]:
        yield from self._architectures(self._diagram.first(_LISTED_FIRST))
        for start in range(_LISTED_FIRST, self.count(), _LISTED_AT_ONCE):
            stop = min(start + _LISTED_AT_ONCE, self.count())
            yield from self._architectures(self._listed(start, stop))

    @cached_property
    def rows(self) -> Rows:
        """All members as rows of variable values; LimitError beyond `MAX_LISTED` of them."""
        if self.count() > MAX_LISTED:
            raise LimitError(
                f"{self.count():,} architectures are too many to list at once",
                f"iterate over them, or sample: at most {MAX_LISTED:,} are listed",
            )
        return self._listed(0, self.count())

    def _listed(self, start: int, stop: int) -> Rows:
        kind = self._diagram.counts[0].dtype
        return self._diagram.unrank(np.array(range(start, stop), kind))

    def rank(self, architecture: Architecture) -> int:
        """The position of a member in the order of the set; ArchitectureError for another."""
        if architecture not in self:
            raise ArchitectureError(f"{architecture} is not in the subspace")
        return self._diagram.rank(architecture.values)

    def unrank(self, position: int) -> Architecture:
        """The member at a position, from 0; IndexError beyond the last."""
        if not 0 <= position < self.count():
            raise IndexError(f"no architecture at {position}: the subspace has {self.count()}")
        return self._architectures(self._listed(position, position + 1))[0]

    def sample(self, number: int, seed: int = 0) -> list[Architecture]:
        """`number` architectures drawn uniformly with replacement; the same seed, the same draw.

        Raises RunError where the set is empty.
        """
        return self._architectures(self.sample_rows(number, seed))

    def sample_rows(self, number: int, seed: int = 0) -> Rows:
        """The same as rows of variable values, millions a second."""
        if not self.count():
            raise RunError("there is nothing to draw from: the set is empty")
        return self._sampler.sample(number, np.random.default_rng(seed))

    @cached_property
    def _sampler(self) -> Sampler:
        return Sampler(self._diagram)

    def sample_weighted(self, number: int, seed: int = 0) -> list[Architecture]:
        """`number` architectures with replacement, each in proportion to exp(its score).

        Raises RunError where the set is empty.
        """
        if not self.count():
            raise RunError("there is nothing to draw from: the set is empty")
        sampler = WeightedSampler(self._diagram, self._score, Budget())
        return self._architectures(sampler.sample(number, np.random.default_rng(seed)))

    @cached_property
    def _score(self) -> Score:
        # Whoever searches the set asks for more than whoever checked the principles.
        return Score(self.preferences, self._compiler.within(Budget()))

    def best(self, number: int, seed: int | None = None) -> list[Architecture]:
        """The `number` architectures that the preferences score highest, best first.

        Equal scores stand in the order of the set or, with a seed, in an order drawn by it. In a
        set small enough to list that order is uniform; without any preference it always is, and
        then this is a uniform draw without replacement.
        """
        number = min(number, self.count())
        if self.count() <= MAX_LISTED:
            ties = np.arange(self.count())
            if seed is not None:
                ties = np.random.default_rng(seed).permutation(self.count())
            order = np.lexsort((ties, -self.scores))[:number]
            return self._architectures(self.rows[order])
        if self.preferences:
            ranked = Ranking(self._diagram, self._score).rows(seed)
            return [Architecture(self.space, values) for values in islice(ranked, number)]
        return list(islice(self if seed is None else self._drawn(seed), number))

    def _drawn(self, seed: int) -> Iterator[Architecture]:
        """Members in a uniformly random order, of a set too large to list."""
        generator = np.random.default_rng(seed)
        seen: set[tuple[int, ...]] = set()
        while True:
            for row in self._sampler.sample(64, generator).tolist():
                if tuple(row) not in seen:
                    seen.add(tuple(row))
                    yield Architecture(self.space, tuple(row))

    @cached_property
    def scores(self) -> npt.NDArray[np.float64]:
        """The sum of preference weights (nats) of each member, in the order of the set."""
        return scores(Arrays(self.space, self.rows), self.preferences)

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """The members one move away from any architecture of the space: see `moves`."""
        (found,) = self.neighbour_rows(np.array([architecture.values], np.int8))
        return self._architectures(found)

    def neighbour_rows(self, rows: Rows) -> list[Rows]:
        """The same for many at once: for each row of values, the rows of its neighbours."""
        return kept_moves(self.space, rows, self.contains)

    def _architectures(self, rows: Rows) -> list[Architecture]:
        return [Architecture(self.space, tuple(values)) for values in rows.tolist()]


def moves(space: Space, rows: Rows) -> Rows:
    """Everything one move away: another operator on one layer, or another source of one layer.

    Where two layers are an unordered pair and the new source breaks their order, the pair is
    sorted again and the operators go with their sources. Shapes: architectures x variables, and
    architectures x moves x variables. A move may leave the space (two equal sources); whoever asks
    keeps those that are in the set.
    """
    sizes = [len(variable.values) for variable in space.variables]
    variable = np.repeat(np.arange(len(sizes)), sizes)
    value = np.concatenate([np.arange(size, dtype=np.int8) for size in sizes])
    every = np.repeat(rows[:, None, :], len(value), axis=1)
    every[:, np.arange(len(value)), variable] = value
    found: Rows = every[rows[:, variable] != value].reshape(-1, len(sizes))
    for first, second in space.unordered:
        source_a, source_b = space.source_variable[first], space.source_variable[second]
        if source_a is None or source_b is None:
            continue
        a = [source_a, space.operator_variable[first]]
        b = [source_b, space.operator_variable[second]]
        swapped = np.flatnonzero(found[:, source_a] > found[:, source_b])[:, None]
        found[swapped, a + b] = found[swapped, b + a]
    moved: Rows = found.reshape(len(rows), -1, len(sizes))
    return moved


def kept_moves(space: Space, rows: Rows, contains: Callable[[Rows], Mask]) -> list[Rows]:
    """For each row of values the rows one move away that whoever is asked contains."""
    reachable = moves(space, rows)
    kept = contains(reachable.reshape(-1, rows.shape[1])).reshape(reachable.shape[:2])
    return [some[mask] for some, mask in zip(reachable, kept, strict=True)]


@cache
def well_formed(space: Space) -> Diagram:
    """All architectures of a space: the rows of values that its own invariants allow."""
    return Compiler(space).compile(invariants(space))
