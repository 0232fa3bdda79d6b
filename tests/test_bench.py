"""The bench: peers find the same sets as we do, and what is missing or wrong is said."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import formulas, principle_files

from lapt_rules.bench import growth, peers
from lapt_rules.bench.algebra import Algebra
from lapt_rules.bench.cases import Case, bound, chosen_cases, shipped_cases, with_other_numbers
from lapt_rules.bench.circuit import Circuit
from lapt_rules.bench.drawing import Drawing
from lapt_rules.bench.engine import Report, Result, run
from lapt_rules.bench.goals import goals_table, verdicts
from lapt_rules.bench.peers.peer import QUESTIONS, TIMED, About, Peer
from lapt_rules.bench.processes import answers
from lapt_rules.bench.tables import engine_tables, growth_table, page
from lapt_rules.bench.worker import Task
from lapt_rules.cli.main import cli
from lapt_rules.errors import LaptError
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import read_text
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import bind, invariants
from lapt_rules.logic.formula import Formula
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import Subspace, whole

NAS201, DARTS = load_space("nas201"), load_space("darts")
OTHERS = [name for name in peers.NAMES if name != peers.OURS]
LISTING = ["z3-cubes", "z3-blocking", "cp-sat", "sat", "dd", "oxidd", "numpy-mask"]
CASES = {case.name: case for case in shipped_cases()}


def peer(name: str, principles: PrincipleSet) -> Peer:
    """A peer with a principle set; the test is skipped where its library is not there."""
    if not peers.is_installed(name):
        pytest.skip(f"the peer {name} is not installed")
    return peers.load(name)(principles)


def members(principles: PrincipleSet) -> frozenset[tuple[int, ...]]:
    rows = Subspace(principles.space, principles.keeps).rows
    return frozenset(map(tuple, rows.tolist()))


# -------------------------------------------------------------------------------------- lowering


class Columns(Algebra[int]):
    """Conditions as Python integers: bit r says whether the condition holds of row r."""

    def __init__(self, rows: Rows, has_sums: bool) -> None:
        self.rows = rows
        self.has_sums = has_sums
        self.true, self.false = (1 << len(rows)) - 1, 0

    def of(self, mask: Any) -> int:
        return int("".join("01"[int(one)] for one in mask[::-1]), 2)

    def choice(self, variable: int, values: frozenset[int]) -> int:
        return self.of(np.isin(self.rows[:, variable], list(values)))

    def negation(self, node: int) -> int:
        return self.true ^ node

    def conjunction(self, nodes: Sequence[int]) -> int:
        result = self.true
        for node in nodes:
            result &= node
        return result

    def at_least(self, terms: Sequence[tuple[int, int]], bound: int) -> int:
        assert all(weight > 0 for weight, _ in terms)
        rows = range(len(self.rows))
        return self.of([sum(w for w, node in terms if node >> r & 1) >= bound for r in rows])


def agree(space: Space, formula: Formula, rows: Rows, has_sums: bool) -> None:
    algebra = Columns(rows, has_sums)
    lowered = Circuit(space, algebra).lower(formula)
    assert lowered == algebra.of(Arrays(space, rows).holds(formula))


def drawn_formula(space: Space, data: st.DataObject) -> Formula:
    clause = ast.Hard("require", data.draw(formulas(space, 2)), None)
    principle = ast.Principle(ast.Name("p"), "", (clause,))
    return bind(ast.File((ast.SpaceLine(ast.Name(space.name)), principle)), space).keeps


@pytest.mark.parametrize("space", [NAS201, DARTS], ids=lambda space: space.name)
@pytest.mark.parametrize("has_sums", [False, True], ids=["graphs", "sums"])
@given(data=st.data())
@settings(max_examples=60)
def test_a_lowered_formula_holds_where_the_formula_holds(
    space: Space, has_sums: bool, data: st.DataObject
) -> None:
    rows = Drawing(space).rows(100, np.random.default_rng(data.draw(st.integers(0, 99))))
    agree(space, drawn_formula(space, data), rows, has_sums)


@pytest.mark.parametrize("has_sums", [False, True], ids=["graphs", "sums"])
def test_sums_over_sources_and_operators_together_are_lowered(has_sums: bool) -> None:
    plain = "count(l in reduce: l from input0 and l is skip_connect)"
    text = f"require {plain} + {plain} - count(skip_connect) + count(l in late: l is live) >= 3"
    rows = Drawing(DARTS).rows(300, np.random.default_rng(5))
    agree(DARTS, bound(f"space darts principle p {text}", DARTS).keeps, rows, has_sums)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_every_measured_set_is_lowered_as_it_is_meant(case: Case) -> None:
    principles = case.load()
    rows = Subspace(principles.space, principles.keeps).sample_rows(200, 1).copy()
    rows[::2] = Drawing(principles.space).rows(100, np.random.default_rng(2))
    for principle in principles.principles:
        agree(principles.space, principle.keeps, rows, has_sums=False)
        agree(principles.space, principle.keeps, rows, has_sums=True)


# ----------------------------------------------------------------------------------------- peers


@pytest.mark.parametrize("case", ["nas201/e", "nas201/f"])
@pytest.mark.parametrize("name", LISTING)
def test_a_peer_lists_the_same_set_as_we_do(name: str, case: str) -> None:
    principles = CASES[case].load()
    one = peer(name, principles)
    assert one.count() == Subspace(principles.space, principles.keeps).count()
    listed = list(map(tuple, one.lister()(None)))
    assert len(listed) == len(set(listed))
    assert set(listed) == members(principles)


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("nas201")])
@pytest.mark.parametrize("name", ["cp-sat", "sat", "dd", "oxidd", "numpy-mask"])
def test_a_peer_lists_every_measured_set_of_nas201(name: str, case: str) -> None:
    principles = CASES[case].load()
    assert set(map(tuple, peer(name, principles).lister()(None))) == members(principles)


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("darts")])
def test_decision_diagrams_count_darts_as_we_do(case: str) -> None:
    principles = CASES[case].load()
    assert peer("oxidd", principles).count() == Subspace(DARTS, principles.keeps).count()


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """The normal cell of DARTS, of which two stages are left."""
    folder = tmp_path_factory.mktemp("spaces") / "onecell"
    folder.mkdir()
    declared = tomllib.loads(read_text(DARTS.folder / "space.toml"))
    layers = [
        layer for layer in declared["layers"] if layer["name"][:8] in ("normal_1", "normal_2")
    ]
    names = [layer["name"] for layer in layers]
    template = "".join(f"|{{{name}}}~{{{name}.source}}" for name in names)
    kept = [
        line
        for block in declared["invariants"].split("\n\n")
        if "normal_1_" in block or "normal_2_" in block
        for line in block.splitlines()
    ]
    parts = [
        'name = "onecell"\ntitle = "One cell"\nsource = "DARTS"',
        f"unordered = {json.dumps([names[:2], names[2:]])}",
        "invariants = '''\n" + "\n".join(kept) + "\n'''",
        f"[[notations]]\ntemplate = '{template}'",
        '[cells.normal]\ninputs = ["input0", "input1"]\noutputs = ["stage1", "stage2"]',
        *(
            f'[[layers]]\nname = "{layer["name"]}"\ncell = "normal"\n'
            f'from = {json.dumps(layer["from"])}\nto = "{layer["to"]}"'
            for layer in layers
        ),
        *(
            f'[operators.{name}]\nclass = "{one["class"]}"\nfunction = "{one["function"]}"\n'
            f"costs = {{ params = {one.get('costs', {}).get('params', {}).get('normal', 0)} }}"
            for name, one in declared["operators"].items()
        ),
        '[costs.params]\nunit = "parameters"\norigin = "DARTS"',
        f"[regions]\nearly = {json.dumps(names[:2])}\nlate = {json.dumps(names[2:])}",
    ]
    (folder / "space.toml").write_text("\n\n".join(parts))
    return load_space(folder)


@pytest.mark.parametrize("name", LISTING)
@pytest.mark.parametrize(
    "clauses",
    [
        "require count(conv) == 3 and sum(params) <= 900000 require longest(conv) >= 2",
        "require shortest({conv, pool}) >= 1 and count(none) == 1 require normal_2b from stage1",
        "require connected and count(pool) - count(identity) == 2 forbid normal_1a is pool",
    ],
)
def test_a_peer_lists_the_same_set_where_sources_are_chosen(
    one_cell: Space, name: str, clauses: str
) -> None:
    principles = bound(f"space onecell principle p {clauses}", one_cell)
    expected = members(principles)
    assert 0 < len(expected) < 3000
    assert set(map(tuple, peer(name, principles).lister()(None))) == expected


@pytest.mark.parametrize("name", ["dd", "oxidd"])
@given(data=st.data())
@settings(max_examples=15)
def test_diagrams_count_any_principles_as_we_do(name: str, data: st.DataObject) -> None:
    principles = bind(data.draw(principle_files(NAS201, hard_only=True)), NAS201)
    expected = Subspace(NAS201, principles.keeps).count()
    assert peer(name, principles).count() == expected


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("case", ["nas201/d", "darts/b"])
def test_a_peer_draws_decides_and_lists_neighbours_as_we_do(name: str, case: str) -> None:
    principles = CASES[case].load()
    space, ours = principles.space, peers.load(peers.OURS)(principles)
    one = peer(name, principles)
    if one.about.largest_space is not None and space is DARTS:
        pytest.skip("this peer does not take a space so large")
    rows = Drawing(space).rows(20, np.random.default_rng(1))
    if "samples" in one.about.questions:
        draws = one.sampler()(200)
        assert len(draws)
        assert Subspace(space, principles.keeps).contains(np.asarray(draws)).all()
    if "members" in one.about.questions:
        assert (one.membership()(rows) == ours.membership()(rows)).all()
    if "neighbours" in one.about.questions:
        some = Subspace(space, principles.keeps).sample(3)
        expected = [len(Subspace(space, principles.keeps).neighbours(each)) for each in some]
        values = np.array([each.values for each in some], np.int8)
        assert one.neighbourhood()(values) == ours.neighbourhood()(values) == expected
    if "explain" in one.about.questions:
        found = [set(names) for names in one.explainer()(rows)]
        assert found == [set(names) for names in ours.explainer()(rows)]


def test_a_walk_over_a_diagram_is_uniform() -> None:
    principles = CASES["nas201/e"].load()
    draws = peer("dd", principles).sampler()(20_000)
    _, times = np.unique(draws, axis=0, return_counts=True)
    expected = 20_000 / 1232
    squared = ((times - expected) ** 2 / expected).sum() + (1232 - len(times)) * expected
    assert 1231 - 5 * 50 < squared < 1231 + 5 * 50  # the standard deviation is 50


# ------------------------------------------------------------------------------------------ sets


def test_the_sets_fall_from_loose_to_narrow() -> None:
    shares = {}
    for name, case in CASES.items():
        principles = case.load()
        count = Subspace(principles.space, principles.keeps).count()
        shares[name] = count / whole(principles.space).count()
        assert all(principle.why for principle in principles.principles)
        assert case.title.endswith(".")
    nas201 = [share for name, share in shares.items() if name.startswith("nas201")]
    assert len(nas201) == 6
    assert nas201 == sorted(nas201, reverse=True)
    darts = [share for name, share in shares.items() if name.startswith("darts")]
    assert len(darts) == 7
    assert max(darts) > 0.5
    assert min(darts) < 1e-6


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_other_numbers_keep_a_little_more(case: Case) -> None:
    before = case.load()
    text = with_other_numbers(read_text(case.file))
    after = bound(text, before.space)
    fewer = Subspace(before.space, before.keeps).count()
    assert fewer <= Subspace(after.space, after.keeps).count()
    assert (text == read_text(case.file)) == (case.name == "darts/e")  # which has no number


def test_raw_draws_are_well_formed() -> None:
    rows = Drawing(DARTS).rows(2000, np.random.default_rng(0))
    assert Arrays(DARTS, rows).holds(invariants(DARTS)).all()


def test_a_set_that_is_none_is_told() -> None:
    with pytest.raises(LaptError, match="no measured set `darts/z`"):
        chosen_cases(("darts/z",))


@pytest.mark.parametrize("number", growth.PRINCIPLES)
def test_grown_principle_files_keep_something(number: int) -> None:
    principles = bound(growth.many_principles(number), DARTS)
    assert len(principles.principles) == number
    assert Subspace(DARTS, principles.keeps).count() > 0


@pytest.mark.parametrize("layers", growth.QUICK_LAYERS)
def test_grown_spaces_load_and_keep_something(layers: int, tmp_path: Path) -> None:
    principles = growth.layered_case(layers, tmp_path).load()
    assert len(principles.space.layers) == layers
    assert Subspace(principles.space, principles.keeps).count() > 0


# ---------------------------------------------------------------------------------------- report


def report(*results: Result) -> Report:
    made = Report({"date": "2026-01-01", "processor": "two cores"}, limit=20.0)
    made.results = list(results)
    made.totals = {result.case: 15_625 for result in results}
    return made


def complete() -> Report:
    """Every peer's answer to every question on two sets, without measuring."""
    results = []
    for number, name in enumerate(peers.NAMES):
        for case in ("nas201/a", "darts/a"):
            for question in QUESTIONS:
                timed = question in TIMED
                results.append(
                    Result(
                        case, name, question,
                        seconds=0.001 * (number + 1) if timed else None,
                        rate=None if timed else 1e6 / (number + 1),
                        answer="1000" if question in ("fresh", "count") else "",
                    )
                )  # fmt: skip
    return report(*results)


