"""What an archive says of principles and of architectures: counted, so that no author has to guess.

What a principle keeps of the space is exact. The weight of a preference is measured twice: against
4,096 uniform draws from the space; and beside what single layers explain, against as many drawn
with the leanings of the archive, which have its shares in every layer and nothing more in common.
Draws are always the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from lapt_rules.authors.author import Brief
from lapt_rules.authors.leaning import archive_leanings, leaning_preferences
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import bind
from lapt_rules.logic.formula import TRUE, Amount, And, Formula
from lapt_rules.logic.principles import Preference
from lapt_rules.search.searcher import Trial
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, whole

_DRAWS = 4_096
_CLEAR, _LIKELY = 0.0228, 0.159
"""The tails beyond two standard errors, and beyond one, of a normal distribution."""


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
        """Whether architectures at random would keep so few by a chance below 2.3 %."""
        return self.share < 1 and _at_most(self.kept, self.of, self.share) <= _CLEAR

    def __str__(self) -> str:
        archive = f"{self.kept} of {self.of} in the archive"
        return f"{archive}, {_percent(self.share)} of the space: lift {self.lift:.3g}"


@dataclass(frozen=True)
class Leaning:
    """A measured weight, and how likely chance alone gives one so low, and one so high.

    The evidence goes with every weight from `least` to `most`, two standard errors either way.
    """

    weight: float
    so_low: float
    so_high: float
    least: float
    most: float

    def is_against(self, weight: float) -> bool:
        """Whether it clearly has the other sign: as beyond two standard errors."""
        return (self.so_low if weight > 0 else self.so_high) <= _CLEAR

    def is_for(self, weight: float) -> bool:
        """Whether it likely has the same sign: as beyond one standard error."""
        return (self.so_high if weight > 0 else self.so_low) <= _LIKELY

    def __str__(self) -> str:
        return f"{self.weight if abs(self.weight) >= 0.005 else 0.0:+.2g}"


@dataclass(frozen=True)
class Spread:
    """A measure on the archive: its least, mean and greatest value, and its mean in the space."""

    measure: str
    least: int
    mean: float
    greatest: int
    space_mean: float

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

    That is the whole space or, with `among`, the architectures that were evaluated at all. An
    archive has one member at least.
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
        if self._among is not None:
            share = float(self._among.holds(keeps).mean())
        else:
            of_space = _count(self.space, keeps) if count is None else count
            share = of_space / whole(self.space).count()
        return Support(self.kept(keeps), self.size, share)

    def kept(self, keeps: Formula) -> int:
        """How many of the architectures a formula keeps."""
        return int(self._arrays.holds(keeps).sum())

    def leaning(self, preference: Preference) -> Leaning | None:
        """The weight that the evidence gives to a preference; None where it cannot tell."""
        return self._against(self._among or _draws(self.space), preference)

    def beyond_layers(self, preference: Preference) -> Leaning | None:
        """The same beside what single layers explain, for an archive; None where it cannot tell."""
        if self._among is not None:
            return None
        values = tuple(architecture.values for architecture in self.architectures)
        return self._against(_independent(self.space, values), preference)

    def _against(self, others: Arrays, preference: Preference) -> Leaning | None:
        """For a formula the log-odds of holding here against holding in the others, among those for
        which `when` holds. For a measure the same per unit: the difference of the means over the
        variance in the others (the first step of an exponential tilting).
        """
        here = self._arrays.holds(preference.when)
        there = others.holds(preference.when)
        number = int(here.sum())
        if not number or not there.any():
            return None
        if isinstance(preference.what, Amount):
            values = others.amount(preference.what)[there]
            variance = _variance(values.tolist())
            if not variance:
                return None
            mine = self._arrays.amount(preference.what)[here]
            weight = float(mine.mean() - values.mean()) / variance
            error = 1 / math.sqrt(variance * number)
            so_low = NormalDist().cdf(weight / error)
            return Leaning(weight, so_low, 1 - so_low, weight - 2 * error, weight + 2 * error)
        held = int((self._arrays.holds(preference.what) & here).sum())
        share = float(others.holds(preference.what)[there].mean())
        if not share:
            return None
        least, most = _wilson(held, number)
        return Leaning(
            math.log((held + share) / (number + 1) / share),
            _at_most(held, number, share),
            _at_least(held, number, share),
            math.log(max(least, share / (number + 1)) / share),
            math.log(most / share),
        )

    def contradicts(self, preference: Preference) -> bool:
        """Whether the evidence clearly leans the other way, and single layers do not explain it.

        What single layers give is added to every score: a preference may well correct it.
        """
        measured, beyond = self.leaning(preference), self.beyond_layers(preference)
        if measured is None or not measured.is_against(preference.weight):
            return False
        return beyond is None or not beyond.is_for(preference.weight)

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
            )

    def pairs(self, most: int) -> list[Pair]:
        """The choices of two layers that are furthest from independent, the clearest first.

        What the space itself ties together (two sources of a stage differ) is allowed for.
        Told are those so far apart that chance alone would give about one of them in all, by the
        tails of a binomial distribution.
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
        often = np.maximum(together, expected) >= _OFTEN
        clear = comparable & often & (apart >= 1) & (np.abs(together - expected) >= 1)
        rarely = 0.5 / max(1, int(comparable.sum()))
        order = sorted(zip(*np.nonzero(clear), strict=True), key=lambda at: -apart[at])
        found = []
        for a, b in order:
            both, chance = int(together[a, b]), float(share[a, b])
            tail = _at_least if both > expected[a, b] else _at_most
            if tail(both, self.size, chance) <= rarely:
                found.append(Pair(columns[a][0], columns[b][0], both, float(expected[a, b])))
        return found[:most]


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


