"""Searchers: inside the subspace, a pure function of the past, and never a twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lapt_rules.analysis import refine
from lapt_rules.network import isomorphism_key
from lapt_rules.search import (
    BestFirst,
    GeneticSearch,
    RandomSearch,
    RegularizedEvolution,
    Searcher,
    SearchState,
    Trial,
)
from lapt_rules.search.genetic import crossed
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, moves, whole
from lapt_rules.transfer import search

SEARCHERS = [RandomSearch(), BestFirst(), RegularizedEvolution(5, 2), GeneticSearch(5, 2)]
ALL = pytest.mark.parametrize("searcher", SEARCHERS, ids=lambda one: type(one).__name__)


class Conv3x3s:
    """An evaluator: the number of 3x3 convolutions."""

    name = "3x3 convolutions"

    def evaluate(self, architecture: Architecture) -> float:
        return float(architecture.operators.count("nor_conv_3x3"))


@pytest.fixture(scope="module")
def subspace(trans101: Space) -> Subspace:
    return refine(
        trans101,
        "space trans101 principle p require count(conv) <= 3 and connected "
        "prefer layer0 is nor_conv_3x3 weight 1",
    )


@ALL
def test_a_search_stays_inside_and_pays_for_no_twin(searcher: Searcher, subspace: Subspace) -> None:
    trials = search(SearchState(subspace), searcher, Conv3x3s(), 60)
    assert all(trial.architecture in subspace for trial in trials)
    keys = [isomorphism_key(trial.architecture) for trial in trials]
    assert len(set(keys)) == len(keys) == 60


@ALL
def test_a_search_is_a_pure_function_of_its_past(searcher: Searcher, subspace: Subspace) -> None:
    trials = search(SearchState(subspace, seed=(7, 1)), searcher, Conv3x3s(), 30)
    taken: frozenset[str] = frozenset()
    for number, trial in enumerate(trials):  # resumed at every point, it goes on as before
        state = SearchState(subspace, tuple(trials[:number]), taken, (7, 1))
        assert searcher.ask(state) == trial.architecture
        taken |= {isomorphism_key(trial.architecture)}


@ALL
def test_a_search_ends_when_everything_is_taken(searcher: Searcher, trans101: Space) -> None:
    small = refine(trans101, "space trans101 principle p require count(conv) == 0 and connected")
    functions = {isomorphism_key(one) for one in small}
    trials = search(SearchState(small), searcher, Conv3x3s(), 1_000)
    assert len(trials) == len(functions)


def test_twins_are_paid_for_when_asked(trans101: Space) -> None:
    dead = refine(trans101, "space trans101 principle p forbid connected")
    assert len(search(SearchState(dead), RandomSearch(), Conv3x3s(), 40)) == 1
    for searcher in SEARCHERS:  # twins, but nothing twice
        trials = search(SearchState(dead, key=str), searcher, Conv3x3s(), 40)
        assert len({trial.architecture for trial in trials}) == 40


def test_evolution_is_that_of_real_et_al(subspace: Subspace) -> None:
    """The parent is the best of S of the last P trials, and the child one move away from it."""
    searcher = RegularizedEvolution(population=6, tournament=3)
    trials = search(SearchState(subspace, seed=(3, 1)), searcher, Conv3x3s(), 60)
    for number in range(6, len(trials)):
        state = SearchState(subspace, tuple(trials[:number]), seed=(3, 1))
        generator = state.generator()
        sample = [trials[number - 6 :][i] for i in generator.integers(6, size=3)]
        parent = max(sample, key=lambda trial: trial.value)
        child = trials[number].architecture
        fresh = [
            one
            for one in subspace.neighbours(parent.architecture)
            if all(isomorphism_key(one) != isomorphism_key(t.architecture) for t in trials[:number])
        ]
        if fresh:
            assert child.values in [
                tuple(row)
                for row in moves(
                    parent.architecture.space, np.array([parent.architecture.values], np.int8)
                )[0].tolist()
            ]


def test_a_large_tournament_always_breeds_from_the_best(subspace: Subspace) -> None:
    members = subspace.sample(5, seed=0)
    trials = [Trial(one, float(i), 1) for i, one in enumerate(members)]
    state = SearchState(subspace, trials)
    child = RegularizedEvolution(5, 200).ask(state)
    assert child in subspace.neighbours(members[-1])


def test_the_oldest_dies(subspace: Subspace) -> None:
    members = subspace.sample(9, seed=0)
    values = [100.0] + [1.0] * 8  # the best is the oldest, outside the population of 5
    trials = [Trial(one, value, 1) for one, value in zip(members, values, strict=True)]
    searcher = RegularizedEvolution(5, 5)
    recent = [set(subspace.neighbours(one)) for one in members[4:]]
    for seed in range(30):
        child = searcher.ask(SearchState(subspace, trials, seed=(seed,)))
        assert any(child in neighbours for neighbours in recent)


def test_the_first_population_follows_the_preferences(subspace: Subspace) -> None:
    trials = search(SearchState(subspace), RegularizedEvolution(10, 2), Conv3x3s(), 10)
    assert all(trial.architecture.operators[0] == "nor_conv_3x3" for trial in trials)


def test_without_preferences_the_first_population_is_uniform(trans101: Space) -> None:
    subspace = refine(trans101, "space trans101 principle p require count(conv) == 6")
    firsts = []
    for seed in range(640):
        state = SearchState(subspace, seed=(seed,))
        first = RegularizedEvolution(5, 2).ask(state)
        assert first is not None
        firsts.append(subspace.rank(first))
    counts = np.bincount(firsts, minlength=64)
    assert ((counts - 10) ** 2 / 10).sum() < 63 + 4 * (2 * 63) ** 0.5


def test_a_parent_outside_the_subspace_still_breeds_inside(
    trans101: Space, subspace: Subspace
) -> None:
    outside = trans101.parse("3_33_310")
    assert outside not in subspace
    trials = [Trial(outside, 1.0, 1)] * 5
    child = RegularizedEvolution(5, 2).ask(SearchState(subspace, trials))
    assert child in subspace


def test_crossover_takes_each_stage_whole_from_one_of_the_parents(darts: Space) -> None:
    generator = np.random.default_rng(0)
    one, other = whole(darts).sample(2, seed=5)
    seen = set()
    for _ in range(50):
        child = crossed(one, other, generator)
        assert child in whole(darts)  # the two sources of a stage differ, as in the parents
        choices = zip(child.operators, child.sources, strict=True)
        parents = [list(zip(p.operators, p.sources, strict=True)) for p in (one, other)]
        for first, pair in enumerate(zip(choices, choices, strict=True)):
            places = slice(2 * first, 2 * first + 2)
            assert list(pair) in [parent[places] for parent in parents]
        seen.add(child)
    assert len(seen) > 30
    assert crossed(one, one, generator) == one


def test_the_parents_of_a_generation_are_the_best_before_it(subspace: Subspace) -> None:
    members = subspace.sample(13, seed=0)
    values = [3.0, 1.0, 2.0, 9.0, 5.0, 4.0, 4.0, 9.0, 0.0, 1.0, 8.0, 7.0, 6.0]
    trials = [Trial(one, value, 1) for one, value in zip(members, values, strict=True)]
    searcher = GeneticSearch(population=5)
    parents = searcher.parents(SearchState(subspace, trials))  # 10 of them are generations
    assert parents == [trials[i] for i in (3, 7, 4, 5, 6)]


def test_without_crossover_a_child_is_one_move_away(subspace: Subspace) -> None:
    searcher = GeneticSearch(6, 3, crossover=0, mutation=1)
    trials = search(SearchState(subspace, seed=(3, 1)), searcher, Conv3x3s(), 24)
    for number in range(6, len(trials)):
        parents = searcher.parents(SearchState(subspace, tuple(trials[:number])))
        near = [subspace.neighbours(parent.architecture) for parent in parents]
        assert any(trials[number].architecture in some for some in near)


def test_without_mutation_a_child_is_made_of_its_parents(darts: Space) -> None:
    subspace = refine(darts, "space darts principle p require count(sep_conv_3x3 in normal) >= 1")
    searcher = GeneticSearch(6, 2, crossover=1, mutation=0)
    trials = search(SearchState(subspace, key=str), searcher, Conv3x3s(), 30)
    for number in range(6, len(trials)):
        parents = searcher.parents(SearchState(subspace, tuple(trials[:number])))
        columns = zip(*(parent.architecture.values for parent in parents), strict=True)
        for value, column in zip(trials[number].architecture.values, columns, strict=True):
            assert value in column


def test_a_genetic_search_finds_more_than_chance(darts: Space) -> None:
    """LAPT's setting on DARTS: a population of 20 and ten generations."""

    class Separable:
        name = "separable convolutions of 3x3"

        def evaluate(self, architecture: Architecture) -> float:
            return float(architecture.operators.count("sep_conv_3x3"))

    state = SearchState(whole(darts))
    drawn = search(state, RandomSearch(), Separable(), 220)
    bred = search(state, GeneticSearch(), Separable(), 220)
    best = [max(trial.value for trial in trials) for trials in (drawn, bred)]
    assert best[1] >= best[0] + 3


def test_the_same_seed_searches_the_same_and_another_differs(subspace: Subspace) -> None:
    def run(seed: int) -> list[Architecture]:
        found = search(SearchState(subspace, seed=(seed,)), RandomSearch(), Conv3x3s(), 20)
        return [trial.architecture for trial in found]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_state_is_not_changed_by_asking(subspace: Subspace) -> None:
    state = SearchState(subspace)
    before = replace(state)
    for searcher in SEARCHERS:
        searcher.ask(state)
    assert state == before
