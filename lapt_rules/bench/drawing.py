"""Uniform raw draws of a space, for whoever then rejects what the principles do not keep."""

from __future__ import annotations

from itertools import product

import numpy as np

from lapt_rules.logic.arrays import Rows
from lapt_rules.space import Space


def groups(space: Space) -> list[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """Variables that are drawn together, with the values that they may take together.

    The two sources of an unordered pair of layers are drawn as one pair, the earlier source first:
    drawn one by one they would hardly ever be in order.
    """
    sizes = [len(variable.values) for variable in space.variables]
    found: list[tuple[tuple[int, ...], list[tuple[int, ...]]]] = []
    for first, second in space.unordered:
        a, b = space.source_variable[first], space.source_variable[second]
        if a is not None and b is not None:
            names = space.layers[first].sources
            assert names == space.layers[second].sources
            ordered: list[tuple[int, ...]] = [
                (x, y) for x, y in product(range(sizes[a]), range(sizes[b])) if x < y
            ]
            found.append(((a, b), ordered))
    together = {variable for variables, _ in found for variable in variables}
    for variable, size in enumerate(sizes):
        if variable not in together:
            found.append(((variable,), [(value,) for value in range(size)]))
    return sorted(found)


class Drawing:
    """Draws raw rows of a space: well-formed ones as far as ordered pairs make them so."""

    def __init__(self, space: Space) -> None:
        self._columns = len(space.variables)
        self._groups = [(v, np.array(values, np.int8).T.copy()) for v, values in groups(space)]

    def rows(self, number: int, generator: np.random.Generator) -> Rows:
        columns = np.empty((self._columns, number), np.int8)
        for variables, values in self._groups:
            size = values.shape[1]
            if len(variables) == 1:
                columns[variables[0]] = generator.integers(0, size, number, np.int8)
            else:
                chosen = generator.integers(0, size, number, np.int8)
                for variable, column in zip(variables, values, strict=True):
                    columns[variable] = column[chosen]
        return columns.T
