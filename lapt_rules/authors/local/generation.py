"""One causal language model of transformers, asked through `generate` and nothing else.

`generate`, logits processors, stopping criteria and `Cache` objects are what transformers documents
and keeps. The arguments of a model's `forward` change with its versions: none is named here.

A prompt is read in chunks that end at fixed places, and what was read is kept for the next prompt.
So a request is answered alike, to the bit, whatever was asked before it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

CHUNK = 256
"""Tokens read at once: this bounds memory, and a prefix of a prompt is kept by the chunk."""

_CACHE_ARGUMENTS = ("cache", "past_key_values")
"""What `generate` calls a cache: the first since transformers 5.24, the second before."""


class Text(Protocol):
    """A text as it is written; it decides what comes next."""

    def follow(self, tokens: Sequence[int]) -> bool:
        """Take all tokens written so far; whether the text is over."""
        ...

    def forced(self) -> Sequence[int]:
        """The tokens that come next whatever the model says."""
        ...

    def choose(self, logits: NDArray[np.float32]) -> int:
        """The next token, by the model's logits for what follows the tokens taken."""
        ...


@dataclass(frozen=True)
class _Prefix:
    """The beginning of a prompt, in whole chunks, and the keys and values of it."""

    tokens: Sequence[int]
    cache: Any

    def begins(self, prompt: Sequence[int]) -> bool:
        """Whether a prompt begins so and has at least one token more."""
        size = len(self.tokens)
        return size < len(prompt) and prompt[:size] == self.tokens


class Generator:
    """A causal language model and the beginnings of prompts that it has read.

    The model's own generation settings are replaced: what comes next is chosen by the `Text`.
    """

    def __init__(self, model: Any, padding: int) -> None:
        self.model = model
        config: Any = GenerationConfig
        model.generation_config = config(pad_token_id=padding)
        self._kept: list[_Prefix] = []
        self._argument = self._cache_argument()

    def write(
        self,
        prompt: list[int],
        text: Text,
        most: int,
        reading: Callable[[int, int], None] | None = None,
    ) -> list[int]:
        """Up to `most` tokens after a prompt, as `text` chooses them.

        `reading` is told how many tokens of the prompt are read, and of how many.
        """
        cache = None if self._argument is None else self._read(prompt, reading)
        written: list[int] = []
        while not text.follow(written) and len(written) < most:
            room = most - len(written)
            forced = text.forced()[:room]
            if forced:
                written += forced
            else:
                tokens = self._generate([*prompt, *written], cache, room, text, len(prompt))
                written = tokens[len(prompt) :]
        return written

    def forget(self) -> None:
        """Drop what was read, as after an error in the middle of a prompt."""
        self._kept = []

    @property
    def read_tokens(self) -> list[int]:
        """How many tokens each kept beginning of a prompt has."""
        return [len(prefix.tokens) for prefix in self._kept]

    def _read(self, prompt: list[int], reading: Callable[[int, int], None] | None) -> Any:
        """Keys and values of all whole chunks of a prompt, less its last token.

        Kept are the beginning that this prompt shares with those before it, and the whole.
        """
        most = (len(prompt) - 1) // CHUNK * CHUNK
        known = [prefix for prefix in self._kept if prefix.begins(prompt)]
        start = max(known, key=lambda prefix: len(prefix.tokens), default=_Prefix([], None))
        shared = max((_common(prefix.tokens, prompt) for prefix in self._kept), default=0)
        self._kept = known[:1]
        cache = copy.deepcopy(start.cache) if start.tokens else self._new_cache()
        if reading is not None:
            reading(len(start.tokens), len(prompt))
        for end in range(len(start.tokens) + CHUNK, most + 1, CHUNK):
            self._generate(prompt[:end], cache, 1)
            if reading is not None:
                reading(end, len(prompt))
            if end == shared and not known:
                self._kept.append(_Prefix(prompt[:end], copy.deepcopy(cache)))
        if most > len(start.tokens):
            self._kept.append(_Prefix(prompt[:most], copy.deepcopy(cache)))
        return cache

    def _generate(
        self, tokens: list[int], cache: Any, most: int, text: Text | None = None, start: int = 0
    ) -> list[int]:
        """The tokens with up to `most` more, of which those from `start` on are the text's.

        Without a text only what is read into the cache is of use.
        """
        ids = torch.tensor([tokens], device=self.model.device)
        options: dict[str, Any] = {}
        if cache is not None and self._argument is not None:
            options[self._argument] = cache
        if text is not None:
            options["logits_processor"] = LogitsProcessorList([_Choice(text, start)])
            options["stopping_criteria"] = StoppingCriteriaList([_Stop(text, start)])
        output = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=most,
            **options,
        )
        found: list[int] = output[0].tolist()
        return found

    def _new_cache(self) -> Any:
        return DynamicCache(config=self.model.config)

    def _cache_argument(self) -> str | None:
        """The argument of `generate` that this model reads a cache from, found by trying.

        None for a model that keeps no keys and values, as some recurrent ones: it reads each prompt
        anew.
        """
        for name in _CACHE_ARGUMENTS:
            self._argument = name
            try:
                cache = self._new_cache()
                self._generate([0, 0], cache, 1)
            except (AttributeError, NotImplementedError, TypeError, ValueError):
                continue
            if cache.get_seq_length():
                return name
        return None


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike, in whole chunks."""
    pairs = zip(first, second, strict=False)
    end = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
    return end // CHUNK * CHUNK


class _Choice(LogitsProcessor):
    """Leaves `generate` one token to take: the one that the text chooses."""

    def __init__(self, text: Text, start: int) -> None:
        self._text = text
        self._start = start

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        self._text.follow(input_ids[0, self._start :].tolist())
        token = self._text.choose(scores[0].float().cpu().numpy())
        only = torch.full_like(scores, -torch.inf)
        only[0, token] = 0
        return only


class _Stop(StoppingCriteria):
    """Ends `generate` where the text is over, or needs no model to go on."""

    def __init__(self, text: Text, start: int) -> None:
        self._text = text
        self._start = start

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        over = self._text.follow(input_ids[0, self._start :].tolist())
        ends = over or bool(self._text.forced())
        return torch.full((len(input_ids),), ends, device=input_ids.device)
