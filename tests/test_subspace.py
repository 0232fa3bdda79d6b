"""The refined subspace: counting, order, sampling, neighbours, best-first."""

from __future__ import annotations

import itertools
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import examples, principle_files

from lapt_rules.analysis import refine
from lapt_rules.audit.diff import difference
from lapt_rules.audit.explain import explain
from lapt_rules.errors import (
    ArchitectureError,
    ConflictError,
    LaptError,
    LimitError,
    RunError,
    SpaceError,
)
from lapt_rules.logic.arrays import Arrays
from lapt_rules.logic.binding import bind
from lapt_rules.logic.formula import FALSE
from lapt_rules.logic.plain import score
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import Subspace, moves, whole

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
@examples(50)
def test_neighbours_are_the_members_one_move_away(subspace: Subspace, start: int) -> None:
    centre = whole(TRANS101).unrank(start)
    reachable = {
        tuple(row) for row in moves(centre.space, np.array([centre.values], np.int8))[0].tolist()
    }
    expected = {one.values for one in subspace if one.values in reachable}
    assert {one.values for one in subspace.neighbours(centre)} == expected


@given(subspaces())
@examples(50)
def test_contains_agrees_with_the_listing(subspace: Subspace) -> None:
    everything = whole(TRANS101)
    mask = subspace.contains(everything.rows)
    assert np.array_equal(everything.rows[mask], subspace.rows)
    assert all(one in subspace for one in list(subspace)[:20])


@given(subspaces(), st.integers(0, 1000))
@examples(50)
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


@given(subspaces())
@examples(50)
def test_the_best_of_a_set_too_large_to_list_are_the_same(subspace: Subspace) -> None:
    listed = [score(subspace.preferences, one) for one in subspace.best(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lapt_rules.subspace.MAX_LISTED", 0)
        walked = subspace.best(20)
    assert len(set(walked)) == len(walked) == len(listed)
    assert all(one in subspace for one in walked)
    found = [score(subspace.preferences, one) for one in walked]
    assert np.allclose(found, listed, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("engine", ["listed", "walked"])
def test_weighted_samples_are_in_proportion_to_exp_score(
    trans101: Space, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "walked":
        monkeypatch.setattr("lapt_rules.logic.compiling.MAX_GRID", 0)
    text = """\
space trans101
principle p
  require count(conv) >= 4
  prefer layer0 is nor_conv_3x3 weight 1.2
  prefer more longest(conv) when layer3 is conv weight 0.4
  prefer more count(l in all: l is live) weight -0.3
  prefer same(layer1, layer2) or connected weight 0.5
  prefer more count(nor_conv_1x1 in late) weight 0.2
"""
    subspace = refine(trans101, text)
    weight = np.exp([score(subspace.preferences, one) for one in subspace])
    drawn = subspace.sample_weighted(60_000, seed=4)
    assert drawn == subspace.sample_weighted(60_000, seed=4)
    counts = np.bincount([subspace.rank(one) for one in drawn], minlength=subspace.count())
    expected = len(drawn) * weight / weight.sum()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = subspace.count() - 1
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


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


def test_an_empty_set_cannot_be_sampled(nas201: Space) -> None:
    empty = Subspace(nas201, FALSE)
    assert empty.count() == 0
    assert list(empty) == empty.best(3) == []
    with pytest.raises(RunError, match="nothing to draw from"):
        empty.sample(1, seed=0)


def test_principles_of_another_space_are_refused(nas201: Space, trans101: Space) -> None:
    bound = bind("space trans101 principle p require connected", trans101)
    with pytest.raises(SpaceError, match="bound to trans101"):
        refine(nas201, bound)
    with pytest.raises(SpaceError, match="bound to trans101"):
        explain(bound, whole(nas201).unrank(0))
    with pytest.raises(LaptError, match="is for trans101"):
        difference(bound, bind("space nas201", nas201))


# ------------------------------------------------------------------------------------ DARTS scale


def test_darts_has_its_published_size(darts: Space) -> None:
    assert whole(darts).count() == 3_019_898_880**2 == 9_119_789_245_425_254_400


def test_a_set_that_is_too_large_to_list_says_so_and_can_still_be_walked(darts: Space) -> None:
    with pytest.raises(LimitError, match="too many to list"):
        _ = whole(darts).rows
    first = list(islice(whole(darts), 2_000))
    assert first == [whole(darts).unrank(i) for i in range(2_000)]


def test_rank_and_unrank_are_inverse_at_darts_scale(darts: Space) -> None:
    subspace = refine(darts, "space darts principle p require count(conv) >= 9 and connected")
    count = subspace.count()
    for position in [0, 1, count // 3, count - 1]:
        assert subspace.rank(subspace.unrank(position)) == position


def test_darts_samples_lie_in_the_set_and_repeat(darts: Space) -> None:
    text = "space darts principle p require longest(conv in normal) >= 3 and sum(params) <= 1700000"
    subspace = refine(darts, text)
    rows = subspace.sample_rows(20_000, seed=1)
    assert subspace.contains(rows).all()
    assert Arrays(darts, rows).holds(bind(text, darts).keeps).all()
    assert np.array_equal(rows, subspace.sample_rows(20_000, seed=1))


def test_the_best_of_darts_come_in_order(darts: Space) -> None:
    text = """\
space darts
principle p
  require count(conv) >= 9
  prefer more longest(conv in normal) weight 0.5
  prefer normal_1a is sep_conv_3x3 weight 1
  prefer reduce_1a is skip_connect when normal_1a is sep_conv_3x3 weight 0.3
  prefer more sum(params in reduce) weight -0.00001
"""
    subspace = refine(darts, text)
    best = subspace.best(25)
    scores = [score(subspace.preferences, one) for one in best]
    assert scores == sorted(scores, reverse=True)
    assert len(set(best)) == 25
    drawn = subspace.sample(2_000, seed=0)
    assert max(score(subspace.preferences, one) for one in drawn) <= scores[-1]


def test_without_preferences_the_best_of_a_large_set_are_a_draw(darts: Space) -> None:
    drawn = whole(darts).best(50, seed=3)
    assert drawn == whole(darts).best(60, seed=3)[:50]
    assert len(set(drawn)) == 50
