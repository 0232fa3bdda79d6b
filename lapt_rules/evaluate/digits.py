"""The benchmark `digits`: six tasks on handwritten digits, small enough to train every network.

    class     which digit it is                 jigsaw    how its four quadrants were exchanged
    segment   the digit of each inked pixel     normal    the surface normal of each pixel
    layout    centre and spread of the ink      denoise   the image without the noise

Inputs and start weights of a (task, seed) are drawn beforehand and the same for every architecture,
so that a difference between two architectures is theirs. `grouped.py` trains them.

Needs torch and scikit-learn, which holds the images. Reading the finished table needs neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from lapt_rules.errors import LaptError


@dataclass(frozen=True)
class Setting:
    """How every model is trained and judged."""

    train: int = 1000
    valid: int = 400
    test: int = 397
    draws: int = 4
    """Of shift and noise, for each image that a model is judged on."""
    epochs: int = 10
    batch: int = 50
    rate: float = 0.02
    decay: float = 1e-3
    warm_up: float = 0.25
    """The part of the steps in which the rate rises; then it falls as a cosine."""
    floor: float = 0.02
    """Where the cosine ends, as a part of the rate."""


SETTING = Setting()
SPLITS = ("valid", "test")

_DRAW_SEED = {"valid": 91, "test": 92}
_QUADRANTS = torch.cartesian_prod(*[torch.arange(4)] * 4)
_QUADRANTS = _QUADRANTS[_QUADRANTS.sort().values.eq(torch.arange(4)).all(1)]
"""The 24 orders of four quadrants."""


@dataclass(frozen=True)
class Task:
    """What is asked of a network, and how its answer is judged; a higher metric is better.

    `noise` is the standard deviation of what is added to pixels in [0, 1], `shift` the most that
    an image moves along each axis. `loss` is summed over images; `metric` is of a whole split.
    """

    outputs: int
    dense: bool
    noise: float
    shift: int
    target: Callable[[Tensor, Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: Callable[[Tensor, Tensor], Tensor]


def _digit(images: Tensor, labels: Tensor) -> Tensor:
    return labels


def _clean(images: Tensor, labels: Tensor) -> Tensor:
    return images[:, None]


def _inked(images: Tensor, labels: Tensor) -> Tensor:
    """The digit + 1 where there is ink, else 0."""
    return torch.where(images > 0.3, labels[:, None, None] + 1, 0)


def _normals(images: Tensor, labels: Tensor) -> Tensor:
    """Unit normals (B, 3, 8, 8) of the image as a landscape, by central differences."""
    padded = functional.pad(images[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    right = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return functional.normalize(torch.stack([-right, -down, torch.full_like(right, 0.25)], 1))


def _layout(images: Tensor, labels: Tensor) -> Tensor:
    """Centre and standard deviation of the ink along both axes, each brought to a like scale."""
    places = torch.arange(8.0) - 3.5
    numbers = []
    for axis, usual in ((1, 1.2), (2, 1.9)):
        ink = images.sum(axis) / images.sum((1, 2))[:, None]
        centre = ink @ places
        spread = (ink @ places**2 - centre**2).clamp(min=0).sqrt()
        numbers += [centre / 1.5, (spread - usual) / 0.3]
    return torch.stack(numbers, 1)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets, reduction="sum") / targets[0].numel()


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(outputs, targets, reduction="sum") / targets[0].numel()


def _logistic(outputs: Tensor, targets: Tensor) -> Tensor:
    loss = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="sum")
    return loss / targets[0].numel()


def _angles(outputs: Tensor, targets: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(outputs, targets)).mean((1, 2)).sum()


def _accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs.argmax(1).eq(targets).float().mean()


def _mean_iou(outputs: Tensor, targets: Tensor) -> Tensor:
    """Intersection over union of each of the 11 classes, over all pixels; their mean."""
    pairs = torch.bincount((targets * 11 + outputs.argmax(1)).flatten(), minlength=121)
    table = pairs.view(11, 11).double()
    both = table.diagonal()
    return (both / (table.sum(0) + table.sum(1) - both)).mean()


def _cosine(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cosine_similarity(outputs, targets).double().mean()


def _r_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """The part of the variance that is explained: 1 - residual / total, the mean over channels."""
    residual, total = (outputs - targets) ** 2, (targets - targets.mean(0)) ** 2
    return (1 - residual.double().mean(0) / total.double().mean(0)).mean()


def _pixel_r_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """R squared over all pixels together: some border pixels alone have no variance."""
    return _r_squared(outputs.sigmoid().reshape(-1, 1), targets.reshape(-1, 1))


TASKS = {
    "class": Task(10, False, 0.4, 1, _digit, _cross_entropy, _accuracy),
    "jigsaw": Task(24, False, 0.1, 0, _digit, _cross_entropy, _accuracy),
    "segment": Task(11, True, 0.15, 0, _inked, _cross_entropy, _mean_iou),
    "normal": Task(3, True, 0.2, 0, _normals, _angles, _cosine),
    "layout": Task(4, False, 0.2, 2, _layout, _squares, _r_squared),
    "denoise": Task(1, True, 0.35, 0, _clean, _logistic, _pixel_r_squared),
}


def stream(task: str, seed: int) -> tuple[Tensor, Tensor]:
    """Every training input of a model in its order, (10 epochs x 1000, 8, 8), and the targets."""
    generator = torch.Generator().manual_seed(1000 * seed + 17)
    images, labels = _images("train")
    epochs = [torch.randperm(len(images), generator=generator) for _ in range(SETTING.epochs)]
    order = torch.cat(epochs)
    return _drawn(task, images[order], labels[order], generator)


def held_out(task: str, split: str) -> tuple[Tensor, Tensor]:
    """The inputs and targets on which all models are judged: each image in four draws."""
    generator = torch.Generator().manual_seed(_DRAW_SEED[split])
    images, labels = _images(split)
    draws = SETTING.draws
    return _drawn(task, images.repeat(draws, 1, 1), labels.repeat(draws), generator)


def _drawn(
    name: str, images: Tensor, labels: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    task = TASKS[name]
    if task.shift:
        images = _shifted(images, task.shift, generator)
    if name == "jigsaw":
        labels = torch.randint(24, (len(images),), generator=generator)
        images = _exchanged(images, _QUADRANTS[labels])
    noise = torch.randn(images.shape, generator=generator)
    return images + task.noise * noise, task.target(images, labels)


def _shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `most` pixels along both axes; what moves in is empty."""
    moves = torch.randint(2 * most + 1, (2, len(images), 1), generator=generator)
    rows, columns = moves + torch.arange(8)
    padded = functional.pad(images, (most, most, most, most))
    return padded[torch.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _exchanged(images: Tensor, orders: Tensor) -> Tensor:
    """The 4x4 quadrants of each image in the given order."""
    quadrants = images.view(-1, 2, 4, 2, 4).transpose(2, 3).reshape(-1, 4, 4, 4)
    moved = quadrants[torch.arange(len(images))[:, None], orders]
    return moved.view(-1, 2, 2, 4, 4).transpose(2, 3).reshape(-1, 8, 8)


@cache
def _images(split: str) -> tuple[Tensor, Tensor]:
    """Images (B, 8, 8) in [0, 1] and their digits, split once by a fixed permutation."""
    try:
        import numpy as np
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError as error:
        fix = "pip install scikit-learn"
        raise LaptError("training on digits needs scikit-learn, for its images", fix) from error
    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.images))
    ends = np.cumsum([SETTING.train, SETTING.valid, SETTING.test])
    chosen = dict(zip(("train", *SPLITS), np.split(order, ends), strict=False))[split]
    images = torch.tensor(digits.images[chosen] / 16, dtype=torch.float32)
    return images, torch.tensor(digits.target[chosen], dtype=torch.int64)
