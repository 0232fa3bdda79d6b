"""Training of a supernet: shared weights, one uniformly drawn architecture a step.

    for each step:  A ~ uniform(subspace), exactly;  descend on the loss of A's weights alone

The subspace is that of the principles, so no step is spent on what they leave out. `inherited.py`
rates architectures by the weights that come of it.

A folder holds a training: `supernet.json`, what was asked for, and `checkpoint.pt`, as far as it
came. Called again in the same way it goes on from there. All that is random in a step depends on
the seed and the step alone, so a training that was killed ends with the same weights as an unbroken
one, to the bit on a CPU with the same number of threads (see `trainer.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt_rules import content
from lapt_rules.errors import TrainingError
from lapt_rules.evaluate import checkpoint
from lapt_rules.evaluate.data import DataSet
from lapt_rules.evaluate.setting import Setting
from lapt_rules.evaluate.shared_weights import SharedNetwork
from lapt_rules.evaluate.skeleton import fitted, skeleton
from lapt_rules.evaluate.trainer import CHECKPOINT, augmented, chosen_device, reproducible
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace
from lapt_rules.writing import make_folder, write_whole

REQUEST = "supernet.json"

Progress = Callable[[int, int, float], None]
"""Told after each epoch: how many are done, of how many, and the mean loss of this one."""


@dataclass(frozen=True)
class SupernetSetting(Setting):
    """SGD with a cosine schedule: the weights' part of the search in DARTS, for 30 epochs.

    arXiv:1806.09055, appendix A.1: batches of 64, rate 0.025, momentum 0.9, decay 3e-4 and, in its
    code, gradients of norm 5 at most. `channels` and `cells` are the size of the network, as in
    `skeleton.py`. Raises TrainingError for numbers that cannot be trained with.
    """

    epochs: int = 30
    warm_up: float = 0.0
    decay: float = 3e-4
    channels: int = 16
    cells: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patience:
            message = f"the setting `patience` is {self.patience}"
            raise TrainingError(message, "leave it at 0: a supernet has no one accuracy to watch")

    @classmethod
    def published(cls, space: Space) -> SupernetSetting:
        """For CIFAR-10 and a GPU: the network of DARTS's search, or the published one."""
        cells = {"darts": 8, "nas201": 5, "trans101": 2}
        return cls(channels=64 if space.name == "trans101" else 16, cells=cells.get(space.name))

    @classmethod
    def small(cls, space: Space) -> SupernetSetting:
        """For the images of `digits` and a CPU: minutes."""
        return cls(epochs=100, batch=50, rate=0.05, channels=8)


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
    setting: SupernetSetting,
    *,
    seed: int,
    folder: Path,
    device: str | torch.device | None = None,
    every: int = 500,
    progress: Progress | None = None,
) -> Supernet:
    """Train a supernet on `data.train`, or go on where the training in `folder` stopped.

    A checkpoint is written after each epoch, and after each `every` steps. `device` is by default
    a GPU where there is one.

    Raises TrainingError for an empty subspace, for a loss that is no longer a number, and where
    the folder holds another training; ModelError where the space has no network for such images.
    """
    if not subspace.count():
        fix = "weaken the principles: `lapt check` finds the smallest repair"
        raise TrainingError("there is nothing to train: the subspace is empty", fix)
    place = chosen_device(device)
    about = _about(space, subspace, data, setting, seed, place)
    training = _Training(space, data, setting, seed, place)
    training.restore(checkpoint.load(folder / CHECKPOINT, about))
    make_folder(folder)
    write_whole(folder / REQUEST, json.dumps(about, indent=2) + "\n")
    with reproducible(seed, place):
        while training.epoch < setting.epochs:
            plan = list(training.plan(subspace, seed))
            for rows, values, draw in plan[training.step :]:
                training.descend(rows, Architecture(space, tuple(values)), draw)
                if training.step % every == 0:
                    checkpoint.save(folder / CHECKPOINT, about, training.state())
            training.end_epoch()
            checkpoint.save(folder / CHECKPOINT, about, training.state())
            if progress is not None:
                progress(training.epoch, setting.epochs, training.losses[-1])
    return training.result(folder)


def load_supernet(
    space: Space, data: DataSet, folder: Path, device: str | torch.device | None = None
) -> Supernet:
    """The supernet in a folder, with the data it was trained on: the folder holds no images.

    Raises TrainingError where there is none, its training has not ended, or it is of other data or
    of another network.
    """
    about = _read_request(folder)
    for name, mine in _identity(space, data).items():
        if about.get(name) != mine:
            message = f"{folder}: the {name} of this supernet is {about.get(name)}, not {mine}"
            raise TrainingError(message, "name what it was trained with")
    try:
        numbers = {field.name: about[field.name] for field in fields(SupernetSetting)}
        setting, seed = SupernetSetting(**numbers), int(about["seed"])
    except (KeyError, TypeError, ValueError) as error:
        fix = "put the original back"
        raise TrainingError(f"{folder / REQUEST}: it was changed", fix) from error
    training = _Training(space, data, setting, seed, chosen_device(device))
    training.restore(checkpoint.load(folder / CHECKPOINT, about))
    if training.epoch < setting.epochs:
        message = f"{folder}: {training.epoch} of {setting.epochs} epochs are done"
        raise TrainingError(message, "train it to the end: the same call goes on with it")
    return training.result(folder)