def supported_weight(
    weight: float, leanings: Sequence[Leaning | None], free: bool = False
) -> float:
    """A weight, or what is nearest to it among those that some of the evidence goes with.

    0 always is one. Where nothing was measured, or it is `free`, so are all from -1 to 1: they at
    most double or halve the odds, and a bit more.
    """
    known = [leaning for leaning in leanings if leaning is not None]
    bounds = [0.0, *(one.least for one in known), *(one.most for one in known)]
    if free or not known:
        bounds += [-1.0, 1.0]
    return min(max(weight, min(bounds)), max(bounds))


def leanings_of(
    preference: Preference, archive: Evidence, found: Evidence | None
) -> tuple[Leaning | None, Leaning | None, Leaning | None]:
    """A preference measured on the archive, on it beyond single layers, and on the target."""
    on_target = found.leaning(preference) if found else None
    return archive.leaning(preference), archive.beyond_layers(preference), on_target


def told_leaning(preference: Preference, archive: Evidence, found: Evidence | None) -> str:
    """What archive and search say of the weight of a preference, in a few words."""
    where = ("", " beyond single layers", " on the target")
    measured = zip(leanings_of(preference, archive, found), where, strict=True)
    return ", ".join(f"{leaning}{place}" for leaning, place in measured if leaning)


def _rows(space: Space, architectures: Sequence[Architecture]) -> Rows:
    values = [architecture.values for architecture in architectures]
    return np.array(values, np.int8).reshape(-1, len(space.variables))


@lru_cache(maxsize=4)
def _independent(space: Space, values: tuple[tuple[int, ...], ...]) -> Arrays:
    """Draws with the shares of each choice that these architectures have, layer by layer."""
    weights = archive_leanings(space, [Architecture(space, one) for one in values])
    preferences = leaning_preferences(space, weights)
    drawn = Subspace(space, TRUE, preferences).sample_weighted(_DRAWS, seed=0)
    return Arrays(space, _rows(space, drawn))


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


def _wilson(held: int, number: int) -> tuple[float, float]:
    """The shares within two standard errors of the one seen (Wilson's interval).

    >>> [round(share, 2) for share in _wilson(5, 10)], _wilson(0, 10)[0]
    ([0.23, 0.77], 0.0)
    """
    centre = (held + 2) / (number + 4)
    half = 2 * math.sqrt(held * (number - held) / number + 1) / (number + 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def _at_most(held: int, number: int, share: float) -> float:
    """How likely at most so many of a number of independent draws have a share's chance each."""
    if share >= 1:
        return float(held >= number)
    if share <= 0:
        return 1.0
    logs = (
        math.lgamma(number + 1)
        - math.lgamma(k + 1)
        - math.lgamma(number - k + 1)
        + k * math.log(share)
        + (number - k) * math.log1p(-share)
        for k in range(held + 1)
    )
    return min(1.0, sum(map(math.exp, logs)))


def _at_least(held: int, number: int, share: float) -> float:
    """The same for at least so many."""
    return _at_most(number - held, number, 1 - share)


def _variance(values: list[int]) -> float:
    """Of whole numbers, in whole numbers: the same to the last bit on every machine."""
    return (len(values) * sum(v * v for v in values) - sum(values) ** 2) / len(values) ** 2


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2g}"
