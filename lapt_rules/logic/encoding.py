"""The formulas as Z3 expressions.

Costs and counts sum one integer for each value of a variable, 1 for the value that it takes and 0
for the others. That they add up to 1 lets Z3 see at once which counts cannot hold together, where
one integer a variable, pseudo-Boolean and if-then-else forms time out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import z3

from lapt_rules.logic.budget import Budget
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
    zero_operators,
)
from lapt_rules.space import Space


class Encoding:
    """Formulas as Z3 expressions over one Boolean for each value of each variable.

    Raises LimitError for formulas that are too large for the budget.
    """

    def __init__(
        self,
        space: Space,
        context: z3.Context,
        add: Callable[[z3.BoolRef], None],
        budget: Budget | None = None,
    ) -> None:
        self.space = space
        self._context = context
        self._add = add
        self._budget = budget or Budget()
        self._zero = zero_operators(space)
        self._formulas: dict[Formula, z3.BoolRef] = {}
        self._measures: dict[Measure, z3.ArithRef] = {}
        self._reach: dict[int, tuple[dict[str, z3.BoolRef], dict[str, z3.BoolRef]]] = {}
        self._indicators: dict[int, list[z3.ArithRef]] = {}
        self.takes = [
            [z3.Bool(f"v{number}={value}", context) for value in variable.values]
            for number, variable in enumerate(space.variables)
        ]
        for values in self.takes:
            add(z3.PbEq([(value, 1) for value in values], 1, ctx=context))

    def formula(self, formula: Formula) -> z3.BoolRef:
        if formula not in self._formulas:
            self._budget.state(1)
            self._formulas[formula] = self._formula(formula)
        return self._formulas[formula]

    def _formula(self, formula: Formula) -> z3.BoolRef:
        match formula:
            case Constant(value):
                return z3.BoolVal(value, self._context)
            case Choice(variable, values):
                return self._or([self.takes[variable][value] for value in sorted(values)])
            case Not(part):
                return cast("z3.BoolRef", z3.Not(self.formula(part)))
            case And(parts):
                return self._and([self.formula(part) for part in parts])
            case Or(parts):
                return self._or([self.formula(part) for part in parts])
            case Compare(amount, relation):
                return self._related(self.amount(amount), relation)
            case Live(index):
                layer = self.space.layers[index]
                reached, leading = self._reachability(layer.cell)
                return self._and([self._flow(index, reached), leading[layer.target]])
            case Connected(index):
                reached, _ = self._reachability(index)
                return self._or([reached[node] for node in self.space.cells[index].outputs])

    def amount(self, amount: Amount) -> z3.ArithRef:
        terms = [self._int(amount.constant)]
        terms += [coefficient * self.measure(measure) for coefficient, measure in amount.terms]
        return cast("z3.ArithRef", z3.Sum(terms))

    def measure(self, measure: Measure) -> z3.ArithRef:
        if measure not in self._measures:
            self._measures[measure] = self._measure(measure)
        return self._measures[measure]

    def _measure(self, measure: Measure) -> z3.ArithRef:
        match measure:
            case Tally(weights):
                self._budget.state(len(weights))
                terms = [self._weight(variable, weight) for variable, weight in weights]
            case Holding(parts):
                self._budget.state(len(parts))
                terms = [z3.If(self.formula(part), self._int(1), self._int(0)) for part in parts]
            case PathLength(extreme, cells, counted):
                lengths = [self._path(extreme, cell, dict(counted)) for cell in cells]
                return self._best(extreme, lengths)
        return cast("z3.ArithRef", z3.Sum([self._int(0), *terms]))

    def _weight(self, variable: int, weight: tuple[int, ...]) -> z3.ArithRef:
        """The weight of the value that the variable takes."""
        pairs = zip(weight, self._indicator(variable), strict=True)
        return cast("z3.ArithRef", z3.Sum([self._int(0), *(w * one for w, one in pairs if w)]))

    def _indicator(self, variable: int) -> list[z3.ArithRef]:
        """For each value an integer: 1 where the variable takes it, else 0."""
        if variable not in self._indicators:
            names = [f"{takes} as 0 or 1" for takes in self.takes[variable]]
            ones = [z3.Int(name, self._context) for name in names]
            for takes, one in zip(self.takes[variable], ones, strict=True):
                self._add(z3.Implies(takes, one == 1))
                self._add(z3.Implies(z3.Not(takes), one == 0))
                self._add(self._and([one >= 0, one <= 1]))
            self._add(cast("z3.BoolRef", z3.Sum(ones) == 1))
            self._indicators[variable] = ones
        return self._indicators[variable]

    # -------------------------------------------------------------------------------- networks

    def _passes(self, layer: int) -> z3.BoolRef:
        values = self.takes[self.space.operator_variable[layer]]
        return self._and([z3.Not(values[zero]) for zero in sorted(self._zero)])

    def _reads(self, layer: int, source: int) -> z3.BoolRef:
        variable = self.space.source_variable[layer]
        if variable is None:
            return z3.BoolVal(True, self._context)
        return self.takes[variable][source]

    def _flow(self, layer: int, reached: dict[str, z3.BoolRef]) -> z3.BoolRef:
        sources = enumerate(self.space.layers[layer].sources)
        received = [self._and([self._reads(layer, n), reached[node]]) for n, node in sources]
        return self._and([self._passes(layer), self._or(received)])

    def _reachability(self, index: int) -> tuple[dict[str, z3.BoolRef], dict[str, z3.BoolRef]]:
        """For each node of a cell: reached from an input; leading to an output."""
        if index not in self._reach:
            self._reach[index] = self._reaching(index)
        return self._reach[index]

    def _reaching(self, index: int) -> tuple[dict[str, z3.BoolRef], dict[str, z3.BoolRef]]:
        cell = self.space.cells[index]
        reached = {n: z3.BoolVal(n in cell.inputs, self._context) for n in cell.nodes}
        leading = {n: z3.BoolVal(n in cell.outputs, self._context) for n in cell.nodes}
        for i in self.space.flow_order[index]:
            target = self.space.layers[i].target
            reached[target] = self._or([reached[target], self._flow(i, reached)])
        for i in reversed(self.space.flow_order[index]):
            layer = self.space.layers[i]
            for number, source in enumerate(layer.sources):
                useful = [self._passes(i), leading[layer.target], self._reads(i, number)]
                leading[source] = self._or([leading[source], self._and(useful)])
        return reached, leading

    def _path(self, extreme: str, index: int, counted: dict[int, frozenset[int]]) -> z3.ArithRef:
        cell = self.space.cells[index]
        far = len(self.space.layers) + 1
        never = self._int(-far if extreme == "longest" else far)
        length = {node: self._int(0) if node in cell.inputs else never for node in cell.nodes}
        for i in self.space.flow_order[index]:
            layer = self.space.layers[i]
            self._budget.state(len(layer.sources))
            here = never
            for number, source in enumerate(layer.sources):
                here = z3.If(self._reads(i, number), length[source], here)
            operators = self.takes[self.space.operator_variable[i]]
            counts = self._or([operators[value] for value in sorted(counted.get(i, ()))])
            step = z3.If(counts, self._int(1), self._int(0))
            reached = here >= 0 if extreme == "longest" else here < far
            here = z3.If(self._and([self._passes(i), reached]), here + step, never)
            length[layer.target] = self._best(extreme, [length[layer.target], here])
        end = self._best(extreme, [length[node] for node in cell.outputs])
        lives = end >= 0 if extreme == "longest" else end < far
        return cast("z3.ArithRef", z3.If(lives, end, self._int(0)))

    def _best(self, extreme: str, lengths: Sequence[z3.ArithRef]) -> z3.ArithRef:
        best = lengths[0]
        for length in lengths[1:]:
            better = length > best if extreme == "longest" else length < best
            best = z3.If(better, length, best)
        return best

    # ------------------------------------------------------------------------------ Z3's own

    def _int(self, value: int) -> z3.ArithRef:
        return z3.IntVal(value, self._context)

    def _and(self, parts: Sequence[Any]) -> z3.BoolRef:
        if not parts:
            return z3.BoolVal(True, self._context)
        return cast("z3.BoolRef", z3.And(*parts)) if len(parts) > 1 else parts[0]

    def _or(self, parts: Sequence[Any]) -> z3.BoolRef:
        if not parts:
            return z3.BoolVal(False, self._context)
        return cast("z3.BoolRef", z3.Or(*parts)) if len(parts) > 1 else parts[0]

    def _related(self, amount: z3.ArithRef, relation: Relation) -> z3.BoolRef:
        match relation:
            case "<=":
                return amount <= 0
            case ">=":
                return amount >= 0
            case "==":
                return cast("z3.BoolRef", amount == 0)
            case "!=":
                return cast("z3.BoolRef", amount != 0)
            case "<":
                return amount < 0
            case ">":
                return amount > 0
