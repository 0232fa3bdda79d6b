"""Searchers: inside the subspace, a pure function of the past, and never a twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lapt_rules.analysis import refine
from lapt_rules.network import isomorphism_key
from lapt_rules.search import (
    BestFirst,
    RandomSearch,
    RegularizedEvolution,
    Searcher,
    SearchState,
    Trial,
)
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, moves
from lapt_rules.transfer import search

SEARCHERS = [RandomSearch(), BestFirst(), RegularizedEvolution(5, 2)]
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
