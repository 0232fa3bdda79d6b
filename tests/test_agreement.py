"""How well two ratings agree: by the order of their values, and counted exactly."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from conftest import table
from hypothesis import given
from hypothesis import strategies as st

from lapt_rules.evaluate.agreement import kendall_tau, spearman, top_overlap

RATINGS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=30)


def test_kendall_and_spearman_are_those_of_scipy() -> None:
    # the examples in the documentation of scipy.stats
    assert kendall_tau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) == pytest.approx(-0.47140452079103173)
    assert spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) == pytest.approx(0.8207826816681233)


@given(RATINGS)
def test_kendall_is_what_its_definition_counts(pairs: list[tuple[int, int]]) -> None:
    agreeing = differ_first = differ_second = 0
    for (a, b), (c, d) in combinations(pairs, 2):
        agreeing += ((a > c) - (a < c)) * ((b > d) - (b < d))
        differ_first += a != c
        differ_second += b != d
    tau = kendall_tau([a for a, _ in pairs], [b for _, b in pairs])
    if differ_first and differ_second:
        assert tau == pytest.approx(agreeing / math.sqrt(differ_first * differ_second))
    else:
        assert math.isnan(tau)


@given(RATINGS)
def test_only_the_order_counts_and_neither_comes_first(pairs: list[tuple[int, int]]) -> None:
    one, other = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    for measure in (kendall_tau, spearman):
        value = measure(one, other)
        if not math.isnan(value):
            assert -1 - 1e-12 <= value <= 1 + 1e-12
            assert measure(other, one) == pytest.approx(value)
            assert measure([math.exp(x) for x in one], other) == pytest.approx(value)
            assert measure([-x for x in one], other) == pytest.approx(-value)


def test_a_constant_rating_agrees_with_nothing() -> None:
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))
    assert math.isnan(spearman([1, 2, 3], [1, 1, 1]))


def test_the_best_of_both_are_compared() -> None:
    assert top_overlap([1, 2, 3, 4], [4, 3, 2, 1], 2) == 0
    assert top_overlap([1, 2, 3, 4], [1, 2, 4, 3], 2) == 1
    assert top_overlap([1, 1, 1, 1], [1, 1, 1, 1], 1) == 1  # of equal ones the earlier


# ------------------------------------------------------------------------------------- the verb


def lapt(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lapt_rules", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(path: Path, values: dict[str, float]) -> str:
    path.write_text(json.dumps(values))
    return str(path)


def test_two_tables_are_compared_on_what_both_have(tmp_path: Path) -> None:
    cells = [f"64-41414-3_33_33{digit}" for digit in range(4)]
    one = write(tmp_path / "a.json", dict(zip(cells, [1, 2, 3, 4], strict=True)))
    other = write(tmp_path / "b.json", dict(zip(cells[:3], [1, 3, 2], strict=True)))
    found = lapt("agree", one, other, "--space", "trans101", "--top", "1", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == {
        "first": "a.json",
        "second": "b.json",
        "architectures": 3,
        "kendall_tau": pytest.approx(1 / 3),
        "spearman": pytest.approx(0.5),
        "top": 1,
        "top_overlap": 0.0,
    }


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "a.json", {"64-41414-3_33_330": 1, "64-41414-3_33_331": 1})
    other = write(tmp_path / "b.json", {"64-41414-3_33_332": 1, "64-41414-3_33_333": 1})
    nothing = lapt("agree", one, other, "--space", "trans101")
    assert nothing.returncode == 2
    assert "0 architectures in common" in nothing.stderr
    alone = lapt("agree", one, "--space", "trans101")
    assert alone.returncode == 2
    assert "--supernet" in alone.stderr
    constant = lapt("agree", one, one, "--space", "trans101", "--json")
    assert json.loads(constant.stdout)["kendall_tau"] is None


def test_cifar_10_and_imagenet_order_nasbench201_nearly_alike() -> None:
    tables = [str(table(f"nas201/nasbench201_{name}.json")) for name in ("cifar10", "imagenet")]
    found = lapt("agree", *tables, "--space", "nas201", "--top", "100", "--json")
    value = json.loads(found.stdout)
    assert value["architectures"] == 15_625
    assert value["kendall_tau"] == pytest.approx(0.833, abs=0.001)


def test_the_predictions_of_nasbench301_are_a_table_of_darts() -> None:
    name = str(table("darts/nb301_predicted_cifar10.json"))
    found = lapt("agree", name, name, "--space", "darts", "--limit", "100", "--json")
    value = json.loads(found.stdout)
    assert (value["architectures"], value["kendall_tau"], value["top_overlap"]) == (100, 1, 1)
