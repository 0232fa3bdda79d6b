"""What an archive says of principles and of architectures: counted, so that no author has to guess.

Shares of the space are exact for formulas. A measure (`count`, `sum`, `longest`) is compared with
4,096 uniform draws from the space, always the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from lapt_rules.authors.author import Brief
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import bind
from lapt_rules.logic.formula import Amount, And, Formula
from lapt_rules.logic.principles import Preference
from lapt_rules.search.searcher import Trial
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


@dataclass(frozen=True)
class Change:
    """What it did to a value, on average, to change one choice of one layer and nothing else."""

    layer: str
    before: str
    after: str
    difference: float
    pairs: int

    def __str__(self) -> str:
        times = "once" if self.pairs == 1 else f"{self.pairs} times"
        return f"{self.layer}: {self.before} -> {self.after}: {self.difference:+.3g} ({times})"


def changes(trials: Sequence[Trial], most: int) -> list[Change]:
    """Between evaluated architectures that differ in one choice, the largest differences first.

    Each is told in the direction that gains.
    """
    if not trials:
        return []
    space = trials[0].architecture.space
    rows = np.array([trial.architecture.values for trial in trials[:_MOST_COMPARED]], np.int8)
    found: dict[tuple[int, int, int], list[float]] = {}
    for a, b in zip(*np.nonzero((rows[:, None] != rows[None]).sum(-1) == 1), strict=True):
        index = int(np.nonzero(rows[a] != rows[b])[0][0])
        before, after = int(rows[a, index]), int(rows[b, index])
        if before < after:
            gain = trials[b].value - trials[a].value
            found.setdefault((index, before, after), []).append(gain)
    told = []
    for (index, before, after), gains in found.items():
        difference = sum(gains) / len(gains)
        if difference < 0:
            before, after, difference = after, before, -difference
        variable = space.variables[index]
        first, second = (_PREFIX[variable.kind] + variable.values[v] for v in (before, after))
        layer = space.layers[variable.layer].name
        told.append(Change(layer, first, second, difference, len(gains)))
    return sorted(told, key=lambda change: -change.difference)[:most]


class Evidence:
    """Good architectures, and what can be asked of them beside what they are taken from.

    That is the whole space or, with `among`, the architectures that were evaluated at all.
    """

    def __init__(
        self,
        space: Space,
        architectures: Sequence[Architecture],
        among: Sequence[Architecture] | None = None,
    ) -> None:
        self.space = space
        self.architectures = architectures
        self.size = len(architectures)
        self._arrays = Arrays(space, _rows(space, architectures))
        self._among = None if among is None else Arrays(space, _rows(space, among))

    def support(self, keeps: Formula, count: int | None = None) -> Support:
        """How many of the architectures a formula keeps; `count` of the space, where it is known.

        Raises LimitError where the formula cannot be counted in the space.
        """
        kept = int(self._arrays.holds(keeps).sum())
        if self._among is not None:
            return Support(kept, self.size, float(self._among.holds(keeps).mean()))
        of_space = _count(self.space, keeps) if count is None else count
        return Support(kept, self.size, of_space / whole(self.space).count())

    def leaning(self, preference: Preference) -> float | None:
        """The weight that the evidence gives to a preference; None where it cannot tell.

        For a formula the log-odds of holding here against holding at large, among those for which
        `when` holds. For a measure the same per unit: the mean here less the mean at large, over
        the variance at large (the first step of an exponential tilting).
        """
        here = self._arrays.holds(preference.when)
        number = int(here.sum())
        if not number:
            return None
        if isinstance(preference.what, Amount):
            large = self._among or _draws(self.space)
            values = large.amount(preference.what)[large.holds(preference.when)]
            if len(values) < 2 or values.var() == 0:
                return None
            mine = self._arrays.amount(preference.what)[here]
            return float((mine.mean() - values.mean()) / values.var())
        held = int((self._arrays.holds(preference.what) & here).sum())
        share = self._share(preference.what, preference.when)
        return math.log((held + share) / (number + 1) / share) if share else None

    def _share(self, what: Formula, when: Formula) -> float:
        """Of those at large for which `when` holds, the share for which `what` does, too."""
        if self._among is not None:
            of = self._among.holds(when)
            return float(self._among.holds(what)[of].mean()) if of.any() else 0.0
        size = _count(self.space, when)
        return _count(self.space, when, what) / size if size else 0.0

    def contradicts(self, preference: Preference) -> bool:
        """Whether the evidence clearly leans the other way."""
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
        rows, draws = self._arrays.rows, _draws(self.space).rows
        columns = [
            (
                f"{self.space.layers[variable.layer].name} {_WORD[variable.kind]} {name}",
                index,
                value,
            )
            for index, variable in enumerate(self.space.variables)
            for value, name in enumerate(variable.values)
        ]
        mine = np.stack([rows[:, index] == value for _, index, value in columns], 1) * 1.0
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
        clear = comparable & often & (apart >= limit) & (np.abs(together - expected) >= 1)
        order = sorted(zip(*np.nonzero(clear), strict=True), key=lambda at: -apart[at])
        return [
            Pair(columns[a][0], columns[b][0], int(together[a, b]), float(expected[a, b]))
            for a, b in order[:most]
        ]


_WORD = {"operator": "is", "source": "from"}
_PREFIX = {"operator": "", "source": "from "}
_MOST_COMPARED = 200
"""So many trials are compared with one another; a search with a supernet has thousands."""
_OFTEN = 3
"""A pair that is neither seen nor expected so often is no pattern."""


def _association(held: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each two columns: how often both hold, over how often they would if independent."""
    alone = held.mean(0)
    independent = np.outer(alone, alone)
    both = held.T @ held / len(held)
    return np.divide(both, independent, out=np.zeros_like(both), where=independent > 0)


def found_evidence(brief: Brief) -> Evidence | None:
    """The better half of what was evaluated on the target, among all of it; None before that."""
    if not brief.trials:
        return None
    ordered = sorted(brief.trials, key=lambda trial: -trial.value)
    tried = [trial.architecture for trial in ordered]
    return Evidence(brief.space, tried[: (len(tried) + 1) // 2], tried)


def told_leaning(preference: Preference, archive: Evidence, found: Evidence | None) -> str:
    """What archive and search say of the weight of a preference, in a few words."""
    said = []
    of_archive = archive.leaning(preference)
    of_search = found.leaning(preference) if found else None
    if of_archive is not None:
        said.append(f"{of_archive:+.2g}")
    if of_search is not None:
        said.append(f"{of_search:+.2g} on the target")
    return ", ".join(said)


def _rows(space: Space, architectures: Sequence[Architecture]) -> Rows:
    values = [architecture.values for architecture in architectures]
    return np.array(values, np.int8).reshape(-1, len(space.variables))


@cache
def _draws(space: Space) -> Arrays:
    return Arrays(space, whole(space).sample_rows(_DRAWS, seed=0))


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
