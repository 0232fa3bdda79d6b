"""Regularized evolution: Real et al., AAAI 2019 (arXiv:1802.01548), Algorithm 1.

    fill the population with P initial architectures
    repeat: sample S of the population, with replacement; the best of them is the parent
            the child is the parent with one mutation; evaluate it and append it
            the oldest member dies

Since the oldest dies each time, the population is simply the last P trials.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lapt_rules.search.best_first import BestFirst
from lapt_rules.search.random_search import RandomSearch
from lapt_rules.search.searcher import Searcher, SearchState
from lapt_rules.space import Architecture


@dataclass(frozen=True)
class RegularizedEvolution:
    """Regularized evolution that never leaves the subspace.

    A mutation is drawn uniformly from the parent's neighbours *inside* the subspace that are not
    taken (see `lapt_rules.subspace.moves`), so none is ever rejected; where there is none, a new
    member is drawn instead. The initial population is drawn by `initial`: best-first by default,
    which without preferences is the uniform draw of the paper.
    """

    population: int = 10
    tournament: int = 2
    initial: Searcher = field(default_factory=BestFirst)

    def ask(self, state: SearchState) -> Architecture | None:
        if len(state.trials) < self.population:
            return self.initial.ask(state)
        generator = state.generator()
        population = state.trials[-self.population :]
        sample = generator.integers(len(population), size=self.tournament)
        parent = max((population[int(i)] for i in sample), key=lambda trial: trial.value)
        children = state.fresh(state.subspace.neighbours(parent.architecture))
        if children:
            return children[int(generator.integers(len(children)))]
        return RandomSearch().ask(state)
