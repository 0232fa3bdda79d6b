"""DARTS (Liu, Simonyan and Yang, ICLR 2019, arXiv:1806.09055): two cells, 20 places.

    image -> conv 3x3 -> 6 normal cells, 36 channels
          -> reduction cell -> 6 normal cells, 72 channels
          -> reduction cell -> 6 normal cells, 144 channels
          -> mean over positions -> linear -> class scores

A cell reads the outputs of the two cells before it. 1x1 convolutions bring them to the cell's own
number of channels; the results are input0 (two cells back) and input1 (one cell back). Then

    stage k = layer ka(its source) + layer kb(its source)        k = 1, 2, 3, 4
    output  = stages 1, 2, 3 and 4, side by side: four times the channels

where a source is an input or an earlier stage. In a reduction cell the layers that read an input
halve the resolution. An architecture is an operator and a source for each of the eight layers of
the normal cell (normal_1a ... normal_4b) and of the reduction cell (reduce_1a ... reduce_4b).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

INPUTS = ("input0", "input1")
STAGES = ("stage1", "stage2", "stage3", "stage4")


class Zero(nn.Module):
    """Passes nothing on: the layer is not there."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(x[:, :, :: self.stride, :: self.stride].shape)


class FactorizedReduce(nn.Module):
    """A skip_connect that halves the resolution: it has weights.

    Half of its channels are a 1x1 convolution of every second position, the other half one of the
    positions between them.
    """

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.even = nn.Conv2d(before, half, kernel_size=1, stride=2, bias=False)
        self.odd = nn.Conv2d(before, channels - half, kernel_size=1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(x)
        shifted = functional.pad(x, (-1, 1, -1, 1))
        out: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return out


def relu_conv_bn(before: int, channels: int) -> nn.Module:
    """ReLU, 1x1 convolution, batch normalisation."""
    convolution = nn.Conv2d(before, channels, kernel_size=1, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(channels))


def separable(channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    """ReLU, one filter a channel (depthwise), a 1x1 convolution that mixes channels, batch norm."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False
        ),
        nn.Conv2d(channels, channels, kernel_size=1, bias=False),
        nn.BatchNorm2d(channels),
    )


def operator(name: str, channels: int, stride: int) -> nn.Module:
    """An operator; stride 2 halves the resolution. A sep_conv is two in a row, a dil_conv one."""
    match name:
        case "none":
            return Zero(stride)
        case "max_pool_3x3":
            return nn.MaxPool2d(3, stride, padding=1)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        case "skip_connect":
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        case "sep_conv_3x3":
            return nn.Sequential(separable(channels, 3, stride), separable(channels, 3))
        case "sep_conv_5x5":
            return nn.Sequential(separable(channels, 5, stride), separable(channels, 5))
        case "dil_conv_3x3":
            return separable(channels, 3, stride, dilation=2)
        case "dil_conv_5x5":
            return separable(channels, 5, stride, dilation=2)
    raise ValueError(f"DARTS has no operator {name!r}")


class Cell(nn.Module):
    """One cell: `before` and `previous` are the channels that the two cells before it give.

    `halved` says that the previous cell was a reduction, so that input0 has to be reduced too.
    """

    def __init__(
        self,
        before: int,
        previous: int,
        channels: int,
        kind: str,
        halved: bool,
        layers: dict[str, tuple[str, str]],
    ) -> None:
        super().__init__()
        reduce = FactorizedReduce if halved else relu_conv_bn
        self.input0 = reduce(before, channels)
        self.input1 = relu_conv_bn(previous, channels)
        self.layers = nn.ModuleDict()
        self.reads: dict[str, dict[str, str]] = {}
        for number, stage in enumerate(STAGES, start=1):
            pair = (f"{kind}_{number}a", f"{kind}_{number}b")
            self.reads[stage] = {name: layers[name][1] for name in pair}
            for name in pair:
                chosen, source = layers[name]
                stride = 2 if kind == "reduce" and source in INPUTS else 1
                self.layers[name] = operator(chosen, channels, stride)

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        nodes = {"input0": self.input0(before), "input1": self.input1(previous)}
        for stage, pair in self.reads.items():
            a, b = (self.layers[name](nodes[source]) for name, source in pair.items())
            nodes[stage] = a + b
        return torch.cat([nodes[stage] for stage in STAGES], dim=1)


class Network(nn.Module):
    """The network of one architecture, by default that of the published CIFAR-10 figures.

    `Network(normal_1a=("sep_conv_3x3", "input0"), ...)` takes the operator and the source of each
    layer. The reduction cells stand after a third and two thirds of the `cells`. With `prune` the
    layers that no data enters are left out; otherwise they are built and computed like the others.
    The auxiliary head and the drop path of the published training are not part of it.
    """

    image_shape = (3, 32, 32)

    def __init__(
        self,
        *,
        channels: int = 36,
        cells: int = 20,
        classes: int = 10,
        prune: bool = False,
        **layers: tuple[str, str],
    ) -> None:
        super().__init__()
        layers = live(layers) if prune else layers
        before = previous = 3 * channels
        self.stem = nn.Sequential(
            nn.Conv2d(self.image_shape[0], previous, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(previous),
        )
        self.cells = nn.ModuleList()
        halved = False
        for place in range(cells):
            kind = "reduce" if place in (cells // 3, 2 * cells // 3) else "normal"
            channels = 2 * channels if kind == "reduce" else channels
            self.cells.append(Cell(before, previous, channels, kind, halved, layers))
            before, previous, halved = previous, len(STAGES) * channels, kind == "reduce"
        self.classifier = nn.Linear(previous, classes)

    def forward(self, images: Tensor) -> Tensor:
        before = previous = self.stem(images)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        scores: Tensor = self.classifier(previous.mean(dim=(2, 3)))
        return scores


def live(layers: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """The layers with `none` for each that no data enters; every stage is part of the output."""
    found = dict(layers)
    for kind in ("normal", "reduce"):
        fed = set(INPUTS)
        for number, stage in enumerate(STAGES, start=1):
            for name in (f"{kind}_{number}a", f"{kind}_{number}b"):
                chosen, source = layers[name]
                if chosen != "none" and source in fed:
                    fed.add(stage)
                else:
                    found[name] = ("none", source)
    return found
