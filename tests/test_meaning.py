"""One meaning, three engines: plain evaluation, arrays and Z3 define the same set."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import combinations, islice
from math import comb

import networkx as nx
import numpy as np
import pytest
import z3
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from trees import examples, formulas, hard_clauses, name, one_cell_darts, principle_files

from lapt_rules.audit.explain import explain, rejections
from lapt_rules.language import syntax as ast
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import bind, invariants
from lapt_rules.logic.budget import MAX_STEPS, Budget
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.encoding import Encoding
from lapt_rules.logic.formula import And, Choice, Connected, Formula, Live, Not
from lapt_rules.logic.plain import Plain
from lapt_rules.logic.principles import Principle
from lapt_rules.logic.smt import Answer, Reasoner
from lapt_rules.network import graph
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import Subspace, whole

NAS201, TRANS101, DARTS = (load_space(name) for name in ("nas201", "trans101", "darts"))
ONE_CELL = one_cell_darts()
TABLE_SPACES = pytest.mark.parametrize("space", [NAS201, TRANS101], ids=lambda space: space.name)


def as_file(space: Space, *clauses: ast.Hard) -> ast.File:
    principle = ast.Principle(name("p"), "", clauses)
    return ast.File((ast.SpaceLine(name(space.name)), principle))


def random_rows(space: Space, number: int, seed: int) -> Rows:
    """Random well-formed architectures."""
    generator = np.random.default_rng(seed)
    sizes = [len(variable.values) for variable in space.variables]
    rows = generator.integers(0, sizes, (200 * number, len(sizes))).astype(np.int8)
    return rows[Arrays(space, rows).holds(invariants(space))][:number]


def keeps(space: Space, file: ast.File) -> frozenset[tuple[int, ...]]:
    """The set that a file keeps."""
    rows = Subspace(space, bind(file, space).keeps).rows
    return frozenset(map(tuple, rows.tolist()))


def with_resources(space: Space, resources: int = 10**10, steps: int = MAX_STEPS) -> Compiler:
    return Compiler(space, Budget(steps, resources=resources))


def membership(encoding: Encoding, rows: Rows, variable: int = 0) -> z3.BoolRef:
    """A decision tree in Z3 that is true of exactly the given rows."""
    if not len(rows):
        return z3.BoolVal(False, encoding.takes[0][0].ctx)
    if variable == rows.shape[1]:
        return z3.BoolVal(True, encoding.takes[0][0].ctx)
    branches = [
        z3.And(takes, membership(encoding, rows[rows[:, variable] == value], variable + 1))
        for value, takes in enumerate(encoding.takes[variable])
    ]
    return z3.Or(*branches)


# --------------------------------------------------------------------------------- three engines


@pytest.mark.slow
@TABLE_SPACES
@given(data=st.data())
@examples(150)
def test_z3_and_arrays_define_the_same_set(space: Space, data: st.DataObject) -> None:
    formula = bind(data.draw(principle_files(space, hard_only=True)), space).keeps
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    encoding = Encoding(space, context, solver.add)
    listed = Subspace(space, formula).rows
    # One question for the whole space: is there an architecture on which the two differ?
    solver.add(encoding.formula(formula) != membership(encoding, listed))
    assert solver.check() == z3.unsat


@pytest.mark.parametrize("space", [TRANS101, ONE_CELL], ids=["trans101", "one cell of darts"])
@given(data=st.data())
@examples(40)
def test_z3_lists_the_same_architectures_in_the_same_order(
    space: Space, data: st.DataObject
) -> None:
    principles = bind(data.draw(principle_files(space, hard_only=True)), space)
    subspace = Subspace(space, principles.keeps)
    reasoner = Reasoner(principles, with_resources(space))
    assert list(islice(reasoner.architectures(), 50)) == list(islice(subspace, 50))
    assert reasoner.satisfiable() is (Answer.YES if subspace.count() else Answer.NO)


@pytest.mark.slow
@TABLE_SPACES
@given(data=st.data())
@examples(5)
def test_z3_lists_whole_sets(space: Space, data: st.DataObject) -> None:
    principles = bind(data.draw(principle_files(space, hard_only=True)), space)
    found = list(Reasoner(principles, with_resources(space)).architectures())
    assert found == list(Subspace(space, principles.keeps))


@given(data=st.data(), seed=st.integers(0, 2**32))
@examples(40)
def test_every_engine_names_the_same_rejecters(data: st.DataObject, seed: int) -> None:
    principles = bind(data.draw(principle_files(DARTS, hard_only=True)), DARTS)
    drawn = whole(DARTS).sample(3, seed)
    reasoner = Reasoner(principles)
    for architecture, row in zip(drawn, rejections(principles, drawn), strict=True):
        by_z3 = reasoner.rejecters(architecture)
        assert by_z3 is not None
        names = [p.name for p in by_z3]
        assert names == [p.name for p, out in zip(principles.principles, row, strict=True) if out]
        plain = dict.fromkeys(r.principle for r in explain(principles, architecture).rejections)
        assert names == list(plain)


@pytest.mark.slow
@TABLE_SPACES
@given(data=st.data())
@examples(60)
def test_plain_evaluation_and_arrays_define_the_same_set(space: Space, data: st.DataObject) -> None:
    formula = bind(data.draw(principle_files(space, hard_only=True)), space).keeps
    rows = whole(space).rows
    plain = [Plain(space, row).holds(formula) for row in rows.tolist()]
    assert Arrays(space, rows).holds(formula).tolist() == plain


@given(data=st.data(), seed=st.integers(0, 2**32))
@examples(60)
def test_the_engines_agree_on_random_darts_architectures(data: st.DataObject, seed: int) -> None:
    formula = bind(data.draw(principle_files(DARTS, hard_only=True)), DARTS).keeps
    rows = random_rows(DARTS, 20, seed)
    mask = Arrays(DARTS, rows).holds(formula).tolist()
    assert [Plain(DARTS, row).holds(formula) for row in rows.tolist()] == mask
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    encoding = Encoding(DARTS, context, solver.add)
    expression = encoding.formula(formula)
    for row, kept in zip(rows.tolist()[:5], mask[:5], strict=True):
        taken = [encoding.takes[variable][value] for variable, value in enumerate(row)]
        assert solver.check(*taken, expression) == (z3.sat if kept else z3.unsat)


# ------------------------------------------------------------------------ paths, by brute force


def live_paths(space: Space, row: list[int]) -> Iterator[list[str]]:
    """Every live path of every cell, as the names of its layers, by networkx."""
    from lapt_rules.space import Architecture

    whole_graph = graph(Architecture(space, tuple(row)))
    dead_ends = [
        node
        for node, data in whole_graph.nodes(data=True)
        if data["kind"] == "layer" and data["operator"] == "none"
    ]
    whole_graph.remove_nodes_from(dead_ends)
    for cell in space.cells:
        for source in cell.inputs:
            for target in cell.outputs:
                for path in nx.all_simple_paths(
                    whole_graph, (cell.name, source), (cell.name, target)
                ):
                    yield [layer for _, layer in path if layer in space.layer_index]


@pytest.mark.parametrize("space", [NAS201, TRANS101, DARTS], ids=lambda space: space.name)
def test_live_and_connected_are_what_the_paths_say(space: Space) -> None:
    for row in random_rows(space, 150, 1).tolist():
        paths = list(live_paths(space, row))
        plain = Plain(space, row)
        on_a_path = {layer for path in paths for layer in path}
        live = {layer.name for i, layer in enumerate(space.layers) if plain.holds(Live(i))}
        assert live == on_a_path
        assert any(plain.holds(Connected(cell)) for cell in range(len(space.cells))) == bool(paths)


@pytest.mark.parametrize("region", ["all", "late"])
@pytest.mark.parametrize("space", [NAS201, DARTS], ids=lambda space: space.name)
def test_longest_and_shortest_are_what_the_paths_say(space: Space, region: str) -> None:
    counted = {space.layers[layer].name for layer in space.regions[region]}
    text = f"space {space.name} principle p prefer more EXTREME(conv in {region}) weight 1"
    measures = [
        bind(text.replace("EXTREME", extreme), space).preferences[0].what
        for extreme in ("longest", "shortest")
    ]
    for row in random_rows(space, 150, 2).tolist():
        architecture = [space.operators[row[v]].name for v in space.operator_variable]
        operators = dict(zip(space.layer_index, architecture, strict=True))
        lengths: dict[str, list[int]] = {cell.name: [] for cell in space.cells}
        for path in live_paths(space, row):
            cell = space.cells[space.layers[space.layer_index[path[0]]].cell].name
            lengths[cell].append(
                sum(
                    layer in counted and operators[layer] in space.classes["conv"] for layer in path
                )
            )
        longest = max(max(found, default=0) for found in lengths.values())
        shortest = min(min(found, default=0) for found in lengths.values())
        found = [Plain(space, row).amount(measure) for measure in measures]  # type: ignore[arg-type]
        assert found == [longest, shortest]


# ---------------------------------------------------------------------------- metamorphic laws


@given(data=st.data())
def test_another_principle_never_grows_the_set(data: st.DataObject) -> None:
    first, second = (data.draw(hard_clauses(TRANS101)) for _ in range(2))
    assert keeps(TRANS101, as_file(TRANS101, first, second)) <= keeps(
        TRANS101, as_file(TRANS101, first)
    )


@given(data=st.data())
def test_a_formula_and_its_negation_part_the_space(data: st.DataObject) -> None:
    formula = data.draw(formulas(TRANS101))
    holds = keeps(TRANS101, as_file(TRANS101, ast.Hard("require", formula)))
    fails = keeps(TRANS101, as_file(TRANS101, ast.Hard("require", ast.Negation(formula))))
    forbidden = keeps(TRANS101, as_file(TRANS101, ast.Hard("forbid", formula)))
    assert fails == forbidden
    assert not holds & fails
    assert len(holds) + len(fails) == 4096


@given(data=st.data())
def test_order_and_repetition_do_not_matter(data: st.DataObject) -> None:
    clauses = data.draw(st.lists(hard_clauses(TRANS101), min_size=1, max_size=4))
    shuffled = data.draw(st.permutations([*clauses, clauses[0]]))
    assert keeps(TRANS101, as_file(TRANS101, *clauses)) == keeps(
        TRANS101, as_file(TRANS101, *shuffled)
    )


@given(data=st.data())
@examples(50)
def test_redundant_iff_removing_it_leaves_the_set_unchanged(data: st.DataObject) -> None:
    file = data.draw(principle_files(TRANS101, hard_only=True))
    principles = bind(file, TRANS101)
    complete = keeps(TRANS101, file)
    found = Reasoner(principles).redundancies()
    redundant = {one.principle.name for one in found if one.answer is Answer.YES}
    for principle in file.principles:
        rest = ast.File(tuple(block for block in file.blocks if block is not principle))
        assert (keeps(TRANS101, rest) == complete) == (principle.name.text in redundant)


@given(data=st.data())
@examples(50)
def test_what_implies_a_redundant_principle_does_imply_it(data: st.DataObject) -> None:
    file = data.draw(principle_files(TRANS101, hard_only=True))
    for found in Reasoner(bind(file, TRANS101)).redundancies():
        if found.answer is not Answer.YES:
            continue
        names = {principle.name for principle in found.implied_by}
        space_line = file.blocks[0]
        implying = ast.File((space_line, *(p for p in file.principles if p.name.text in names)))
        implied = ast.File(
            (space_line, *(p for p in file.principles if p.name.text == found.principle.name))
        )
        assert keeps(TRANS101, implying) <= keeps(TRANS101, implied)


# ------------------------------------------------------------------------------------------- Z3


def reasoner(text: str, space: Space = NAS201, compiler: Compiler | None = None) -> Reasoner:
    return Reasoner(bind(f"space {space.name}\n{text}", space), compiler)


def test_a_conflict_is_minimal_and_in_the_users_names() -> None:
    found = reasoner(
        "principle a require layer0 is conv\n"
        "principle b require count(pool) >= 5\n"
        "principle c require layer1 is none\n"
        "principle d require connected\n"
    ).conflict()
    assert found is not None
    assert [principle.name for principle in found.principles] == ["a", "b", "c"]
    assert found.minimal


@given(data=st.data())
@examples(50)
def test_every_conflict_is_a_conflict_and_minimal(data: st.DataObject) -> None:
    file = data.draw(principle_files(TRANS101, hard_only=True))
    principles = bind(file, TRANS101)
    found = Reasoner(principles).conflict()
    if found is None:
        assert keeps(TRANS101, file)
        return
    names = [principle.name for principle in found.principles]

    def kept_without(dropped: str) -> frozenset[tuple[int, ...]]:
        chosen = tuple(
            p for p in file.principles if p.name.text in names and p.name.text != dropped
        )
        return keeps(TRANS101, ast.File((file.blocks[0], *chosen)))

    assert not kept_without("")
    assert all(kept_without(dropped) for dropped in names)


@given(data=st.data())
@examples(30)
def test_all_minimal_conflicts_and_the_smallest_repair(data: st.DataObject) -> None:
    """Against brute force over all choices of principles."""
    clauses = [data.draw(hard_clauses(TRANS101)) for _ in range(4)]
    text = [ast.Principle(name(f"p{i}"), "", (clause,)) for i, clause in enumerate(clauses)]
    space_line = ast.SpaceLine(name("trans101"))
    clashing = {
        frozenset(f"p{i}" for i in chosen)
        for size in range(5)
        for chosen in combinations(range(4), size)
        if not keeps(TRANS101, ast.File((space_line, *(text[i] for i in chosen))))
    }
    minimal = {one for one in clashing if not any(other < one for other in clashing)}
    principles = bind(ast.File((space_line, *text)), TRANS101)
    found = Reasoner(principles).conflicts()
    assert {frozenset(p.name for p in one.principles) for one in found} == minimal
    assert all(one.minimal for one in found)
    dropped = Reasoner(principles).repair()
    assert dropped is not None
    everyone = {f"p{i}" for i in range(4)}
    assert frozenset(everyone - {p.name for p in dropped}) not in clashing
    satisfiable = [len(c) for c in _subsets(everyone) if frozenset(c) not in clashing]
    assert len(dropped) == 4 - max(satisfiable)
    hit = Reasoner(principles)._hitting(dict.fromkeys(everyone, 0))
    assert hit is not None
    assert everyone - hit not in clashing
    assert len(hit) == len(dropped)


def _subsets(names: set[str]) -> list[tuple[str, ...]]:
    return [c for size in range(len(names) + 1) for c in combinations(sorted(names), size)]


def test_ctrl_c_is_no_answer_of_z3() -> None:
    """Z3 would take it for itself and answer unknown, and the caller go on."""
    pigeons = """
