"""The compiled engine: the same set as plain evaluation, on whole spaces and beyond them."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from trees import examples, one_cell_darts, principle_files

from lapt_rules.errors import LimitError
from lapt_rules.logic import compiling
from lapt_rules.logic.arrays import Arrays
from lapt_rules.logic.binding import bind, invariants
from lapt_rules.logic.budget import Budget
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.diagram import Diagram, counting, from_mask, intersection, union
from lapt_rules.logic.formula import And, Formula
from lapt_rules.logic.sampling import Sampler, _settle_exactly
from lapt_rules.space import Space, load_space

TRANS101, DARTS = load_space("trans101"), load_space("darts")


ONE_CELL = one_cell_darts()


def by_transitions(space: Space, formula: Formula, monkeypatch: pytest.MonkeyPatch) -> Diagram:
    """Compile as on a large space, even where the space is small."""
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "MAX_GRID", 0)
        return Compiler(space).compile(formula)


@pytest.mark.parametrize("space", [TRANS101, ONE_CELL], ids=["trans101", "one cell of darts"])
@given(data=st.data())
@examples(400)
def test_a_compiled_set_is_the_set_that_arrays_list(space: Space, data: st.DataObject) -> None:
    formula = bind(data.draw(principle_files(space, hard_only=True)), space).keeps
    formula = And((invariants(space), formula))
    with pytest.MonkeyPatch.context() as patch:
        compiled = by_transitions(space, formula, patch)
    grid = compiling._grid(compiled.sizes)
    expected = Arrays(space, grid).holds(formula)
    assert np.array_equal(compiled.contains(grid), expected)
    assert compiled.count() == expected.sum()
    spread = compiled.spread()
    listed = spread.unrank(np.arange(compiled.count())) if compiled.count() else grid[:0]
    assert np.array_equal(listed, grid[expected])
    assert [spread.rank(row) for row in listed[:5].tolist()] == list(range(len(listed[:5])))


@given(data=st.data(), seed=st.integers(0, 2**32))
@examples(60)
def test_a_compiled_darts_set_agrees_on_random_architectures(
    data: st.DataObject, seed: int
) -> None:
    formula = bind(data.draw(principle_files(DARTS, hard_only=True)), DARTS).keeps
    try:
        compiled = Compiler(DARTS, Budget(steps=20_000_000, nodes=200_000)).compile(formula)
    except LimitError:
        assume(False)
    rows = Sampler(Compiler(DARTS).compile(invariants(DARTS))).sample(
        500, np.random.default_rng(seed)
    )
    assert np.array_equal(compiled.contains(rows), Arrays(DARTS, rows).holds(formula))


@given(data=st.data())
@examples(60)
def test_value_counts_are_those_of_the_listing(data: st.DataObject) -> None:
    formula = bind(data.draw(principle_files(ONE_CELL, hard_only=True)), ONE_CELL).keeps
    compiled = Compiler(ONE_CELL).compile(And((invariants(ONE_CELL), formula))).spread()
    rows = compiled.unrank(np.arange(compiled.count())) if compiled.count() else None
    for variable, counts in enumerate(compiled.value_counts()):
        listed = np.bincount(rows[:, variable], minlength=len(counts)) if rows is not None else 0
        assert np.array_equal(np.array(counts), np.broadcast_to(listed, len(counts)))


# ----------------------------------------------------------------------------------------- algebra

MASKS = st.lists(st.booleans(), min_size=24, max_size=24).map(lambda bits: np.array(bits, np.bool_))
SIZES = (2, 3, 4)
GRID = np.indices(SIZES, np.int8).reshape(3, -1).T.copy()


@given(MASKS)
def test_a_mask_and_its_diagram_are_the_same_set(mask: np.ndarray) -> None:
    compiled = from_mask(SIZES, mask)
    assert np.array_equal(compiled.contains(GRID), mask)
    assert np.array_equal(compiled.complement().contains(GRID), ~mask)
    assert compiled.count() == mask.sum()
    assert compiled.count() + compiled.complement().count() == 24


@given(st.lists(MASKS, min_size=1, max_size=5), st.data())
def test_joins_are_those_of_sets(masks: list[np.ndarray], data: st.DataObject) -> None:
    parts = [from_mask(SIZES, mask) for mask in masks]
    inside = np.sum(masks, axis=0)
    assert np.array_equal(intersection(parts, Budget()).contains(GRID), inside == len(masks))
    assert np.array_equal(union(parts, Budget()).contains(GRID), inside > 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lapt_rules.logic.diagram._FEW_NODES", -1_000_000)  # by halves
        assert np.array_equal(intersection(parts, Budget()).contains(GRID), inside == len(masks))
        assert np.array_equal(union(parts, Budget()).contains(GRID), inside > 0)
    accept = data.draw(st.lists(st.booleans(), min_size=len(masks) + 1, max_size=len(masks) + 1))
    found = counting(parts, accept, Budget()).contains(GRID)
    assert np.array_equal(found, np.array(accept)[inside])


@given(MASKS)
def test_equal_sets_are_equal_diagrams(mask: np.ndarray) -> None:
    one = from_mask(SIZES, mask)
    other = union([intersection([one, one], Budget()), one], Budget())
    assert (one.root, one.top, one.nodes) == (other.root, other.top, other.nodes)


def test_counts_beyond_64_bits_are_exact() -> None:
    sizes = (8,) * 40
    everything = Diagram(sizes, 1)
    assert everything.count() == 8**40
    one_value = intersection(
        [compiling.choice(sizes, i, frozenset({0, 1, 2})) for i in range(40)], Budget()
    )
    assert one_value.count() == 3**40
    assert one_value.complement().count() == 8**40 - 3**40
    spread = one_value.spread()
    for position in (0, 3**39, 3**40 - 1):
        row = spread.unrank(np.array([position], object))
        assert spread.rank(row[0].tolist()) == position


def test_what_needs_too_much_is_refused_with_a_fix() -> None:
    formula = bind("space darts principle p require sum(params) <= 1700000", DARTS).keeps
    with pytest.raises(LimitError, match="more than 20 nodes") as caught:
        Compiler(DARTS, Budget(nodes=20)).compile(formula)
    assert caught.value.fix
    with pytest.raises(LimitError, match="more than 3,000 steps"):
        Compiler(DARTS, Budget(steps=3_000)).compile(formula)


def test_what_took_too_much_once_is_not_tried_again() -> None:
    formula = bind("space darts principle p require sum(params) <= 1700000", DARTS).keeps
    compiler = Compiler(DARTS, Budget(nodes=200))
    with pytest.raises(LimitError) as first:
        compiler.compile(formula)
    left = compiler.budget.steps
    with pytest.raises(LimitError) as again:
        compiler.compile(formula)
    assert compiler.budget.steps == left
    assert str(again.value) == str(first.value)
    assert compiler.within(Budget()).compile(formula).nodes > 200


def test_parts_that_are_small_by_halves_only_are_joined_by_halves() -> None:
    """All layers alike: at once, the operator of every layer is remembered to the last one."""
    alike = " and ".join(f"same({layer.name}, reduce_4b)" for layer in DARTS.layers[:-1])
    formula = bind(f"space darts principle p require not ({alike})", DARTS).keeps
    compiled = Compiler(DARTS, Budget(nodes=20_000)).compile(formula)
    sources = prod(len(v.values) for v in DARTS.variables if v.kind == "source")
    assert compiled.complement().count() == len(DARTS.operators) * sources


# ---------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("bits", [1, 4, 8])
@given(mask=MASKS.filter(lambda mask: mask.any()))
@examples(20)
def test_samples_are_uniform_with_any_number_of_table_bits(bits: int, mask: np.ndarray) -> None:
    rows = Sampler(from_mask(SIZES, mask), bits).sample(6_000, np.random.default_rng(1))
    place = rows @ np.array([12, 4, 1])
    counts = np.bincount(place, minlength=24)
    assert not counts[~mask].any()
    expected = 6_000 / mask.sum()
    chi_square = ((counts[mask] - expected) ** 2 / expected).sum()
    freedom = mask.sum() - 1
    assert chi_square <= freedom + 6 * (2 * freedom) ** 0.5 + 1e-9


@given(
    st.lists(st.integers(0, 10**30), min_size=2, max_size=6).filter(any),
    st.integers(1, 12),
    st.data(),
)
def test_the_exact_tie_break_chooses_by_the_true_boundaries(
    weights: list[int], bits: int, data: st.DataObject
) -> None:
    """Whatever the refinement draws, the value is one whose stretch meets that of u."""
    cumulative = np.cumsum(np.array(weights, object))
    drawn = data.draw(st.integers(0, 2**bits - 1))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    value = _settle_exactly(cumulative, drawn, bits, generator)
    total = int(cumulative[-1])
    low = Fraction(int(cumulative[value - 1]), total) if value else Fraction(0)
    high = Fraction(int(cumulative[value]), total)
    assert low < Fraction(drawn + 1, 2**bits)
    assert high > Fraction(drawn, 2**bits)


def test_ties_are_drawn_in_proportion() -> None:
    """One bit for three values of weight 1, 2 and 4: the boundaries fall inside the stretches."""
    cumulative = np.array([1, 3, 7], object)
    generator = np.random.default_rng(0)
    drawn = [_settle_exactly(cumulative, i % 2, 1, generator) for i in range(21_000)]
    counts = np.bincount(drawn, minlength=3)
    expected = np.array([3_000, 6_000, 12_000])
    assert ((counts - expected) ** 2 / expected).sum() < 2 + 6 * 2


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_whole_table_space_is_sampled_uniformly(bits: int) -> None:
    formula = bind("space trans101 principle p require count(conv) >= 3 and connected", TRANS101)
    compiled = Compiler(TRANS101).compile(formula.keeps)
    rows = Sampler(compiled, bits).sample(1_000_000, np.random.default_rng(2))
    counts = np.bincount(rows.astype(np.int64) @ 4 ** np.arange(5, -1, -1), minlength=4096)
    members = counts[counts > 0]
    assert len(members) == compiled.count()
    expected = 1_000_000 / len(members)
    chi_square = ((members - expected) ** 2 / expected).sum()
    freedom = len(members) - 1
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5
