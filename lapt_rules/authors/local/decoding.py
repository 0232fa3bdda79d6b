"""One causal language model of transformers, fed and asked for its next token.

A prompt is fed in whole chunks at fixed places, and only those are kept for the next prompt. So a
request is answered alike, to the bit, whatever was asked before it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapt_rules.authors.backend import AuthorError

CHUNK = 256
"""Tokens fed at once: this bounds memory, and what two prompts share is reused by the chunk."""

TOP_P = 0.95


class Decoder:
    """A model and the keys and values of what it was fed last."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._cache: Any = None
        self._fed: list[int] = []  # what the cache holds, in whole chunks at first
        self._chunked = 0
        parameters = inspect.signature(model.forward).parameters
        if "past_key_values" not in parameters:
            raise AuthorError(
                f"{type(model).__name__} keeps no keys and values to go on from",
                "use a transformer, such as a Llama or Qwen model",
            )
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}

    def forget(self) -> None:
        """Drop the cache, as after an error in the middle of a text."""
        self._cache, self._fed, self._chunked = None, [], 0

    def start(self, prompt: Sequence[int]) -> Any:
        """Feed a prompt, its part that is known already left out; the logits of what follows."""
        kept = self._shared(prompt)
        if kept and kept < len(self._fed):
            self._cache.crop(kept - len(self._fed))
        if not kept:
            self.forget()
        self._fed = self._fed[:kept]
        logits = None
        for start in range(kept, len(prompt), CHUNK):
            logits = self.feed(prompt[start : start + CHUNK])
        self._chunked = len(prompt) // CHUNK * CHUNK
        return logits

    def feed(self, tokens: Sequence[int]) -> Any:
        """Go on with tokens; the logits of what follows, on the model's device."""
        import torch

        ids = torch.tensor([tokens], device=self.model.device)
        output = self.model(
            input_ids=ids, past_key_values=self._cache, use_cache=True, **self._options
        )
        self._cache = output.past_key_values
        self._fed += tokens
        return output.logits[0, -1]

    def _shared(self, prompt: Sequence[int]) -> int:
        """How much of the cache serves this prompt, which has at least one token more."""
        layers = getattr(self._cache, "layers", ())
        if not layers or any(type(layer).__name__ != "DynamicLayer" for layer in layers):
            return 0  # a window or a state of other kinds cannot be cut back
        most = min(self._chunked, len(prompt) - 1)
        pairs = zip(self._fed[:most], prompt, strict=False)
        common = next((i for i, (old, new) in enumerate(pairs) if old != new), most)
        return common // CHUNK * CHUNK


class Sampler:
    """Draws tokens: the same seed and the same logits give the same tokens.

    A temperature of 0 takes the likeliest; another one draws from the likeliest that have
    `TOP_P` of the probability together.
    """

    def __init__(self, seed: int, temperature: float) -> None:
        import torch

        self._generator = torch.Generator(device="cpu").manual_seed(seed)
        self._temperature = temperature

    def pick(self, logits: NDArray[np.float32]) -> int:
        """The position of the logit that was drawn."""
        import torch

        largest = logits.max()
        if not np.isfinite(largest):
            raise AuthorError(
                "the model's logits are no finite numbers", "load it with dtype float32"
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
        drawn = torch.rand((), generator=self._generator, dtype=torch.float64).item() * mass[last]
        return int(likely[min(int(np.searchsorted(mass, drawn, side="right")), last)])
