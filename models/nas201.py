"""NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv:2001.00326): one small cell, used 15 times.

    image -> conv 3x3 -> 5 cells, 16 channels
          -> residual block that halves the resolution -> 5 cells, 32 channels
          -> residual block that halves the resolution -> 5 cells, 64 channels
          -> batch norm -> ReLU -> mean over positions -> linear -> class scores

Every cell has the same six layers (weights of its own, though). An architecture is one operator a
layer: none, skip_connect, nor_conv_1x1, nor_conv_3x3 or avg_pool_3x3.
"""

from __future__ import annotations

from torch import Tensor, nn

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

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape)


def relu_conv_bn(before: int, channels: int, kernel: int, stride: int = 1) -> nn.Module:
    """ReLU, convolution, batch normalisation: what the paper calls a convolution."""
    convolution = nn.Conv2d(before, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(channels))


def operator(name: str, channels: int) -> nn.Module:
    """An operator; all of them keep the number of channels and the resolution."""
    match name:
        case "none":
            return Zero()
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return relu_conv_bn(channels, channels, kernel=1)
        case "nor_conv_3x3":
            return relu_conv_bn(channels, channels, kernel=3)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    raise ValueError(f"NAS-Bench-201 has no operator {name!r}")


class Cell(nn.Module):
    """Four nodes, and a layer from each to every later one; a node is the sum of what enters it."""

    def __init__(
        self,
        channels: int,
        layer0: str,
        layer1: str,
        layer2: str,
        layer3: str,
        layer4: str,
        layer5: str,
    ) -> None:
        super().__init__()
        self.layer0 = operator(layer0, channels)
        self.layer1 = operator(layer1, channels)
        self.layer2 = operator(layer2, channels)
        self.layer3 = operator(layer3, channels)
        self.layer4 = operator(layer4, channels)
        self.layer5 = operator(layer5, channels)

    def forward(self, node0: Tensor) -> Tensor:
        node1 = self.layer0(node0)
        node2 = self.layer1(node0) + self.layer2(node1)
        node3: Tensor = self.layer3(node0) + self.layer4(node1) + self.layer5(node2)
        return node3


class ResidualBlock(nn.Module):
    """Between stages, the same for every architecture: twice the channels at half resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            relu_conv_bn(channels, 2 * channels, kernel=3, stride=2),
            relu_conv_bn(2 * channels, 2 * channels, kernel=3),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(channels, 2 * channels, kernel_size=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convolutions(x) + self.shortcut(x)
        return out


class Network(nn.Module):
    """The network of one architecture, by default that of the published CIFAR-10 figures.

    `Network(layer0="nor_conv_3x3", layer1="none", ...)` takes the operator of each layer. With
    `prune` the layers on no path from a cell's input to its output are left out; otherwise they
    are built and computed like the others, as for the published figures.
    """

    image_shape = (3, 32, 32)

    def __init__(
        self,
        *,
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        prune: bool = False,
        **layers: str,
    ) -> None:
        super().__init__()
        layers = live(layers) if prune else layers
        colours = self.image_shape[0]
        parts: list[nn.Module] = [
            nn.Conv2d(colours, channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        for stage in range(3):
            if stage > 0:
                parts.append(ResidualBlock(channels))
                channels = 2 * channels
            parts += [Cell(channels, **layers) for _ in range(cells)]
        parts += [nn.BatchNorm2d(channels), nn.ReLU()]
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
