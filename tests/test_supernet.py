"""The supernet: one path at a time, trained inside the subspace, resumed bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lapt_rules.analysis import refine
from lapt_rules.cli import agree_verb
from lapt_rules.errors import ArchitectureError, ModelError, RunError, TrainingError
from lapt_rules.evaluate.model import build
from lapt_rules.space import Architecture, Space, load_space
from lapt_rules.subspace import whole

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
torch.set_num_threads(1)  # networks are small and tests run side by side

from lapt_rules.evaluate.data import DataSet, Split, load_data  # noqa: E402
from lapt_rules.evaluate.inherited import SupernetEvaluator, supernet_archive  # noqa: E402
from lapt_rules.evaluate.shared_weights import SharedNetwork  # noqa: E402
from lapt_rules.evaluate.supernet import (  # noqa: E402
    Supernet,
    SupernetSetting,
    load_supernet,
    train_supernet,
)

SKELETONS: dict[str, dict[str, Any]] = {
    "nas201": {"channels": 4, "cells": 1, "classes": 10},
    "trans101": {"channels": 4, "cells": 2, "modules": "41", "classes": 10},
    "darts": {"channels": 4, "cells": 3, "classes": 10},
    "digits": {"outputs": 10, "dense": False},
}
"""Each space's network at a size that a test can run; all kinds of cells are in it."""

ALL = pytest.mark.parametrize("name", SKELETONS)

