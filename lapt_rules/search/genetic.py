"""A genetic search with crossover: the evolution that LAPT uses on DARTS.

    the first P trials are the first generation; each later generation is P children
    a child:  the winner of a tournament among the parents
              with probability `crossover`: each stage from it or from a second winner
              with probability `mutation`: one move
    the parents of a generation are the P best of all trials before it

The form is that of Guo et al. (ECCV 2020, arXiv:1904.00420, Algorithm 1), where the best so far
are the parents. LAPT's setting is population 20, tournament 2, crossover and mutation 0.5, and ten
generations after the first: 220 evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lapt_rules.search.best_first import BestFirst
from lapt_rules.search.random_search import RandomSearch
from lapt_rules.search.searcher import Searcher, SearchState, Trial
from lapt_rules.space import Architecture

_CHILDREN = 64
"""How many children are bred before the next one is only mutated."""


@dataclass(frozen=True)
class GeneticSearch:
    """Evolution by crossover and mutation that never leaves the subspace.

    Layers into one node are exchanged together: in DARTS those are the two layers of a stage, whose
    sources must differ. A child outside the subspace is repaired if it is to be mutated, by a move
    that leads inside, and otherwise rejected, like one that is taken.
    """

    population: int = 20
    tournament: int = 2
    crossover: float = 0.5
    mutation: float = 0.5
    initial: Searcher = field(default_factory=BestFirst)

    def ask(self, state: SearchState) -> Architecture | None:
        if len(state.trials) < self.population:
            return self.initial.ask(state)
        generator = state.generator()
        parents = self.parents(state)
        for _ in range(_CHILDREN):
            child = self._child(state, parents, generator)
            if child is not None and child in state.subspace and state.is_fresh(child):
                return child
        mutated = state.fresh(state.subspace.neighbours(self._winner(parents, generator)))
        if mutated:
            return mutated[int(generator.integers(len(mutated)))]
        return RandomSearch().ask(state)

    def parents(self, state: SearchState) -> list[Trial]:
        """The best trials before this generation; of equal ones the older."""
        before = len(state.trials) // self.population * self.population
        best = sorted(state.trials[:before], key=lambda trial: -trial.value)
        return best[: self.population]

    def _winner(self, parents: list[Trial], generator: np.random.Generator) -> Architecture:
        sample = generator.integers(len(parents), size=self.tournament)
        return max((parents[int(i)] for i in sample), key=lambda trial: trial.value).architecture

    def _child(
        self, state: SearchState, parents: list[Trial], generator: np.random.Generator
    ) -> Architecture | None:
        """A child, perhaps outside the subspace; None where it should be mutated and cannot."""
        child = self._winner(parents, generator)
        if generator.random() < self.crossover:
            child = crossed(child, self._winner(parents, generator), generator)
        if generator.random() < self.mutation:
            moved = state.subspace.neighbours(child)
            return moved[int(generator.integers(len(moved)))] if moved else None
        return child


def crossed(one: Architecture, other: Architecture, generator: np.random.Generator) -> Architecture:
    """For each node of each cell, all layers that lead to it from one parent or from the other."""
    space = one.space
    nodes = [(space.layers[v.layer].cell, space.layers[v.layer].target) for v in space.variables]
    from_other = {node: generator.random() < 0.5 for node in dict.fromkeys(nodes)}
    values = [
        second if from_other[node] else first
        for node, first, second in zip(nodes, one.values, other.values, strict=True)
    ]
    return Architecture(space, tuple(values))