@pytest.mark.skipif(
    not all(map(peers.is_installed, peers.NAMES)), reason="some peer is not installed"
)
@pytest.mark.parametrize("as_markdown", [False, True])
def test_the_tables_hold_every_set_and_every_peer(as_markdown: bool) -> None:
    made = complete()
    tables = engine_tables(made)
    assert [table.title for table in tables] == list(QUESTIONS.values())
    for table in tables:
        assert len(table.header) == 1 + len(peers.NAMES)
        assert [row[0] for row in table.rows] == ["nas201/a", "darts/a"]
        assert all("x)" in cell for row in table.rows for cell in row[2:])
    text = page(made, tables, as_markdown)
    assert all(peers.load(name).about.title in text for name in peers.NAMES)


def test_what_is_over_the_limit_stands_in_the_table() -> None:
    ours = Result("darts/a", peers.OURS, "first", seconds=0.002)
    late = Result("darts/a", "z3-cubes", "first", over=20.0)
    (table,) = engine_tables(report(ours, late))
    assert table.rows == (("darts/a", "2.0 ms", "over 20 s"),)


def test_peers_that_disagree_are_a_failure() -> None:
    ours = Result("nas201/a", peers.OURS, "count", seconds=0.1, answer="11568")
    assert not report(ours).failures
    other = Result("nas201/a", "sat", "count", seconds=0.1, answer="11569")
    (failure,) = [f for f in report(ours, other).failures if "disagree" in f]
    assert "lapt says 11568; sat says 11569" in failure
    failed = Result("nas201/a", "dd", "samples", error="out of memory")
    assert report(failed).failures == ["nas201/a: dd failed at `samples`: out of memory"]


