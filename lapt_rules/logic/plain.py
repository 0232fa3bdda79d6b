"""Plain evaluation: the reference meaning of formulas, on one architecture at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from lapt_rules.language import syntax as ast
from lapt_rules.logic.binding import invariants
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
    Tally,
    related,
    zero_operators,
)
from lapt_rules.logic.principles import Preference, Principle
from lapt_rules.space import Architecture, Layer, Space


class Plain:
    """The meaning of formulas on one architecture, given by the values of its variables.

    >>> from lapt_rules.space import load_space
    >>> space = load_space("nas201")
    >>> Plain(space, space.architecture(["none"] * 6).values).holds(Connected(0))
    False
    """

    def __init__(self, space: Space, values: Sequence[int]) -> None:
        self.space = space
        self.values = values
        self._zero = zero_operators(space)
        self._known: dict[Formula, bool] = {}  # shared parts are evaluated once
        self._reach: dict[int, tuple[set[str], set[str]]] = {}

    def holds(self, formula: Formula) -> bool:
        if formula not in self._known:
            self._known[formula] = self._holds(formula)
        return self._known[formula]

    def _holds(self, formula: Formula) -> bool:
        match formula:
            case Constant(value):
                return value
            case Choice(variable, values):
                return self.values[variable] in values
            case Not(part):
                return not self.holds(part)
            case And(parts):
                return all(self.holds(part) for part in parts)
            case Or(parts):
                return any(self.holds(part) for part in parts)
            case Compare(amount, relation):
                return related(self.amount(amount), relation)
            case Live(index):
                layer = self.space.layers[index]
                reached, leading = self._reachability(layer.cell)
                passes = self.operator(index) not in self._zero
                return passes and self.source(index) in reached and layer.target in leading
            case Connected(index):
                reached, _ = self._reachability(index)
                return any(node in reached for node in self.space.cells[index].outputs)

    def amount(self, amount: Amount) -> int:
        return amount.constant + sum(
            coefficient * self.measure(measure) for coefficient, measure in amount.terms
        )

    def measure(self, measure: Measure) -> int:
        match measure:
            case Tally(weights):
                return sum(weight[self.values[variable]] for variable, weight in weights)
            case Holding(parts):
                return sum(self.holds(part) for part in parts)
            case PathLength(extreme, cells, counted):
                best = max if extreme == "longest" else min
                lengths = [self._path(best, cell, dict(counted)) for cell in cells]
                return best(lengths)

    def operator(self, layer: int) -> int:
        return self.values[self.space.operator_variable[layer]]

    def source(self, layer: int) -> str:
        variable = self.space.source_variable[layer]
        sources = self.space.layers[layer].sources
        return sources[0 if variable is None else self.values[variable]]

    def _passing(self, cell: int) -> list[tuple[int, Layer]]:
        """The layers of a cell that do not cut, those into earlier nodes first."""
        order = self.space.flow_order[cell]
        return [(i, self.space.layers[i]) for i in order if self.operator(i) not in self._zero]

    def _reachability(self, cell: int) -> tuple[set[str], set[str]]:
        """The nodes that something reaches from an input, and those that lead to an output."""
        if cell not in self._reach:
            passing = self._passing(cell)
            reached = set(self.space.cells[cell].inputs)
            leading = set(self.space.cells[cell].outputs)
            for index, layer in passing:
                if self.source(index) in reached:
                    reached.add(layer.target)
            for index, layer in reversed(passing):
                if layer.target in leading:
                    leading.add(self.source(index))
            self._reach[cell] = reached, leading
        return self._reach[cell]

    def _path(
        self, best: Callable[..., int], index: int, counted: Mapping[int, frozenset[int]]
    ) -> int:
        cell = self.space.cells[index]
        length = dict.fromkeys(cell.inputs, 0)
        for number, layer in self._passing(index):
            source = self.source(number)
            if source in length:
                here = length[source] + (self.operator(number) in counted.get(number, ()))
                length[layer.target] = best(length.get(layer.target, here), here)
        ends = [length[node] for node in cell.outputs if node in length]
        return best(ends, default=0)


def score(preferences: Iterable[Preference], architecture: Architecture) -> float:
    """The sum of the weights (nats) of the preferences that hold for an architecture."""
    plain = Plain(architecture.space, architecture.values)
    total = 0.0
    for preference in preferences:
        if plain.holds(preference.when):
            what = preference.what
            value = plain.amount(what) if isinstance(what, Amount) else plain.holds(what)
            total += preference.weight * value
    return total


def rejecters(
    principles: Iterable[Principle], architecture: Architecture
) -> list[tuple[Principle, ast.Hard]]:
    """Each clause that rejects an architecture, with its principle."""
    plain = Plain(architecture.space, architecture.values)
    return [
        (principle, clause.syntax)
        for principle in principles
        for clause in principle.clauses
        if not plain.holds(clause.keeps)
    ]


def is_well_formed(architecture: Architecture) -> bool:
    """Whether the architecture satisfies the invariants of its space."""
    space = architecture.space
    return Plain(space, architecture.values).holds(invariants(space))
