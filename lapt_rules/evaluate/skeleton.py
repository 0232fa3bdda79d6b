"""A small network of an architecture, fitted to the images and classes of a data set.

A model file says in the signature of its `Network` what it can be asked for. Of the keywords below
it is given those that it names, whichever space it is of:

    channels, cells     the size
    classes, outputs    how many scores an image gets: one of the two
    dense               False: scores are of an image, not of a pixel
    prune               True: layers through which no data flows are not built
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from lapt_rules import content
from lapt_rules.errors import ModelError
from lapt_rules.evaluate.data import DataSet
from lapt_rules.evaluate.model import build, load_model
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import whole

CHANNELS = 8
"""By default: the digits need no more, and a candidate is trained in seconds."""

_MOST_CELLS = 20


def skeleton(space: Space, data: DataSet, channels: int, cells: int | None) -> dict[str, Any]:
    """The keywords for the space's `Network`; see above.

    `cells` None is the smallest number at which every layer of the space has a module of its name:
    in DARTS 3, for with fewer one of its two cells would not be there.

    Raises ModelError where the network has no keyword for the number of classes.
    """
    named = inspect.signature(load_model(space)).parameters
    offered = {
        "channels": channels,
        "cells": cells,
        "classes": data.classes,
        "outputs": data.classes,
        "dense": False,
        "prune": True,
    }
    found = {name: value for name, value in offered.items() if name in named}
    if not {"classes", "outputs"} & set(found):
        message = f"{content.model_file(space.name)}: its network cannot be told how many classes"
        raise ModelError(message, "give Network the keyword `classes`")
    if cells is None and "cells" in found:
        del found["cells"]
        found |= _fewest_cells(space, found)
    return found


def fitted(architecture: Architecture, data: DataSet, keywords: dict[str, Any]) -> nn.Module:
    """The network of an architecture at a skeleton, which takes the images of a data set.

    Where it is made for three colours and the images are grey, each colour is the grey.

    Raises ModelError where it does not give a score for each class.
    """
    network = build(architecture, **keywords)
    colours = getattr(network, "image_shape", data.image_shape)[0]
    if data.image_shape[0] == 1 < colours:
        network = Coloured(network, colours)
    images = data.valid.normalised(data.valid.pixels[:1])
    path = content.model_file(architecture.space.name)
    network.eval()  # or the running statistics would change
    try:
        with torch.no_grad():
            shape = tuple(network(images).shape)
    except Exception as error:  # the forward pass is the user's own
        message = f"{path}: on an image of {data.name} {data.image_shape}: {error}"
        fix = "take a data set whose images fit the network, or adapt the network"
        raise ModelError(message, fix) from error
    if shape != (1, data.classes):
        message = f"{path}: scores of the shape {shape} for one image of {data.classes} classes"
        raise ModelError(message, "Network must give (images, classes)")
    return network


class Coloured(nn.Module):
    """A network of coloured images, for grey ones."""

    def __init__(self, network: nn.Module, colours: int) -> None:
        super().__init__()
        self.network = network
        self.colours = colours

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network(images.expand(-1, self.colours, -1, -1))
        return scores


def _fewest_cells(space: Space, keywords: dict[str, Any]) -> dict[str, int]:
    """The least `cells` that has all layers; empty, for the default, where no number has."""
    (example,) = whole(space).sample(1, seed=0)  # any will do: unpruned, all its layers are built
    layers = {layer.name for layer in space.layers}
    for cells in range(1, _MOST_CELLS + 1):
        with torch.device("meta"):
            network = build(example, **{**keywords, "cells": cells, "prune": False})
        if layers <= {name.rpartition(".")[2] for name, _ in network.named_modules()}:
            return {"cells": cells}
    return {}