def test_a_busy_machine_is_said() -> None:
    alone = Result("nas201/a", peers.OURS, "count", seconds=0.1, share=0.99)
    made = report(alone, Result("nas201/a", "sat", "count", seconds=0.3, share=0.4))
    assert "1 of 2 measurements had to share their processor" in page(made, [], False)
    assert "share" not in page(report(alone), [], as_markdown=False)


def test_goals_name_the_worst_set_and_whether_it_holds() -> None:
    made = report(
        Result("darts/a", peers.OURS, "count", seconds=0.05, answer="7"),
        Result("darts/b", peers.OURS, "count", seconds=0.15, answer="7"),
    )
    found = {verdict.goal.text: verdict for verdict in verdicts(made)}
    assert found["exact count, DARTS"].case == "darts/b"
    assert found["exact count, DARTS"].holds is False
    assert found["exact count, NAS-Bench-201"].holds is None
    rows = {row[0]: row for row in goals_table(made).rows}
    assert rows["exact count, DARTS"] == (
        "exact count, DARTS", "<= 100 ms", "150 ms", "darts/b", "missed",
    )  # fmt: skip
    assert "exact count, NAS-Bench-201" not in rows


def test_a_missing_peer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "is_installed", lambda name: name not in ("dd", "oxidd"))
    made = run([], peers.NAMES)
    assert made.missing == ["dd", "oxidd"]
    text = page(made, [], as_markdown=False)
    assert "not installed: dd, oxidd; `pip install 'lapt-rules[bench]'` brings them" in text
    with pytest.raises(LaptError, match="peer `dd` is not installed") as caught:
        peers.load("dd")
    assert caught.value.fix == "pip install 'lapt-rules[bench]'"


