"""The gate: the same steps and messages for everyone who writes principles."""

from __future__ import annotations

from math import comb

import pytest

from lapt_rules.analysis import Analysis, refine
from lapt_rules.errors import SHOWN_AT_ONCE, LimitError
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.gate import Report, examine
from lapt_rules.language.parser import parse
from lapt_rules.logic.binding import bind
from lapt_rules.logic.budget import Budget
from lapt_rules.space import Space


def check(text: str, **options: object) -> Report:
    return examine(f"space nas201\n{text}", "mine.lapt", **options)  # type: ignore[arg-type]


def found(report: Report) -> list[tuple[str, str, int]]:
    return [(d.severity, d.code, d.span.line) for d in report.diagnostics]


def test_a_good_file_is_admitted_and_told_what_each_principle_does() -> None:
    report = check(
        "principle a require layer0 is conv\n"
        "principle b require layer0 is nor_conv_3x3 or connected"
    )
    assert report.admitted
    assert not report.diagnostics
    assert report.total == 15_625
    a, b = report.effects
    assert a.alone == 6_250
    assert report.subspace is not None
    assert report.subspace.count() == a.alone - b.margin == b.alone - a.margin


def test_syntax_and_names_are_told_in_one_pass() -> None:
    report = check("principle a require layer7 is conv\nprinciple b require layer0 = conv")
    assert not report.admitted
    assert found(report) == [("error", "unknown-name", 2), ("error", "syntax", 3)]


def test_a_conflict_is_told_at_the_last_of_its_principles() -> None:
    report = check(
        "principle a require connected\nprinciple b require layer0 is conv\n"
        "principle c require count(conv) == 0"
    )
    assert not report.admitted
    assert found(report) == [("error", "conflict", 4)]
    assert "`c` conflicts with `b` (line 3)" in report.diagnostics[0].message


def test_every_conflict_is_told_and_the_smallest_repair() -> None:
    report = check(
        "principle a require layer0 is conv\nprinciple b require layer1 is conv\n"
        "principle c require count(conv) == 0\nprinciple d require count(pool) == 0\n"
        "principle e require connected\nprinciple f require layer5 is pool"
    )
    assert {frozenset(names) for names in report.conflicts} == {
        frozenset("ac"),
        frozenset("bc"),
        frozenset("df"),
    }
    assert report.repair is not None
    assert len(report.repair) == 2
    assert "c" in report.repair
    assert f"drop `{report.repair[0]}`, `{report.repair[1]}`" in report.diagnostics[0].fix


def test_a_limit_names_the_principle_to_blame(darts: Space) -> None:
    text = (
        "space darts\nprinciple deep require longest(conv) >= 2\n"
        "principle even require count(skip_connect) <= count(pool)\n"
        "principle fine require sum(params in normal) <= 1300000\n"
    )
    principles = bind(parse(text, "mine.lapt"), darts)
    with pytest.raises(LimitError, match=r"compiling principle `deep` \(mine.lapt:2\)"):
        _ = Analysis(principles, Budget(nodes=2_000)).subspace
    together = Analysis(principles, Budget(nodes=4_000))
    blamed = r"2 of these principles \([\d,]+ nodes\) together with `even` \(mine.lapt:3\)"
    with pytest.raises(LimitError, match=blamed):
        _ = together.subspace


def test_a_principle_that_nothing_satisfies_stands_alone() -> None:
    report = check("principle a require count(conv) == 7\nprinciple b require connected")
    assert found(report) == [("error", "conflict", 2)]
    assert "no architecture satisfies `a`" in report.diagnostics[0].message


def test_what_is_vacuous_or_redundant_is_warned_of() -> None:
    report = check(
        "principle a require count(conv) >= 3\nprinciple b require count(conv) >= 2\n"
        "principle c require count(conv) <= 6"
    )
    assert report.admitted
    assert found(report) == [("warning", "redundant", 3), ("warning", "vacuous", 4)]
    assert "`a`" in report.diagnostics[0].message


def test_an_empty_class_is_warned_of(trans101: Space) -> None:
    report = examine("space trans101\nprinciple p forbid count(pool) > 0", "x.lapt")
    assert [d.code for d in report.diagnostics] == ["empty-class", "vacuous"]
    assert report.admitted


def test_support_and_population_are_held_up(nas201: Space) -> None:
    drawn = refine(nas201, "space nas201 principle p require layer0 is none").sample(10, seed=0)
    archive = Archive(nas201, tuple(Rated(one, 1.0) for one in drawn), "dead starts")
    text = "principle p require count(nor_conv_3x3) == 6"
    report = check(text, archive=archive, least_support=0.5, population=5)
    assert report.archive_kept == 0
    assert [d.code for d in report.errors] == ["support", "too-small"]
    assert not report.admitted


