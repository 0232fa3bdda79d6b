"""The miner: what it writes is in the language, true of the archive, and passes the gate."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from lapt_rules.analysis import refine
from lapt_rules.authors.author import Brief
from lapt_rules.authors.miner import Miner
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.gate import examine
from lapt_rules.language.parser import parse
from lapt_rules.language.printer import print_file
from lapt_rules.logic.binding import bind
from lapt_rules.search import Trial
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, whole


def archive_of(space: Space, principle: str, number: int = 50) -> Archive:
    """An archive drawn uniformly from what a principle keeps."""
    subspace = refine(space, f"space {space.name} principle truth require {principle}")
    drawn = subspace.sample(number, seed=5)
    return Archive(space, tuple(Rated(one, 1.0) for one in drawn), "a drawing")


def brief_of(space: Space, principle: str) -> Brief:
    return Brief(space, archive_of(space, principle), top=5, population=5)


@pytest.mark.parametrize(
    "truth",
    [
        "layer0 is nor_conv_3x3 and layer3 is skip_connect",
        "count(conv) >= 4",
        "longest(conv) >= 3 and count(pool) == 0",
        "layer5 in {nor_conv_1x1, skip_connect}",
        "connected",
    ],
)
def test_what_it_writes_passes_the_gate_and_keeps_the_archive(nas201: Space, truth: str) -> None:
    brief = brief_of(nas201, truth)
    text = Miner().learn(brief)
    assert print_file(parse(text)) == text
    report = examine(text, "mined", nas201, brief.archive, least_support=0.8, population=50)
    assert report.admitted
    assert not report.diagnostics


def test_it_finds_the_rule_behind_an_archive(nas201: Space) -> None:
    text = Miner().learn(brief_of(nas201, "layer0 is nor_conv_3x3 and layer3 is skip_connect"))
    kept = refine(nas201, text)
    truth = refine(
        nas201,
        "space nas201 principle p require layer0 is nor_conv_3x3 and layer3 is skip_connect",
    )
    assert set(kept) <= set(truth)
    assert "require layer0 is nor_conv_3x3" in text
    assert "require layer3 is skip_connect" in text


def test_a_rules_support_and_lift_are_exact(nas201: Space) -> None:
    brief = brief_of(nas201, "count(conv) >= 4 and layer3 in {skip_connect, nor_conv_1x1}")
    bound = bind(Miner().learn(brief), nas201)
    hard = [principle for principle in bound.principles if principle.clauses]
    assert hard
    total = whole(nas201).count()
    for principle in hard:
        found = re.match(
            r"(\d+) of 50 in the archive, ([\d.]+)% of the space: lift ([\d.]+)", principle.why
        )
        assert found
        alone = Subspace(nas201, principle.keeps)
        support = sum(one in alone for one in brief.archive.architectures)
        assert support == int(found[1])
        assert float(found[2]) == pytest.approx(100 * alone.count() / total, abs=0.06)
        assert float(found[3]) == pytest.approx(support / 50 / (alone.count() / total), abs=0.006)


def test_weights_are_natural_log_odds(nas201: Space) -> None:
    text = Miner().learn(brief_of(nas201, "layer0 is nor_conv_3x3"))
    weights = {
        (found[1], found[2]): float(found[3])
        for found in re.finditer(r"prefer (\w+) is (\w+) weight (-?[\d.]+)", text)
    }
    in_archive, in_space = (50 + 0.2) / 51, 0.2  # with one pseudo-observation of the space
    assert weights["layer0", "nor_conv_3x3"] == pytest.approx(
        math.log(in_archive / in_space), abs=0.005
    )
    assert weights["layer0", "none"] == pytest.approx(math.log(1 / 51), abs=0.005)


def test_an_archive_that_shows_nothing_yields_no_hard_rule(nas201: Space) -> None:
    everything = whole(nas201).sample(2_000, seed=0)
    archive = Archive(nas201, tuple(Rated(one, 0.0) for one in everything), "everything")
    bound = bind(Miner().learn(Brief(nas201, archive, 5, 5)), nas201)
    assert not any(principle.clauses for principle in bound.principles)
    assert max(abs(p.weight) for p in bound.preferences) < 0.25


def test_it_never_leaves_fewer_than_a_search_needs(nas201: Space) -> None:
    one = whole(nas201).unrank(9_999)
    archive = Archive(nas201, (Rated(one, 1.0),) * 50, "one cell, fifty times")
    assert refine(nas201, Miner().learn(Brief(nas201, archive, 5, 5))).count() >= 50


def test_an_empty_archive_is_refused(nas201: Space) -> None:
    with pytest.raises(RunError, match="archive is empty"):
        Miner().learn(Brief(nas201, Archive(nas201, (), ""), 5, 5))


# ------------------------------------------------------------------------------------- adaptation


def after_search(space: Space) -> Brief:
    """A brief in mid-run: on the target, pooling at layer4 turned out to be good."""
    brief = brief_of(space, "layer0 is nor_conv_3x3 and layer4 in {skip_connect, avg_pool_3x3}")
    principles = bind(Miner().learn(brief), space)
    drawn = Subspace(space, principles.keeps).sample(12, seed=1)

    def value(architecture: Architecture) -> float:
        return float(architecture.operators[4] == "avg_pool_3x3")

    trials = [Trial(one, value(one), 1) for one in drawn]
    return replace(brief, principles=principles, trials=trials)


def weight(text: str, clause: str) -> float:
    found = re.search(rf"prefer {clause} weight (-?[\d.]+)", text)
    assert found
    return float(found[1])


def test_update_keeps_the_rules_and_leans_towards_what_was_found(nas201: Space) -> None:
    brief = after_search(nas201)
    assert brief.principles is not None
    before, after = print_file(brief.principles.file), Miner().update(brief)
    assert refine(nas201, before).count() == refine(nas201, after).count()
    pool = "layer4 is avg_pool_3x3"
    assert weight(after, pool) > weight(before, pool)
    skip = "layer4 is skip_connect"
    assert weight(after, skip) < weight(before, skip)


def test_explore_opens_what_the_rules_left_out_and_prefers_it(nas201: Space) -> None:
    brief = after_search(nas201)
    assert brief.principles is not None
    before = print_file(brief.principles.file)
    after = Miner().explore(brief)
    small, large = refine(nas201, before), refine(nas201, after)
    assert set(small) < set(large)
    first = large.best(1)[0]
    assert first not in small


def test_a_persons_own_principles_survive_adaptation(nas201: Space) -> None:
    text = """\
space nas201
# a person's rule
principle mine
  "because"
  require layer5 is conv
  prefer layer1 is none weight 2
"""
    brief = replace(after_search(nas201), principles=bind(text, nas201))
    updated = Miner().update(brief)
    assert "# a person's rule" in updated
    assert "prefer layer1 is none weight 2\n" in updated
    assert "principle layer4_leaning" in updated
