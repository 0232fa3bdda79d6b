"""The network of an architecture, as `models/NAME.py` builds it, and what its layers cost.

A space's model file is ordinary Python that its user wrote or installed, and using it runs it. The
file is only ever named by the space, never by a principle file or by the answer of a language
model. `models/README.md` says what such a file holds.

torch is imported when a network is asked for: the rest of the package works without it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from lapt_rules import content
from lapt_rules.errors import ModelError
from lapt_rules.space import Architecture, Space

if TYPE_CHECKING:
    from torch import nn

MEASURED = ("params", "flops")
"""The costs that can be counted in a network, by the names that spaces give them."""


def load_model(space: Space) -> type[nn.Module]:
    """The class `Network` of the space's model file; the file is run anew each time.

    Raises ModelError where torch or the file is missing, or where the file fails.

    >>> from lapt_rules.space import load_space
    >>> load_model(load_space("nas201")).image_shape
    (3, 32, 32)
    """
    try:
        from torch import nn
    except ImportError as error:
        fix = "pip install 'lapt-rules[tables]'"
        raise ModelError("building a network needs torch", fix) from error
    path = content.model_file(space.name)
    name = f"lapt_rules_model_{space.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for a class's module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file may raise
        raise ModelError(f"{path}: {type(error).__name__}: {error}", "correct the file") from error
    network = getattr(module, "Network", None)
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        fix = "define `class Network(nn.Module)`, as in models/nas201.py"
        raise ModelError(f"{path}: it has no network", fix)
    return network


def build(architecture: Architecture, **skeleton: Any) -> nn.Module:
    """The network of an architecture; `skeleton` are further arguments of the space's `Network`.

    All spaces here know `channels`, `cells`, `classes` and `prune`, by default those of the
    published network. Raises ModelError where the model file cannot build it.

    >>> from lapt_rules.space import load_space
    >>> cell = load_space("nas201").architecture(["nor_conv_3x3"] * 6)
    >>> count_parameters(build(cell)), count_parameters(build(cell, channels=8, cells=1))
    (1531546, 91986)
    """
    space = architecture.space
    return _build(load_model(space), space, architecture.operators, architecture.sources, skeleton)


def _build(
    network: type[nn.Module],
    space: Space,
    operators: Sequence[str],
    sources: Sequence[str],
    skeleton: Mapping[str, Any],
) -> nn.Module:
    choices = zip(space.layers, operators, sources, strict=True)
    layers = {
        layer.name: (operator, source) if len(layer.sources) > 1 else operator
        for layer, operator, source in choices
    }
    try:
        return network(**layers, **skeleton)
    except Exception as error:  # whatever a user's file may raise
        path = content.model_file(space.name)
        fix = "Network takes each layer of the space as a keyword: see models/README.md"
        raise ModelError(f"{path}: {type(error).__name__}: {error}", fix) from error


def count_parameters(network: nn.Module) -> int:
    """The number of trained weights; running statistics of batch normalisation are none."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def count_flops(network: nn.Module, image_shape: tuple[int, ...] | None = None) -> int:
    """Multiply-adds of convolutions and linear layers for one image; biases are not counted.

    `image_shape` is (colours, rows, columns), by default the network's own `image_shape`. A
    network on torch's meta device is counted without being computed.
    """
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode
    from torch.utils.flop_counter import FlopCounterMode

    class SkipUncounted(TorchFunctionMode):
        """Leaves out what costs no multiply-adds and keeps the shape; it would take most time."""

        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function in (functional.batch_norm, functional.relu):
                return args[0] if args else kwargs["input"]
            return function(*args, **(kwargs or {}))

    shape: Any = network.image_shape if image_shape is None else image_shape
    alike = next(network.parameters(), torch.empty(0))
    image = alike.new_zeros(1, *shape)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()  # or the count would change running statistics
    with torch.no_grad(), FlopCounterMode(display=False) as counter, SkipUncounted():
        network(image)
    for module, training in modes:
        module.training = training
    return int(counter.get_total_flops()) // 2  # it counts a multiply-add as two


@dataclass(frozen=True, eq=False)
class Costs:
    """What a space's network costs: `base` alone, and each layer on top of it.

    `base` is the network whose layers are all `none`. `layers` gives for (layer, operator, source)
    what that layer adds, source by source: the same operator may cost more at another place.
    """

    space: Space
    base: Mapping[str, int]
    layers: Mapping[tuple[str, str, str], Mapping[str, int]]

    def total(self, cost: str, architecture: Architecture) -> int:
        """The cost of the whole network, dead layers included as in the published networks."""
        choices = zip(
            self.space.layer_index, architecture.operators, architecture.sources, strict=True
        )
        return self.base[cost] + sum(self.layers[choice][cost] for choice in choices)

    def disagreements(self) -> Iterator[Disagreement]:
        """Where `space.toml` says something else."""
        declared = [cost.name for cost in self.space.costs if cost.name in MEASURED]
        for (layer, operator, source), derived in self.layers.items():
            for cost in declared:
                costs = self.space.operator_costs(cost, self.space.layer_index[layer], source)
                says = costs[self.space.operator_index[operator]]
                if says != derived[cost]:
                    yield Disagreement(layer, operator, source, cost, says, derived[cost])


@dataclass(frozen=True)
class Disagreement:
    """A cost that `space.toml` declares otherwise than the network has it."""

    layer: str
    operator: str
    source: str
    cost: str
    declared: int
    derived: int


def derive_costs(space: Space) -> Costs:
    """The costs of every operator at every layer and source, counted in the published network.

    Each is a difference: the network with that operator there and `none` elsewhere, minus the
    network of `none` alone. Networks are built on torch's meta device, without memory for weights;
    DARTS takes 400 of them, less than a minute. Raises ModelError where the space has no operator
    of the function `zero` to compare with.
    """
    network = load_model(space)
    zero = next((o.name for o in space.operators if o.function == "zero"), None)
    if zero is None:
        message = f"{space.name} has no operator of the function `zero`"
        raise ModelError(message, "costs are differences from a network without the layer: add one")
    count = partial(_counted, network, space)
    nothing = [zero] * len(space.layers)
    first = [layer.sources[0] for layer in space.layers]
    base = count(nothing, first)
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for index, layer in enumerate(space.layers):
        for operator, source in product(space.operators, layer.sources):
            total = base
            if operator.name != zero:
                total = count(_with(nothing, index, operator.name), _with(first, index, source))
            added = {cost: total[cost] - base[cost] for cost in MEASURED}
            found[layer.name, operator.name, source] = added
    return Costs(space, base, found)


def _counted(
    network: type[nn.Module], space: Space, operators: list[str], sources: list[str]
) -> dict[str, int]:
    import torch

    with torch.device("meta"):
        built = _build(network, space, operators, sources, {})
    try:
        return {"params": count_parameters(built), "flops": count_flops(built)}
    except Exception as error:  # the forward pass is the user's own
        message = f"{content.model_file(space.name)}: {type(error).__name__}: {error}"
        fix = "Network needs `image_shape`, and to take a batch of such images"
        raise ModelError(message, fix) from error


def _with(names: list[str], index: int, name: str) -> list[str]:
    return [*names[:index], name, *names[index + 1 :]]
