"""TransNAS-Bench-101, cell level (Duan et al., CVPR 2021, arXiv:2105.11871): "64-41414".

    image -> two 3x3 convolutions, each halves the resolution, 64 channels
          -> module 4, 128 channels -> module 1 -> module 4, 256 channels -> module 1
          -> module 4, 512 channels -> mean over positions -> linear -> class scores

A module is two cells. The first cell of a module of type 4 doubles the channels and halves the
resolution; every other cell keeps both. All ten cells have the same six layers (weights of their
own, though). An architecture is one operator a layer: none, skip_connect, nor_conv_1x1 or
nor_conv_3x3.

The head is that of the classification tasks; the other tasks put their own on the same cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIRING = {
    "layer0": ("node0", "node1"),
    "layer1": ("node0", "node2"),
    "layer2": ("node1", "node2"),
    "layer3": ("node0", "node3"),
    "layer4": ("node1", "node3"),
    "layer5": ("node2", "node3"),
}
"""Each layer's source and target; the input of a cell is node0, its output node3."""


class Zero(nn.Module):
    """Passes nothing on: the layer is not there."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x[0, 0, :: self.stride, :: self.stride].shape
        return x.new_zeros(len(x), self.channels, rows, columns)


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


def relu_conv_bn(before: int, channels: int, kernel: int, stride: int) -> nn.Module:
    """ReLU, convolution, batch normalisation: what the paper calls a convolution."""
    convolution = nn.Conv2d(before, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(channels))


def operator(name: str, before: int, channels: int, stride: int) -> nn.Module:
    """An operator from `before` to `channels` channels; stride 2 halves the resolution."""
    match name:
        case "none":
            return Zero(channels, stride)
        case "skip_connect":
            return nn.Identity() if stride == 1 else FactorizedReduce(before, channels)
        case "nor_conv_1x1":
            return relu_conv_bn(before, channels, kernel=1, stride=stride)
        case "nor_conv_3x3":
            return relu_conv_bn(before, channels, kernel=3, stride=stride)
    raise ValueError(f"TransNAS-Bench-101 has no operator {name!r}")


class Cell(nn.Module):
    """Four nodes, and a layer from each to every later one; a node is the sum of what enters it.

    Where a cell changes channels and resolution, the layers that read node0 do it.
    """

    def __init__(
        self,
        before: int,
        channels: int,
        stride: int,
        layer0: str,
        layer1: str,
        layer2: str,
        layer3: str,
        layer4: str,
        layer5: str,
    ) -> None:
        super().__init__()
        self.layer0 = operator(layer0, before, channels, stride)
        self.layer1 = operator(layer1, before, channels, stride)
        self.layer2 = operator(layer2, channels, channels, stride=1)
        self.layer3 = operator(layer3, before, channels, stride)
        self.layer4 = operator(layer4, channels, channels, stride=1)
        self.layer5 = operator(layer5, channels, channels, stride=1)

    def forward(self, node0: Tensor) -> Tensor:
        node1 = self.layer0(node0)
        node2 = self.layer1(node0) + self.layer2(node1)
        node3: Tensor = self.layer3(node0) + self.layer4(node1) + self.layer5(node2)
        return node3


def stem(colours: int, channels: int) -> nn.Module:
    """The same for every architecture: a quarter of the resolution in each direction."""
    return nn.Sequential(
        nn.Conv2d(colours, channels // 2, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels // 2),
        nn.ReLU(),
        nn.Conv2d(channels // 2, channels, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    )


class Network(nn.Module):
    """The network of one architecture, by default the published one for 75 classes of objects.

    `Network(layer0="nor_conv_3x3", layer1="none", ...)` takes the operator of each layer; `cells`
    is their number in each of the `modules`. With `prune` the layers on no path from a cell's
    input to its output are left out; otherwise they are built and computed like the others.
    """

    image_shape = (3, 256, 256)

    def __init__(
        self,
        *,
        channels: int = 64,
        modules: str = "41414",
        cells: int = 2,
        classes: int = 75,
        prune: bool = False,
        **layers: str,
    ) -> None:
        super().__init__()
        layers = live(layers) if prune else layers
        parts = [stem(self.image_shape[0], channels)]
        for kind in modules:
            if kind == "4":
                parts.append(Cell(channels, 2 * channels, stride=2, **layers))
                channels = 2 * channels
            else:
                parts.append(Cell(channels, channels, stride=1, **layers))
            parts += [Cell(channels, channels, stride=1, **layers) for _ in range(cells - 1)]
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return scores


def live(layers: dict[str, str]) -> dict[str, str]:
    """The layers with `none` for each that no data enters, or whose output nothing reads."""
    fed, read = {"node0"}, {"node3"}
    for name, (source, target) in WIRING.items():
        if layers[name] != "none" and source in fed:
            fed.add(target)
    for name, (source, target) in reversed(WIRING.items()):
        if layers[name] != "none" and target in read:
            read.add(source)
    return {
        name: layers[name] if source in fed and target in read else "none"
        for name, (source, target) in WIRING.items()
    }
