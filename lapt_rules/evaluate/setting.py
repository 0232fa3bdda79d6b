"""How a candidate is trained: the numbers, and the rate of learning that they give."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lapt_rules.errors import TrainingError


@dataclass(frozen=True)
class Setting:
    """SGD with Nesterov's momentum and a cosine schedule, as NAS-Bench-201 and DARTS train.

    The defaults are NAS-Bench-201's (arXiv:2001.00326, table 1: momentum 0.9, decay 5e-4, flips and
    crops) at 12 epochs, with batches of 64 for small sets, and so with a quarter of its rate of
    0.1 for batches of 256; that is also the rate and batch of the search in DARTS
    (arXiv:1806.09055, appendix A.1), whose bound on the gradient is taken too. The warm-up is ours.

    Raises TrainingError for numbers that cannot be trained with.
    """

    epochs: int = 12
    batch: int = 64
    """Images a step. What is left of an epoch's images, less than a batch, sits this epoch out."""
    rate: float = 0.025
    """The highest rate of the schedule."""
    warm_up: float = 0.1
    """The part of the steps in which the rate rises, in a line from 0; then it falls to 0 again."""
    momentum: float = 0.9
    decay: float = 5e-4
    """Weight decay, of all weights."""
    clip: float = 5.0
    """The most that the norm of the gradient may be; 0 leaves it as it is."""
    patience: int = 0
    """Stop after so many epochs without a better validation accuracy; 0 never does."""
    augment: bool | None = None
    """Random crops (4 pixels of padding) and flips; None: for images of 32 pixels and more."""

    def __post_init__(self) -> None:
        allowed = {
            "epochs": (self.epochs >= 1, "1 or more"),
            "batch": (self.batch >= 2, "2 or more: normalisation needs two images"),
            "rate": (0 < self.rate < math.inf, "above 0"),
            "warm_up": (0 <= self.warm_up < 1, "at least 0 and below 1"),
            "momentum": (0 < self.momentum < 1, "above 0 and below 1"),
            "decay": (0 <= self.decay < math.inf, "0 or more"),
            "clip": (0 <= self.clip < math.inf, "0 or more"),
            "patience": (self.patience >= 0, "0 or more"),
        }
        for name, (holds, bounds) in allowed.items():
            if not holds:
                message = f"the setting `{name}` is {getattr(self, name)}"
                raise TrainingError(message, f"it must be {bounds}")

    def rate_at(self, step: int, steps: int) -> float:
        """The rate of learning in a step (from 0 on) of all the steps of a training.

        >>> setting = Setting(rate=0.1, warm_up=0.2)
        >>> [round(setting.rate_at(step, 10), 3) for step in (0, 1, 2, 6, 9)]
        [0.05, 0.1, 0.1, 0.05, 0.004]
        """
        rising = self.warm_up * steps
        if step < rising:
            return self.rate * min(1.0, (step + 1) / rising)
        falling = (step - rising) / (steps - rising)
        return self.rate * (1 + math.cos(math.pi * falling)) / 2
