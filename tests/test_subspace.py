"""The refined subspace: counting, order, sampling, neighbours, best-first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import principle_files

from lapt_rules.errors import ArchitectureError, ConflictError, LimitError
from lapt_rules.logic.binding import bind
from lapt_rules.logic.examples import score
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import Subspace, moves, refine, whole

TRANS101 = load_space("trans101")


@st.composite
def subspaces(draw: st.DrawFn) -> Subspace:
    bound = bind(draw(principle_files(TRANS101)), TRANS101)
    return Subspace(TRANS101, bound.keeps, bound.preferences)


def test_counts_by_hand(nas201: Space) -> None:
    def count(formula: str) -> int:
        return refine(nas201, f"space nas201 principle p require {formula}").count()

    assert count("layer0 is conv") == 2 * 5**5
    assert count("count(conv) == 6") == 2**6
    assert count("same(layer0, layer5)") == 5**5
    assert count("at least 1 of (layer0 is none, layer0 is pool)") == 2 * 5**5
    assert count("sum(params) <= 56000") == sum(
        3 ** (6 - k) * len(list(_choose(6, k))) for k in range(3)
    )
    assert count("not connected") == 15_625 - count("some l in all: l is live")


def _choose(n: int, k: int) -> list[tuple[int, ...]]:
    from itertools import combinations

    return list(combinations(range(n), k))


@given(subspaces())
def test_rank_and_unrank_are_inverse_and_follow_the_order(subspace: Subspace) -> None:
    members = list(subspace)
    assert len(members) == subspace.count() == len(set(members))
    assert [one.values for one in members] == sorted(one.values for one in members)
    for position in range(0, len(members), max(1, len(members) // 7)):
        assert subspace.unrank(position) == members[position]
        assert subspace.rank(members[position]) == position


@given(subspaces(), st.integers(0, 4095))
@settings(max_examples=50)
def test_neighbours_are_the_members_one_move_away(subspace: Subspace, start: int) -> None:
    centre = whole(TRANS101).unrank(start)
    reachable = {tuple(row) for row in moves(centre).tolist()}
    expected = {one.values for one in subspace if one.values in reachable}
    assert {one.values for one in subspace.neighbours(centre)} == expected


@given(subspaces())
@settings(max_examples=50)
def test_contains_agrees_with_the_listing(subspace: Subspace) -> None:
    everything = whole(TRANS101)
    mask = subspace.contains(everything.rows)
    assert np.array_equal(everything.rows[mask], subspace.rows)
    assert all(one in subspace for one in list(subspace)[:20])


@given(subspaces(), st.integers(0, 1000))
@settings(max_examples=50)
def test_best_first_follows_the_scores_and_breaks_ties_by_the_seed(
    subspace: Subspace, seed: int
) -> None:
    ordered = subspace.best(subspace.count(), seed)
    scores = [score(subspace.preferences, one) for one in ordered]
    assert sorted(ordered, key=lambda one: one.values) == list(subspace)
    assert all(a >= b - 1e-6 * max(1, abs(a)) for a, b in itertools.pairwise(scores))
    assert subspace.best(5, seed) == ordered[:5]


def test_sampling_is_uniform_and_repeatable(trans101: Space) -> None:
    subspace = refine(trans101, "space trans101 principle p require count(conv) == 5")
    drawn = subspace.sample(40_000, seed=1)
    assert drawn == subspace.sample(40_000, seed=1)
    counts = np.bincount([subspace.rank(one) for one in drawn], minlength=subspace.count())
    expected = len(drawn) / subspace.count()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # 99.99 % of draws lie below mean + 4 standard deviations of chi-square.
    freedom = subspace.count() - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5


def test_a_contradiction_raises_with_its_minimal_conflict(nas201: Space) -> None:
    text = """\
space nas201
principle a require layer0 is conv
principle b require layer1 is conv
principle c forbid layer0 is {nor_conv_1x1, nor_conv_3x3}
"""
    with pytest.raises(ConflictError) as caught:
        refine(nas201, text)
    assert caught.value.conflict == ("a", "c")
    assert "`a`" in str(caught.value)
    assert "`b`" not in str(caught.value)


def test_a_stranger_has_no_rank(nas201: Space) -> None:
    subspace = refine(nas201, "space nas201 principle p require layer0 is conv")
    stranger = nas201.architecture(["none"] * 6)
    assert stranger not in subspace
    with pytest.raises(ArchitectureError):
        subspace.rank(stranger)
    with pytest.raises(IndexError):
        subspace.unrank(subspace.count())


def test_a_space_that_is_too_large_to_list_says_so(darts: Space) -> None:
    with pytest.raises(LimitError, match="too large to list"):
        whole(darts)
