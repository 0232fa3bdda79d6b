"""Hypothesis strategies for syntax trees that bind to a space, and for whole principle files."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache

from hypothesis import settings
from hypothesis import strategies as st

from lapt_rules.language import syntax as ast
from lapt_rules.space import Space, load_space

NAMES = ("l", "m", "n")


TIMES = {"quick": 0.1, "nightly": 20}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 1)


def examples(number: int) -> settings:
    """How many examples a law is tried on: more of them at night, fewer in a quick run."""
    return settings(max_examples=max(1, round(number * TIMES)))


def name(text: str) -> ast.Name:
    return ast.Name(text)


def names(choices: tuple[str, ...]) -> st.SearchStrategy[ast.Names]:
    """One or more of the names, without repetition."""
    subset = st.lists(st.sampled_from(choices), min_size=1, max_size=3, unique=True)
    return subset.map(lambda chosen: ast.Names(tuple(map(name, chosen))))


@cache
def operator_names(space: Space) -> st.SearchStrategy[ast.Names]:
    return names((*space.operator_index, *space.classes))


@cache
def regions(space: Space) -> st.SearchStrategy[ast.Names]:
    return names((*space.regions, *space.layer_index))


@cache
def layers(space: Space, scope: tuple[str, ...]) -> st.SearchStrategy[ast.Name]:
    return st.sampled_from((*scope, *space.layer_index)).map(name)


@cache
def formulas(
    space: Space, depth: int = 3, scope: tuple[str, ...] = ()
) -> st.SearchStrategy[ast.Formula]:
    """Formulas of every form, nested at most `depth` deep; `scope` are the quantified names."""
    layer = layers(space, scope)
    leaves = [
        st.builds(ast.OperatorIs, layer, operator_names(space), st.booleans()),
        st.builds(ast.Liveness, layer, st.booleans()),
        st.builds(ast.Same, layer, layer),
        st.just(ast.Connected()),
        comparisons(space, depth, scope),
    ]
    choices = [
        (one, one_layer)
        for one_layer in space.layers
        if len(one_layer.sources) > 1
        for one in [one_layer.name]
    ]
    for layer_name, one_layer in choices:
        leaves.append(st.builds(ast.SourceIs, st.just(name(layer_name)), names(one_layer.sources)))
    if depth == 0:
        return st.one_of(leaves)
    inner = st.deferred(lambda: formulas(space, depth - 1, scope))
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    parts = [
        st.builds(ast.Negation, inner),
        st.builds(ast.Conjunction, several),
        st.builds(ast.Disjunction, several),
        st.builds(ast.Implication, inner, inner),
        st.builds(ast.AtLeast, st.integers(0, 3).map(ast.Integer), several),
    ]
    free = [n for n in NAMES if n not in scope]
    if free:
        body = st.deferred(lambda: formulas(space, depth - 1, (*scope, free[0])))
        quantifier = st.sampled_from(("each", "some"))
        parts.append(
            st.builds(ast.Quantified, quantifier, st.just(name(free[0])), regions(space), body)
        )
    return st.one_of(*leaves, *parts)


@cache
def comparisons(
    space: Space, depth: int, scope: tuple[str, ...]
) -> st.SearchStrategy[ast.Comparison]:
    relation = st.sampled_from(("<=", ">=", "==", "!=", "<", ">"))
    left = expressions(space, depth, scope)
    return st.builds(ast.Comparison, left, relation, expressions(space, 0, scope))


@cache
def expressions(
    space: Space, depth: int, scope: tuple[str, ...]
) -> st.SearchStrategy[ast.Expression]:
    region = st.none() | regions(space)
    largest = len(space.layers) * max(
        amount for o in space.operators for by_cell in o.costs.values() for amount in by_cell
    )
    simple = [
        st.builds(ast.Count, operator_names(space), region),
        st.builds(
            ast.PathLength, st.sampled_from(("longest", "shortest")), operator_names(space), region
        ),
        st.builds(ast.Total, st.sampled_from([c.name for c in space.costs]).map(name), region),
        st.builds(ast.Integer, st.integers(0, len(space.layers)) | st.integers(0, largest)),
    ]
    free = [n for n in NAMES if n not in scope]
    if depth > 0 and free:
        body = st.deferred(lambda: formulas(space, depth - 1, (*scope, free[0])))
        simple.append(st.builds(ast.CountEach, st.just(name(free[0])), regions(space), body))
    terms = st.lists(
        st.tuples(st.sampled_from(("+", "-")), st.one_of(simple)), min_size=2, max_size=3
    )
    sums = terms.map(lambda found: ast.Sum((("+", found[0][1]), *found[1:])))
    return st.one_of(*simple, sums)


@cache
def clauses(space: Space) -> st.SearchStrategy[ast.Clause]:
    formula = formulas(space, 2)
    weight = st.integers(-5_000_000, 5_000_000).map(lambda millionths: millionths / 1_000_000)
    target = formula | expressions(space, 1, ())
    return st.one_of(
        st.builds(ast.Hard, st.sampled_from(("require", "forbid")), formula, st.none() | formula),
        st.builds(ast.Prefer, target, weight, st.none() | formula),
    )


@cache
def hard_clauses(space: Space) -> st.SearchStrategy[ast.Hard]:
    kind = st.sampled_from(("require", "forbid"))
    return st.builds(ast.Hard, kind, formulas(space, 2), st.none() | formulas(space, 0))


@cache
def architectures(space: Space) -> st.SearchStrategy[ast.Arch]:
    operator = st.sampled_from(tuple(space.operator_index)).map(name)
    entries = st.tuples(*(st.builds(ast.Entry, operator) for _ in space.layers))
    return entries.map(ast.Listing)


def tests(space: Space) -> st.SearchStrategy[ast.Test]:
    arch = architectures(space)
    return st.one_of(
        st.builds(ast.Accept, arch), st.builds(ast.Reject, arch), st.builds(ast.Rank, arch, arch)
    )


def principle_files(space: Space, hard_only: bool = False) -> st.SearchStrategy[ast.File]:
    """Whole files: the space, up to four principles, and tests where the space allows lists."""
    clause = hard_clauses(space) if hard_only else clauses(space)
    if not hard_only and not any(len(layer.sources) > 1 for layer in space.layers):
        clause = clause | tests(space)
    why = st.text("abc xyz,.;'#", max_size=30)

    def principle(number: int) -> st.SearchStrategy[ast.Principle]:
        own = st.lists(clause, min_size=1, max_size=3).map(tuple)
        return st.builds(ast.Principle, st.just(name(f"p{number}")), why, own)

    count = st.integers(0, 4)
    principles = count.flatmap(lambda n: st.tuples(*(principle(i) for i in range(n))))
    space_line = ast.SpaceLine(name(space.name))
    return principles.map(lambda found: ast.File((space_line, *found)))


def one_cell_darts() -> Space:
    """The first two stages of DARTS' normal cell: 2 x 3 source pairs, 8^4 operators, all listed."""
    darts = load_space("darts")
    layers = darts.layers[:4]
    cell = replace(
        darts.cells[0],
        nodes=("input0", "input1", "stage1", "stage2"),
        outputs=("stage1", "stage2"),
    )
    kept = [
        part
        for part in darts.invariants.split("principle ")
        if part[:8] in ("normal_1", "normal_2")
    ]
    return replace(
        darts,
        cells=(cell,),
        layers=layers,
        regions={"all": (0, 1, 2, 3), "early": (0, 1), "late": (2, 3)},
        unordered=((0, 1), (2, 3)),
        notations=(),
        invariants="".join(f"principle {part}" for part in kept),
    )
