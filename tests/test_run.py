"""`lapt run` end to end: without arguments, and with each way of rating a candidate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import answer, lapt

from lapt_rules.evaluate.table import load_table
from lapt_rules.space import load_space


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
