"""What is counted for an author is what is there: checked against counting one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import convolutions, source_brief
from trees import examples

from lapt_rules.authors.author import Brief
from lapt_rules.authors.evidence import (
    Evidence,
    Leaning,
    Support,
    _at_least,
    _at_most,
    _wilson,
    changes,
    supported_weight,
)
from lapt_rules.logic.binding import bind
from lapt_rules.logic.plain import Plain
from lapt_rules.logic.principles import Preference
from lapt_rules.search.searcher import Trial
from lapt_rules.space import Architecture, Space, load_space
from lapt_rules.subspace import whole

BRIEF = source_brief()
SPACE = BRIEF.space


def prefer(text: str, weight: float = 1.0, space: Space = SPACE) -> Preference:
    file = f"space {space.name} principle p prefer {text} weight {weight}"
    return bind(file, space).preferences[0]


def evidence(brief: Brief = BRIEF) -> Evidence:
    return Evidence(brief.space, brief.archive.architectures)


def test_support_is_counted_and_lift_is_exact() -> None:
    keeps = bind("space nas201 principle p require layer5 is nor_conv_3x3", SPACE).keeps
    kept = sum(Plain(SPACE, a.values).holds(keeps) for a in BRIEF.archive.architectures)
    found = evidence().support(keeps)
    assert (found.kept, found.of, found.share) == (kept, 20, 0.2)
    assert found.lift == pytest.approx(kept / 20 / 0.2)


@pytest.mark.parametrize(
    ("support", "contradicts"),
    [
        (Support(0, 20, 0.2), True),  # 4 expected, 2.2 standard errors away
        (Support(1, 20, 0.2), False),
        (Support(20, 20, 1.0), False),
        (Support(10, 50, 0.3), False),
        (Support(5, 50, 0.3), True),
    ],
)
def test_a_rule_is_contradicted_only_where_chance_does_not_explain_it(
    support: Support, contradicts: bool
) -> None:
    assert support.contradicts == contradicts


def test_the_weight_of_a_formula_is_its_log_odds_against_the_space() -> None:
    held = sum(a.operators[0] == "nor_conv_3x3" for a in BRIEF.archive.architectures)
    expected = math.log((held + 0.2) / 21 / 0.2)
    found = evidence().leaning(prefer("layer0 is nor_conv_3x3"))
    assert found is not None
    assert found.weight == pytest.approx(expected, abs=0.05)  # 4,096 draws


def test_single_layers_have_no_weight_beyond_themselves() -> None:
    for layer in SPACE.layer_index:
        found = evidence().beyond_layers(prefer(f"{layer} is nor_conv_3x3"))
        assert found is not None
        assert abs(found.weight) < 3 * 0.02 + 0.05


def never_both() -> Evidence:
    """Of two good choices an architecture has one, never both."""
    first = [("nor_conv_3x3", "skip_connect"), ("skip_connect", "nor_conv_3x3")]
    rest = [one.operators[2:] for one in whole(SPACE).sample(60, seed=1)]
    return Evidence(SPACE, [SPACE.architecture([*first[n % 2], *r]) for n, r in enumerate(rest)])


def test_a_preference_may_correct_what_single_layers_give() -> None:
    found = never_both()
    both = prefer("layer0 is nor_conv_3x3 and layer1 is nor_conv_3x3", -1.0)
    beyond = found.beyond_layers(both)
    assert beyond is not None
    assert beyond.is_for(-1.0)
    assert beyond.is_against(1.0)
    one = prefer("count(nor_conv_3x3 in {layer0, layer1}) >= 1", 1.0)
    assert not found.contradicts(one)
    assert found.contradicts(prefer("count(nor_conv_3x3 in {layer0, layer1}) >= 1", -1.0))


def test_nothing_can_be_told_where_nothing_is_compared() -> None:
    assert evidence().leaning(prefer("layer0 is conv when layer0 is none")) is None
    assert evidence().leaning(prefer("more 3")) is None


def test_on_a_target_good_ones_are_compared_with_all_that_were_evaluated() -> None:
    all_of = whole(SPACE).sample(40, seed=2)
    good = [one for one in all_of if one.operators[1] == "nor_conv_3x3"]
    found = Evidence(SPACE, good, all_of)
    leaning = found.leaning(prefer("layer1 is nor_conv_3x3"))
    assert leaning is not None
    share = len(good) / 40
    assert leaning.weight == pytest.approx(math.log((len(good) + share) / (len(good) + 1) / share))
    assert found.beyond_layers(prefer("layer1 is nor_conv_3x3")) is None


def test_spreads_are_those_of_the_archive() -> None:
    spreads = {spread.measure: spread for spread in evidence().spreads()}
    counts = [a.operators.count("nor_conv_3x3") for a in BRIEF.archive.architectures]
    found = spreads["count(nor_conv_3x3)"]
    assert (found.least, found.greatest) == (min(counts), max(counts))
    assert found.mean == pytest.approx(sum(counts) / 20)
    assert found.space_mean == pytest.approx(1.2, abs=0.05)


def test_pairs_that_go_together_are_found_and_chance_is_not() -> None:
    pairs = never_both().pairs(10)
    assert {"layer0 is nor_conv_3x3", "layer1 is nor_conv_3x3"} <= {p.first for p in pairs} | {
        p.second for p in pairs
    }
    assert pairs[0].together in (0, 30)
    assert len(Evidence(SPACE, whole(SPACE).sample(60, seed=4)).pairs(10)) <= 4


@pytest.mark.parametrize("name", ["nas201", "darts"])
def test_a_pair_that_the_space_forbids_is_no_pattern(name: str) -> None:
    space = load_space(name)
    drawn = Evidence(space, whole(space).sample(100, seed=0))
    assert all(pair.together or pair.expected > 1 for pair in drawn.pairs(50))


def test_changes_tell_what_one_choice_did() -> None:
    table = convolutions(SPACE)
    start = ["none"] * 6
    ends: list[Architecture] = [SPACE.architecture(start)]
    for layer, operator in ((0, "nor_conv_1x1"), (0, "nor_conv_3x3"), (5, "nor_conv_3x3")):
        changed = list(start)
        changed[layer] = operator
        ends.append(SPACE.architecture(changed))
    trials = [Trial(one, table.values[one.values], 1) for one in ends]
    assert [str(change) for change in changes(trials, 9)] == [
        "layer5: none -> nor_conv_3x3: +6 (once)",
        "layer0: none -> nor_conv_3x3: +3 (once)",
        "layer0: none -> nor_conv_1x1: +2 (once)",
        "layer0: nor_conv_1x1 -> nor_conv_3x3: +1 (once)",
    ]


def test_a_leaning_is_for_by_one_error_and_against_by_two() -> None:
    assert Leaning(0.5, 0.9, 0.1, 0, 1).is_for(1.0)
    assert not Leaning(0.5, 0.8, 0.2, 0, 1).is_for(1.0)
    assert Leaning(-0.5, 0.01, 0.99, -1, 0).is_against(1.0)
    assert Leaning(0.5, 0.99, 0.01, 0, 1).is_against(-1.0)
    assert not Leaning(-0.5, 0.05, 0.95, -1, 0).is_against(1.0)


def test_a_weight_stays_within_two_standard_errors_of_what_was_measured() -> None:
    measured = [Leaning(0.5, 1, 0, 0.2, 0.8), None, Leaning(-0.1, 0.3, 0.7, -0.4, 0.2)]
    bounded = [supported_weight(weight, measured) for weight in (7.0, 0.3, -0.2, -7.0)]
    assert bounded == [0.8, 0.3, -0.2, -0.4]
    assert supported_weight(7.0, [Leaning(-1, 0, 1, -2, -0.5)]) == 0.0
    assert supported_weight(7.0, [None]) == 1.0
    assert supported_weight(-7.0, measured, free=True) == -1.0


@examples(200)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_measured_weight_of_a_formula_lies_within_its_bounds(held: tuple[int, int]) -> None:
    k, n = held
    least, most = _wilson(k, n)
    assert 0 <= least <= k / n <= most <= 1
    scores = [abs(k / n - p) / math.sqrt(p * (1 - p) / n) for p in (least, most) if 0 < p < 1]
    assert scores == pytest.approx([2.0] * len(scores))


@pytest.mark.parametrize("measure", ["more count(conv)", "layer0 is conv", "connected"])
def test_a_weight_as_measured_is_within_the_bounds(measure: str) -> None:
    found = evidence().leaning(prefer(measure))
    assert found is not None
    assert found.least <= found.weight <= found.most


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_chance_alone_contradicts_a_preference_in_one_case_of_forty(layers: int) -> None:
    what = " and ".join(f"layer{n} is nor_conv_3x3" for n in range(layers))
    archives = [Evidence(SPACE, whole(SPACE).sample(50, seed=n)) for n in range(120)]
    assert sum(one.contradicts(prefer(what)) for one in archives) <= 9  # 2.7 are expected at most


@examples(100)
@given(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0, 1)
)
def test_the_tails_are_those_of_the_binomial_distribution(
    held: tuple[int, int], share: float
) -> None:
    k, n = held
    exact = sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k + 1))
    assert _at_most(k, n, share) == pytest.approx(exact, abs=1e-9)
    assert _at_least(k, n, share) == pytest.approx(
        1 - exact + math.comb(n, k) * share**k * (1 - share) ** (n - k), abs=1e-9
    )