def test_a_peer_that_is_none_is_told() -> None:
    with pytest.raises(LaptError, match="there is no peer `oxid`") as caught:
        peers.load("oxid")
    assert "`oxidd`" in caught.value.fix


class Wrong(Peer):
    """Gives what the principles reject."""

    about = About("wrong", ("first",))

    def lister(self) -> Any:
        return lambda number: [[0] * 6]


def test_a_peer_that_gives_what_is_not_kept_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "load", lambda name: Wrong)
    with pytest.raises(LaptError, match="wrong gives architectures outside the set"):
        Task("wrong", CASES["nas201/a"], quick=True).ask("first")


def test_a_question_over_the_limit_is_ended_and_the_next_is_asked() -> None:
    found = list(answers("z3-blocking", CASES["darts/a"], ["first", "nonsense"], 0.4, quick=True))
    assert found[0] == {"question": "first", "over": 0.4}
    assert found[1]["question"] == "nonsense"
    assert "error" in found[1]


def test_one_set_is_measured_from_end_to_end() -> None:
    arguments = ["bench", "engine", "--set", "nas201/f", "--peer", "z3-cubes", "--quick", "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["failures"] == []
    asked = {(one["peer"], one["question"]) for one in value["results"]}
    assert asked == {
        (name, question)
        for name in ("lapt", "z3-cubes")
        for question in peers.load(name).about.questions
    }
    counts = {one["answer"] for one in value["results"] if one["question"] == "count"}
    assert counts == {"2"}
    assert all(one["seconds"] or one["rate"] for one in value["results"])


@pytest.mark.slow
def test_growth_is_measured_from_end_to_end() -> None:
    result = CliRunner().invoke(cli, ["bench", "growth", "--quick"])
    assert result.exit_code == 0, result.output
    assert "12 layers" in result.output
    assert "4 principles" in result.output


def test_growth_that_takes_too_long_stands_in_the_table() -> None:
    table = growth_table(report(Result("64 layers", peers.OURS, "growth", over=5.0)))
    assert table.rows[0][2] == "over 5 s"