def test_a_file_for_any_space_needs_one_to_be_examined(nas201: Space, trans101: Space) -> None:
    text = "space any\nprinciple p require count(conv) >= 5 and longest(conv in late) >= 1"
    assert [d.code for d in examine(text, "x").diagnostics] == ["no-space"]
    assert examine(text, "x", nas201).admitted
    assert examine(text, "x", trans101).admitted


def test_a_portable_file_may_not_name_what_one_space_has(nas201: Space) -> None:
    report = examine("space any\nprinciple p require layer0 is nor_conv_3x3", "x", nas201)
    assert [d.code for d in report.diagnostics] == ["not-portable", "not-portable"]


def test_the_gate_is_exact_at_darts_scale(darts: Space) -> None:
    good = "space darts\nprinciple a require count(conv) >= 4\nprinciple b require count(conv) >= 3"
    report = examine(good, "x", darts)
    assert [d.code for d in report.diagnostics] == ["redundant"]
    sources = (1 * 3 * 6 * 10) ** 2
    few = sum(comb(16, k) * 4**16 for k in range(4))  # 4 of the 8 operators are convolutions
    assert report.count == sources * (8**16 - few)
    assert report.effects[0].margin == sources * comb(16, 3) * 4**16
    bad = good + "\nprinciple c require count(none) >= 14"
    report = examine(bad, "x", darts)
    assert [d.code for d in report.errors] == ["conflict", "conflict"]
    assert report.repair == ("c",)


def test_what_cannot_be_compiled_is_said_and_z3_still_answers(darts: Space) -> None:
    text = "space darts\nprinciple a require sum(params) <= 1700000"
    report = examine(text, "x", darts, budget=Budget(nodes=50))
    assert [d.code for d in report.diagnostics] == ["limit"]
    assert report.count is None
    assert not report.admitted


def test_a_set_that_compiles_only_as_a_whole_is_admitted_without_its_effects(
    darts: Space,
) -> None:
    text = (
        "space darts\nprinciple deep require longest(conv) >= 2\n"
        "principle even require count(skip_connect) <= count(pool)\n"
        "principle fine require sum(params in normal) <= 1300000\n"
        "principle narrow require each l in all: l in {max_pool_3x3, sep_conv_3x3}\n"
    )
    report = examine(text, "x", darts, budget=Budget(nodes=3_000))
    assert report.admitted
    assert report.count
    assert [d.code for d in report.diagnostics] == ["limit"]
    assert not report.effects


# ------------------------------------------------------------------------- one budget for a check

REDUNDANT = "".join(
    f"principle r{i} require sum(params) <= {10**6 + 10**4 * i}\n" for i in range(8)
)
THREE_TIMES = "none max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3"
CONFLICT = "".join(
    f"principle p{i} require count({operator}) == 3\n"
    for i, operator in enumerate(THREE_TIMES.split())
)


@pytest.mark.parametrize("resources", [0, 3 * 10**4, 3 * 10**5, 10**7])
@pytest.mark.parametrize("steps", [0, 10**5, 10**6, 3 * 10**6, 10**7, 10**8])
@pytest.mark.parametrize("text", [REDUNDANT, CONFLICT], ids=["redundant", "conflict"])
def test_with_any_budget_nothing_false_is_told_and_what_is_undone_is_said(
    text: str, steps: int, resources: int, darts: Space
) -> None:
    full = examine(f"space darts\n{text}", "x", darts)
    report = examine(f"space darts\n{text}", "x", darts, budget=Budget(steps, resources=resources))
    undone = [d for d in report.diagnostics if d.code in ("limit", "unknown")]
    assert all(d.severity == "warning" for d in undone)
    assert report.count in (full.count, None)
    assert report.effects in (full.effects, ())
    assert not report.admitted or full.admitted
    assert all(len(conflict) >= 6 for conflict in report.conflicts)
    assert undone or told(report) == told(full)


def told(report: Report) -> tuple[object, ...]:
    """All that two complete reports on one file agree on."""
    conflicts = {len(conflict) for conflict in report.conflicts}
    redundant = [d.message for d in report.diagnostics if d.code == "redundant"]
    return report.count, report.effects, conflicts, len(report.repair or ()), redundant


def test_a_check_spends_one_budget(darts: Space) -> None:
    for text in (REDUNDANT, CONFLICT):
        budget = Budget()
        before = budget.steps
        examine(f"space darts\n{text}", "x", darts, budget=budget)
        assert budget.steps < before


def test_what_a_check_used_up_is_not_taken_from_the_search(darts: Space) -> None:
    budget = Budget()
    text = "space darts principle p require count(conv) >= 9 prefer longest(conv) >= 4 weight 1"
    subspace = examine(text, "x", darts, budget=budget).subspace
    assert subspace is not None
    budget.steps = 0
    assert len(subspace.best(3)) == len(subspace.sample_weighted(3)) == 3


