"""The small language of formulas that every engine understands, and its plain evaluation.

Binding has resolved all names: what is left speaks of variables and their values by number, of
layers and of cells. `Plain` is the reference meaning, on one architecture at a time; `arrays` is
the same on many at once, `smt` hands it to Z3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lapt_rules.space import Layer, Space

Relation = Literal["<=", ">=", "==", "!=", "<", ">"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Σ over variables of the weight of the value it takes: counts and costs."""

    weights: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class PathLength:
    """The most, or fewest, counted layers on one live path of a cell; then over `cells`.

    `counted` are pairs of a layer and the operators with which it counts.
    """

    extreme: Literal["longest", "shortest"]
    cells: tuple[int, ...]
    counted: tuple[tuple[int, frozenset[int]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """How many of `parts` hold."""

    parts: tuple[Formula, ...]


Measure = Tally | PathLength | Holding


@dataclass(frozen=True, slots=True, eq=False)
class Amount:
    """constant + Σ coefficient · measure."""

    constant: int
    terms: tuple[tuple[int, Measure], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The variable takes one of `values`."""

    variable: int
    values: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """The layer lies on a live path: no `zero` operator on it, from an input to an output."""

    layer: int


@dataclass(frozen=True, slots=True, eq=False)
class Connected:
    """Some live path exists in the cell."""

    cell: int


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """`amount RELATION 0`."""

    amount: Amount
    relation: Relation


@dataclass(frozen=True, slots=True, eq=False)
class Not:
    part: Formula


@dataclass(frozen=True, slots=True, eq=False)
class And:
    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Or:
    parts: tuple[Formula, ...]


Formula = Constant | Choice | Live | Connected | Compare | Not | And | Or

TRUE = Constant(True)
FALSE = Constant(False)


def related(left: int, relation: Relation, right: int = 0) -> bool:
    match relation:
        case "<=":
            return left <= right
        case ">=":
            return left >= right
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right


def zero_operators(space: Space) -> frozenset[int]:
    """The operators that cut a path."""
    return frozenset(i for i, o in enumerate(space.operators) if o.function == "zero")


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
