"""Training of a supernet: shared weights, one uniformly drawn architecture a step.

    for each step:  A ~ uniform(subspace), exactly;  descend on the loss of A's weights alone

The subspace is that of the principles, so no step is spent on what they leave out. `inherited.py`
rates architectures by the weights that come of it.

A folder holds a training: `supernet.json`, what was asked for, and `checkpoint.pt`, as far as it
came, replaced as a whole. Called again with the same request it goes on from there. All that is
random in a step depends on the seed and the step alone, so an interrupted training ends with the
same weights, bit for bit, as an unbroken one; on a GPU as far as cuDNN's deterministic algorithms
reach.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lapt_rules.errors import DataError, RunError
from lapt_rules.evaluate.data import DataSet
from lapt_rules.evaluate.model import load_model
from lapt_rules.evaluate.shared_weights import SharedNetwork
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace
from lapt_rules.writing import write_whole

_REQUEST, _CHECKPOINT = "supernet.json", "checkpoint.pt"

Progress = Callable[[int, int, float], None]
"""Told after each epoch: how many are done, of how many, and the mean loss of this one."""


@dataclass(frozen=True)
class Setting:
    """How a supernet is trained: by default as DARTS trains its one-shot model, for 30 epochs.

    `skeleton` are arguments of the space's `Network`; where it is empty, the published network.
    """

    skeleton: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 30
    batch: int = 64
    rate: float = 0.025
    floor: float = 0.001
    """What the rate falls to, as a cosine over the epochs."""
    momentum: float = 0.9
    decay: float = 3e-4
    clip: float = 5.0
    """The greatest norm of a step's gradient."""
    crop: int = 4
    """Images are moved by up to so many pixels, and half of them flipped; 0 for neither."""

    @classmethod
    def published(cls, space: Space) -> Setting:
        """For CIFAR-10 and a GPU: DARTS (arXiv:1806.09055, appendix A.1.1) with 8 cells."""
        return cls({"channels": 16, "cells": 8} if space.name == "darts" else {})

    @classmethod
    def small(cls, space: Space) -> Setting:
        """For the images of `digits` and a CPU: minutes."""
        skeletons: dict[str, dict[str, Any]] = {
            "darts": {"channels": 4, "cells": 3},
            "nas201": {"channels": 8, "cells": 1},
            "trans101": {"channels": 8, "cells": 1, "modules": "41"},
        }
        return cls(skeletons.get(space.name, {}), epochs=60, batch=50, rate=0.05, crop=0)


@dataclass(frozen=True)
class Supernet:
    """A trained supernet, and what it was trained on."""

    network: SharedNetwork
    data: DataSet
    device: torch.device
    folder: Path
    losses: tuple[float, ...]
    """The mean loss of each epoch."""

    @property
    def space(self) -> Space:
        return self.network.space


def train_supernet(
    space: Space,
    subspace: Subspace,
    data: DataSet,
    setting: Setting,
    *,
    seed: int,
    folder: Path,
    device: torch.device | str = "cpu",
    every: int = 500,
    progress: Progress | None = None,
) -> Supernet:
    """Train a supernet on `data.train`, or go on where the training in `folder` stopped.

    A checkpoint is written after each epoch, and after each `every` steps. Raises RunError for an
    empty subspace and where the folder holds the training of another request, DataError where the
    network does not take such images.
    """
    if not subspace.count():
        raise RunError("there is nothing to train: the subspace is empty", "weaken the principles")
    training = _Training(space, data, setting, seed, torch.device(device))
    _open(folder, _request(space, subspace, data, setting, seed))
    if (folder / _CHECKPOINT).exists():
        training.load(folder)
    pixels, labels = (part.to(device) for part in (data.train.pixels, data.train.labels))
    devices = [training.device] if training.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices),
        torch.backends.cudnn.flags(benchmark=False, deterministic=True),
    ):
        while training.epoch < setting.epochs:
            plan = _plan(subspace, len(labels), setting.batch, training.steps, seed, training.epoch)
            for some, row, draw in list(plan)[training.step :]:
                torch.manual_seed(draw)
                batch = data.train.normalised(pixels[some.to(device)])
                if setting.crop:
                    batch = moved_and_flipped(batch, setting.crop)
                architecture = Architecture(space, tuple(row))
                training.descend(batch, labels[some.to(device)], architecture)
                if training.step % every == 0:
                    training.save(folder)
            training.end_epoch()
            training.save(folder)
            if progress is not None:
                progress(training.epoch, setting.epochs, training.losses[-1])
    return training.result(folder)


def load_supernet(
    space: Space, data: DataSet, folder: Path, device: torch.device | str = "cpu"
) -> Supernet:
    """The supernet in a folder, for the data it was trained on: the folder holds no images.

    Raises RunError where there is none, its training has not ended, or it was for something else.
    """
    request = _read_request(folder)
    for name, mine in (("space", space.name), ("data", _described(data))):
        if request.get(name) != mine:
            message = f"{folder}: the {name} of its training is `{request.get(name)}`"
            raise RunError(f"{message}, not `{mine}`", "name the one it was trained for")
    try:
        setting, seed = Setting(**request["setting"]), int(request["seed"])
    except (KeyError, TypeError, ValueError) as error:
        message = f"{folder / _REQUEST}: this is not how it was written"
        raise RunError(message, "put the original back") from error
    training = _Training(space, data, setting, seed, torch.device(device))
    training.load(folder)
    if training.epoch < setting.epochs:
        message = f"{folder}: {training.epoch} of {setting.epochs} epochs are done"
        raise RunError(message, "train it to the end: the same call goes on with it")
    return training.result(folder)