import os, threading, z3
from itertools import combinations
from lapt_rules.logic.smt import _deaf
takes = [[z3.Bool(f"pigeon {i} takes {j}") for j in range(11)] for i in range(12)]
def never_placed(solver):
    solver.set("timeout", 1500)
    solver.add(*(z3.Or(*row) for row in takes))
    pairs = (pair for column in zip(*takes) for pair in combinations(column, 2))
    solver.add(*(z3.Not(z3.And(*pair)) for pair in pairs))
    threading.Timer(0.3, os.kill, (os.getpid(), 2)).start()
    try: print(solver.check())
    except KeyboardInterrupt: print("stopped")
never_placed(_deaf(z3.Solver()))
never_placed(_deaf(z3.Optimize()))
"""
    command = [sys.executable, "-c", pigeons]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert found.stdout == "stopped\nstopped\n"


def test_a_repair_drops_the_fewest_and_of_as_few_those_that_weigh_least() -> None:
    both = reasoner("principle a require connected principle b forbid connected")
    assert [p.name for p in both.repair({"a": 3, "b": 1}) or []] == ["b"]
    assert [p.name for p in both.repair({"a": 1, "b": 3}) or []] == ["a"]
    many = reasoner(
        "principle a require layer0 is conv principle b require layer1 is conv "
        "principle c require count(conv) == 0"
    )
    assert [p.name for p in many.repair({"c": 100}) or []] == ["c"]


def test_the_smallest_repair_of_many_principles_is_found() -> None:
    clauses = [
        "count(conv) >= 8", "count(skip_connect) <= 4", "count(pool) <= 4", "count(none) <= 2",
        "sum(params) <= 2200000", "longest(conv in normal) >= 2", "longest(conv in reduce) >= 2",
        "count(conv) <= 3", "count(pool) >= 9", "sum(params) <= 700000", "count(none) == 5",
        "longest(conv) >= 5", "each l in reduce: l is skip_connect", "count(skip_connect) <= 1",
    ]  # fmt: skip
    asked = reasoner(
        "\n".join(f"principle p{i} require {clause}" for i, clause in enumerate(clauses)),
        DARTS,
        with_resources(DARTS),
    )
    dropped = asked.repair()
    assert dropped is not None
    compiler = Compiler(DARTS)

    def keep_something(chosen: Iterable[Principle]) -> bool:
        kept = Subspace(DARTS, And(tuple(p.keeps for p in chosen)), compiler=compiler)
        return kept.count() > 0

    everything = asked.principles.principles
    assert keep_something(set(everything) - set(dropped))
    fewer = combinations(everything, len(dropped) - 1)
    assert not any(keep_something(set(everything) - set(out)) for out in fewer)


def test_a_sum_that_cannot_be_reached_is_decided_quickly() -> None:
    text = "principle p require sum(params) <= 700000 principle q require count(conv) >= 11"
    assert reasoner(text, DARTS).satisfiable() is Answer.NO


HARD = " ".join(
    f"principle p{i} require sum(params in {{normal_{i}a, reduce_{i}b, normal_{i}b}}) + "
    f"longest(conv in reduce) == sum(flops in {{normal_{i}a, reduce_{i}a}}) - {17 * i}"
    for i in range(1, 5)
)


def test_a_question_beyond_the_budget_is_answered_unknown() -> None:
    asked = reasoner(HARD, DARTS, with_resources(DARTS, 500_000, steps=0))
    assert asked.satisfiable() is Answer.UNKNOWN
    assert asked.undecided
    assert asked.conflict() is None
    assert asked.repair() is None
    without = reasoner(HARD, DARTS, with_resources(DARTS, 0))
    assert without.rejecters(whole(DARTS).unrank(0)) is None


def test_principles_too_large_to_state_are_left_to_the_diagrams() -> None:
    text = "principle a require layer0 is conv principle b require layer0 is none"
    found = reasoner(text, compiler=with_resources(NAS201, 0)).conflict()
    assert found is not None
    assert [principle.name for principle in found.principles] == ["a", "b"]
    assert found.minimal


@pytest.mark.parametrize("resources", [10**5, 10**6, 10**7])
def test_where_z3_gives_up_does_not_depend_on_the_clock(resources: int) -> None:
    text = f"{HARD} principle q require count(conv) == 3 principle r require count(none) >= 14"

    def found() -> tuple[object, ...]:
        compiler = with_resources(DARTS, resources, steps=10**6)
        asked = reasoner(text, DARTS, compiler)
        answers = asked.conflicts(), asked.repair(), asked.redundancies()
        return str(answers), compiler.budget.resources, compiler.budget.steps

    assert found() == found()


def test_counts_that_cannot_add_up_are_decided_by_z3_alone() -> None:
    """Eight operators three times each, on sixteen layers."""
    clauses = (
        f"principle p{i} require count({o}) == 3" for i, o in enumerate(DARTS.operator_index)
    )
    asked = reasoner(" ".join(clauses), DARTS, with_resources(DARTS, 10**6, steps=0))
    conflict = asked.conflict()
    assert conflict is not None
    assert len(conflict.principles) == 6
    assert conflict.minimal
    assert len(asked.repair() or ()) == 3
    assert not asked.undecided


def test_reachability_is_stated_once_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = []
    stating = Encoding._reaching

    def counted(self: Encoding, cell: int) -> tuple[dict[str, z3.BoolRef], dict[str, z3.BoolRef]]:
        stated.append(cell)
        return stating(self, cell)

    monkeypatch.setattr(Encoding, "_reaching", counted)
    reasoner("principle p require each l in all: l is live", DARTS)
    assert sorted(stated) == [0, 1]


# ------------------------------------------------------------------------------------ shared parts


def distinct(formula: Formula) -> list[Formula]:
    """The different objects of which a formula is made, of those that it is joined of."""
    found: dict[Formula, None] = {}
    queue = [formula]
    while queue:
        part = queue.pop()
        if part not in found:
            found[part] = None
            queue += [part.part] if isinstance(part, Not) else getattr(part, "parts", ())
    return list(found)


def test_a_part_under_many_quantifiers_is_one_part() -> None:
    text = "each a in all: each b in all: if same(a, b) then b is dead"
    parts = distinct(bind(f"space darts principle p require {text}", DARTS).keeps)
    assert sum(isinstance(part, Live) for part in parts) == len(DARTS.layers)
    pairs = comb(len(DARTS.layers), 2) + len(DARTS.layers)
    both = sum(isinstance(p, And) and isinstance(p.parts[0], Choice) for p in parts)
    assert both == pairs * len(DARTS.operators)  # same(a, b) is same(b, a)