TINY = SupernetSetting(channels=4, cells=1, epochs=2, batch=100)
"""Ten steps an epoch on the digits, two seconds in all."""


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def supernet(nas201: Space, digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Supernet:
    """Of NAS-Bench-201, trained well enough to tell good cells from bad ones."""
    setting = replace(SupernetSetting.small(nas201), epochs=8)
    folder = tmp_path_factory.mktemp("supernet")
    return train_supernet(nas201, whole(nas201), digits, setting, seed=0, folder=folder)


@pytest.fixture(scope="module")
def evaluator(supernet: Supernet) -> SupernetEvaluator:
    return SupernetEvaluator(supernet)


def images(shared: SharedNetwork, number: int = 8) -> Any:
    generator = torch.Generator().manual_seed(0)
    side = 8 if shared.space.name == "digits" else 16
    return torch.randn(number, shared.colours, side, side, generator=generator)


def standalone(shared: SharedNetwork, architecture: Architecture) -> Any:
    """The network that the model file builds for an architecture, with the shared weights in it."""
    space = shared.space
    network = build(architecture, **SKELETONS[space.name])
    weights = shared.state_dict()
    found = {}
    for name in network.state_dict():
        path = name.split(".")
        if f"host.{name}" in weights:
            found[name] = weights[f"host.{name}"]
        for place, part in enumerate(path):
            if part in space.layer_index:
                layer = space.layer_index[part]
                edge = f"{architecture.sources[layer]}->{space.layers[layer].target}"
                key = f"{'/'.join(path[:place])} {edge} {architecture.operators[layer]}"
                rest = ".".join(path[place + 1 :])
                if f"edges.{key}.{rest}" in weights:
                    found[name] = weights[f"edges.{key}.{rest}"]
    missing = network.load_state_dict(found, strict=False).missing_keys
    # What inherits nothing are batch normalisation's averages, and in operators its weights.
    norms = [name for name, module in network.named_modules() if hasattr(module, "running_mean")]
    assert all(name.rpartition(".")[0] in norms for name in missing)
    return network.train()


# --------------------------------------------------------------------------------- shared weights


@pytest.mark.parametrize("name", ["nas201", "trans101", "darts"])
def test_an_architecture_computes_what_its_own_network_does(name: str) -> None:
    space = load_space(name)
    shared = SharedNetwork(space, **SKELETONS[name])
    batch = images(shared)
    for architecture in whole(space).sample(12, seed=1):
        torch.testing.assert_close(
            shared(batch, architecture), standalone(shared, architecture)(batch)
        )


def test_so_it_does_where_the_network_leaves_dead_layers_out() -> None:
    space = load_space("digits")
    shared = SharedNetwork(space, **SKELETONS["digits"])
    batch = images(shared)
    for architecture in whole(space).sample(12, seed=1):
        network = build(architecture, **SKELETONS["digits"])
        own, weights = network.state_dict(), shared.state_dict()
        body = {key: weights.get(f"host.{key}", value) for key, value in own.items()}
        for place in (2, 7):
            cell = network.get_submodule(f"body.{place}")
            for number, layer in enumerate(cell.live):
                edge = f"{space.layers[layer].sources[0]}->{space.layers[layer].target}"
                key = f"edges.body/{place}/layers {edge} {architecture.operators[layer]}.1.weight"
                if key in weights:
                    body[f"body.{place}.layers.{number}.1.weight"] = weights[key]
        network.load_state_dict(body)
        torch.testing.assert_close(shared(batch, architecture), network.train()(batch))


@ALL
def test_the_first_weights_depend_on_the_seed_alone(name: str) -> None:
    space = load_space(name)
    one, same = (SharedNetwork(space, seed=1, **SKELETONS[name]).state_dict() for _ in range(2))
    assert_same(one, same)
    if name != "darts":  # it takes a second to build
        other = SharedNetwork(space, seed=2, **SKELETONS[name]).state_dict()
        assert any(not torch.equal(one[key], other[key]) for key in one)


def test_there_is_one_set_of_weights_an_edge_and_operator(darts: Space) -> None:
    shared = SharedNetwork(darts, **SKELETONS["darts"])
    assert len(shared.edges) == 3 * 14 * 8  # cells, edges of a cell, operators
    operators, earlier = ["sep_conv_3x3"] * 16, ["input0", "input1"] * 8
    # input1 -> stage2 is layer b of the pair when layer a reads input0, and a when b reads stage1
    later = [*earlier[:2], "input1", "stage1", *earlier[4:]]
    used = []
    for sources in (earlier, later):
        shared.zero_grad(set_to_none=True)
        shared(images(shared), darts.architecture(operators, sources)).sum().backward()
        used.append({name for name, w in shared.named_parameters() if w.grad is not None})
    edge = "edges.cells/0/layers input1->stage2 sep_conv_3x3.0.1.weight"
    assert edge in used[0] & used[1]


@ALL
def test_only_the_weights_of_the_chosen_operators_get_a_gradient(name: str) -> None:
    space = load_space(name)
    shared = SharedNetwork(space, **SKELETONS[name])
    for architecture in whole(space).sample(5, seed=2):
        shared.zero_grad(set_to_none=True)
        shared(images(shared), architecture).square().sum().backward()
        chosen = set(zip(architecture.operators, architecture.sources, strict=True))
        for key, weight in shared.named_parameters():
            if key.startswith("edges.") and weight.grad is not None:
                _, edge, operator = key.removeprefix("edges.").split(".")[0].split(" ")
                assert (operator, edge.split("->")[0]) in chosen


def kept_bytes(compute: Any) -> int:
    """What the backward pass of a computation needs, each tensor counted once."""
    storages = {}

    def pack(tensor: Any) -> Any:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = compute()
    assert answer.requires_grad
    return sum(storages.values())


def test_memory_is_that_of_one_path_whatever_the_number_of_operators(darts: Space) -> None:
    shared = SharedNetwork(darts, **SKELETONS["darts"])
    batch = images(shared, 32)
    for architecture in whole(darts).sample(5, seed=3):
        network = standalone(shared, architecture)
        alone = kept_bytes(lambda network=network: network(batch))
        mine = kept_bytes(lambda architecture=architecture: shared(batch, architecture))
        assert mine <= 1.02 * alone


def test_a_dead_layer_is_not_computed(nas201: Space) -> None:
    shared = SharedNetwork(nas201, **SKELETONS["nas201"])
    one = nas201.architecture(["none", "nor_conv_3x3", "none", "none", "none", "skip_connect"])
    other = nas201.architecture(
        ["none", "nor_conv_3x3", "nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect"]
    )
    batch = images(shared)
    assert torch.equal(shared(batch, one), shared(batch, other))
    assert kept_bytes(lambda: shared(batch, one)) == kept_bytes(lambda: shared(batch, other))


def test_ratings_and_training_normalise_alike(nas201: Space) -> None:
    shared = SharedNetwork(nas201, **SKELETONS["nas201"])
    batch, cell = images(shared), nas201.example
    trained = shared.train()(batch, cell)
    assert torch.equal(trained, shared.eval()(batch, cell))


def test_a_model_file_that_hides_its_layers_is_told(
    tmp_path: Path, nas201: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "nas201.py").write_text(
        "from torch import nn\n"
        "class Network(nn.Module):\n"
        "    image_shape = (3, 32, 32)\n"
        "    def __init__(self, **layers):\n"
        "        super().__init__()\n"
        "        self.everything = nn.Conv2d(3, 10, 1)\n"
    )
    monkeypatch.setenv("LAPT_PATH", str(tmp_path))
    with pytest.raises(ModelError, match="no module for `layer0`"):
        SharedNetwork(nas201)


# --------------------------------------------------------------------------------------- training


def test_training_makes_inherited_weights_good(
    supernet: Supernet, evaluator: SupernetEvaluator, nas201: Space
) -> None:
    cells = whole(nas201).sample(20, seed=4)
    untrained = replace(supernet, network=SharedNetwork(nas201, **SKELETONS["nas201"]))
    before = [SupernetEvaluator(untrained).evaluate(cell) for cell in cells]
    after = [evaluator.evaluate(cell) for cell in cells]
    assert sum(after) / 20 > 40 > 20 > sum(before) / 20
    assert supernet.losses[-1] < supernet.losses[0]


def test_what_the_principles_leave_out_is_never_trained(
    nas201: Space, digits: DataSet, tmp_path: Path
) -> None:
    subspace = refine(
        nas201,
        "space nas201 principle p forbid layer0 is nor_conv_3x3 require layer5 is nor_conv_1x1",
    )
    trained = train_supernet(nas201, subspace, digits, TINY, seed=3, folder=tmp_path / "net")
    first = SharedNetwork(nas201, seed=3, classes=10, channels=4, cells=1).state_dict()
    moved = {
        key.removeprefix("edges.").split(".")[0].partition(" ")[2]
        for key, weight in trained.network.state_dict().items()
        if key.startswith("edges.") and not torch.equal(weight, first[key])
    }
    assert "node0->node1 nor_conv_1x1" in moved
    assert "node2->node3 nor_conv_1x1" in moved
    assert not {"node0->node1 nor_conv_3x3", "node2->node3 nor_conv_3x3"} & moved


def test_each_step_draws_uniformly_from_the_subspace(
    trans101: Space, digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subspace = refine(trans101, "space trans101 principle p require count(conv) == 6")
    drawn: list[int] = []

    def forward(self: SharedNetwork, batch: Any, architecture: Architecture) -> Any:
        drawn.append(subspace.rank(architecture))
        return batch.mean() * 0 + torch.zeros(len(batch), 10, requires_grad=True)

    monkeypatch.setattr(SharedNetwork, "forward", forward)
    setting = SupernetSetting(channels=4, cells=1, epochs=7, batch=20)
    train_supernet(trans101, subspace, digits, setting, seed=0, folder=tmp_path / "net")
    assert len(drawn) == 350
    expected = len(drawn) / 64
    counts = [drawn.count(rank) for rank in range(64)]
    assert sum((c - expected) ** 2 / expected for c in counts) < 63 + 4 * (2 * 63) ** 0.5


class StoppedError(Exception):
    """Raised in the middle of a training."""


def stop(*_: object) -> None:
    raise StoppedError


def state(folder: Path) -> Any:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["state"]


def assert_same(one: Any, other: Any) -> None:
    """Two checkpoints are equal bit for bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_training_goes_on_where_it_stopped_and_ends_the_same(
    nas201: Space, digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = replace(TINY, augment=True)  # draws of its own
    whole_space = whole(nas201)

    def train(name: str, **more: Any) -> Supernet:
        folder = tmp_path / name
        return train_supernet(nas201, whole_space, digits, setting, seed=1, folder=folder, **more)

    unbroken = train("unbroken")
    with pytest.raises(StoppedError):
        train("broken", progress=stop)  # after the first epoch
    steps = iter([False, False, False, True])
    descend = torch.optim.SGD.step

    def step(self: Any, *arguments: Any) -> Any:
        if next(steps, False):
            raise StoppedError
        return descend(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    with pytest.raises(StoppedError):
        train("broken", every=2)  # in the fourth step of the second
    assert state(tmp_path / "broken")["step"] == 2
    monkeypatch.undo()
    torch.manual_seed(99)  # what the process drew before does not matter
    ended = train("broken")
    assert_same(state(tmp_path / "unbroken"), state(tmp_path / "broken"))
    assert ended.losses == unbroken.losses


SCRIPT = """
import sys, torch
from pathlib import Path
from lapt_rules.evaluate.data import load_data
from lapt_rules.evaluate.supernet import SupernetSetting, train_supernet
from lapt_rules.space import load_space
from lapt_rules.subspace import whole

torch.set_num_threads(1)
space = load_space("darts")
setting = SupernetSetting(channels=4, cells=3, epochs=2, batch=100)
train_supernet(
    space, whole(space), load_data("digits"), setting, seed=0, folder=Path(sys.argv[1]), every=1
)
"""


def test_a_supernet_that_diverges_is_told(nas201: Space, digits: DataSet, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="diverged in epoch 1"):
        train_supernet(
            nas201, whole(nas201), digits, replace(TINY, rate=1e9, clip=0), seed=0, folder=tmp_path
        )


def test_settings_that_cannot_be_trained_with_are_refused(nas201: Space) -> None:
    with pytest.raises(TrainingError, match="patience"):
        SupernetSetting(patience=3)
    with pytest.raises(TrainingError, match="epochs"):
        SupernetSetting(epochs=0)
    published = SupernetSetting.published(load_space("darts"))
    assert (published.channels, published.cells, published.epochs) == (16, 8, 30)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_process_leaves_a_training_that_ends_the_same(tmp_path: Path) -> None:
    def start(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / name)])

    assert start("unbroken").wait(300) == 0
    for kills in range(3):  # wherever it is: between steps, or while a checkpoint is written
        process = start("killed")
        checkpoint = tmp_path / "killed" / "checkpoint.pt"
        written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > written:
                time.sleep(0.03 * kills)
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    assert len(state(tmp_path / "killed")["losses"]) < 2
    assert start("killed").wait(300) == 0
    assert_same(state(tmp_path / "unbroken"), state(tmp_path / "killed"))


def test_a_folder_holds_one_training(nas201: Space, supernet: Supernet, digits: DataSet) -> None:
    setting = replace(SupernetSetting.small(nas201), epochs=8)

    def train(seed: int, principles: str) -> Supernet:
        subspace = refine(nas201, f"space nas201 {principles}")
        folder = supernet.folder
        return train_supernet(nas201, subspace, digits, setting, seed=seed, folder=folder)

    with pytest.raises(TrainingError, match="its seed is 0, not 1"):
        train(1, "")
    with pytest.raises(TrainingError, match="its subspace is 15625"):
        train(0, "principle p forbid layer0 is none")
    assert_same(train(0, "").network.state_dict(), supernet.network.state_dict())  # it has ended


def test_a_supernet_is_loaded_for_the_data_it_was_trained_on(
    nas201: Space, trans101: Space, supernet: Supernet, digits: DataSet, tmp_path: Path
) -> None:
    loaded = load_supernet(nas201, digits, supernet.folder)
    assert_same(loaded.network.state_dict(), supernet.network.state_dict())
    with pytest.raises(TrainingError, match="the data of this supernet"):
        load_supernet(nas201, replace(digits, valid=digits.test), supernet.folder)
    with pytest.raises(TrainingError, match="the space of this supernet is nas201"):
        load_supernet(trans101, digits, supernet.folder)
    with pytest.raises(TrainingError, match="there is no supernet"):
        load_supernet(nas201, digits, tmp_path)
    with pytest.raises(StoppedError):
        train_supernet(nas201, whole(nas201), digits, TINY, seed=0, folder=tmp_path, progress=stop)
    with pytest.raises(TrainingError, match="1 of 2 epochs"):
        load_supernet(nas201, digits, tmp_path)


def test_a_checkpoint_that_is_damaged_or_holds_code_is_refused(
    nas201: Space, digits: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        train_supernet(nas201, whole(nas201), digits, TINY, seed=0, folder=tmp_path, progress=stop)
    path = tmp_path / "checkpoint.pt"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(TrainingError, match="no checkpoint"):
        train_supernet(nas201, whole(nas201), digits, TINY, seed=0, folder=tmp_path)
    torch.save({"weights": os.system}, path)
    with pytest.raises(TrainingError, match="no checkpoint"):
        train_supernet(nas201, whole(nas201), digits, TINY, seed=0, folder=tmp_path)


def test_nothing_is_trained_on_an_empty_subspace(
    nas201: Space, digits: DataSet, tmp_path: Path
) -> None:
    from lapt_rules.logic.formula import FALSE
    from lapt_rules.subspace import Subspace

    with pytest.raises(TrainingError, match="empty"):
        train_supernet(
            nas201, Subspace(nas201, FALSE), digits, TINY, seed=0, folder=tmp_path / "net"
        )


def test_images_in_colour_are_not_for_a_network_that_takes_grey_ones(
    digits: DataSet, tmp_path: Path
) -> None:
    def coloured(split: Split) -> Split:
        return replace(split, pixels=split.pixels.repeat(1, 3, 1, 1))

    parts = {name: coloured(getattr(digits, name)) for name in ("train", "valid", "test")}
    data, space = replace(digits, **parts), load_space("digits")
    with pytest.raises(ModelError, match="on an image of digits"):
        train_supernet(space, whole(space), data, TINY, seed=0, folder=tmp_path)


# ----------------------------------------------------------------------------------------- rating


def test_a_rating_depends_on_the_architecture_alone(
    supernet: Supernet, evaluator: SupernetEvaluator, nas201: Space, tmp_path: Path
) -> None:
    cells = whole(nas201).sample(10, seed=5)
    forwards = [evaluator.evaluate(cell) for cell in cells]
    fresh = SupernetEvaluator(replace(supernet, folder=tmp_path))  # nothing is known there
    backwards = [fresh.evaluate(cell) for cell in reversed(cells)]
    assert forwards == backwards[::-1]
    assert all(0 <= value <= 100 for value in forwards)
    with pytest.raises(ArchitectureError):
        evaluator.evaluate(load_space("trans101").example)


def test_a_rating_is_the_accuracy_on_validation_images(
    supernet: Supernet, nas201: Space, digits: DataSet
) -> None:
    few = SupernetEvaluator(supernet, images=150, batch=100)
    cell = nas201.example
    with torch.no_grad():
        right = [
            (supernet.network(digits.valid.images[part], cell).argmax(1)
             == digits.valid.labels[part]).sum().item()
            for part in (slice(0, 75), slice(75, 150))
        ]  # fmt: skip
    assert few.evaluate(cell) == 100 * sum(right) / 150


def test_the_archive_holds_the_best_of_those_drawn(
    evaluator: SupernetEvaluator, nas201: Space
) -> None:
    archive = supernet_archive(evaluator, 40, 10, seed=1)
    drawn = whole(nas201).best(40, seed=1)
    assert len(set(drawn)) == 40
    values = sorted((evaluator.evaluate(one) for one in drawn), reverse=True)
    assert [member.value for member in archive.members] == values[:10]
    assert set(archive.architectures) <= set(drawn)
    assert archive.fingerprint == evaluator.fingerprint
    with pytest.raises(RunError, match="archive of 11"):
        supernet_archive(evaluator, 10, 11, seed=1)


def test_what_is_rated_is_not_paid_for_again(
    supernet: Supernet, nas201: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = whole(nas201).best(12, seed=6)
    supernet = replace(supernet, folder=tmp_path)

    def until_five(done: int) -> None:
        if done == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        SupernetEvaluator(supernet).rate(cells, until_five)
    (ratings,) = tmp_path.glob("ratings-*.jsonl")
    with ratings.open("a") as file:
        file.write('{"key": "layer0 nor_c')  # killed in the middle of a line
    computed = []
    accuracy = SupernetEvaluator._accuracy

    def counted(self: SupernetEvaluator, architecture: Architecture) -> float:
        computed.append(architecture)
        return accuracy(self, architecture)

    monkeypatch.setattr(SupernetEvaluator, "_accuracy", counted)
    ended = SupernetEvaluator(supernet).rate(cells)
    assert set(computed) < set(cells)
    assert len(computed) <= 7
    ratings.unlink()
    assert SupernetEvaluator(supernet).rate(cells) == ended
    other = replace(supernet, network=SharedNetwork(nas201, **SKELETONS["nas201"]))
    SupernetEvaluator(other).evaluate(cells[0])
    assert len(list(tmp_path.glob("ratings-*.jsonl"))) == 2  # other weights, other ratings


def test_the_verb_compares_a_table_with_a_supernet(
    supernet: Supernet, evaluator: SupernetEvaluator, nas201: Space, tmp_path: Path
) -> None:
    cells = whole(nas201).best(8, seed=7)
    values = {str(cell): evaluator.evaluate(cell) for cell in cells}
    (tmp_path / "t.json").write_text(json.dumps(values))
    command = [str(tmp_path / "t.json"), "--space", "nas201"]
    command += ["--supernet", str(supernet.folder), "--top", "3", "--json"]
    found = CliRunner().invoke(agree_verb.command, command)
    assert found.exit_code == 0, found.output
    value = json.loads(found.stdout)
    assert (value["second"], value["architectures"]) == ("supernet-digits", 8)
    assert value["kendall_tau"] == value["top_overlap"] == 1
