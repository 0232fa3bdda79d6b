"""`lapt run` end to end, with each way of rating a candidate; and `lapt.run` from Python."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import answer, lapt

import lapt_rules
from lapt_rules.authors.miner import Miner
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Objective
from lapt_rules.evaluate.table import TargetTable, load_table
from lapt_rules.search import RegularizedEvolution
from lapt_rules.space import Architecture, load_space
from lapt_rules.transfer import transfer


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_without_arguments_learns_from_one_task_and_searches_another(tmp_path: Path) -> None:
    found = lapt("run", cwd=tmp_path)
    assert found.returncode == 0
    assert "rank" in found.stdout
    assert "at random" in found.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    request = json.loads((folder / "run.json").read_text())
    assert "jigsaw" in request["source"]
    assert "class" in request["target"]
    assert len(lines(folder / "archive.jsonl")) == load_space("digits").settings.archive
    assert len(lines(folder / "trials.jsonl")) == load_space("digits").settings.budget
    assert (folder / "result.json").exists()
    first = folder / "principles" / "1-learn.lapt"
    assert lapt("check", first).returncode == 0


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        lapt("run", "--seed", "3", "--out", name, cwd=tmp_path)
    for file in sorted((tmp_path / "one").rglob("*")):
        if file.is_file():
            other = tmp_path / "two" / file.relative_to(tmp_path / "one")
            assert file.read_bytes() == other.read_bytes()


def test_a_table_that_ships_with_its_space_is_named_by_it(tmp_path: Path) -> None:
    value = answer(
        "run", "--source", "digits:layout", "--target", "digits:normal", "--budget", "5",
        cwd=tmp_path,
    )  # fmt: skip
    space = load_space("digits")
    table = load_table(space.folder / "table.npz", space, "normal")
    for trial in value["trajectory"]:
        values = space.parse(trial["architecture"]).values
        assert table.values[values] == trial["value"]
    found = lapt("run", "--source", "digits:layuot", "--target", "digits:normal", cwd=tmp_path)
    assert found.returncode == 2
    assert "layuot" in found.stderr


@pytest.mark.slow
def test_candidates_are_trained_once(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    options = (
        "run", "--space", "digits", "--evaluator", "train", "--epochs", "1", "--budget", "3",
        "--source", "digits:jigsaw", "--cache", tmp_path / "cache",
    )  # fmt: skip
    first = answer(*options, cwd=tmp_path)
    (kept,) = (tmp_path / "cache").iterdir()
    written = (kept / "values.jsonl").read_text()
    assert len(written.splitlines()) == first["evaluations"] == 3
    assert first["best"]["rank"] is None
    again = answer(*options, cwd=tmp_path)
    assert again["trajectory"] == first["trajectory"]
    assert (kept / "values.jsonl").read_text() == written


@pytest.mark.slow
def test_algorithm_1_runs_on_darts_with_a_supernet(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    options = (
        "run", "--space", "darts", "--evaluator", "supernet", "--epochs", "1", "--rated", "20",
        "--archive-size", "10", "--budget", "6", "--population", "3", "--cache", tmp_path / "cache",
    )  # fmt: skip
    value = answer(*options, cwd=tmp_path)
    assert value["evaluations"] == 6
    assert value["iterations"][0]["step"] == "learn"
    request = json.loads((Path(tmp_path / value["folder"]) / "run.json").read_text())
    assert request["searcher"] == "genetic"
    assert "the best of 20" in request["source"]
    assert answer(*options, cwd=tmp_path)["trajectory"] == value["trajectory"]


@pytest.mark.slow
def test_a_supernet_may_be_trained_on_a_file_of_principles_alone(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    file = tmp_path / "mine.lapt"
    file.write_text("space nas201 principle p require layer0 is conv and layer3 is skip_connect")
    value = answer(
        "run", "--space", "nas201", "--principles", file, "--evaluator", "supernet",
        "--epochs", "1", "--budget", "4", "--cache", tmp_path / "cache", cwd=tmp_path,
    )  # fmt: skip
    assert value["evaluations"] == 4
    space = load_space("nas201")
    subspace = space.refine(file.read_text())
    assert all(space.parse(t["architecture"]) in subspace for t in value["trajectory"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--space", "nas201"], "nothing to start from"),
        (["--space", "nas201", "--source", "TABLE"], "no task to search"),
        (["--target", "digits:class", "--evaluator", "train"], "nothing to start from"),
        (
            ["--source", "digits:class", "--target", "digits:class", "--evaluator", "train"],
            "rates candidates itself",
        ),
        (["--source", "digits:class", "--target", "digits:class"], "learn from its own answers"),
        (["--space", "digitz"], "did you mean `digits`"),
    ],
)
def test_what_does_not_go_together_is_said(
    options: list[str], message: str, tmp_path: Path
) -> None:
    found = lapt("run", *options, cwd=tmp_path)
    assert found.returncode == 2
    assert message in found.stderr
    assert not (tmp_path / "runs").exists()


# ------------------------------------------------------------------------------------ from Python


def convolutions(architecture: Architecture) -> float:
    return architecture.operators.count("nor_conv_3x3")


def test_a_function_of_ones_own_is_searched_in_the_whole_space() -> None:
    result = lapt_rules.run("trans101", target=convolutions)
    space = load_space("trans101")
    assert {revision.subspace_size for revision in result.revisions} == {4_096}
    assert len(result.trials) == space.settings.budget
    assert all(trial.value == convolutions(trial.architecture) for trial in result.trials)
    assert result == lapt_rules.run(space, target=Objective(convolutions))


def test_an_author_that_is_given_adapts_principles_without_a_source() -> None:
    text = "space trans101 principle p require layer0 is conv"
    found = [
        lapt_rules.run("trans101", target=convolutions, principles=text, author=author)
        for author in (None, Miner())
    ]
    fixed, adapted = ({revision.text for revision in result.revisions} for result in found)
    assert fixed == {text}
    assert text in adapted
    assert len(adapted) > 1


def test_a_source_is_a_table_an_archive_or_a_list_of_rated_architectures() -> None:
    source, target = load_table("digits:jigsaw"), load_table("digits:class")
    archive = source.archive()
    results = [
        lapt_rules.run("digits", given, target, seed=2)
        for given in (source, archive, list(archive.members))
    ]
    space = load_space("digits")
    searcher = RegularizedEvolution(space.settings.population, space.settings.tournament)
    expected = transfer(space, archive, TargetTable(target), Miner(), searcher, seed=2)
    assert [result.trials for result in results] == [expected.trials] * 3
    small = lapt_rules.run("digits", source, target, settings=replace(space.settings, archive=7))
    assert "the best 7 of" in small.revisions[0].text


@pytest.mark.parametrize("answer", [math.nan, math.inf, None, "97", [1.0], np.zeros(2), 10**400])
def test_a_value_that_is_no_finite_number_is_refused(answer: Any) -> None:
    def mine(architecture: Architecture) -> Any:
        return answer

    with pytest.raises(RunError, match=r"mine: the value of 64-41414-\d_\d\d_\d\d\d is "):
        lapt_rules.run("trans101", target=mine)


@pytest.mark.parametrize("answer", [1, 1.0, np.float32(1), np.array(1.0), Fraction(1)])
def test_every_kind_of_number_is_a_value(answer: Any) -> None:
    result = lapt_rules.run("trans101", target=lambda architecture: answer, budget=1)
    assert result.best.value == 1.0
    assert type(result.best.value) is float


def test_an_exception_of_the_target_passes_unchanged() -> None:
    mine = KeyError("mine")

    def fails(architecture: Architecture) -> float:
        raise mine

    with pytest.raises(KeyError) as caught:
        lapt_rules.run("trans101", target=fails)
    assert caught.value is mine


def test_what_cannot_be_run_is_said() -> None:
    jigsaw = load_table("digits:jigsaw")
    with pytest.raises(RunError, match="no task to search"):
        lapt_rules.run("digits")
    with pytest.raises(RunError, match="the target rates nothing: 5"):
        lapt_rules.run("digits", target=5)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="the source is of digits, the search of trans101"):
        lapt_rules.run("trans101", jigsaw, convolutions)
    with pytest.raises(RunError, match="learn from its own answers"):
        lapt_rules.run("digits", jigsaw, jigsaw)
