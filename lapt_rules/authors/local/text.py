"""The text of one reply as it is written: what may come next, where it ends, what is told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lapt_rules.authors.backend import Progress
from lapt_rules.authors.local.constraint import Constraint
from lapt_rules.authors.local.repetition import lines_repeat, repeated_from
from lapt_rules.authors.local.sampling import TokenSampler

UNFINISHED = "\ufffd"
"""What a tokenizer writes for bytes that are no whole character yet."""


class ReplyText:
    """A `generation.Text`: free, or under a constraint; told in pieces of whole characters.

    `known` is how many logits stand for tokens, `ends` are the tokens that end a text. A text is
    over, too, where it does nothing but repeat itself. `tokens` are those written, less an end.
    `forces` False asks the model even for tokens that the grammar leaves no choice about; it is
    there to be measured.
    """

    def __init__(
        self,
        tokenizer: Any,
        known: int,
        ends: Collection[int],
        sampler: TokenSampler,
        constraint: Constraint | None = None,
        progress: Progress | None = None,
        forces: bool = True,
    ) -> None:
        self.tokens: list[int] = []
        self.finish: Literal["stop", "length", "repeat"] = "length"
        self._tokenizer = tokenizer
        self._known = known
        self._ends = ends
        self._sampler = sampler
        self._constraint = constraint
        self._progress = progress
        self._forces = forces
        self._forced: list[int] = []
        self._start = 0  # pieces are decoded with the one before, on which their spaces depend
        self._settled = 0
        if constraint and forces:
            self._forced = constraint.forced()

    def follow(self, tokens: Sequence[int]) -> bool:
        new = tokens[len(self.tokens) :]
        for token in new:
            if self.finish == "length":
                self._take(token)
        if new:
            if self._constraint and self._forces and self.finish == "length":
                self._forced = self._constraint.forced()
            self._tell(is_last=self.finish != "length")
        return self.finish != "length"

    def forced(self) -> Sequence[int]:
        return self._forced

    def choose(self, logits: NDArray[np.float32]) -> int:
        if self.finish != "length":
            return next(iter(self._ends), 0)
        if self._constraint:
            allowed = self._constraint.allowed()
            return int(allowed[self._sampler.draw(logits[allowed])])
        return self._sampler.draw(logits[: self._known])

    def whole(self) -> str:
        """All of the text, of a repetition only the first; what was held back of it is told."""
        self._tell(is_last=True)
        return self._decoded(self.tokens)

    def _take(self, token: int) -> None:
        if token in self._ends:
            self.finish = "stop"
            return
        self.tokens.append(token)
        if self._constraint:
            self._constraint.take(token)
            if self._constraint.is_over:
                self.finish = "stop"
            elif "\n" in self._constraint.text([token]) and lines_repeat(
                self._decoded(self.tokens)
            ):
                self.finish = "repeat"
            return
        repeated = repeated_from(self.tokens)
        if repeated is not None:
            self.finish = "repeat"
            del self.tokens[repeated:]

    def _tell(self, is_last: bool) -> None:
        if self._progress is None:
            return
        before = self._decoded(self.tokens[self._start : self._settled])
        after = self._decoded(self.tokens[self._start :])
        if len(after) > len(before) and (is_last or not after.endswith(UNFINISHED)):
            self._progress.writing(after[len(before) :], len(self.tokens))
            self._start, self._settled = self._settled, len(self.tokens)

    def _decoded(self, tokens: Sequence[int]) -> str:
        if self._constraint:
            return self._constraint.text(tokens)
        return str(
            self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )
