"""Train one network on one data set, so that the same seed gives the same weights.

Weights, order of images and augmentation come from the seed alone: random numbers drawn by the
caller change nothing here, and what is drawn here changes nothing there. After each epoch the
training is written down, and a training that was killed goes on from there to the same end. Equal
means equal to the bit on a CPU, on one machine and with one number of threads, which decides the
order in which numbers are added; on a GPU some sums of cuDNN keep an order of their own.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt_rules.errors import TrainingError
from lapt_rules.evaluate import checkpoint
from lapt_rules.evaluate.data import DataSet, Split
from lapt_rules.evaluate.setting import Setting

CHECKPOINT = "checkpoint.pt"
"""The file in the folder of a training."""

_PADDING = 4
_JUDGED_AT_ONCE = 512


@dataclass(frozen=True)
class Outcome:
    """What a training came to; accuracies are in percent of the validation split."""

    best: float
    last: float
    epochs: int
    """Epochs that were run: fewer than the setting's where it stopped early."""
    history: tuple[float, ...]
    """The accuracy after each epoch."""
    seconds: float = field(compare=False)
    """How long it took, interrupted parts included from epoch to epoch."""


@dataclass(frozen=True)
class Step:
    """How far a training is: `step` of `steps` in all, and the validation accuracies so far."""

    step: int
    steps: int
    epoch: int
    epochs: int
    history: tuple[float, ...]


class Progress(Protocol):
    """Is told of every step. What it raises ends the training, which can be resumed."""

    def __call__(self, step: Step, /) -> None: ...


def train(
    network: nn.Module,
    data: DataSet,
    setting: Setting,
    *,
    seed: int,
    folder: Path | None = None,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
    name: str = "",
) -> Outcome:
    """Train a network from the weights that `seed` draws; afterwards it has its last weights.

    Every module with `reset_parameters` is drawn anew. `folder` keeps a checkpoint: where there is
    one, the training goes on from it, and where that is finished, nothing is left to do. `name`
    tells networks of equal modules and different wiring apart in it. `device` is by default a GPU
    where there is one. The test split is not touched.

    A loss that is no longer a number ends the training: the network has diverged.

    Raises TrainingError where the checkpoint is of another training or damaged, and where there is
    no such device.
    """
    place = chosen_device(device)
    with reproducible(seed, place):
        training = _Training(network, data, setting, seed, place, name)
        path = folder / CHECKPOINT if folder else None
        if path:
            training.restore(checkpoint.load(path, training.about))
        while not training.over:
            training.run_epoch(progress)
            if path:
                checkpoint.save(path, training.about, training.state())
        return training.outcome()


@torch.no_grad()
def accuracy(network: nn.Module, split: Split) -> float:
    """The percentage of a split's images that a network, set to judge, tells rightly."""
    device = next(network.parameters()).device
    network.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    for rows in torch.split(torch.arange(len(split)), _JUDGED_AT_ONCE):
        scores = network(split.normalised(split.pixels[rows].to(device)))
        right += scores.argmax(1).eq(split.labels[rows].to(device)).sum()
    return 100 * int(right) / len(split)


class _Training:
    """A training between two epochs: all that a checkpoint holds, and what to do with it."""

    def __init__(
        self,
        network: nn.Module,
        data: DataSet,
        setting: Setting,
        seed: int,
        device: torch.device,
        name: str,
    ) -> None:
        self.network, self.data, self.setting, self.device = network, data, setting, device
        for module in network.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
        network.to(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=setting.rate,
            momentum=setting.momentum,
            weight_decay=setting.decay,
            nesterov=True,
        )
        self.history: list[float] = []
        self.loss = 0.0
        self.seconds = 0.0
        self.batch = min(setting.batch, len(data.train))
        rows, columns = data.image_shape[1:]
        self.augment = min(rows, columns) >= 32 if setting.augment is None else setting.augment
        self.about: checkpoint.About = {
            "network": _fingerprint(network, name),
            "data": data.fingerprint,
            "seed": seed,
            "device": device.type,
            **asdict(setting),
        }

    @property
    def over(self) -> bool:
        done = len(self.history)
        if done == self.setting.epochs or not math.isfinite(self.loss):
            return True
        since_best = done - 1 - self.history.index(max(self.history)) if done else 0
        return 0 < self.setting.patience <= since_best

    def run_epoch(self, progress: Progress | None) -> None:
        started = time.perf_counter()
        train, epoch = self.data.train, len(self.history)
        in_epoch = len(train) // self.batch
        steps = self.setting.epochs * in_epoch
        order = torch.randperm(len(train), generator=self.generator)
        self.network.train()
        losses = torch.zeros((), device=self.device)
        for number, rows in enumerate(torch.split(order[: in_epoch * self.batch], self.batch)):
            step = epoch * in_epoch + number
            losses += self._step(train, rows, self.setting.rate_at(step, steps))
            if progress:
                seen = Step(step + 1, steps, epoch + 1, self.setting.epochs, tuple(self.history))
                progress(seen)
        self.loss = float(losses) / in_epoch
        self.history.append(accuracy(self.network, self.data.valid))
        self.seconds += time.perf_counter() - started

    def _step(self, split: Split, rows: Tensor, rate: float) -> Tensor:
        pixels, labels = split.pixels[rows], split.labels[rows].to(self.device)
        if self.augment:
            pixels = augmented(pixels, self.generator)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        scores = self.network(split.normalised(pixels.to(self.device)))
        loss = functional.cross_entropy(scores, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.setting.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.setting.clip)
        self.optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """The schedule is not in it: it is a function of the step."""
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "loss": self.loss,
            "seconds": self.seconds,
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),  # a network's own, for dropout
            "cuda": torch.cuda.get_rng_state(self.device) if _is_cuda(self.device) else None,
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.loss, self.seconds = state["history"], state["loss"], state["seconds"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["random"])
        if _is_cuda(self.device):
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def outcome(self) -> Outcome:
        history = tuple(self.history)
        return Outcome(max(history), history[-1], len(history), history, self.seconds)


def augmented(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (B, C, H, W) moved by up to 4 pixels along both axes, and half of them flipped.

    What moves in is black, as in the published training: it is padded before it is normalised.
    """
    number, _, rows, columns = pixels.shape
    down, right = torch.randint(2 * _PADDING + 1, (2, number, 1), generator=generator)
    flipped = torch.rand(number, 1, generator=generator) < 0.5
    across = torch.arange(columns).expand(number, columns)
    across = torch.where(flipped, across.flip(1), across)
    padded = functional.pad(pixels, (_PADDING,) * 4)
    picked = torch.arange(number)[:, None, None]
    moved = padded[picked, :, (down + torch.arange(rows))[:, :, None], (right + across)[:, None]]
    return moved.permute(0, 3, 1, 2)  # indices apart put what they pick in front


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from the seed inside, and the caller's untouched outside."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with torch.random.fork_rng([device] if _is_cuda(device) else []):
        torch.default_generator.manual_seed(seed)
        if _is_cuda(device):
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        else:
            torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=only_warns)
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn


def chosen_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch's words for unknown and missing ones
        raise TrainingError(f"there is no device `{device}` here", "train on cpu") from error


def _is_cuda(device: torch.device) -> bool:
    return device.type == "cuda"


def _fingerprint(network: nn.Module, name: str) -> str:
    """A text of the modules and the shapes of the weights, without what the weights are."""
    shapes = [(key, tuple(value.shape)) for key, value in network.state_dict().items()]
    return hashlib.sha256(f"{name}\n{network}\n{shapes}".encode()).hexdigest()[:16]