class _Training:
    """A training as far as it has come."""

    def __init__(
        self, space: Space, data: DataSet, setting: Setting, seed: int, device: torch.device
    ) -> None:
        self.data, self.setting, self.device = data, setting, device
        self.network = SharedNetwork(
            space, seed=seed, **{**_answers(space, data.classes), **setting.skeleton}
        ).to(device)
        colours = data.image_shape[0]
        if colours not in (1, self.network.colours):
            raise DataError(
                f"{data.name} has {colours} colours, the network of {space.name} takes "
                f"{self.network.colours}",
                "take other data",
            )
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), setting.rate, setting.momentum, weight_decay=setting.decay
        )
        self.steps = max(1, len(data.train) // setting.batch)
        """Of an epoch; images that fill no batch are left out, each time others."""
        self.step = 0
        """How many of this epoch are done."""
        self.sum = torch.zeros((), dtype=torch.float64, device=device)
        """Of the losses of this epoch."""
        self.losses: list[float] = []

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.losses)

    def descend(self, images: Tensor, labels: Tensor, architecture: Architecture) -> None:
        """One step of gradient descent; weights that are not the architecture's stay as they are.

        Those have no gradient, not one of zero: neither momentum nor decay moves them.
        """
        setting = self.setting
        cosine = (1 + math.cos(math.pi * self.epoch / setting.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = setting.floor + (setting.rate - setting.floor) * cosine
        self.optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self.network(images, architecture), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), setting.clip)
        self.optimizer.step()
        self.sum += loss.detach()
        self.step += 1

    def end_epoch(self) -> None:
        self.losses.append(self.sum.item() / self.steps)
        self.step = 0
        self.sum.zero_()

    def result(self, folder: Path) -> Supernet:
        return Supernet(self.network, self.data, self.device, folder, tuple(self.losses))

    def save(self, folder: Path) -> None:
        """Replace the checkpoint: a reader, or a process that is killed, leaves it whole."""
        part = folder / f".{_CHECKPOINT}.part"
        state = {
            "weights": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "sum": self.sum,
            "losses": self.losses,
        }
        try:
            with part.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder / _CHECKPOINT)
        except (OSError, RuntimeError) as error:
            raise RunError(f"{folder}: cannot be written: {error}", "make room for it") from error

    def load(self, folder: Path) -> None:
        path = folder / _CHECKPOINT
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["weights"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.losses = int(state["step"]), [float(loss) for loss in state["losses"]]
            self.sum.copy_(state["sum"])
        except Exception as error:  # torch raises many kinds for a bad or hostile file
            message = f"{path}: no checkpoint that can be loaded ({type(error).__name__})"
            raise RunError(message, "remove the folder and train anew") from error


def _plan(
    subspace: Subspace, images: int, batch: int, steps: int, seed: int, epoch: int
) -> Iterator[tuple[Tensor, list[int], int]]:
    """For each step of an epoch: its images, its architecture's values, a seed for the rest."""
    generator = np.random.default_rng([seed, epoch])
    order = torch.from_numpy(generator.permutation(images))
    rows = subspace.sample_rows(steps, int(generator.integers(2**63))).tolist()
    draws = generator.integers(2**63, size=steps).tolist()
    parts = torch.split(order[: steps * batch], batch)
    return zip(parts, rows, draws, strict=True)


def moved_and_flipped(images: Tensor, most: int) -> Tensor:
    """Each image moved by up to `most` pixels along both axes, and half of them flipped.

    What moves in is zero, the mean of normalised images.
    """
    number, _, rows, columns = images.shape
    moves = torch.randint(2 * most + 1, (2, number, 1), device="cpu").to(images.device)
    flips = torch.rand(number, 1).to(images.device) < 0.5
    vertical = moves[0] + torch.arange(rows, device=images.device)
    along = torch.arange(columns, device=images.device)
    horizontal = moves[1] + torch.where(flips, along.flip(0), along)
    padded = functional.pad(images, (most, most, most, most)).permute(0, 2, 3, 1)
    first = torch.arange(number, device=images.device)[:, None, None]
    moved = padded[first, vertical[:, :, None], horizontal[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def _answers(space: Space, classes: int) -> dict[str, Any]:
    """The arguments with which the space's network tells `classes` apart."""
    known = inspect.signature(load_model(space)).parameters
    return {"outputs": classes, "dense": False} if "outputs" in known else {"classes": classes}


def _request(
    space: Space, subspace: Subspace, data: DataSet, setting: Setting, seed: int
) -> dict[str, Any]:
    """What tells one training from another. Of a subspace: its size and what is drawn from it."""
    drawn = hashlib.sha256(subspace.sample_rows(1000, seed).tobytes()).hexdigest()[:16]
    return {
        "space": space.name,
        "subspace": f"{subspace.count()} {drawn}",
        "data": _described(data),
        "seed": seed,
        "setting": asdict(setting),
    }


def _described(data: DataSet) -> str:
    return f"{data.name} {data.fingerprint}"


def _open(folder: Path, request: dict[str, Any]) -> None:
    """Make the folder of a training, or see that it holds this one."""
    if (folder / _REQUEST).exists():
        found = _read_request(folder)
        other = [name for name in request if found.get(name) != request[name]]
        if other:
            message = f"{folder}: it holds a training with another {' and another '.join(other)}"
            raise RunError(message, "name another folder")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}", "name another") from error
    write_whole(folder / _REQUEST, json.dumps(request, indent=2) + "\n")


def _read_request(folder: Path) -> dict[str, Any]:
    try:
        request = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))
        if not isinstance(request, dict):
            raise ValueError(_REQUEST)
    except (OSError, ValueError) as error:
        fix = "name the folder in which it was trained"
        raise RunError(f"{folder}: there is no supernet here", fix) from error
    return request
