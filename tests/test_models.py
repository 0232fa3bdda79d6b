"""Networks: the published figures, which layers live in them, and what each layer costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, table

from lapt_rules.errors import ModelError
from lapt_rules.evaluate.model import (
    Costs,
    build,
    count_flops,
    count_parameters,
    derive_costs,
    load_model,
)
from lapt_rules.evaluate.table import load_table
from lapt_rules.network import live_layers
from lapt_rules.space import Architecture, Space, load_space
from lapt_rules.subspace import whole

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # networks are small and tests run side by side

SMALL: dict[str, dict[str, Any]] = {
    "nas201": {"channels": 4, "cells": 1},
    "trans101": {"channels": 4, "cells": 2, "modules": "41"},
    "darts": {"channels": 4, "cells": 3},
}
"""Each space's network at a size that a test can run; all kinds of cells are in it."""

SPACES = tuple(SMALL)

BEST_CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
)
"""The best of NAS-Bench-201 by CIFAR-10 validation accuracy."""

DEAD_CELL = "|none~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|nor_conv_3x3~1|none~2|"
"""The worst: no path leads from its input to its output."""


def sampled(space: Space, number: int) -> list[Architecture]:
    return list(whole(space).sample(number, seed=0))


def on_meta(architecture: Architecture, **skeleton: Any) -> Any:
    """The network without memory for its weights: enough to count."""
    with torch.device("meta"):
        return build(architecture, **skeleton)


def genotype(normal: list[tuple[str, int]], reduce: list[tuple[str, int]]) -> Architecture:
    """A DARTS cell pair as papers print it, with sources as numbers."""
    text = f"Genotype(normal={normal}, normal_concat=range(2, 6), reduce={reduce}, "
    return load_space("darts").parse(text + "reduce_concat=range(2, 6))")


# ----------------------------------------------------------------------------- published figures


@pytest.mark.parametrize(
    ("cell", "parameters", "flops"),
    [
        # NAS-Bench-201 on CIFAR-10: parameters and FLOPs in millions, as its API prints them
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
         "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|", 1.531546, 220.11969),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 0.073306, 7.78305),
        (BEST_CELL, 1.073466, 153.27297),
        ("|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
         "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|", 0.129306, 15.64737),
    ],
)  # fmt: skip
def test_nasbench201_has_its_published_size(
    nas201: Space, cell: str, parameters: float, flops: float
) -> None:
    network = on_meta(nas201.parse(cell))
    assert count_parameters(network) == round(parameters * 1e6)
    biases_of_the_classifier = 10  # theirs count them, ours are multiply-adds alone
    assert count_flops(network) == round(flops * 1e6) - biases_of_the_classifier


def test_nasbench201_has_its_published_size_on_other_data_sets(nas201: Space) -> None:
    nothing = nas201.architecture(["none"] * 6)
    assert count_parameters(on_meta(nothing, classes=100)) == 79_156
    assert count_parameters(on_meta(nothing, classes=120)) == 80_456


def test_darts_cells_have_their_published_size() -> None:
    second_order = genotype(
        [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
         ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)],
        [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
         ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)],
    )  # fmt: skip
    pc_darts = genotype(
        [("sep_conv_3x3", 1), ("skip_connect", 0), ("sep_conv_3x3", 0), ("dil_conv_3x3", 1),
         ("sep_conv_5x5", 0), ("sep_conv_3x3", 1), ("avg_pool_3x3", 0), ("dil_conv_3x3", 1)],
        [("sep_conv_5x5", 1), ("max_pool_3x3", 0), ("sep_conv_5x5", 1), ("sep_conv_5x5", 2),
         ("sep_conv_3x3", 0), ("sep_conv_3x3", 3), ("sep_conv_3x3", 1), ("sep_conv_3x3", 2)],
    )  # fmt: skip
    p_darts = genotype(
        [("skip_connect", 0), ("dil_conv_3x3", 1), ("skip_connect", 0), ("sep_conv_3x3", 1),
         ("sep_conv_3x3", 1), ("sep_conv_3x3", 3), ("sep_conv_3x3", 0), ("dil_conv_5x5", 4)],
        [("avg_pool_3x3", 0), ("sep_conv_5x5", 1), ("sep_conv_3x3", 0), ("dil_conv_5x5", 2),
         ("max_pool_3x3", 0), ("dil_conv_3x3", 1), ("dil_conv_3x3", 1), ("dil_conv_5x5", 3)],
    )  # fmt: skip
    assert count_parameters(on_meta(second_order)) == 3_349_342
    assert f"{count_parameters(on_meta(pc_darts)) / 1e6:.1f}" == "3.6"
    assert f"{count_parameters(on_meta(p_darts)) / 1e6:.1f}" == "3.4"


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("nas201", [(16, 32)] * 5 + [(32, 16)] * 5 + [(64, 8)] * 5),
        ("trans101", [(128, 32)] * 4 + [(256, 16)] * 4 + [(512, 8)] * 2),
        ("darts", [(144, 32)] * 6 + [(288, 16)] * 7 + [(576, 8)] * 7),
    ],
)
def test_cells_have_the_channels_and_resolution_of_the_paper(name: str, shapes: Any) -> None:
    network = on_meta(load_space(name).example)
    seen = []
    for cell in cells_of(network):
        cell.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    network(torch.zeros(2, *network.image_shape, device="meta"))
    assert seen == [(channels, size, size) for channels, size in shapes]


