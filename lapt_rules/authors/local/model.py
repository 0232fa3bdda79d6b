"""A language model on this machine, run by transformers: `hf:PATH_OR_ID`.

It writes free text, or a text that llguidance holds to the grammar of the request. Tokens that the
grammar leaves no choice about are fed at once, without asking the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lapt_rules.authors.backend import (
    MOST_CHARACTERS,
    AuthorError,
    Message,
    Reply,
    Request,
    Told,
    Usage,
)
from lapt_rules.authors.local import checkpoint
from lapt_rules.authors.local.constraint import Constraint, Grammars, guarded
from lapt_rules.authors.local.decoding import Decoder, Sampler

UNFINISHED = "\ufffd"
"""What a tokenizer writes for bytes that are no whole character yet."""


def open_local(path_or_id: str, device: str = "cpu", dtype: str = "auto") -> Local:
    """The model in a folder, or of a name such as `Qwen/Qwen3-4B` in the cache or on the hub.

    Raises AuthorError that says what is missing, and what to download where.
    """
    model, tokenizer = checkpoint.load(path_or_id, device, dtype)
    return Local(f"hf:{path_or_id}", model, tokenizer)


class Local:
    """A `Backend` over a causal language model of transformers and its tokenizer.

    `force` False asks the model even for tokens that the grammar leaves no choice about; it is
    there to be measured.
    """

    calls_tools = False

    def __init__(self, name: str, model: Any, tokenizer: Any, force: bool = True) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self._decoder = Decoder(model)
        self._force = force
        self._known = len(tokenizer)  # logits beyond these stand for nothing
        self._width = int(model.config.get_text_config().vocab_size)
        self._ends = _ends(model, tokenizer)
        self.constrains = bool(tokenizer.is_fast and self._ends) and _has_llguidance()
        self._grammars: Grammars | None = None

    @property
    def window(self) -> int | None:
        config = self._decoder.model.config
        size = getattr(config.get_text_config(), "max_position_embeddings", None)
        return int(size) if size else None

    def count(self, messages: Sequence[Message]) -> int:
        return len(self._prompt(messages))

    def reply(self, request: Request, told: Told | None = None) -> Reply:
        """The answer to a request; the same request gives the same answer.

        A text under a grammar that is cut off is cut back to its longest part that is a sentence,
        or to its first line; what was told of it before may be more.
        Raises AuthorError where memory, the model's window or llguidance fails.
        """
        import torch

        prompt = self._prompt(request.messages)
        constraint = self._constraint(request.grammar) if request.grammar else None
        text = _Text(self._tokenizer, constraint, told)
        try:
            with torch.inference_mode(), guarded(), self._explained(prompt, request):
                finish = self._write(prompt, request, constraint, text)
        except BaseException:
            self._decoder.forget()
            raise
        whole = text.end()
        if len(whole) > MOST_CHARACTERS:
            whole, finish = whole[:MOST_CHARACTERS], "length"
        if constraint and finish == "length":
            whole = constraint.closed(whole)
        usage = Usage(len(prompt), len(text.tokens))
        return Reply(whole, (), finish, constraint is not None, usage)

    def _write(
        self, prompt: list[int], request: Request, constraint: Constraint | None, text: _Text
    ) -> Literal["stop", "length"]:
        """The text, token by token, until its end or the most tokens."""
        sampler = Sampler(request.seed, request.temperature)
        tokens = constraint.forced() if constraint and self._force else []
        logits = None
        while True:
            room = request.most_tokens - len(text.tokens)
            text.add(tokens[:room])
            if constraint and constraint.is_over and len(tokens) <= room:
                return "stop"
            if len(tokens) >= room:
                return "length"
            if logits is None:
                logits = self._decoder.start([*prompt, *tokens])
            else:
                logits = self._decoder.feed(tokens)
            if constraint:  # a mask is made while an accelerator is still at its logits
                allowed = constraint.allowed()
                token = int(allowed[sampler.pick(_on_cpu(logits)[allowed])])
            else:
                token = sampler.pick(_on_cpu(logits)[: self._known])
            if token in self._ends:
                return "stop"
            tokens = [token]
            if constraint:
                constraint.take(token)
                if self._force:
                    tokens += constraint.forced()

    def _constraint(self, grammar: str) -> Constraint | None:
        if not self.constrains:
            return None
        if self._grammars is None:
            self._grammars = Grammars(self._tokenizer, self._width, sorted(self._ends))
        return self._grammars.constraint(grammar)

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of the messages, as the model's chat template lays them out."""
        turns = [{"role": message.role, "content": message.text} for message in messages]
        if not getattr(self._tokenizer, "chat_template", None):
            plain = "".join(f"{turn['role'].upper()}:\n{turn['content']}\n\n" for turn in turns)
            return list(self._tokenizer(f"{plain}ASSISTANT:\n")["input_ids"])
        try:
            return self._templated(turns)
        except Exception as refusal:  # a template is a program, and may raise anything
            if len(turns) < 2 or turns[0]["role"] != "system":
                raise self._refused(refusal) from refusal
        merged = f"{turns[0]['content']}\n\n{turns[1]['content']}"
        try:
            return self._templated([{**turns[1], "content": merged}, *turns[2:]])
        except Exception as refusal:
            raise self._refused(refusal) from refusal

    def _refused(self, reason: Exception) -> AuthorError:
        return AuthorError(
            f"{self.name}: its chat template refuses the messages: {reason}",
            "use a model that is made for dialogue",
        )

    def _templated(self, turns: Sequence[dict[str, str]]) -> list[int]:
        return list(
            self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        )

    @contextmanager
    def _explained(self, prompt: Sequence[int], request: Request) -> Iterator[None]:
        """A failure for want of memory or window as an AuthorError with the numbers."""
        import torch

        try:
            yield
        except (MemoryError, IndexError, RuntimeError) as error:
            tokens = f"{len(prompt):,} tokens read and up to {request.most_tokens:,} written"
            if isinstance(error, MemoryError | torch.OutOfMemoryError) or _no_memory(error):
                message = f"{self.name}: out of memory, with {tokens}"
                raise AuthorError(message, "use a smaller model, or show it less") from error
            if self.window and len(prompt) + request.most_tokens > self.window:
                message = f"{self.name}: {tokens}, but its window is {self.window:,} tokens"
                raise AuthorError(message, "show it less, or let it write less") from error
            raise


