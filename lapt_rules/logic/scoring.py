"""The score of an architecture taken apart, so that it can be followed along a diagram.

What depends on one variable is a gain on each of its values. Everything else is a set with a
weight, which is won on the step that decides that the architecture is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lapt_rules.logic.compiling import Compiler, as_tally, single_choice
from lapt_rules.logic.diagram import Diagram
from lapt_rules.logic.formula import (
    TRUE,
    Amount,
    And,
    Choice,
    Compare,
    Formula,
    Holding,
    PathLength,
    Tally,
)
from lapt_rules.logic.principles import Preference

Weighted = tuple[float, Formula]


class Score:
    """The preferences of a principle set as `base` + Σ `gain` + Σ weights of the `sets` it is in.

    `gain` has one array for each variable, with a number for each value; `sets` are spread diagrams
    that some variable still decides.
    """

    def __init__(self, preferences: Iterable[Preference], compiler: Compiler) -> None:
        self.base = 0.0
        self.gain = [np.zeros(size) for size in compiler.sizes]
        self.sets: list[tuple[float, Diagram]] = []
        for preference in preferences:
            for weight, formula in _terms(preference, compiler):
                single = single_choice(formula, compiler.sizes)
                if single is not None:
                    self.gain[single[0]][list(single[1])] += weight
                    continue
                compiled = compiler.compile(formula).spread()
                if compiled.root < 2:
                    self.base += weight * compiled.root
                else:
                    self.sets.append((weight, compiled))


def _terms(preference: Preference, compiler: Compiler) -> Iterator[Weighted]:
    """A preference as weighted formulas that add up to it."""
    weight, when, what = preference.weight, preference.when, preference.what
    if not isinstance(what, Amount):
        yield weight, _both(when, what)
        return
    if what.constant:
        yield weight * what.constant, when
    for coefficient, measure in what.terms:
        factor = weight * coefficient
        tally = as_tally(measure, compiler.sizes)
        if tally is not None:
            yield from _tally_terms(tally, factor, when)
        elif isinstance(measure, Holding):
            for part in measure.parts:
                yield factor, _both(when, part)
        elif isinstance(measure, PathLength):
            longest = max(len(compiler.space.flow_order[cell]) for cell in measure.cells)
            for length in range(1, longest + 1):
                reached = Compare(Amount(-length, ((1, measure),)), ">=")
                yield factor, _both(when, reached)


def _both(when: Formula, formula: Formula) -> Formula:
    return formula if when is TRUE else And((when, formula))


def _tally_terms(tally: Tally, factor: float, when: Formula) -> Iterator[Weighted]:
    for variable, weights in tally.weights:
        for amount in sorted(set(weights) - {0}):
            values = frozenset(v for v, weight in enumerate(weights) if weight == amount)
            yield factor * amount, _both(when, Choice(variable, values))