# -------------------------------------------------------------------------------- small networks


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("size", [32, 36, 27])
def test_a_small_network_takes_images_of_any_size(name: str, size: int) -> None:
    for architecture in sampled(load_space(name), 5):
        network = build(architecture, classes=7, **SMALL[name])
        assert network(torch.rand(2, 3, size, size)).shape == (2, 7)


def cells_of(network: Any) -> list[Any]:
    """The cells in the order that data passes them."""
    return [module for module in network.modules() if type(module).__name__ == "Cell"]


def layers_of(cell: Any, names: set[str]) -> dict[str, Any]:
    """The modules of a cell's layers: each bears the layer's name."""
    found = {path.split(".")[-1]: module for path, module in cell.named_modules()}
    return {name: found[name] for name in names & set(found)}


# ------------------------------------------------------------------------------------ what lives


def active_layers(cell: Any, inputs: list[Any], names: set[str]) -> set[str]:
    """The layers that the cell's inputs reach and that reach its output, by their gradients.

    A convolution that reads only zeros gives a constant, its bias: no gradient reaches its inputs.
    """
    outputs: dict[str, Any] = {}

    def keep(name: str, out: Any) -> Any:
        outputs[name] = out + 0  # an identity would hand on the very tensor that others read
        return outputs[name]

    layers = layers_of(cell, names)
    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: keep(name, out))
        for name, layer in layers.items()
    ]
    end = cell(*inputs)
    for hook in hooks:
        hook.remove()
    return {
        name
        for name, out in outputs.items()
        if depends(out, inputs) and (out is end or depends(end, [out]))
    }


def depends(value: Any, sources: list[Any]) -> bool:
    """Whether a random projection of a tensor has a gradient at one of the others."""
    if not value.requires_grad:
        return False
    projection = (value * torch.randn_like(value)).sum()
    gradients = torch.autograd.grad(projection, sources, retain_graph=True, allow_unused=True)
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def activity(architecture: Architecture, **skeleton: Any) -> set[str]:
    """The layers through which data flows, in every cell of a small network."""
    space = architecture.space
    names = set(space.layer_index)
    network = build(architecture, **SMALL[space.name], **skeleton).double()
    seen: dict[Any, list[Any]] = {}

    def remember(cell: Any, inputs: Any) -> None:
        seen[cell] = [torch.rand_like(tensor).requires_grad_() for tensor in inputs]

    for cell in cells_of(network):
        cell.register_forward_pre_hook(remember)
    network(torch.rand(2, 3, 32, 32, dtype=torch.double))
    active: dict[str, set[bool]] = {name: set() for name in names}
    for cell, inputs in seen.items():
        flowing = active_layers(cell, inputs, names)
        for name in layers_of(cell, names):
            active[name].add(name in flowing)
    assert all(len(answers) == 1 for answers in active.values()), "cells of a kind are alike"
    return {name for name, answers in active.items() if True in answers}


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("prune", [False, True])
def test_data_flows_through_exactly_the_live_layers(name: str, prune: bool) -> None:
    torch.manual_seed(0)
    space = load_space(name)
    for architecture in sampled(space, 10 if name == "darts" else 60):
        live = {space.layers[layer].name for layer in live_layers(architecture)}
        assert activity(architecture, prune=prune) == live, str(architecture)


