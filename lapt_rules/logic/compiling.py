"""From formulas to diagrams.

A space that is small enough is compiled by evaluating the formula on all its points. On a larger
one every form becomes transitions over the variables: a choice is one level, `and`, `or` and `not`
join and flip, sums are decided as soon as their bounds allow, and paths are walked node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lapt_rules.errors import LimitError
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.budget import Budget
from lapt_rules.logic.diagram import (
    Diagram,
    Table,
    choice,
    constant,
    from_mask,
    intersection,
    level_table,
    near_first,
    reduced,
    union,
)
from lapt_rules.logic.formula import (
    Amount,
    And,
    Choice,
    Compare,
    Connected,
    Constant,
    Formula,
    Holding,
    Live,
    Measure,
    Not,
    Or,
    PathLength,
    Relation,
    Tally,
    related,
    zero_operators,
)
from lapt_rules.logic.walking import Component, HoldingParts, Paths, RunningSum, distinct, walk
from lapt_rules.space import Space

MAX_GRID = 1 << 16
"""Up to this many points a space is compiled by evaluating formulas on all of them."""

Pair: TypeAlias = tuple[tuple[int, frozenset[int]], tuple[int, frozenset[int]]]
"""Two variables, the earlier one first, each with some of its values."""

_MOST_AHEAD = 4_096  # sums that are kept to tell which partial sums are alike
_AT_ONCE = 12  # parts of one `and` or `or` that are walked together


class Compiler:
    """Compiles formulas on one space, each shared part once."""

    def __init__(self, space: Space, budget: Budget | None = None) -> None:
        self.space = space
        self.budget = budget or Budget()
        self.sizes = tuple(len(variable.values) for variable in space.variables)
        self._known: dict[Formula, Diagram] = {}
        self._beyond: dict[Formula, tuple[str, str]] = {}  # what was told when it took too much

    def within(self, budget: Budget) -> Compiler:
        """The same knowledge, with a budget for another check."""
        other = Compiler(self.space, budget)
        other._known = self._known
        return other

    def compile(self, formula: Formula) -> Diagram:
        """The set of all rows of values for which the formula holds, well-formed or not.

        Raises LimitError where it takes more than the budget has, and again at once for a formula
        that took too much before.
        """
        if formula not in self._known:
            if formula in self._beyond:
                raise LimitError(*self._beyond[formula])
            try:
                self._known[formula] = self._compile(formula)
            except LimitError as error:
                self._beyond[formula] = error.message, error.fix
                raise
        return self._known[formula]

    def learn(self, formula: Formula, compiled: Diagram) -> None:
        """Take over what a formula keeps of the well-formed architectures, compiled elsewhere."""
        self._known[formula] = compiled

    @property
    def is_small(self) -> bool:
        """Whether formulas are evaluated on all points of the space."""
        return prod(self.sizes) <= MAX_GRID

    @cached_property
    def _grid(self) -> Arrays | None:
        return Arrays(self.space, _grid(self.sizes)) if self.is_small else None

    def _compile(self, formula: Formula) -> Diagram:
        if self._grid is not None:
            return from_mask(self.sizes, self._grid.holds(formula))
        single = single_choice(formula, self.sizes)
        if single is not None:
            return choice(self.sizes, *single)
        match formula:
            case Constant(value):
                return constant(self.sizes, value)
            case Not(part):
                return self.compile(part).complement()
            case And(parts):
                return self._joined(self._parts(And, parts), intersection, False)
            case Or(parts):
                return self._joined(self._parts(Or, parts), union, True)
            case Compare(amount, relation):
                return self._compare(amount, relation)
            case Live(index):
                passing = self._passing_operators()
                cell = self.space.layers[index].cell
                return self._some_path(cell, ((index, passing),))
            case Connected(cell):
                passing = self._passing_operators()
                order = self.space.flow_order[cell]
                return self._some_path(cell, tuple((layer, passing) for layer in order))
            case Choice():
                raise AssertionError("a choice is a choice of one variable")

    def _some_path(self, cell: int, counted: tuple[tuple[int, frozenset[int]], ...]) -> Diagram:
        """Where a live path of the cell has at least one of the counted layers."""
        longest = PathLength("longest", (cell,), counted)
        return self._compare(Amount(-1, ((1, longest),)), ">=")

    def _passing_operators(self) -> frozenset[int]:
        return frozenset(range(len(self.space.operators))) - zero_operators(self.space)

    def _parts(self, kind: type[And] | type[Or], parts: Sequence[Formula]) -> list[Diagram]:
        """The parts of nested formulas of one kind, choices of one variable put together."""
        flat: list[Formula] = []
        found: list[Diagram] = []
        seen: set[Formula] = set()  # a part that stands twice says nothing more
        queue = list(reversed(parts))
        while queue:
            part = queue.pop()
            if part in seen:
                continue
            seen.add(part)
            if part in self._known:
                found.append(self._known[part])
            elif isinstance(part, kind):
                queue += reversed(part.parts)
            else:
                flat.append(part)
        merged: dict[int, frozenset[int]] = {}
        for part in flat:
            single = single_choice(part, self.sizes)
            if single is None:
                found.append(self.compile(part))
                continue
            variable, values = single
            before = merged.get(variable)
            if before is None:
                merged[variable] = values
            else:
                merged[variable] = before & values if kind is And else before | values
        return found + [choice(self.sizes, *one) for one in merged.items()]

    def _joined(
        self,
        parts: list[Diagram],
        join: Callable[[Sequence[Diagram], Budget], Diagram],
        absorbing: bool,
    ) -> Diagram:
        """Join parts in small groups."""
        if any(not part.tables and part.root == absorbing for part in parts):
            return constant(self.sizes, absorbing)
        if not parts:
            return constant(self.sizes, not absorbing)
        while len(parts) > 1:
            parts = near_first(parts)
            groups = [parts[i : i + _AT_ONCE] for i in range(0, len(parts), _AT_ONCE)]
            parts = [join(group, self.budget) if len(group) > 1 else group[0] for group in groups]
        return parts[0]

    # -------------------------------------------------------------------------------- amounts

    def _compare(self, amount: Amount, relation: Relation) -> Diagram:
        """amount RELATION 0. Tallies are summed; other measures are taken value by value."""
        tally: dict[int, list[int]] = {}
        pairs: list[tuple[int, Pair]] = []
        others: list[tuple[int, Measure]] = []
        for coefficient, measure in amount.terms:
            plain, paired = as_tally(measure, self.sizes), as_pairs(measure, self.sizes)
            if plain is not None:
                for variable, weights in plain.weights:
                    sums = tally.setdefault(variable, [0] * self.sizes[variable])
                    for value, weight in enumerate(weights):
                        sums[value] += coefficient * weight
            elif paired is not None:
                pairs += [(coefficient, pair) for pair in paired]
            else:
                others.append((coefficient, measure))
        if not others:
            return self._tally(tally, pairs, relation, amount.constant)
        others += [
            (
                c,
                Holding(
                    tuple(And(tuple(Choice(*one) for one in pair)) for k, pair in pairs if k == c)
                ),
            )
            for c in dict.fromkeys(coefficient for coefficient, _ in pairs)
        ]
        components: list[Component] = []
        for coefficient, measure in others:
            if isinstance(measure, Holding):
                parts = [self.compile(part) for part in measure.parts]
                components.append(HoldingParts(parts, coefficient))
            elif isinstance(measure, PathLength):
                components.append(Paths(self.space, self.sizes, measure, coefficient))
        if tally:
            components.append(RunningSum(tally))

        def accept(values: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
            low_and_high = _settled(values + amount.constant, 0, 0, relation)
            return low_and_high[0]

        return walk(self.sizes, components, accept, self.budget)

    def _tally(
        self,
        weights: dict[int, list[int]],
        pairs: Sequence[tuple[int, Pair]],
        relation: Relation,
        fixed: int,
    ) -> Diagram:
        """fixed + Σ weights + Σ pairs RELATION 0, for pairs that add a number where both hold.

        A state is a partial sum and, for every pair under way, whether its first part holds; it is
        decided as soon as what is still to come cannot change the answer.
        """
        fixed += sum(w[0] for w in weights.values() if min(w) == max(w))
        weights = {v: w for v, w in sorted(weights.items()) if min(w) != max(w)}
        touched = [*weights, *(variable for _, pair in pairs for variable, _ in pair)]
        if not touched:
            return constant(self.sizes, related(fixed, relation))
        top, bottom = min(touched), max(touched) + 1
        least = sum(min(w) for w in weights.values()) + sum(min(0, more) for more, _ in pairs)
        most = sum(max(w) for w in weights.values()) + sum(max(0, more) for more, _ in pairs)
        states = np.full((1, 1), fixed, np.int64)  # the sum, then a column a pair under way
        ahead = self._sums_ahead(weights, pairs, top, bottom)
        under_way: list[tuple[int, Pair]] = []
        tables: list[Table] = []
        total = 0
        for level in range(top, bottom):
            size = self.sizes[level]
            step = np.array(weights.get(level, [0] * size), np.int64)
            least -= int(step.min())
            most -= int(step.max())
            self.budget.spend(states.size * size)
            following = np.repeat(states[:, None, :], size, axis=1)
            following[:, :, 0] += step
            for column, (more, (_, (last, values))) in enumerate(under_way, start=1):
                if last == level:
                    holds = np.isin(np.arange(size), list(values))
                    following[:, :, 0] += more * (states[:, column, None] * holds)
                    least, most = least - min(0, more), most - max(0, more)
            kept = [i for i, (_, (_, (last, _))) in enumerate(under_way, start=1) if last > level]
            under_way = [under_way[i - 1] for i in kept]
            opened = [(more, pair) for more, pair in pairs if pair[0][0] == level]
            under_way += opened
            firsts = np.zeros((len(states), size, len(opened)), np.int64)
            for column, (_, ((_, values), _)) in enumerate(opened):
                firsts[:, list(values), column] = 1
            following = np.concatenate([following[:, :, [0, *kept]], firsts], axis=2)
            reached = following.reshape(-1, following.shape[2])
            if level in ahead:
                reached[:, 0] = _alike(reached[:, 0], ahead[level], relation)
            always, never = _settled(reached[:, 0], least, most, relation)
            ids = always.astype(np.int32)
            undecided = np.flatnonzero(~always & ~never)
            states, number = distinct(reached[undecided])
            ids[undecided] = number + 2
            tables.append(level_table(ids.reshape(-1, size)))
            total += len(states)
            self.budget.hold(total)
        return reduced(Diagram(self.sizes, 2, top, tuple(tables)))

    def _sums_ahead(
        self,
        weights: dict[int, list[int]],
        pairs: Sequence[tuple[int, Pair]],
        top: int,
        bottom: int,
    ) -> dict[int, npt.NDArray[np.int64]]:
        """For each of the last levels what may still be added after it, in order."""
        sums = np.zeros(1, np.int64)
        found = {}
        for level in range(bottom - 1, top - 1, -1):
            found[level] = sums
            steps = np.array(weights.get(level, [0]), np.int64)
            for more, (_, (last, _)) in pairs:
                if last == level:
                    steps = np.concatenate([steps, steps + more])
            sums = np.unique(sums[:, None] + np.unique(steps))
            if len(sums) > _MOST_AHEAD:
                break
        return found


def _alike(
    sums: npt.NDArray[np.int64], ahead: npt.NDArray[np.int64], relation: Relation
) -> npt.NDArray[np.int64]:
    """One sum for all that no possible rest tells apart in `sum + rest RELATION 0`."""
    if relation in ("==", "!="):
        place = ahead.searchsorted(-sums).clip(0, len(ahead) - 1)
        beyond = -int(ahead[-1]) - 1  # no rest leads from there to 0
        return np.where(ahead[place] == -sums, sums, beyond)
    if relation in ("<=", ">"):
        place = ahead.searchsorted(-sums, "right")
        return np.where(place > 0, -ahead[place - 1], sums)
    place = ahead.searchsorted(-sums, "left")
    return np.where(place < len(ahead), -ahead[place % len(ahead)], sums)


def _settled(
    sums: npt.NDArray[np.int64], least: int, most: int, relation: Relation
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Where `sum + x RELATION 0` holds for every x in least..most, and where for none."""
    low, high = sums + least, sums + most
    match relation:
        case "<=":
            return high <= 0, low > 0
        case "<":
            return high < 0, low >= 0
        case ">=":
            return low >= 0, high < 0
        case ">":
            return low > 0, high <= 0
        case "==":
            return (low == 0) & (high == 0), (low > 0) | (high < 0)
        case "!=":
            return (low > 0) | (high < 0), (low == 0) & (high == 0)


