"""The meaning of formulas on many architectures at once, in numpy.

Rows are architectures, columns the space's variables. The result equals `Plain` on every row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

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
    zero_operators,
)
from lapt_rules.logic.principles import Preference
from lapt_rules.space import Cell, Space

Mask: TypeAlias = npt.NDArray[np.bool_]
Integers: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int8]

_FAR = 1 << 13  # longer than any path, and within 16 bits

_COMPARE = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
}


class Arrays:
    """Evaluates formulas on `rows` (shape: architectures x variables), each shared part once.

    >>> from lapt_rules.space import load_space
    >>> space = load_space("nas201")
    >>> rows = np.zeros((1, 6), np.int8)  # `none` everywhere
    >>> Arrays(space, rows).holds(Connected(0))
    array([False])
    """

    def __init__(self, space: Space, rows: Rows) -> None:
        self.space = space
        self.rows = rows
        self._columns = [np.ascontiguousarray(rows[:, v]) for v in range(rows.shape[1])]
        self._zero = zero_operators(space)
        self._masks: dict[Formula, Mask] = {}
        self._choices: dict[tuple[int, frozenset[int]], Mask] = {}
        self._measures: dict[Measure, Integers] = {}
        self._reach: dict[int, tuple[dict[str, Mask], dict[str, Mask]]] = {}

    def holds(self, formula: Formula) -> Mask:
        """For each row, whether the formula holds."""
        if formula not in self._masks:
            self._masks[formula] = self._holds(formula)
        return self._masks[formula]

    def amount(self, amount: Amount) -> Integers:
        """For each row, the value of the amount."""
        total = np.full(len(self.rows), amount.constant, np.int64)
        for coefficient, measure in amount.terms:
            total += coefficient * self.measure(measure)
        return total

    def measure(self, measure: Measure) -> Integers:
        if measure not in self._measures:
            self._measures[measure] = self._measure(measure)
        return self._measures[measure]

    def _holds(self, formula: Formula) -> Mask:
        match formula:
            case Constant(value):
                return np.full(len(self.rows), value)
            case Choice(variable, values):
                return self._is_one_of(variable, values)
            case Not(part):
                return ~self.holds(part)
            case And(parts):
                mask = np.ones(len(self.rows), np.bool_)
                for part in parts:
                    mask &= self.holds(part)
                return mask
            case Or(parts):
                mask = np.zeros(len(self.rows), np.bool_)
                for part in parts:
                    mask |= self.holds(part)
                return mask
            case Compare(amount, relation):
                return np.asarray(_COMPARE[relation](self.amount(amount), 0), np.bool_)
            case Live(index):
                layer = self.space.layers[index]
                reached, leading = self._reachability(layer.cell)
                return self._flow(index, reached) & leading[layer.target]
            case Connected(index):
                reached, _ = self._reachability(index)
                cell = self.space.cells[index]
                ends = np.stack([reached[node] for node in cell.outputs])
                return np.asarray(ends.any(axis=0))

    def _measure(self, measure: Measure) -> Integers:
        total = np.zeros(len(self.rows), np.int64)
        match measure:
            case Tally(weights):
                for variable, weight in weights:
                    total += np.asarray(weight, np.int64)[self._columns[variable]]
            case Holding(parts):
                for part in parts:
                    total += self.holds(part)
            case PathLength(extreme, cells, counted):
                best = np.maximum if extreme == "longest" else np.minimum
                lengths = [self._path(extreme, cell, dict(counted)) for cell in cells]
                total = best.reduce(lengths)
        return total

    def _is_one_of(self, variable: int, values: frozenset[int]) -> Mask:
        key = variable, values
        if key not in self._choices:
            table = np.zeros(len(self.space.variables[variable].values), np.bool_)
            table[list(values)] = True
            self._choices[key] = table[self._columns[variable]]
        return self._choices[key]

    def _passes(self, layer: int) -> Mask:
        return ~self._is_one_of(self.space.operator_variable[layer], self._zero)

    def _reads(self, layer: int, source: int) -> Mask:
        variable = self.space.source_variable[layer]
        if variable is None:
            return np.ones(len(self.rows), np.bool_)
        return self._is_one_of(variable, frozenset({source}))

    def _flow(self, layer: int, reached: dict[str, Mask]) -> Mask:
        """Where the layer passes on something that its source has received."""
        flow = np.zeros(len(self.rows), np.bool_)
        for number, source in enumerate(self.space.layers[layer].sources):
            flow |= self._reads(layer, number) & reached[source]
        return flow & self._passes(layer)

    def _reachability(self, index: int) -> tuple[dict[str, Mask], dict[str, Mask]]:
        """For each node of a cell: reached from an input; leading to an output."""
        if index not in self._reach:
            cell: Cell = self.space.cells[index]
            nothing = np.zeros(len(self.rows), np.bool_)
            reached = {node: nothing | (node in cell.inputs) for node in cell.nodes}
            leading = {node: nothing | (node in cell.outputs) for node in cell.nodes}
            for i in self.space.flow_order[index]:
                reached[self.space.layers[i].target] |= self._flow(i, reached)
            for i in reversed(self.space.flow_order[index]):
                layer = self.space.layers[i]
                useful = self._passes(i) & leading[layer.target]
                for number, source in enumerate(layer.sources):
                    leading[source] |= useful & self._reads(i, number)
            self._reach[index] = reached, leading
        return self._reach[index]

    def _path(self, extreme: str, index: int, counted: dict[int, frozenset[int]]) -> Integers:
        cell = self.space.cells[index]
        longest = extreme == "longest"
        best = np.maximum if longest else np.minimum
        never = -_FAR if longest else _FAR
        unreached = np.full(len(self.rows), never, np.int16)
        length = {node: np.zeros_like(unreached) for node in cell.inputs}
        length |= {node: unreached.copy() for node in cell.nodes if node not in cell.inputs}
        for i in self.space.flow_order[index]:
            layer = self.space.layers[i]
            here = unreached
            for number, source in enumerate(layer.sources):
                here = np.where(self._reads(i, number), length[source], here)
            if i in counted:
                here = here + self._is_one_of(self.space.operator_variable[i], counted[i])
            here = np.where(self._passes(i), here, np.int16(never))
            length[layer.target] = best(length[layer.target], here)
        end = best.reduce([length[node] for node in cell.outputs])
        lengths: Integers = np.where(np.abs(end) >= _FAR // 2, 0, end).astype(np.int64)
        return lengths


def scores(arrays: Arrays, preferences: Iterable[Preference]) -> npt.NDArray[np.float64]:
    """For each row, the sum of the weights of the preferences that hold (nats)."""
    total = np.zeros(len(arrays.rows))
    for preference in preferences:
        what = preference.what
        value = arrays.amount(what) if isinstance(what, Amount) else arrays.holds(what)
        total += preference.weight * np.where(arrays.holds(preference.when), value, 0)
    return total