@pytest.mark.parametrize("name", SPACES)
def test_a_pruned_network_computes_the_same_with_the_weights_of_its_live_layers(name: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    for architecture in sampled(load_space(name), 10):
        full = build(architecture, **SMALL[name]).eval()
        pruned = build(architecture, prune=True, **SMALL[name]).eval()
        missing, left_over = pruned.load_state_dict(full.state_dict(), strict=False)
        assert not missing
        live = {architecture.space.layers[layer].name for layer in live_layers(architecture)}
        assert not live & {part for key in left_over for part in key.split(".")}
        torch.testing.assert_close(pruned(images), full(images))


def test_a_dead_cell_has_the_weights_of_its_layers_unless_pruned(nas201: Space) -> None:
    dead = nas201.parse(DEAD_CELL)
    assert count_parameters(on_meta(dead)) == 73_306 + 2 * 243_040
    assert count_parameters(on_meta(dead, prune=True)) == 73_306


# ----------------------------------------------------------------------------------------- costs


def test_multiply_adds_of_a_grouped_convolution() -> None:
    depthwise = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
    assert count_flops(depthwise, (8, 5, 5)) == 8 * 3 * 3 * 5 * 5
    assert count_flops(torch.nn.Conv2d(8, 6, 3, padding=1), (8, 5, 5)) == 8 * 6 * 3 * 3 * 5 * 5


def test_counting_leaves_a_network_as_it_was(nas201: Space) -> None:
    network = build(nas201.parse(BEST_CELL), **SMALL["nas201"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    count_flops(network)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def check_sum(costs: Costs, number: int) -> None:
    """Base and layers add up to the whole network, and with its live layers to the pruned one."""
    for architecture in sampled(costs.space, number):
        network, pruned = on_meta(architecture), on_meta(architecture, prune=True)
        zeros = ["none"] * len(costs.space.layers)
        for layer in live_layers(architecture):
            zeros[layer] = architecture.operators[layer]
        living = costs.space.architecture(zeros, architecture.sources)
        for cost, count in (("params", count_parameters), ("flops", count_flops)):
            assert costs.total(cost, architecture) == count(network)
            assert costs.total(cost, living) == count(pruned)


def test_costs_of_nas201_are_one_number_an_operator(nas201: Space) -> None:
    costs = derive_costs(nas201)
    assert costs.base == {"params": 73_306, "flops": 7_783_040}
    by_operator = {operator: counted for (_, operator, _), counted in costs.layers.items()}
    assert all(by_operator[key[1]] == counted for key, counted in costs.layers.items())
    assert by_operator["nor_conv_3x3"] == {"params": 243_040, "flops": 35_389_440}
    assert not list(costs.disagreements())
    check_sum(costs, 20)


def test_costs_of_trans101_depend_on_whether_a_layer_reads_the_cells_input(
    trans101: Space,
) -> None:
    costs = derive_costs(trans101)
    by_place: dict[tuple[str, bool], Any] = {}
    for (_, operator, source), counted in costs.layers.items():
        assert by_place.setdefault((operator, source == "node0"), counted) == counted
    # One strided cell at each of 128, 256 and 512 channels takes half as many channels.
    strided = [(64, 128), (128, 256), (256, 512)]
    plain = [128] * 3 + [256] * 3 + [512]
    for kernel, operator in ((1, "nor_conv_1x1"), (3, "nor_conv_3x3")):
        weights = sum(kernel**2 * c * c + 2 * c for c in plain)
        weights += sum(kernel**2 * a * b + 2 * b for a, b in strided)
        assert by_place[operator, True]["params"] == weights
    assert by_place["skip_connect", True]["params"] == sum(a * b + 2 * b for a, b in strided)
    assert by_place["skip_connect", False]["params"] == 0
    check_sum(costs, 20)


@pytest.mark.slow
def test_costs_of_darts_depend_on_the_cell_and_for_an_identity_on_the_source(darts: Space) -> None:
    costs = derive_costs(darts)
    by_place: dict[tuple[str, str, bool], Any] = {}
    for (layer, operator, source), counted in costs.layers.items():
        kind = layer.split("_")[0]
        strided = kind == "reduce" and source.startswith("input")
        assert by_place.setdefault((operator, kind, strided), counted) == counted
    for operator in darts.operator_index:
        same = by_place[operator, "reduce", True] == by_place[operator, "reduce", False]
        assert same is (operator != "skip_connect")
    assert by_place["skip_connect", "reduce", True]["params"] == sum(
        c * c + 2 * c for c in (72, 144)
    )
    separable = sum(2 * (9 * c + c * c + 2 * c) for c in (36, 72, 144))
    assert by_place["sep_conv_3x3", "normal", False]["params"] == 6 * separable
    check_sum(costs, 20)


# ----------------------------------------------------------------------------------- model files


def test_torch_is_imported_when_a_network_is_asked_for() -> None:
    code = "import sys, lapt_rules.evaluate.model; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_without_torch_the_message_says_what_to_install(
    nas201: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="pip install"):
        load_model(nas201)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with an empty `models/`."""
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("LAPT_PATH", str(tmp_path))
    return tmp_path


def test_a_users_own_model_comes_first(nas201: Space, own_folder: Path) -> None:
    text = "from torch import nn\nclass Network(nn.Linear):\n  def __init__(self, **layers):\n"
    text += "    super().__init__(len(layers), 1)\n"
    (own_folder / "models" / "nas201.py").write_text(text)
    assert count_parameters(build(nas201.example)) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Network", "SyntaxError"),
        ("import no_such_package", "no_such_package"),
        ("x = 1", "it has no network"),
        ("class Network: pass", "it has no network"),
        ("from torch import nn\nclass Network(nn.Module): pass", "layer0"),
    ],
)
def test_a_model_file_that_fails_is_named(
    nas201: Space, own_folder: Path, text: str, message: str
) -> None:
    path = own_folder / "models" / "nas201.py"
    path.write_text(text)
    with pytest.raises(ModelError) as caught:
        build(nas201.example)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_model_that_cannot_be_counted_is_named(nas201: Space, own_folder: Path) -> None:
    text = "from torch import nn\nclass Network(nn.Module):\n  def __init__(self, **layers):\n"
    path = own_folder / "models" / "nas201.py"
    path.write_text(text + "    super().__init__()\n")
    with pytest.raises(ModelError, match="image_shape"):
        derive_costs(nas201)
    path.write_text(text + "    super().__init__()\n  image_shape = (3, 8, 8)\n")
    with pytest.raises(ModelError, match="forward"):
        derive_costs(nas201)


def test_a_space_without_a_model_is_told_where_to_put_one(own_folder: Path) -> None:
    folder = own_folder / "spaces" / "mine"
    folder.mkdir(parents=True)
    text = (ROOT / "spaces" / "nas201" / "space.toml").read_text()
    (folder / "space.toml").write_text(text.replace('name = "nas201"', 'name = "mine"'))
    with pytest.raises(ModelError, match=r"models/mine\.py"):
        build(load_space("mine").example)


# -------------------------------------------------------------------------------------- training


def trained_accuracy(architecture: Architecture, seed: int) -> float:
    """Accuracy on held-out digits of a small network after four epochs, in percent."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    images = torch.nn.functional.interpolate(images, scale_factor=2).expand(-1, 3, -1, -1)
    labels = torch.tensor(digits.target)
    torch.manual_seed(seed)
    network = build(architecture, channels=8, cells=1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    order = torch.randperm(len(labels))
    train, held_out = order[:1_200], order[1_200:]
    for _ in range(4):
        for batch in train[torch.randperm(len(train))].split(64):
            loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        right = network(images[held_out]).argmax(1) == labels[held_out]
    return 100 * float(right.float().mean())


@pytest.mark.slow
def test_training_orders_the_best_a_poor_and_the_worst_cell_as_published(nas201: Space) -> None:
    published = load_table(table("nas201/nasbench201_cifar10.json"), nas201)
    poor = nas201.architecture(["avg_pool_3x3"] * 6)
    cells = [nas201.parse(BEST_CELL), poor, nas201.parse(DEAD_CELL)]
    values = [published.values[cell.values] for cell in cells]
    assert values == pytest.approx([91.50, 37.35, 9.71], abs=0.01)
    seeds = range(3)
    best, pooling, dead = (sum(trained_accuracy(c, s) for s in seeds) / len(seeds) for c in cells)
    assert best > pooling + 10 > dead + 20
    assert dead == pytest.approx(10, abs=5)  # ten kinds of digits: a guess