@lru_cache(maxsize=1 << 16)  # parts that stand in many places are looked at once
def single_choice(formula: Formula, sizes: tuple[int, ...]) -> tuple[int, frozenset[int]] | None:
    """A formula about one variable, as the values that satisfy it; None for any other."""
    match formula:
        case Choice(variable, values):
            return variable, values
        case Not(part):
            inner = single_choice(part, sizes)
            return inner and (inner[0], frozenset(range(sizes[inner[0]])) - inner[1])
        case And(parts) | Or(parts) if parts:
            found = [single_choice(part, sizes) for part in parts]
            chosen = [one for one in found if one is not None]
            if len(chosen) < len(found) or len({variable for variable, _ in chosen}) > 1:
                return None
            values = chosen[0][1]
            for _, more in chosen[1:]:
                values = values & more if isinstance(formula, And) else values | more
            return chosen[0][0], values
        case _:
            return None


def as_tally(measure: Measure, sizes: tuple[int, ...]) -> Tally | None:
    """A measure as a sum over variables; None where it is none."""
    if isinstance(measure, Tally):
        return measure
    if isinstance(measure, Holding):
        found = [single_choice(part, sizes) for part in measure.parts]
        chosen = [one for one in found if one is not None]
        if len(chosen) == len(found):
            return Tally(
                tuple(
                    (variable, tuple(int(value in values) for value in range(sizes[variable])))
                    for variable, values in chosen
                )
            )
    return None


def as_pairs(measure: Measure, sizes: tuple[int, ...]) -> list[Pair] | None:
    """A count of formulas that each speak of two variables, both to hold; None for another."""
    if not isinstance(measure, Holding):
        return None
    found: list[Pair] = []
    for part in measure.parts:
        choices = [single_choice(one, sizes) for one in part.parts] if isinstance(part, And) else []
        known = sorted(one for one in choices if one is not None)
        if len(choices) != 2 or len(known) != 2 or known[0][0] == known[1][0]:
            return None
        found.append((known[0], known[1]))
    return found


@cache
def _grid(sizes: tuple[int, ...]) -> Rows:
    """Every row of values, in order."""
    points = np.indices(sizes, np.int8).reshape(len(sizes), -1).T
    return np.ascontiguousarray(points)
