"""Decoding under a grammar, with llguidance: which tokens may come next, and which must."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapt_rules.authors.backend import AuthorError

_FIX = "write without a grammar, by --grammar-field none, or report this grammar"


class Grammars:
    """The grammars that one tokenizer's tokens are held to, each compiled once.

    `width` is the number of logits, more or fewer than there are tokens; `ends` are the tokens
    that end a text.
    """

    def __init__(self, tokenizer: Any, width: int, ends: Sequence[int]) -> None:
        from llguidance import LLTokenizer, TokenizerWrapper
        from llguidance.hf import from_tokenizer

        with guarded():
            most = max(width, len(tokenizer))  # a token without a logit is known, never allowed
            self._tokens = from_tokenizer(tokenizer, n_vocab=most, eos_token=list(ends))
            self._bytes = LLTokenizer(TokenizerWrapper(_Bytes()))
        self._width = width
        self._compiled: dict[str, Constraint] = {}

    def constraint(self, grammar: str) -> Constraint:
        """The constraint to start a text with; the one before of the same grammar ends by it."""
        if grammar not in self._compiled:
            with guarded():
                self._compiled[grammar] = Constraint(
                    grammar, self._tokens, self._bytes, self._width
                )
        self._compiled[grammar].restart()
        return self._compiled[grammar]


class Constraint:
    """One text under a grammar, token by token.

    Raises AuthorError where llguidance gives up: a grammar that it cannot read, or a limit of its
    own.
    """

    def __init__(self, grammar: str, tokens: Any, by_bytes: Any, width: int) -> None:
        import llguidance

        written = llguidance.grammar_from("lark", grammar)
        self._tokens = tokens
        self._matcher = llguidance.LLMatcher(tokens, written, log_level=0)
        self._reader = llguidance.LLMatcher(by_bytes, written, log_level=0)
        self._check()
        self._mask = np.zeros((tokens.vocab_size + 31) // 32, dtype=np.int32)
        self._bits = self._mask.view(np.uint8)
        self._where = self._mask.ctypes.data  # asked for once: it costs as much as a mask
        self._width = width

    def restart(self) -> None:
        self._matcher.reset()
        self._check()

    def allowed(self) -> NDArray[np.intp]:
        """The tokens that may come next, in ascending order; never none."""
        self._matcher.unsafe_compute_mask_ptr(self._where, self._mask.nbytes)
        bits = np.unpackbits(self._bits, count=self._width, bitorder="little")
        found = bits.view(np.bool_).nonzero()[0]
        if not len(found):
            self._check()
            raise AuthorError("no token of the model goes on as the grammar wants", _FIX)
        return found

    def take(self, token: int) -> None:
        """Go on with a token that is allowed."""
        if not self._matcher.consume_token(token):
            self._check()

    def forced(self) -> list[int]:
        """The tokens that must come next, whatever the model says; they are not taken yet."""
        tokens: list[int] = self._matcher.compute_ff_tokens()
        return tokens

    @property
    def is_over(self) -> bool:
        """Whether nothing may follow but the end."""
        return bool(self._matcher.is_stopped())

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens spell; a character that is not whole yet is left out."""
        return bytes(self._tokens.decode_bytes(list(tokens))).decode("utf-8", errors="ignore")

    def closed(self, text: str) -> str:
        """The longest sentence that a text which was cut off begins with.

        Where there is none it is the first line, which the grammar may give by itself.
        """
        self._reader.reset()
        beginning = bytes(self._reader.compute_ff_bytes()).decode("utf-8", errors="ignore")
        accepted, written = 0, text.encode()
        for position, byte in enumerate(written, 1):
            if not self._reader.consume_token(byte):
                break
            if self._reader.is_accepting():
                accepted = position
        if accepted:
            return written[:accepted].decode()
        line, newline, _ = (text if "\n" in text else beginning).partition("\n")
        return line + newline if newline else ""

    def _check(self) -> None:
        for matcher in (self._matcher, self._reader):
            if matcher.is_error():
                error = str(matcher.get_error()).strip().splitlines()
                raise AuthorError(
                    f"llguidance gives up: {error[0] if error else 'no reason'}", _FIX
                )


class _Bytes:
    """One token a byte, and one that ends a text, described as llguidance wants it."""

    eos_token_id = 256
    bos_token_id = None
    tokens = (*(bytes([byte]) for byte in range(256)), b"<end>")
    special_token_ids = (256,)

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@contextmanager
def guarded() -> Iterator[None]:
    """A panic of the Rust library, which no `except Exception` would stop, as an AuthorError."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise AuthorError(f"llguidance broke down: {error}", _FIX) from error
