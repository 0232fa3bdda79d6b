"""Measures whose value is known only at the end, as transitions over the variables.

A walk takes the variables in order. Each component keeps some columns of a state and changes them
with every value of every variable; states that are equal in all columns are one node. At the end
each component gives its value, and the sum of the values is accepted or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lapt_rules.logic.budget import Budget
from lapt_rules.logic.diagram import Diagram, Table, level_table, reduced
from lapt_rules.logic.formula import PathLength, zero_operators
from lapt_rules.space import Space

States = npt.NDArray[np.int64]
"""States x columns, or states x values x columns."""


class Component(Protocol):
    """Part of a state; it matters for variables from `top` up to `bottom`, which is not one."""

    top: int
    bottom: int

    def start(self) -> States:
        """The first state. Shape: 1 x columns."""
        ...

    def step(self, variable: int, states: States, size: int) -> States:
        """The states after each of the `size` values. Shape: states x values x columns."""
        ...

    def values(self, states: States) -> States:
        """What each state is worth at the end. Shape: states."""
        ...


def walk(
    sizes: tuple[int, ...],
    components: Sequence[Component],
    accept: Callable[[States], npt.NDArray[np.bool_]],
    budget: Budget,
) -> Diagram:
    """The rows for which the sum of the components' values is accepted."""
    top = min(component.top for component in components)
    bottom = max(component.bottom for component in components)
    starts = [component.start() for component in components]
    cuts = np.cumsum([start.shape[1] for start in starts])[:-1]
    states = np.concatenate(starts, axis=1)
    tables: list[Table] = []
    total = 0
    for variable in range(top, bottom):
        size = sizes[variable]
        budget.spend(states.size * size)
        following = []
        for component, part in zip(components, np.split(states, cuts, axis=1), strict=True):
            if component.top <= variable < component.bottom:
                following.append(component.step(variable, part, size))
            else:
                following.append(np.repeat(part[:, None, :], size, axis=1))
        reached = np.concatenate(following, axis=2).reshape(-1, states.shape[1])
        states, number = distinct(reached)
        total += len(states)
        budget.hold(total)
        tables.append(level_table((number + 2).astype(np.int32).reshape(-1, size)))
    parts = np.split(states, cuts, axis=1)
    ends = sum(c.values(part) for c, part in zip(components, parts, strict=True))
    accepted = accept(np.asarray(ends)).astype(np.int32)
    tables[-1] = np.concatenate([np.array([0, 1], np.int32), accepted])[tables[-1]]
    return reduced(Diagram(sizes, 2, top, tuple(tables)))


def distinct(states: States) -> tuple[States, npt.NDArray[np.int64]]:
    """The different states, and for each state its number."""
    if not len(states):
        return states, np.empty(0, np.int64)
    code = np.zeros(len(states), np.int64)
    bound = 1
    lows, highs = states.min(axis=0).tolist(), states.max(axis=0).tolist()
    for column, low, high in zip(states.T, lows, highs, strict=True):
        width = high - low + 1
        if width == 1:
            continue
        if bound * width >= 2**62:
            code = np.unique(code, return_inverse=True)[1].astype(np.int64)
            bound = int(code.max()) + 1
            if bound * width >= 2**62:
                column = np.unique(column, return_inverse=True)[1].astype(np.int64)
                low, width = 0, int(column.max()) + 1
        code = code * width + (column - low)
        bound *= width
    _, first, number = np.unique(code, return_index=True, return_inverse=True)
    return states[first], number


class RunningSum:
    """Σ over variables of the weight of the value that each takes."""

    def __init__(self, weights: Mapping[int, Sequence[int]]) -> None:
        self.weights = weights
        self.top, self.bottom = min(weights), max(weights) + 1

    def start(self) -> States:
        return np.zeros((1, 1), np.int64)

    def step(self, variable: int, states: States, size: int) -> States:
        weights = np.asarray(self.weights.get(variable, [0] * size), np.int64)
        return states[:, None, :] + weights[None, :, None]

    def values(self, states: States) -> States:
        return states[:, 0]


class HoldingParts:
    """coefficient times how many of some diagrams hold: one column a diagram, the node it is at."""

    def __init__(self, parts: Sequence[Diagram], coefficient: int) -> None:
        self.parts = parts
        self.coefficient = coefficient
        with_tables = [part for part in parts if part.tables]
        self.top = min((part.top for part in with_tables), default=0)
        self.bottom = max((part.bottom for part in with_tables), default=self.top + 1)

    def start(self) -> States:
        return np.array([[part.root for part in self.parts]], np.int64)

    def step(self, variable: int, states: States, size: int) -> States:
        following = np.repeat(states[:, None, :], size, axis=1)
        for column, part in enumerate(self.parts):
            if part.top <= variable < part.bottom:
                following[:, :, column] = part.tables[variable - part.top][states[:, column]]
        return following

    def values(self, states: States) -> States:
        return np.asarray(self.coefficient * (states == 1).sum(axis=1), np.int64)


