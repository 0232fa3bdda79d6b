"""Tokens and dollars: what was spent on a server, and what may still be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lapt_rules.authors.backend import AuthorError, Message, Usage

FEWEST_TOKENS = 64
"""A reply that must be shorter than this for the budget's sake is not asked for."""

TOKENS_A_MESSAGE = 16
TOKENS_A_REQUEST = 128
"""Most tokens that a chat template puts around a message, and around all of them."""


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens read, and for a million written."""

    read: float
    written: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(price) and price >= 0 for price in (self.read, self.written)):
            raise AuthorError(
                f"prices of {self.read} and {self.written} dollars for a million tokens",
                "give two numbers of dollars, zero or more",
            )

    def cost(self, read: int, written: int) -> float:
        """
        >>> Prices(2.5, 10).cost(1_000_000, 100_000)
        3.5
        """
        return (read * self.read + written * self.written) / 1e6


class Budget:
    """What was spent, and the hard limits on it: in tokens, in dollars, both or none."""

    def __init__(
        self,
        prices: Prices | None = None,
        tokens: int | None = None,
        dollars: float | None = None,
    ) -> None:
        if tokens is not None and tokens <= 0:
            raise AuthorError(f"a budget of {tokens} tokens", "give one token or more")
        if dollars is not None and not (math.isfinite(dollars) and dollars > 0):
            raise AuthorError(f"a budget of {dollars} dollars", "give more than zero")
        if dollars is not None and prices is None:
            raise AuthorError(
                f"a budget of {dollars} dollars, but no prices",
                "give what a million tokens read and a million written cost",
            )
        self._prices = prices
        self._tokens = tokens
        self._dollars = dollars
        self._read = 0
        self._written = 0

    @property
    def spent(self) -> Usage:
        return self.usage(self._read, self._written)

    def usage(self, read: int, written: int) -> Usage:
        cost = self._prices.cost(read, written) if self._prices else None
        return Usage(read, written, cost)

    def charge(self, read: int, written: int) -> None:
        self._read += read
        self._written += written

    def allowed(self, read: int, wanted: int) -> int:
        """How many of the `wanted` tokens may be written after at most `read` more are read.

        AuthorError where these are less than `FEWEST_TOKENS`, and less than are wanted.
        """
        most, limit = wanted, ""
        if self._tokens is not None:
            left = self._tokens - self._read - self._written - read
            if left < most:
                most, limit = left, f"{self._tokens:,} tokens"
        if self._dollars is not None and self._prices is not None:
            spent = self._prices.cost(self._read + read, self._written)
            left = self._affordable(self._dollars - spent, wanted)
            if left < most:
                most, limit = left, f"{self._dollars:g} dollars"
        if most < min(FEWEST_TOKENS, wanted):
            raise AuthorError(
                f"the budget of {limit} is spent: {self._read:,} tokens were read and "
                f"{self._written:,} written, and the next request may read {read:,}",
                "raise the budget, or go on without this author",
            )
        return most

    def _affordable(self, dollars: float, wanted: int) -> int:
        """How many tokens may be written for so many dollars, at most those `wanted`."""
        assert self._prices is not None
        if dollars < 0:
            return 0
        if dollars >= self._prices.cost(0, wanted):
            return wanted
        return math.floor(dollars * 1e6 / self._prices.written)


def size(text: str) -> int:
    """Bytes of the text, which a byte-level tokenizer never makes more tokens of."""
    return len(text.encode("utf-8", "replace"))


def estimate(count: int) -> int:
    """About how many tokens so many bytes are.

    >>> estimate(9)
    3
    """
    return -(-count // 4)


def message_size(message: Message) -> int:
    """Bytes of all that a message says."""
    calls = sum(size(c.identity) + size(c.name) + size(c.arguments) for c in message.calls)
    return size(message.text) + size(message.answers) + calls


class PromptSizes:
    """How many tokens the prompts so far were, by the server's own count."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[Message, ...]], int] = {}

    def record(self, frame: str, messages: tuple[Message, ...], tokens: int) -> None:
        """`frame` stands for all that a prompt holds besides its messages."""
        self._known[frame, messages] = tokens

    def bound(self, frame: str, messages: tuple[Message, ...]) -> int:
        """No prompt of these messages is longer: the longest one known, and bytes for the rest."""
        for end in range(len(messages), 0, -1):
            known = self._known.get((frame, messages[:end]))
            if known is not None:
                return known + _most(messages[end:])
        return TOKENS_A_REQUEST + 2 * size(frame) + _most(messages)


def _most(messages: tuple[Message, ...]) -> int:
    return sum(message_size(message) + TOKENS_A_MESSAGE for message in messages)
