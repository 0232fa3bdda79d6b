"""The refined subspace Ω_r: the exact set of architectures that principles keep.

Spaces of up to `MAX_LISTED` points are listed once, and every question is answered from the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from lapt_rules.errors import ArchitectureError, ConflictError, LimitError
from lapt_rules.language.syntax import File
from lapt_rules.logic.arrays import Arrays, Mask, Rows, scores
from lapt_rules.logic.binding import bind, invariants
from lapt_rules.logic.formula import TRUE, Formula, Plain
from lapt_rules.logic.principles import Preference, PrincipleSet
from lapt_rules.space import Architecture, Space

MAX_LISTED = 4_000_000
"""The largest space, in raw points, whose architectures are listed one by one."""


def refine(space: Space, principles: File | str | PrincipleSet) -> Subspace:
    """The exact set that `principles` keep in `space`.

    Raises PrincipleError where they do not parse or bind, and ConflictError, with a minimal set
    of principles that clash, where they keep nothing.

    >>> from lapt_rules.space import load_space
    >>> refine(load_space("nas201"), "space nas201 principle p require layer0 is conv").count()
    6250
    """
    bound = principles if isinstance(principles, PrincipleSet) else bind(principles, space)
    subspace = Subspace(space, bound.keeps, bound.preferences)
    if subspace.count() == 0:
        raise _conflict_error(bound)
    return subspace


def _conflict_error(principles: PrincipleSet) -> ConflictError:
    """Why a set of principles keeps nothing: the minimal conflict, found by Z3."""
    from lapt_rules.logic.smt import Reasoner

    conflict = Reasoner(principles).conflict()
    if conflict is None:
        names = [principle.name for principle in principles.principles]
        message = "these principles together keep no architecture; Z3 found no smaller conflict"
    else:
        names = [principle.name for principle in conflict.principles]
        message = "no architecture satisfies " + (
            "all of these principles together"
            if len(names) > 1
            else "this principle"
            if names
            else f"the invariants of {principles.space.name} itself"
        )
    lines = {p.name: p.syntax.name.span.line for p in principles.principles}
    places = [f"`{name}` ({principles.file.path}:{lines[name]})" for name in names]
    return ConflictError(f"{message}: {', '.join(places)}" if places else message, names)


def whole(space: Space) -> Subspace:
    """Every architecture of the space."""
    return Subspace(space, TRUE)


class Subspace:
    """The architectures of a space for which the formula `keeps` holds; it may be empty.

    They stand in the order of their variables' values: the first variable of the space varies
    slowest. `preferences` score them. Raises LimitError for a space that is too large to list.
    """

    def __init__(
        self, space: Space, keeps: Formula, preferences: Sequence[Preference] = ()
    ) -> None:
        self.space = space
        self.keeps = keeps
        self.preferences = tuple(preferences)
        rows = _listed(space)
        self.rows: Rows = rows[Arrays(space, rows).holds(keeps)]

    def __repr__(self) -> str:
        return f"<Subspace of {self.space.name}: {self.count():,} architectures>"

    def count(self) -> int:
        """How many architectures the set has, exactly."""
        return len(self.rows)

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, architecture: Architecture) -> bool:
        if architecture.space is not self.space:
            return False
        plain = Plain(self.space, architecture.values)
        return plain.holds(invariants(self.space)) and plain.holds(self.keeps)

    def contains(self, rows: Rows) -> Mask:
        """For each row of variable values (shape: architectures x variables), whether it is in."""
        arrays = Arrays(self.space, rows)
        return arrays.holds(invariants(self.space)) & arrays.holds(self.keeps)

    def __iter__(self) -> Iterator[Architecture]:
        return (self._architecture(row) for row in self.rows)

    def rank(self, architecture: Architecture) -> int:
        """The position of a member in the order of the set; ArchitectureError for another."""
        if architecture not in self:
            raise ArchitectureError(f"{architecture} is not in the subspace")
        return int(np.searchsorted(self._keys, _keys(self.space, architecture.values)))

    def unrank(self, position: int) -> Architecture:
        """The member at a position, from 0; IndexError beyond the last."""
        if not 0 <= position < self.count():
            raise IndexError(f"no architecture at {position}: the subspace has {self.count()}")
        return self._architecture(self.rows[position])

    def sample(self, number: int, seed: int) -> list[Architecture]:
        """`number` architectures drawn uniformly with replacement; the same seed, the same draw."""
        generator = np.random.default_rng(seed)
        return [self.unrank(int(i)) for i in generator.integers(0, self.count(), number)]

    def best(self, number: int, seed: int | None = None) -> list[Architecture]:
        """The `number` architectures that the preferences score highest, best first.

        Equal scores stand in the order of the set or, with a seed, in an order drawn uniformly:
        without any preference that is a uniform draw without replacement.
        """
        ties = np.arange(self.count())
        if seed is not None:
            ties = np.random.default_rng(seed).permutation(self.count())
        order = np.lexsort((ties, -self.scores))[:number]
        return [self._architecture(self.rows[i]) for i in order]

    @cached_property
    def scores(self) -> npt.NDArray[np.float64]:
        """The sum of preference weights (nats) of each member, in the order of the set."""
        return scores(Arrays(self.space, self.rows), self.preferences)

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """The members one move away from any architecture of the space: see `moves`."""
        reachable = moves(architecture)
        return [self._architecture(row) for row in reachable[self.contains(reachable)]]

    @cached_property
    def _keys(self) -> npt.NDArray[np.int64]:
        return _keys(self.space, self.rows)

    def _architecture(self, row: npt.NDArray[np.int8]) -> Architecture:
        return Architecture(self.space, tuple(row.tolist()))


def alone_and_margin(space: Space, parts: Sequence[Formula]) -> list[tuple[int, int]]:
    """For each formula: how many architectures it keeps alone, and how many only it rejects.

    The second is its margin: what the conjunction of all the others keeps and this one does not.
    """
    rows = _listed(space)
    arrays = Arrays(space, rows)
    rejections = np.zeros(len(rows), np.int32)
    for part in parts:
        rejections += ~arrays.holds(part)
    once = rejections == 1
    return [
        (int(arrays.holds(part).sum()), int((once & ~arrays.holds(part)).sum())) for part in parts
    ]


def moves(architecture: Architecture) -> Rows:
    """Everything one move away: another operator on one layer, or another source of one layer.

    Where two layers are an unordered pair and the new source breaks their order, the pair is
    sorted again and the operators go with their sources. Shape: moves x variables. A move may
    leave the space (two equal sources); whoever asks keeps those that are in the set.
    """
    space = architecture.space
    found = []
    for number, variable in enumerate(space.variables):
        for value in range(len(variable.values)):
            if value != architecture.values[number]:
                row = list(architecture.values)
                row[number] = value
                found.append(row)
    rows = np.array(found, np.int8).reshape(-1, len(space.variables))
    for first, second in space.unordered:
        source_a, source_b = space.source_variable[first], space.source_variable[second]
        if source_a is None or source_b is None:
            continue
        a = [source_a, space.operator_variable[first]]
        b = [source_b, space.operator_variable[second]]
        swapped = np.flatnonzero(rows[:, source_a] > rows[:, source_b])[:, None]
        rows[swapped, a + b] = rows[swapped, b + a]
    return rows


@cache
def _listed(space: Space) -> Rows:
    """All well-formed architectures of a space that is small enough to list, in order."""
    sizes = [len(variable.values) for variable in space.variables]
    points = 1
    for size in sizes:
        points *= size
    if points > MAX_LISTED:
        raise LimitError(
            f"{space.name} is too large to list: {points:.3g} points, the limit is {MAX_LISTED:,}",
            "principles on it can be checked and explained, but not counted or sampled yet",
        )
    rows = np.indices(sizes, np.int8).reshape(len(sizes), points).T
    rows = np.ascontiguousarray(rows)
    formula = invariants(space)
    return rows[Arrays(space, rows).holds(formula)]


def _keys(space: Space, rows: Rows | tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Rows as mixed-radix numbers, which grow in the order of the set."""
    radix = [len(variable.values) for variable in space.variables]
    place = np.cumprod([1, *radix[:0:-1]], dtype=np.int64)[::-1]
    return np.asarray(rows, np.int64) @ place
