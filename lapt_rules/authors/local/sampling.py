"""How a token is drawn from a model's logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapt_rules.authors.backend import AuthorError

TOP_P = 0.95


class TokenSampler:
    """Draws tokens: the same seed and the same logits give the same tokens.

    A temperature of 0 takes the likeliest; another one draws from the likeliest that have
    `TOP_P` of the probability together (nucleus sampling).
    """

    def __init__(self, seed: int, temperature: float) -> None:
        self._random = np.random.default_rng(seed)
        self._temperature = temperature

    def draw(self, logits: NDArray[np.float32]) -> int:
        """The position of the logit that was drawn.

        Raises AuthorError where no logit is a finite number.
        """
        largest = logits.max()
        if not np.isfinite(largest):
            raise AuthorError(
                "the model's logits are not finite numbers", "load it with --dtype float32"
            )
        if self._temperature <= 0:
            return int(logits.argmax())
        weights = np.exp((logits - largest) / np.float32(self._temperature))
        wanted = TOP_P * float(weights.sum())
        # Those below this share of the rest make up less than the rest: none of them is drawn.
        likely = np.flatnonzero(weights * (len(weights) * TOP_P) >= (1 - TOP_P) * wanted)
        likely = likely[np.argsort(-weights[likely], kind="stable")]
        mass = np.cumsum(weights[likely], dtype=np.float64)
        last = min(int(np.searchsorted(mass, wanted)), len(mass) - 1)
        drawn = self._random.random() * mass[last]
        return int(likely[min(int(np.searchsorted(mass, drawn, side="right")), last)])