def test_a_count_over_pairs_is_compiled_exactly(darts: Space) -> None:
    pairs = "count(a in all: some b in all: if same(a, b) then b is dead)"
    report = examine(f"space darts\nprinciple p require {pairs} != 7", "x", darts)
    assert report.admitted
    assert report.count == report.total
    assert [d.code for d in report.diagnostics] == ["vacuous"]


def test_a_conflict_of_counts_is_told_with_its_smallest_repair(darts: Space) -> None:
    """Seven operators three times each would take 21 layers of 16."""
    report = examine(f"space darts\n{CONFLICT}", "x", darts)
    assert [d.code for d in report.diagnostics] == ["conflict"] * 5
    assert {len(conflict) for conflict in report.conflicts} == {6}
    assert len(report.repair or ()) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("define a = layer0 is conv\nregion a = {layer0}", "duplicate-name"),
        ("region conv = {layer0}", "duplicate-name"),
        ("principle p require connected\nprinciple p require connected", "duplicate-name"),
        ("space trans101", "duplicate-name"),
        ("expect 5..2", "empty-range"),
        ("principle p require layer0 from node1", "wrong-source"),
        ("principle p require late is conv", "wrong-kind"),
        ("principle p require layer0 is late", "wrong-kind"),
        ("principle p require sum(late) <= 1", "wrong-kind"),
        ("principle p require shortcut", "unknown-name"),
        ("principle p prefer connected weight 99999999", "limit"),
        ("principle p require sum(params) <= 9999999999999999", "limit"),
        ('accept "3_33_333"', "not-an-architecture"),
        ("accept [none, none]", "not-an-architecture"),
    ],
)
def test_each_mistake_in_a_name_or_type_has_its_code(text: str, code: str) -> None:
    report = check(text)
    assert [d.code for d in report.errors] == [code]
    assert report.errors[0].fix


def test_definitions_nest_to_a_limit_and_no_further() -> None:
    lines = ["define d0 = connected"]
    lines += [f"define d{i} = not d{i - 1}" for i in range(1, 2000)]
    report = check("\n".join([*lines, "principle p require d1999"]))
    assert report.errors[0].code == "limit"


def test_many_principles_are_told_of_in_one_pass() -> None:
    report = check("\n".join(f"principle p{i} require count(conv) >= 2" for i in range(256)))
    assert report.admitted
    assert {d.code for d in report.diagnostics} == {"redundant"}


def test_a_definition_used_before_still_counts_its_depth() -> None:
    lines = ["define d0 = connected"]
    for i in range(1, 250):
        lines += [f"principle p{i} require d{i - 1}", f"define d{i} = not not not d{i - 1}"]
    report = check("\n".join(lines))
    assert [d.code for d in report.errors] == ["limit"]


def test_principles_are_limited_in_number() -> None:
    report = check("\n".join(f"principle p{i} require connected" for i in range(257)))
    assert [d.code for d in report.errors] == ["limit"]


def test_definitions_that_double_cannot_exhaust_the_compiler(darts: Space) -> None:
    lines = ["space darts", "define d0 = connected and longest(conv) >= 2"]
    lines += [f"define d{i} = d{i - 1} and d{i - 1}" for i in range(1, 90)]
    assert examine("\n".join([*lines, "principle p require d89"]), "x", darts).admitted


def test_what_is_written_often_is_worked_out_once(darts: Space) -> None:
    often = " or ".join(["longest(conv) == 3"] * 2_000)
    once = examine("space darts principle p require longest(conv) == 3", "x", darts)
    assert examine(f"space darts principle p require {often}", "x", darts).count == once.count


def test_a_mistake_is_told_wherever_it_stands() -> None:
    report = check("principle p\n  require layr0 is conv\n  forbid layr0 is conv")
    assert [d.span.line for d in report.errors] == [3, 4]


def test_only_for_the_errors_that_are_shown_the_nearest_name_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_for = []
    monkeypatch.setattr(
        "lapt_rules.logic.names.did_you_mean", lambda name, _: looked_for.append(name)
    )
    report = check("principle p\n" + "".join(f"  require layr{i} is conv\n" for i in range(500)))
    assert len(report.errors) == 500
    assert len(looked_for) == SHOWN_AT_ONCE


def test_quantifiers_cannot_exhaust_memory() -> None:
    quantifiers = " ".join(f"each {name} in all:" for name in "abcdefghij")
    report = check(f"principle p require {quantifiers} a is conv")
    assert [d.code for d in report.errors] == ["limit"]


def test_definitions_that_double_cannot_exhaust_time() -> None:
    lines = ["define d0 = connected"]
    lines += [f"define d{i} = d{i - 1} and d{i - 1}" for i in range(1, 90)]
    report = check("\n".join([*lines, "principle p require d89"]))
    assert report.admitted
