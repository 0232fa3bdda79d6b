"""What an archive says of principles and of architectures: counted, so that no author has to guess.

Shares of the space are exact for formulas. A measure (`count`, `sum`, `longest`) is compared with
4,096 uniform draws from the space, always the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from lapt_rules.language.printer import print_clause
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import bind
from lapt_rules.logic.formula import Amount, And, Formula
from lapt_rules.logic.principles import Preference
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, whole

_DRAWS = 4_096
_CLEAR = 0.1
"""A measured weight nearer to 0 than this speaks neither for a preference nor against it."""


@dataclass(frozen=True)
class Support:
    """How much of an archive a hard principle keeps, beside how much of the space."""

    kept: int
    of: int
    share: float

    @property
    def lift(self) -> float:
        """Share of the archive over share of the space; 0 for a principle that keeps nothing."""
        return self.kept / self.of / self.share if self.of and self.share else 0.0

    @property
    def contradicts(self) -> bool:
        """Whether the archive satisfies it less often than architectures at random do."""
        return self.lift < 1

    def __str__(self) -> str:
        archive = f"{self.kept} of {self.of} in the archive"
        return f"{archive}, {_percent(self.share)} of the space: lift {self.lift:.3g}"


@dataclass(frozen=True)
class Spread:
    """A measure on the archive: its least, mean and greatest value, and its mean in the space."""

    measure: str
    least: int
    mean: float
    greatest: int
    space_mean: float
    space_deviation: float

    @property
    def shift(self) -> float:
        """How far the archive's mean lies from the space's, in the space's standard deviations."""
        difference = self.mean - self.space_mean
        return difference / self.space_deviation if self.space_deviation else 0.0

    def __str__(self) -> str:
        archive = f"{self.least:,} to {self.greatest:,}, mean {_number(self.mean)}"
        return f"{self.measure}: {archive}; space: mean {_number(self.space_mean)}"


@dataclass(frozen=True)
class Pair:
    """Two choices that go together in the archive, or avoid each other."""

    first: str
    second: str
    together: int
    expected: float

    def __str__(self) -> str:
        return (
            f"`{self.first}` and `{self.second}`: {self.together} times together, "
            f"{self.expected:.1f} if they were independent"
        )


