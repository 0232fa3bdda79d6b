"""The benchmark `digits`: its space, its networks, how they are trained, and the shipped table."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from lapt_rules.errors import LaptError, TableError
from lapt_rules.evaluate.packed import about, every, pack, representatives, unpack
from lapt_rules.evaluate.table import load_table
from lapt_rules.network import isomorphism_key, live_layers
from lapt_rules.space import Architecture, Space, load_space

torch = pytest.importorskip("torch")

FOLDER = ROOT / "spaces" / "digits"
TASKS = ["class", "jigsaw", "segment", "normal", "layout", "denoise"]


@pytest.fixture(scope="module")
def digits() -> Space:
    return load_space("digits")


@pytest.fixture(scope="module")
def shipped() -> Path:
    path = FOLDER / "table.npz"
    if not path.exists():
        pytest.skip("the table is not packed yet: spaces/digits/make.py --pack")
    return path


@pytest.fixture
def images() -> None:
    """What is trained needs scikit-learn, for its images."""
    pytest.importorskip("sklearn")


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """As in the training: threads add up numbers in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def python_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def some(space: Space, number: int) -> list[Architecture]:
    return representatives(space)[7 :: len(representatives(space)) // number]


# ------------------------------------------------------------------------------------ the networks


def test_there_are_1011_different_functions(digits: Space) -> None:
    assert len({isomorphism_key(one) for one in every(digits)}) == 1_011


def test_the_network_leaves_out_what_is_dead(digits: Space) -> None:
    model = python_file(ROOT / "models" / "digits.py")
    for one in every(digits):
        assert model.live_layers(one.operators) == sorted(live_layers(one))


def test_the_costs_of_the_space_are_those_of_the_network(digits: Space) -> None:
    from lapt_rules.evaluate.grouped import network

    def costs(one: Architecture) -> dict[str, int]:
        """Parameters, and multiply-adds of the convolutions on one image."""
        model, flops = network(one, "class", 0), 0

        def count(conv: Any, _: Any, output: Any) -> None:
            nonlocal flops
            flops += conv.weight.numel() * output[0, 0].numel()

        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(count)
        model(torch.zeros(2, 1, 8, 8))
        return {"params": sum(p.numel() for p in model.parameters()), "flops": flops}

    operators = {operator.name: operator for operator in digits.operators}
    empty = costs(digits.parse("digits-0_00_000"))
    for one in some(digits, 15):
        live = [operators[one.operators[layer]] for layer in live_layers(one)]
        declared = {cost: sum(o.costs[cost][0] for o in live) for cost in ("params", "flops")}
        measured = costs(one)
        assert declared == {cost: measured[cost] - empty[cost] for cost in declared}


# ------------------------------------------------------------------------------------ the training


def test_side_by_side_the_models_compute_what_each_computes_alone(digits: Space) -> None:
    from lapt_rules.evaluate.grouped import Models, network

    for one in some(digits, 5):
        images = torch.randn(6, 4, 8, 8)
        answers = Models(one, ["class", "segment"], [0, 1])(images)
        alone = Models(one, ["segment"], [1])(images[:, 3:])["segment"][:, 0]
        for index, (task, seed) in enumerate((t, s) for t in ("class", "segment") for s in (0, 1)):
            single = network(one, task, seed)(images[:, index : index + 1])
            torch.testing.assert_close(answers[task][:, seed], single, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone, single, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("images")
def test_a_training_is_repeatable_whoever_trains_beside_it(digits: Space) -> None:
    from lapt_rules.evaluate.grouped import train

    one = digits.parse("digits-1_02_130")
    first = train(one, ["class"], [1])
    assert train(one, ["class"], [1]) == first
    beside = train(one, ["class", "layout"], [0, 1])["class"]
    assert {split: values[1:] for split, values in beside.items()} == {
        split: pytest.approx(values, abs=0.01) for split, values in first["class"].items()
    }


@pytest.mark.usefixtures("images")
def test_what_a_model_sees_does_not_depend_on_the_architecture_and_differs_by_seed() -> None:
    from lapt_rules.evaluate.digits import TASKS as KNOWN
    from lapt_rules.evaluate.digits import held_out, stream

    assert list(KNOWN) == TASKS
    for task in TASKS:
        (images, targets), (again, _), (other, _) = (
            stream(task, 0),
            stream(task, 0),
            stream(task, 1),
        )
        assert images.shape == (10_000, 8, 8)
        assert len(targets) == 10_000
        assert images.equal(again)
        assert not images.equal(other)
        assert [len(held_out(task, split)[0]) for split in ("valid", "test")] == [1_600, 1_588]


def test_the_targets_are_what_the_tasks_ask_for() -> None:
    from lapt_rules.evaluate import digits as benchmark

    image = torch.zeros(1, 8, 8)
    image[0, 5, 2] = 1.0
    label = torch.tensor([7])
    assert benchmark.TASKS["segment"].target(image, label).nonzero().tolist() == [[0, 5, 2]]
    assert benchmark.TASKS["segment"].target(image, label).max() == 8
    column, _, row, _ = benchmark.TASKS["layout"].target(image, label)[0].tolist()
    assert [1.5 * column + 3.5, 1.5 * row + 3.5] == pytest.approx([2, 5])
    normals = benchmark.TASKS["normal"].target(image, label)[0]
    assert normals[:, 0, 0].tolist() == [0, 0, 1]
    assert normals[0, 5, 1] < 0 < normals[0, 5, 3]  # away from the peak, to both its sides
    perfect = benchmark.TASKS["normal"].metric(normals[None], normals[None])
    assert perfect == pytest.approx(1)


# ------------------------------------------------------------------------- the journal and the file


def made(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, FOLDER / "make.py", "--workers", 1, "--seeds", 1, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(list(map(str, command)), env=environment, text=True)


def scores(journal: Path) -> dict[str, Any]:
    lines = journal.read_text().splitlines()[1:]
    return {entry["arch"]: entry["scores"] for entry in map(json.loads, lines)}


@pytest.mark.slow
@pytest.mark.usefixtures("images")
def test_killed_and_started_again_it_ends_with_the_same_values(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole" / "journal.jsonl", tmp_path / "killed" / "journal.jsonl"
    assert made("--out", whole.parent, "--limit", 3).wait() == 0
    process = made("--out", killed.parent, "--limit", 3)
    while not killed.exists() or killed.read_text().count("\n") < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    kept = killed.read_text()
    killed.write_text(kept + '{"arch": "digits-0_')
    assert made("--out", killed.parent, "--limit", 3).wait() == 0
    assert killed.read_text().startswith(kept)
    assert scores(killed) == scores(whole)
    assert len(scores(whole)) == 3


def test_a_torn_last_line_is_cut_and_another_setting_refused(tmp_path: Path) -> None:
    make = python_file(FOLDER / "make.py")
    path = tmp_path / "journal.jsonl"
    make.Journal(path, {"seeds": [0]}).add({"arch": "digits-0_00_001"})
    whole = path.read_text()
    path.write_text(whole + '{"arch": "dig')
    assert list(make.Journal(path, {"seeds": [0]}).entries) == ["digits-0_00_001"]
    assert path.read_text() == whole
    with pytest.raises(LaptError, match="begun with another seeds"):
        make.Journal(path, {"seeds": [0, 1]})


FACTS = {"tasks": ["a", "b"], "splits": ["valid", "test"], "seeds": [0, 1]}


def measured(space: Space) -> dict[str, Any]:
    """Made-up scores of two tasks and two seeds; negative ones occur."""
    return {
        str(one): {
            "seconds": 1.5,
            "scores": {
                "a": {"valid": [i / 2000, i / 2000 + 0.1], "test": [0.5, 0.7]},
                "b": {"valid": [-i / 4000, -i / 4000], "test": [0.0, -0.0203]},
            },
        }
        for i, one in enumerate(representatives(space))
    }


def test_packed_scores_come_back_for_every_twin(tmp_path: Path, digits: Space) -> None:
    path, entries = tmp_path / "table.npz", measured(digits)
    pack(path, digits, entries, FACTS)
    assert about(path) == {"space": "digits", **FACTS}
    found = unpack(path, digits)["digits"]
    key = {isomorphism_key(one): entries[str(one)]["scores"] for one in representatives(digits)}
    assert len(found) == 4_096
    for one, tasks in found.items():
        wanted = key[isomorphism_key(one)]
        for task in ("a", "b"):
            for seed in (0, 1):
                assert tasks[task][f"valid{seed}"] == pytest.approx(
                    wanted[task]["valid"][seed], abs=6e-5
                )
            assert tasks[task]["valid"] == pytest.approx(np.mean(wanted[task]["valid"]), abs=6e-5)
            assert tasks[task]["test"] == pytest.approx(np.mean(wanted[task]["test"]), abs=6e-5)
    again = tmp_path / "again.npz"
    pack(again, digits, entries, FACTS)
    assert again.read_bytes() == path.read_bytes()


def test_what_is_not_complete_is_not_packed(tmp_path: Path, digits: Space) -> None:
    entries = measured(digits)
    entries["digits-0_00_100"]["scores"]["a"]["valid"][0] = float("nan")
    with pytest.raises(TableError, match="digits-0_00_100"):
        pack(tmp_path / "table.npz", digits, entries, FACTS)
    del entries["digits-0_00_100"]
    with pytest.raises(TableError, match="1 of 1,011 classes are missing"):
        pack(tmp_path / "table.npz", digits, entries, FACTS)


def test_a_damaged_table_is_told(tmp_path: Path, digits: Space, trans101: Space) -> None:
    path = tmp_path / "table.npz"
    pack(path, digits, measured(digits), FACTS)
    with pytest.raises(TableError, match="it is a table of digits"):
        load_table(path, trans101, "a")
    with pytest.raises(TableError, match="several tasks"):
        load_table(path, digits)
    whole = path.read_bytes()
    for cut in (b"", b"PK", whole[: len(whole) // 2], whole[:3000] + b"?" * 99 + whole[3099:]):
        path.write_bytes(cut)
        with pytest.raises(TableError, match="damaged"):
            load_table(path, digits, "a")
    pickled = np.array([{}], dtype=object)
    np.savez(path, high=pickled, low=pickled, member=pickled, seconds=pickled, about=pickled)
    with pytest.raises(TableError, match="damaged"):
        load_table(path, digits, "a")
    with pytest.raises(TableError, match="cannot be read"):
        load_table(tmp_path / "nowhere.npz", digits)


# ----------------------------------------------------------------------------- the shipped table


def ranks(path: Path, space: Space, task: str, metric: str = "valid") -> Any:
    """The ranks of the classes on a task, the same order of classes for every task."""
    values = load_table(path, space, task, metric).values
    column = np.array([values[one.values] for one in representatives(space)])
    return column.argsort().argsort()


def correlation(one: Any, other: Any) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_the_table_has_every_architecture_on_six_tasks(shipped: Path, digits: Space) -> None:
    facts = about(shipped)
    assert facts["tasks"] == TASKS
    assert len(facts["seeds"]) >= 2
    assert shipped.stat().st_size < 60_000
    for task in TASKS:
        table = load_table(shipped, digits, task)
        assert len(table.values) == 4_096
        assert table.name == f"digits:{task}:valid"


def test_the_table_was_made_by_the_code_beside_it(shipped: Path) -> None:
    assert about(shipped)["code"] == python_file(FOLDER / "make.py").code_checksum()


def test_the_dead_architecture_is_the_worst(shipped: Path, digits: Space) -> None:
    for task in TASKS:
        values = load_table(shipped, digits, task).values
        assert values[digits.parse("digits-0_00_000").values] == min(values.values())


def test_tasks_are_related_to_different_degrees(shipped: Path, digits: Space) -> None:
    of = {task: ranks(shipped, digits, task) for task in TASKS}
    assert correlation(of["class"], of["jigsaw"]) > 0.85
    assert correlation(of["normal"], of["layout"]) < 0.75


def test_seeds_agree_more_than_the_least_related_tasks(shipped: Path, digits: Space) -> None:
    for task in TASKS:
        zero, one = (ranks(shipped, digits, task, f"valid{seed}") for seed in (0, 1))
        assert correlation(zero, one) > 0.6


@pytest.mark.slow
@pytest.mark.usefixtures("images")
def test_trained_again_entries_land_within_the_seed_noise(shipped: Path, digits: Space) -> None:
    from lapt_rules.evaluate.grouped import train

    tables, seeds = unpack(shipped, digits)["digits"], about(shipped)["seeds"]
    for one in some(digits, 3):
        for task, splits in train(one, TASKS, [0]).items():
            noted = tables[one][task]
            noise = float(np.std([noted[f"valid{seed}"] for seed in seeds]))
            assert splits["valid"][0] == pytest.approx(noted["valid0"], abs=max(0.02, 3 * noise))


def test_reading_the_table_needs_no_torch() -> None:
    code = "import sys, lapt_rules.evaluate.table; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
