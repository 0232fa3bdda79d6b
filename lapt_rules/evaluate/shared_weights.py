"""All architectures of a space as one network with shared weights: the one-shot model.

For each place in the skeleton, each edge of a cell (from a source to a target) and each operator
there is one set of weights, as in the one-shot model of DARTS (arXiv:1806.09055, section 2.2). Only
the operators of one architecture are computed at a time (a single path: Guo et al., ECCV 2020,
arXiv:1904.00420), so activations take the memory of one network, however many operators there are.

Everything is taken from the space's own `models/NAME.py`, which need not know of this: `Network` is
built for each operator and source, the modules of its layers are collected, and in one of these
networks a slot stands where each layer was. `models/README.md` says what makes that possible.

Batch normalisation always uses the statistics of its batch. Averages kept in training would mix
those of many architectures and fit none: Guo et al. recompute them for each architecture before it
is rated, and Yu et al. (arXiv:2010.06480) find it best to keep none. It is also deterministic, for
the batches are always the same. Inside operators it has no weights, as in the search of DARTS, so
that a convolution that reads only zeros passes zeros on, and a dead layer changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lapt_rules import content
from lapt_rules.errors import ModelError
from lapt_rules.evaluate.model import build
from lapt_rules.network import live_layers
from lapt_rules.space import Architecture, Space


class SharedNetwork(nn.Module):
    """The networks of all architectures of `space`; `skeleton` are arguments of its `Network`.

    The first weights depend on the seed alone. Raises ModelError where the model file does not
    show its layers.
    """

    def __init__(self, space: Space, *, seed: int = 0, **skeleton: Any) -> None:
        super().__init__()
        self.space = space
        self.edges = nn.ModuleDict()
        """The operator of each place, edge and operator name; see `_edge`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.host = self._collect(skeleton)
        for operator in self.edges.values():
            _normalise_by_batch(operator, affine=False)
        self.slots = self._open_slots()
        _normalise_by_batch(self.host, affine=True)
        self.colours = _colours(self.host)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """What the network of `architecture` answers to `images` (B, colours, rows, columns).

        Grey images are shown in all colours to a network that expects several.
        """
        self._choose(architecture)
        if images.shape[1] == 1:
            images = images.expand(-1, self.colours, -1, -1)
        scores: Tensor = self.host(images)
        return scores

    def _choose(self, architecture: Architecture) -> None:
        """Put the operators of an architecture into the slots; dead layers pass nothing on."""
        live = live_layers(architecture)
        zero = next((o.name for o in self.space.operators if o.function == "zero"), None)
        operators, sources = architecture.operators, architecture.sources
        for slot in self.slots:
            index = slot.layer
            chosen = operators[index] if index in live or zero is None else zero
            edge = _edge(self.space, slot.place, index, chosen, sources[index])
            slot.put(self.edges[edge])
            if slot.reads is not None:
                slot.reads[self.space.layers[index].name] = sources[index]

    def _collect(self, skeleton: dict[str, Any]) -> nn.Module:
        """Fill `edges` from networks that have one operator throughout; returns one of these."""
        host: nn.Module | None = None
        choices = max(len(layer.sources) for layer in self.space.layers)
        # A zero comes last, for a network may leave its layers out.
        for operator in sorted(self.space.operators, key=lambda one: one.function == "zero"):
            for choice in range(choices):
                sources = [
                    layer.sources[choice % len(layer.sources)] for layer in self.space.layers
                ]
                uniform = self.space.architecture([operator.name] * len(sources), sources)
                built = build(uniform, **skeleton)
                host = host or built
                for place, index, module in _layers(built, self.space):
                    key = _edge(self.space, place, index, operator.name, uniform.sources[index])
                    if key not in self.edges:
                        self.edges[key] = module
        assert host is not None
        return host

    def _open_slots(self) -> tuple[Slot, ...]:
        """Put a slot in the place of every layer of the host."""
        slots = []
        for place, index, module in list(_layers(self.host, self.space)):
            name = _child_name(self.host.get_submodule(place), module)
            slot = Slot(place, index, _reads(self.host, place, self.space, index))
            self.host.get_submodule(place).register_module(name, slot)
            slots.append(slot)
            self._complete(place, index)
        missing = set(range(len(self.space.layers))) - {slot.layer for slot in slots}
        unread = [s for s in slots if len(self.space.layers[s.layer].sources) > 1 and not s.reads]
        if missing or unread:
            names = [self.space.layers[index].name for index in missing]
            names = names or [self.space.layers[slot.layer].name for slot in unread]
            what = "module" if missing else "source in `reads`"
            raise ModelError(
                f"{content.model_file(self.space.name)}: there is no {what} for `{names[0]}`",
                "let each layer's module bear its name, and keep chosen sources in `reads`: "
                "see models/README.md",
            )
        return tuple(slots)

    def _complete(self, place: str, index: int) -> None:
        """Where a network leaves zeros out, they are like the input."""
        for operator in self.space.operators:
            for source in self.space.layers[index].sources:
                key = _edge(self.space, place, index, operator.name, source)
                if operator.function == "zero" and key not in self.edges:
                    self.edges[key] = Nothing()