class Evidence:
    """The architectures of an archive, and what can be asked of them."""

    def __init__(self, space: Space, architectures: Sequence[Architecture]) -> None:
        self.space = space
        self.architectures = architectures
        self.size = len(architectures)
        values = [architecture.values for architecture in architectures]
        self.rows = np.array(values, np.int8).reshape(-1, len(space.variables))

    @cached_property
    def _arrays(self) -> Arrays:
        return Arrays(self.space, self.rows)

    def support(self, keeps: Formula, count: int | None = None) -> Support:
        """How many of the architectures a formula keeps; `count` of the space, where it is known.

        Raises LimitError where the formula cannot be counted in the space.
        """
        of_space = _count(self.space, keeps) if count is None else count
        kept = int(self._arrays.holds(keeps).sum())
        return Support(kept, self.size, of_space / whole(self.space).count())

    def leaning(self, preference: Preference) -> float | None:
        """The weight that the archive itself gives to a preference; None where it cannot tell.

        For a formula the log-odds of holding in the archive against holding in the space, among
        those for which `when` holds. For a measure the same per unit: the archive's mean less the
        space's, over the space's variance (the first step of an exponential tilting).
        """
        among = self._arrays.holds(preference.when)
        number = int(among.sum())
        if not number:
            return None
        if isinstance(preference.what, Amount):
            draws = _draws(self.space)
            values = draws.amount(preference.what)[draws.holds(preference.when)]
            if len(values) < 2 or values.var() == 0:
                return None
            mine = self._arrays.amount(preference.what)[among]
            return float((mine.mean() - values.mean()) / values.var())
        held = int((self._arrays.holds(preference.what) & among).sum())
        of = Subspace(self.space, preference.when).count()
        share = _count(self.space, preference.when, preference.what) / of if of else 0.0
        return math.log((held + share) / (number + 1) / share) if share else None

    def contradicts(self, preference: Preference) -> bool:
        """Whether the archive clearly leans the other way."""
        measured = self.leaning(preference)
        if measured is None or preference.weight * measured >= 0:
            return False
        unit = abs(preference.weight) if isinstance(preference.what, Amount) else 1.0
        return abs(measured) >= _CLEAR * min(1.0, unit)

    def spreads(self) -> Iterator[Spread]:
        """Counts of classes and operators, path lengths and costs, on the archive and at large."""
        space = self.space
        several = [name for name, members in space.classes.items() if len(members) > 1]
        names = [*several, *space.operator_index]
        measures = [f"count({name})" for name in names]
        measures += [f"{e}({name})" for e in ("longest", "shortest") for name in several]
        measures += [f"sum({cost.name})" for cost in space.costs]
        measures.append("count(l in all: l is live)")
        for measure in measures:
            amount = _amount(space, measure)
            mine, draws = self._arrays.amount(amount), _draws(space).amount(amount)
            yield Spread(
                measure,
                int(mine.min()),
                float(mine.mean()),
                int(mine.max()),
                float(draws.mean()),
                float(draws.std()),
            )

    def pairs(self, most: int) -> list[Pair]:
        """The choices of two layers that are furthest from independent, the clearest first.

        What the space itself ties together (two sources of a stage differ) is allowed for.
        Told are those so many standard deviations of a binomial apart that chance alone would give
        about one of them in all.
        """
        draws = _draws(self.space).rows
        columns = [
            (
                f"{self.space.layers[variable.layer].name} {_WORD[variable.kind]} {name}",
                index,
                value,
            )
            for index, variable in enumerate(self.space.variables)
            for value, name in enumerate(variable.values)
        ]
        mine = np.stack([self.rows[:, index] == value for _, index, value in columns], 1) * 1.0
        drawn = np.stack([draws[:, index] == value for _, index, value in columns], 1) * 1.0
        at_large, here = _association(drawn), mine.mean(0)
        expected = self.size * np.outer(here, here) * at_large
        together = mine.T @ mine
        share = np.clip(expected / max(self.size, 1), 1e-9, 1 - 1e-9)
        apart = np.abs(together - expected) / np.sqrt(self.size * share * (1 - share) + 1e-9)
        variable_of = np.array([index for _, index, _ in columns])
        comparable = (variable_of[:, None] < variable_of[None, :]) & (at_large > 0)
        limit = NormalDist().inv_cdf(1 - 0.5 / max(2, int(comparable.sum())))
        often = np.maximum(together, expected) >= _OFTEN
        clear = comparable & often & (apart >= limit)
        order = sorted(zip(*np.nonzero(clear), strict=True), key=lambda at: -apart[at])
        return [
            Pair(columns[a][0], columns[b][0], int(together[a, b]), float(expected[a, b]))
            for a, b in order[:most]
        ]


_WORD = {"operator": "is", "source": "from"}
_OFTEN = 3
"""A pair that is neither seen nor expected so often is no pattern."""


def _association(held: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each two columns: how often both hold, over how often they would if independent."""
    alone = held.mean(0)
    independent = np.outer(alone, alone)
    both = held.T @ held / len(held)
    return np.divide(both, independent, out=np.zeros_like(both), where=independent > 0)


def measured_clause(preference: Preference, evidence: Evidence) -> str:
    """A preference as it is written, with what the archive says of its weight."""
    measured = evidence.leaning(preference)
    said = "" if measured is None else f" (measured {measured:+.2g})"
    return f"{print_clause(preference.syntax)}{said}"


@cache
def _draws(space: Space) -> Arrays:
    return Arrays(space, _rows(space))


def _rows(space: Space) -> Rows:
    return whole(space).sample_rows(_DRAWS, seed=0)


@cache
def _amount(space: Space, measure: str) -> Amount:
    bound = bind(f"space {space.name} principle m prefer more {measure} weight 1", space)
    what = bound.preferences[0].what
    assert isinstance(what, Amount)
    return what


def _count(space: Space, *formulas: Formula) -> int:
    return Subspace(space, And(formulas)).count()


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2g}"