class Paths:
    """coefficient times the length of the longest, or shortest, live path.

    The columns are the length at each node that is still to be read, at the source of each layer
    whose operator is still to come, at the outputs of the cell under way, and the result over the
    cells before it. A column that no longer matters is cleared, so that states meet again.
    """

    def __init__(
        self, space: Space, sizes: tuple[int, ...], measure: PathLength, coefficient: int
    ) -> None:
        self.space = space
        self.sizes = sizes
        self.measure = measure
        self.coefficient = coefficient
        self.counted = dict(measure.counted)
        self.longest = measure.extreme == "longest"
        self.best = np.maximum if self.longest else np.minimum
        self.far = -1 if self.longest else len(space.layers) + 1  # the length where nothing leads
        self.zero = zero_operators(space)
        columns: list[tuple[str, int, str]] = []
        for cell in measure.cells:
            columns += [("node", cell, node) for node in space.cells[cell].nodes]
            columns.append(("out", cell, ""))
        layers = [i for i, layer in enumerate(space.layers) if layer.cell in measure.cells]
        columns += [("pending", i, "") for i in layers if space.source_variable[i] is not None]
        columns.append(("result", 0, ""))
        self.column = {key: index for index, key in enumerate(columns)}
        self.own = [v for v in range(len(sizes)) if self._cell(v) in measure.cells]
        self.top, self.bottom = self.own[0], self.own[-1] + 1
        self.cleared = self._cleared_after()

    def _cell(self, variable: int) -> int:
        return self.space.layers[self.space.variables[variable].layer].cell

    def start(self) -> States:
        state = np.full((1, len(self.column)), self.far, np.int64)
        for cell in self.measure.cells:
            for node in self.space.cells[cell].inputs:
                state[0, self.column["node", cell, node]] = 0
        state[0, self.column["result", 0, ""]] = 0 if self.longest else self.far
        return state

    def step(self, variable: int, states: States, size: int) -> States:
        following = np.repeat(states[:, None, :], size, axis=1)
        if variable not in self.own:
            return following
        choice = self.space.variables[variable]
        layer = self.space.layers[choice.layer]
        if choice.kind == "source":
            pending = self.column["pending", choice.layer, ""]
            for value, node in enumerate(choice.values):
                following[:, value, pending] = states[:, self.column["node", layer.cell, node]]
        else:
            self._let_operator(choice.layer, states, following)
        following[:, :, self.cleared.get(variable, [])] = self.far
        if variable == max(v for v in self.own if self._cell(v) == layer.cell):
            self._end_cell(layer.cell, following)
        return following

    def values(self, states: States) -> States:
        return self.coefficient * states[:, self.column["result", 0, ""]]

    def _let_operator(self, index: int, states: States, following: States) -> None:
        """Let the operator of a layer take each of its values."""
        layer = self.space.layers[index]
        if self.space.source_variable[index] is None:
            at_source = states[:, self.column["node", layer.cell, layer.sources[0]]]
        else:
            pending = self.column["pending", index, ""]
            at_source = states[:, pending]
            following[:, :, pending] = self.far
        target = self.column["node", layer.cell, layer.target]
        for value in range(following.shape[1]):
            if value not in self.zero:
                step = int(value in self.counted.get(index, ()))
                here = np.where(at_source == self.far, self.far, at_source + step)
                following[:, value, target] = self.best(states[:, target], here)
        if layer.target in self.space.cells[layer.cell].outputs:
            out = self.column["out", layer.cell, ""]
            following[:, :, out] = self.best(following[:, :, out], following[:, :, target])

    def _end_cell(self, cell: int, following: States) -> None:
        """Take the length of a cell that is complete into the result; 0 where no path lives."""
        out, result = self.column["out", cell, ""], self.column["result", 0, ""]
        length = np.where(following[:, :, out] == self.far, 0, following[:, :, out])
        following[:, :, result] = self.best(following[:, :, result], length)
        following[:, :, out] = self.far

    def _cleared_after(self) -> dict[int, list[int]]:
        """The node columns that each variable is the last to read or to add to."""
        last: dict[int, int] = {}
        for number in self.own:
            variable = self.space.variables[number]
            layer = self.space.layers[variable.layer]
            nodes = [layer.target, *layer.sources[:1]]
            if variable.kind == "source":
                nodes = list(variable.values)
            elif len(layer.sources) > 1:
                nodes = [layer.target]
            for node in nodes:
                last[self.column["node", layer.cell, node]] = number
        cleared: dict[int, list[int]] = {}
        for column, number in last.items():
            cleared.setdefault(number, []).append(column)
        return cleared