class Slot(nn.Module):
    """Where a layer stands in a cell: what passes here goes through the operator put in."""

    def __init__(self, place: str, layer: int, reads: dict[str, str] | None) -> None:
        super().__init__()
        self.place = place
        self.layer = layer
        self.reads = reads
        """Where the cell looks for the layer's source, if it has a choice."""
        self._compute: Callable[[Tensor], Tensor] | None = None

    def put(self, operator: nn.Module) -> None:
        """Let data pass through this operator, without making its weights the slot's own."""
        self._compute = operator.__call__  # the module itself would be registered

    def forward(self, x: Tensor) -> Tensor:
        assert self._compute is not None
        return self._compute(x)


class Nothing(nn.Module):
    """Passes nothing on."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def _edge(space: Space, place: str, index: int, operator: str, source: str) -> str:
    """The name of a set of weights: two layers that join the same nodes of a cell share it."""
    target = space.layers[index].target
    return f"{place} {source}->{target} {operator}".replace(".", "/")


def _layers(network: nn.Module, space: Space) -> Iterator[tuple[str, int, nn.Module]]:
    """Each layer of each cell: the module it is part of, its number in the space, its own module.

    A layer bears its name; or it stands in a list `layers` with the numbers of all in `live`.
    """
    for path, module in network.named_modules():
        place, _, name = path.rpartition(".")
        if name in space.layer_index:
            yield place, space.layer_index[name], module
        elif place.rpartition(".")[2] == "layers" and name.isdigit():
            live = getattr(network.get_submodule(place.rpartition(".")[0]), "live", None)
            if live is not None:
                yield place, live[int(name)], module


def _child_name(parent: nn.Module, child: nn.Module) -> str:
    return next(name for name, module in parent.named_children() if module is child)


def _reads(host: nn.Module, place: str, space: Space, index: int) -> dict[str, str] | None:
    """The part of a cell's `reads` that holds the source of a layer; None where it is fixed."""
    layer = space.layers[index]
    if len(layer.sources) == 1:
        return None
    while True:
        reads = getattr(host.get_submodule(place), "reads", None)
        if reads is not None:
            found: dict[str, str] | None = reads.get(layer.target)
            return found if found and layer.name in found else None
        if not place:
            return None
        place = place.rpartition(".")[0]


def _normalise_by_batch(module: nn.Module, *, affine: bool) -> None:
    """Let batch normalisation keep no averages, and unless `affine` no weights."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
            if not affine:
                norm.affine = False
                norm.register_parameter("weight", None)
                norm.register_parameter("bias", None)


def _colours(network: nn.Module) -> int:
    """The channels of the images that a network expects: what its first convolution reads."""
    return next(m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d))
