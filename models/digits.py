"""The network of an architecture of `digits`, for grey images of 8x8 pixels.

    image -> conv3x3 + BN -> cell, 8 channels -> ReLU
          -> conv2x2, stride 2, + BN -> ReLU -> cell, 16 channels, 4x4 -> ReLU -> head

The two cells have the same operators and weights of their own. A cell has four nodes: node0 is its
input, every other node is the sum of the layers that lead to it, and node3 is its output.

    layer0: node0 -> node1
    layer1: node0 -> node2      layer2: node1 -> node2
    layer3: node0 -> node3      layer4: node1 -> node3      layer5: node2 -> node3
"""

import torch
from torch import Tensor, nn

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # of layer0 ... layer5: source, target


def convolution(channels: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
    )


def operation(operator: str, channels: int) -> nn.Module:
    match operator:
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return convolution(channels, 1)
        case "nor_conv_3x3":
            return convolution(channels, 3)
        case _:
            raise ValueError(f"there is no operator {operator}")


def live_layers(operators: tuple[str, ...]) -> list[int]:
    """The layers on some path from node0 to node3 that no `none` cuts; the others are left out."""
    kept = [layer for layer, operator in enumerate(operators) if operator != "none"]
    fed, needed = {0}, {3}
    for layer in kept:
        source, target = EDGES[layer]
        if source in fed:
            fed.add(target)
    for layer in reversed(kept):
        source, target = EDGES[layer]
        if target in needed:
            needed.add(source)
    return [layer for layer in kept if EDGES[layer][0] in fed and EDGES[layer][1] in needed]


class Cell(nn.Module):
    def __init__(self, operators: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.live = live_layers(operators)
        self.layers = nn.ModuleList(operation(operators[layer], channels) for layer in self.live)

    def forward(self, x: Tensor) -> Tensor:
        nodes = {0: x}
        for layer, compute in zip(self.live, self.layers, strict=True):
            source, target = EDGES[layer]
            y = compute(nodes[source])
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes.get(3, torch.zeros_like(x))  # without a live path nothing arrives


class Network(nn.Module):
    """`outputs` numbers an image (B, outputs), or with `dense` a pixel (B, outputs, 8, 8)."""

    def __init__(
        self,
        *,
        layer0: str,
        layer1: str,
        layer2: str,
        layer3: str,
        layer4: str,
        layer5: str,
        outputs: int,
        dense: bool,
    ) -> None:
        super().__init__()
        operators = (layer0, layer1, layer2, layer3, layer4, layer5)
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            Cell(operators, 8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 2, stride=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            Cell(operators, 16),
            nn.ReLU(),
        )
        if dense:
            self.head = nn.Sequential(nn.Conv2d(16, 4 * outputs, 1), nn.PixelShuffle(2))
        else:
            self.head = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, outputs, 1), nn.Flatten()
            )

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))