class _Text:
    """The tokens written so far, told in pieces of whole characters."""

    def __init__(self, tokenizer: Any, constraint: Constraint | None, told: Told | None) -> None:
        self.tokens: list[int] = []
        self._tokenizer = tokenizer
        self._constraint = constraint
        self._told = told
        self._start = 0  # pieces are decoded with the one before, on which their spaces depend
        self._settled = 0

    def add(self, tokens: Sequence[int]) -> None:
        self.tokens += tokens
        if self._told is not None and tokens:
            self._tell(self._told, is_last=False)

    def end(self) -> str:
        """All of the text; what was held back of it is told."""
        if self._told is not None:
            self._tell(self._told, is_last=True)
        return self._decoded(self.tokens)

    def _tell(self, told: Told, is_last: bool) -> None:
        before = self._decoded(self.tokens[self._start : self._settled])
        after = self._decoded(self.tokens[self._start :])
        if len(after) > len(before) and (is_last or not after.endswith(UNFINISHED)):
            told(after[len(before) :])
            self._start, self._settled = self._settled, len(self.tokens)

    def _decoded(self, tokens: Sequence[int]) -> str:
        if self._constraint:
            return self._constraint.text(tokens)
        return str(
            self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )


def _on_cpu(logits: Any) -> NDArray[np.float32]:
    found: NDArray[np.float32] = logits.float().cpu().numpy()
    return found


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a text, by the model's settings or the tokenizer's."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(
        int(token) for token in (*several, tokenizer.eos_token_id) if token is not None
    )


def _has_llguidance() -> bool:
    from importlib.util import find_spec

    return find_spec("llguidance") is not None


def _no_memory(error: BaseException) -> bool:
    return "can't allocate memory" in str(error) or "out of memory" in str(error)