class _Training:
    """A training between two steps: all that a checkpoint holds, and what to do with it."""

    def __init__(
        self,
        space: Space,
        data: DataSet,
        setting: SupernetSetting,
        seed: int,
        device: torch.device,
    ) -> None:
        self.data, self.setting, self.device = data, setting, device
        keywords = skeleton(space, data, setting.channels, setting.cells)
        keywords.pop("prune", None)  # the shared network leaves out what is dead by itself
        fitted(space.example, data, keywords)
        self.network = SharedNetwork(space, seed=seed, **keywords).to(device).train()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), setting.rate, setting.momentum, weight_decay=setting.decay
        )
        self.batch = min(setting.batch, len(data.train))
        self.steps = len(data.train) // self.batch
        """Of an epoch; images that fill no batch are left out, each time others."""
        rows, columns = data.image_shape[1:]
        self.augment = min(rows, columns) >= 32 if setting.augment is None else setting.augment
        self.step = 0
        """How many of this epoch are done."""
        self.sum = torch.zeros((), dtype=torch.float64, device=device)
        """Of the losses of this epoch."""
        self.losses: list[float] = []

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.losses)

    def plan(self, subspace: Subspace, seed: int) -> Iterator[tuple[Tensor, list[int], int]]:
        """For each step of this epoch: its images, its architecture, a seed for all the rest."""
        generator = np.random.default_rng([seed, self.epoch])
        order = torch.from_numpy(generator.permutation(len(self.data.train)))
        values = subspace.sample_rows(self.steps, int(generator.integers(2**63))).tolist()
        draws = generator.integers(2**63, size=self.steps).tolist()
        batches = torch.split(order[: self.steps * self.batch], self.batch)
        return zip(batches, values, draws, strict=True)

    def descend(self, rows: Tensor, architecture: Architecture, draw: int) -> None:
        """One step of gradient descent; weights that are not the architecture's stay as they are.

        They have no gradient, rather than one of zero: neither momentum nor decay moves them.
        """
        train, setting = self.data.train, self.setting
        torch.manual_seed(draw)
        pixels, labels = train.pixels[rows], train.labels[rows].to(self.device)
        if self.augment:
            pixels = augmented(pixels, torch.default_generator)
        done = self.epoch * self.steps + self.step
        for group in self.optimizer.param_groups:
            group["lr"] = setting.rate_at(done, setting.epochs * self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        scores = self.network(train.normalised(pixels.to(self.device)), architecture)
        loss = functional.cross_entropy(scores, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if setting.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), setting.clip)
        self.optimizer.step()
        self.sum += loss.detach()
        self.step += 1

    def end_epoch(self) -> None:
        loss = self.sum.item() / self.steps
        if not math.isfinite(loss):
            message = f"the supernet diverged in epoch {self.epoch + 1}: its loss is {loss}"
            raise TrainingError(message, "train with a lower rate")
        self.losses.append(loss)
        self.step = 0
        self.sum.zero_()

    def state(self) -> dict[str, Any]:
        return {
            "weights": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "sum": self.sum,
            "losses": self.losses,
        }

    def restore(self, state: Mapping[str, Any] | None) -> None:
        if state is None:
            return
        self.network.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses = state["step"], state["losses"]
        self.sum.copy_(state["sum"])

    def result(self, folder: Path) -> Supernet:
        return Supernet(self.network, self.data, self.device, folder, tuple(self.losses))


def _about(
    space: Space,
    subspace: Subspace,
    data: DataSet,
    setting: SupernetSetting,
    seed: int,
    device: torch.device,
) -> checkpoint.About:
    """What tells one training from another. Of a subspace: its size and a draw from it."""
    drawn = hashlib.sha256(subspace.sample_rows(1000, seed=0).tobytes()).hexdigest()[:16]
    return {
        **_identity(space, data),
        "subspace": f"{subspace.count()} {drawn}",
        "seed": seed,
        "device": device.type,
        **asdict(setting),
    }


def _identity(space: Space, data: DataSet) -> dict[str, str]:
    model = content.model_file(space.name).read_bytes()
    return {
        "space": space.name,
        "network": hashlib.sha256(model).hexdigest()[:16],
        "data": f"{data.name} {data.fingerprint}",
    }


def _read_request(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        if not isinstance(about, dict):
            raise ValueError(REQUEST)
    except (OSError, ValueError) as error:
        fix = "name the folder in which it was trained"
        raise TrainingError(f"{folder}: there is no supernet here", fix) from error
    return about
