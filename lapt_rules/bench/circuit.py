"""Formulas as Boolean conditions of any kind, so that every peer shares one lowering.

A peer hands over an `Algebra`: how its own conditions are joined, negated and chosen by a variable.
The circuit asks it for nothing else. Sums are decision graphs unless the algebra has sums of its
own; lengths of paths are unary, one condition for each `at least k` or `at most k`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic

import numpy as np
import numpy.typing as npt

from lapt_rules.bench.algebra import Algebra, Node
from lapt_rules.bench.sums import Item, Sums
from lapt_rules.logic.compiling import as_tally, single_choice
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
    zero_operators,
)
from lapt_rules.space import Space


class Circuit(Generic[Node]):
    """Lowers formulas on one space into the conditions of one algebra, each shared part once."""

    def __init__(self, space: Space, algebra: Algebra[Node]) -> None:
        self.space = space
        self.algebra = algebra
        self._sizes = tuple(len(variable.values) for variable in space.variables)
        self._passing = frozenset(range(len(space.operators))) - zero_operators(space)
        self._known: dict[Formula, Node] = {}
        self._ladders: dict[Measure, tuple[Node, ...]] = {}
        self._reach: dict[int, tuple[dict[str, Node], dict[str, Node]]] = {}

    def lower(self, formula: Formula) -> Node:
        """The condition under which the formula holds."""
        if formula not in self._known:
            self._known[formula] = self._lower(formula)
        return self._known[formula]

    def _lower(self, formula: Formula) -> Node:
        algebra = self.algebra
        match formula:
            case Constant(value):
                return algebra.true if value else algebra.false
            case Choice(variable, values):
                return algebra.choice(variable, values)
            case Not(part):
                return algebra.negation(self.lower(part))
            case And(parts):
                return algebra.conjunction([self.lower(part) for part in parts])
            case Or(parts):
                return algebra.disjunction([self.lower(part) for part in parts])
            case Compare(amount, relation):
                return self._compare(amount, relation)
            case Live(index):
                layer = self.space.layers[index]
                reached, leading = self._reachability(layer.cell)
                return algebra.conjunction([self._flow(index, reached), leading[layer.target]])
            case Connected(index):
                reached, _ = self._reachability(index)
                outputs = self.space.cells[index].outputs
                return algebra.disjunction([reached[node] for node in outputs])

    # ----------------------------------------------------------------------------------- sums

    def _compare(self, amount: Amount, relation: Relation) -> Node:
        fixed, items = self._items(amount)
        negation = self.algebra.negation
        match relation:
            case ">=":
                return self._at_least(items, -fixed)
            case ">":
                return self._at_least(items, 1 - fixed)
            case "<=":
                return negation(self._at_least(items, 1 - fixed))
            case "<":
                return negation(self._at_least(items, -fixed))
            case "==" | "!=":
                above = negation(self._at_least(items, 1 - fixed))
                equal = self.algebra.conjunction([self._at_least(items, -fixed), above])
                return equal if relation == "==" else negation(equal)

    def _items(self, amount: Amount) -> tuple[int, list[Item[Node]]]:
        """The amount as a constant and parts whose least weight is 0, ladders first."""
        ladders: list[Item[Node]] = []
        tables: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}

        def add(variables: tuple[int, ...], weights: npt.NDArray[np.int64]) -> None:
            tables[variables] = tables.get(variables, 0) + weights

        for coefficient, measure in amount.terms:
            plain = as_tally(measure, self._sizes)
            if plain is not None:
                for variable, weights in plain.weights:
                    add((variable,), coefficient * np.array(weights, np.int64))
            elif isinstance(measure, Holding):
                for part in measure.parts:
                    pair = None if self.algebra.has_sums else self._pair(part)
                    if pair is None:
                        ladders.append(Item((0, coefficient), steps=(self.lower(part),)))
                    else:
                        add(pair[0], coefficient * pair[1])
            elif isinstance(measure, PathLength):
                steps = self._ladder(measure)
                heights = tuple(coefficient * k for k in range(len(steps) + 1))
                ladders.append(Item(heights, steps=steps))
        items = ladders + [
            Item(tuple(weights.reshape(-1).tolist()), variables, weights.shape)
            for variables, weights in sorted(_absorbed(tables).items())
        ]
        fixed = amount.constant + sum(min(item.weights) for item in items)
        shifted = [
            replace(item, weights=tuple(weight - min(item.weights) for weight in item.weights))
            for item in items
        ]
        return fixed, [item for item in shifted if any(item.weights)]

    def _pair(self, part: Formula) -> tuple[tuple[int, ...], npt.NDArray[np.int64]] | None:
        """Where a condition joins choices of two variables: these, and 1 where both are met."""
        if not isinstance(part, And):
            return None
        met: dict[int, npt.NDArray[np.int64]] = {}
        for one in part.parts:
            single = single_choice(one, self._sizes)
            if single is None or single[0] in met:
                return None
            values = np.zeros(self._sizes[single[0]], np.int64)
            values[list(single[1])] = 1
            met[single[0]] = values
        if len(met) != 2:
            return None
        first, second = sorted(met)
        return (first, second), np.outer(met[first], met[second])

    def _at_least(self, items: list[Item[Node]], bound: int) -> Node:
        most = sum(max(item.weights) for item in items)
        if bound <= 0 or bound > most:
            return self.algebra.true if bound <= 0 else self.algebra.false
        if not self.algebra.has_sums:
            return Sums(self.algebra, items).at_least(bound)
        fixed, terms = self._terms(items)
        return self.algebra.at_least(terms, bound - fixed)

    def _terms(self, items: list[Item[Node]]) -> tuple[int, list[tuple[int, Node]]]:
        """A sum as a constant and positive weights of single conditions."""
        fixed = 0
        terms: list[tuple[int, Node]] = []
        for item in items:
            for variable in item.variables:
                for weight in sorted(set(item.weights) - {0}):
                    taken = frozenset(v for v, w in enumerate(item.weights) if w == weight)
                    terms.append((weight, self.algebra.choice(variable, taken)))
            fixed += 0 if item.variables else item.weights[0]
            for k, step in enumerate(item.steps):
                weight = item.weights[k + 1] - item.weights[k]
                if weight < 0:
                    fixed += weight
                    terms.append((-weight, self.algebra.negation(step)))
                elif weight > 0:
                    terms.append((weight, step))
        return fixed, terms

    # --------------------------------------------------------------------------------- networks

    def _passes(self, layer: int) -> Node:
        return self.algebra.choice(self.space.operator_variable[layer], self._passing)

    def _reads(self, layer: int, source: int) -> Node:
        variable = self.space.source_variable[layer]
        if variable is None:
            return self.algebra.true
        return self.algebra.choice(variable, frozenset({source}))

    def _at_source(self, layer: int, conditions: Sequence[Node]) -> Node:
        """The condition that belongs to the source which the layer reads."""
        variable = self.space.source_variable[layer]
        return conditions[0] if variable is None else self.algebra.branch(variable, conditions)

    def _flow(self, layer: int, reached: dict[str, Node]) -> Node:
        received = [reached[node] for node in self.space.layers[layer].sources]
        return self.algebra.conjunction([self._passes(layer), self._at_source(layer, received)])

    def _reachability(self, index: int) -> tuple[dict[str, Node], dict[str, Node]]:
        """For each node of a cell: reached from an input; leading to an output."""
        if index not in self._reach:
            algebra, cell = self.algebra, self.space.cells[index]
            reached = {n: algebra.true if n in cell.inputs else algebra.false for n in cell.nodes}
            leading = {n: algebra.true if n in cell.outputs else algebra.false for n in cell.nodes}
            for i in self.space.flow_order[index]:
                target = self.space.layers[i].target
                flow = self._flow(i, reached)
                reached[target] = algebra.disjunction([reached[target], flow])
            for i in reversed(self.space.flow_order[index]):
                layer = self.space.layers[i]
                for number, source in enumerate(layer.sources):
                    useful = [self._passes(i), leading[layer.target], self._reads(i, number)]
                    way = algebra.conjunction(useful)
                    leading[source] = algebra.disjunction([leading[source], way])
            self._reach[index] = reached, leading
        return self._reach[index]

    def _ladder(self, measure: PathLength) -> tuple[Node, ...]:
        """For k = 1, 2, ...: the condition that the length is k at least."""
        if measure not in self._ladders:
            counted = dict(measure.counted)
            one = self._longest if measure.extreme == "longest" else self._shortest
            cells = [one(cell, counted) for cell in measure.cells]
            height = max(len(steps) for steps in cells)
            false = self.algebra.false
            levels = [[s[k] if k < len(s) else false for s in cells] for k in range(height)]
            is_longest = measure.extreme == "longest"
            join = self.algebra.disjunction if is_longest else self.algebra.conjunction
            self._ladders[measure] = tuple(join(level) for level in levels)
        return self._ladders[measure]

    def _longest(self, index: int, counted: dict[int, frozenset[int]]) -> list[Node]:
        """For k from 1: some live path of the cell has k counted layers at least."""
        algebra, cell = self.algebra, self.space.cells[index]
        at_least: dict[str, list[Node]] = {node: [] for node in cell.nodes}
        at_least |= {node: [algebra.true] for node in cell.inputs}

        def of(node: str, k: int) -> Node:
            return at_least[node][k] if k < len(at_least[node]) else algebra.false

        for i in self.space.flow_order[index]:
            layer = self.space.layers[i]
            height = max(len(at_least[node]) for node in layer.sources)
            before = [
                self._at_source(i, [of(node, k) for node in layer.sources]) for k in range(height)
            ]
            counts = self._counts(i, counted)
            here = []
            for k in range(height + (counts is not algebra.false)):
                same = before[k] if k < height else algebra.false
                longer = before[max(k - 1, 0)]
                length = algebra.either(counts, longer, same)
                here.append(algebra.conjunction([self._passes(i), length]))
            both = range(max(height + (counts is not algebra.false), len(at_least[layer.target])))
            target = layer.target
            at_least[target] = [
                algebra.disjunction([of(target, k), here[k] if k < len(here) else algebra.false])
                for k in both
            ]
        height = max(len(at_least[node]) for node in cell.outputs)
        return [
            algebra.disjunction([of(node, k) for node in cell.outputs]) for k in range(1, height)
        ]

    def _shortest(self, index: int, counted: dict[int, frozenset[int]]) -> list[Node]:
        """For k from 1: some path of the cell lives, and every one has k counted layers."""
        algebra, cell = self.algebra, self.space.cells[index]
        at_most: dict[str, list[Node]] = {node: [algebra.false] for node in cell.nodes}
        at_most |= {node: [algebra.true] for node in cell.inputs}

        def of(node: str, k: int) -> Node:
            known = at_most[node]
            return algebra.false if k < 0 else known[min(k, len(known) - 1)]

        for i in self.space.flow_order[index]:
            layer = self.space.layers[i]
            counts = self._counts(i, counted)
            height = max(len(at_most[node]) for node in layer.sources)
            height += counts is not algebra.false
            before = [
                self._at_source(i, [of(node, k) for node in layer.sources])
                for k in range(-1, height)
            ]
            target = layer.target
            here = [
                algebra.conjunction(
                    [self._passes(i), algebra.either(counts, before[k], before[k + 1])]
                )
                for k in range(height)
            ]
            at_most[target] = [
                algebra.disjunction([of(target, k), here[min(k, height - 1)]])
                for k in range(max(height, len(at_most[target])))
            ]
        height = max(len(at_most[node]) for node in cell.outputs)
        ends = [algebra.disjunction([of(node, k) for node in cell.outputs]) for k in range(height)]
        return [
            algebra.conjunction([ends[-1], algebra.negation(ends[k - 1])]) for k in range(1, height)
        ]

    def _counts(self, layer: int, counted: dict[int, frozenset[int]]) -> Node:
        values = counted.get(layer, frozenset()) & self._passing
        if not values:
            return self.algebra.false
        return self.algebra.choice(self.space.operator_variable[layer], values)


def _absorbed(
    tables: dict[tuple[int, ...], npt.NDArray[np.int64]],
) -> dict[tuple[int, ...], npt.NDArray[np.int64]]:
    """Weights of pairs and of single variables, each of these added to a pair that has it."""
    pairs = [variables for variables in tables if len(variables) == 2]
    found: dict[tuple[int, ...], npt.NDArray[np.int64]] = {pair: tables[pair] for pair in pairs}
    for variables, weights in tables.items():
        if len(variables) == 1:
            home = next((pair for pair in pairs if variables[0] in pair), None)
            if home is None:
                found[variables] = weights
            else:
                column = weights[:, None] if home[0] == variables[0] else weights
                found[home] = found[home] + column
    return found
