"""Samples of a set in proportion to exp(score), the score being the sum of preference weights.

The diagram is walked together with the sets that the score depends on; a state is a node of each.
From the last variable back every state gets the sum of exp(score still to come) over its rows (its
partition function), and a draw chooses each value in proportion to what lies behind it. The
distribution is exact up to the rounding of 64-bit floating point, in logarithms throughout.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lapt_rules.logic.budget import Budget
from lapt_rules.logic.diagram import Diagram, Table, children_of, distinct_states, width_at
from lapt_rules.logic.scoring import Score


class WeightedSampler:
    """Draws rows of a set with probability proportional to exp(score)."""

    def __init__(self, diagram: Diagram, score: Score, budget: Budget) -> None:
        parts = [diagram.spread(), *(one for _, one in score.sets)]
        weights = np.array([weight for weight, _ in score.sets])
        states = np.array([[part.root] for part in parts], np.int32)
        steps: list[tuple[Table, npt.NDArray[np.float64]]] = []
        total = 0
        for level, size in enumerate(diagram.sizes):
            budget.spend(states.size * size)
            children = children_of(parts, states, level)
            won = (children[1:] == 1) & (states[1:].repeat(size, axis=1) > 1)
            gained = weights @ won + np.tile(score.gain[level], states.shape[1])
            alive = np.flatnonzero(children[0])
            radix = [width_at(part, level + 1) for part in parts]
            following, number = distinct_states(children[:, alive], radix)
            child = np.zeros(children.shape[1], np.int32)
            child[alive] = number
            gained[children[0] == 0] = -np.inf
            steps.append((child.reshape(-1, size), gained.reshape(-1, size)))
            states = following
            total += states.shape[1]
            budget.hold(total)
        self._levels = _choices(steps, states.shape[1])

    def sample(self, number: int, generator: np.random.Generator) -> npt.NDArray[np.int8]:
        """`number` rows, drawn with replacement. Shape: number x variables."""
        rows = np.empty((len(self._levels), number), np.int8)
        state = np.zeros(number, np.int32)
        for level, (child, boundaries) in enumerate(self._levels):
            value = (generator.random(number)[:, None] >= boundaries[state]).sum(axis=1)
            rows[level] = value
            state = child[state, value]
        return np.ascontiguousarray(rows.T)


def _choices(
    steps: list[tuple[Table, npt.NDArray[np.float64]]], ends: int
) -> list[tuple[Table, npt.NDArray[np.float64]]]:
    """For each level the child of each state and value, and where in [0, 1) each value ends."""
    behind = np.zeros(ends)  # ln of the partition function of each state
    levels = []
    for child, gained in reversed(steps):
        through = gained + behind[child]
        highest = through.max(axis=1, keepdims=True)
        shares = np.exp(through - highest)
        sums = np.cumsum(shares, axis=1)
        boundaries = sums[:, :-1] / sums[:, -1:]
        # What has no share must not be drawn, whatever the last sums round to.
        last = child.shape[1] - 1 - np.argmax(shares[:, ::-1] > 0, axis=1)
        boundaries[np.arange(child.shape[1] - 1) >= last[:, None]] = 1.0
        levels.append((child, boundaries))
        behind = highest[:, 0] + np.log(sums[:, -1])
    return levels[::-1]
