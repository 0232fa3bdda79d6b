"""A language model on this machine, run by transformers: `hf:PATH_OR_ID`.

It writes free text, or a text that llguidance holds to the grammar of the request. Tokens that the
grammar leaves no choice about are read at once, without asking the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from lapt_rules.authors.backend import (
    MOST_CHARACTERS,
    AuthorError,
    Finish,
    Message,
    Progress,
    Reply,
    Request,
    Usage,
)
from lapt_rules.authors.local.checkpoint import is_out_of_memory
from lapt_rules.authors.local.constraint import Constraint, Grammars, guarded
from lapt_rules.authors.local.generation import Generator
from lapt_rules.authors.local.sampling import TokenSampler
from lapt_rules.authors.local.text import ReplyText


class Local:
    """A `Backend` over a causal language model of transformers and its tokenizer.

    `may_constrain` False leaves every text unconstrained. `forces` False asks the model even for
    tokens that the grammar leaves no choice about; it is there to be measured.
    """

    calls_tools = False

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        *,
        may_constrain: bool = True,
        forces: bool = True,
    ) -> None:
        self.name = name
        self.parameters: int = model.num_parameters()
        self._tokenizer = tokenizer
        self._forces = forces
        self._known = len(tokenizer)  # logits beyond these stand for nothing
        text_config = model.config.get_text_config()
        self._width = int(text_config.vocab_size)
        window = getattr(text_config, "max_position_embeddings", None)
        self.window = int(window) if window else None
        self._ends = _ends(model, tokenizer)
        can = bool(tokenizer.is_fast and self._ends) and find_spec("llguidance") is not None
        self.constrains = may_constrain and can
        self._generator = Generator(model, padding=min(self._ends, default=0))
        self._grammars: Grammars | None = None

    def count(self, messages: Sequence[Message]) -> int:
        return len(self._prompt(messages))

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        """The answer to a request; the same request gives the same answer.

        A text under a grammar that is cut off is cut back to its longest part that is a sentence,
        or to its first line; what was told of it before may be more.
        Raises AuthorError where memory, the model's window or llguidance fails.
        """
        prompt = self._prompt(request.messages)
        constraint = self._constraint(request.grammar) if request.grammar else None
        text = ReplyText(
            self._tokenizer,
            self._known,
            self._ends,
            TokenSampler(request.seed, request.temperature),
            constraint,
            progress,
            self._forces,
        )
        reading = progress.reading if progress is not None else None
        try:
            with guarded(), self._explained(prompt, request):
                self._generator.write(prompt, text, request.most_tokens, reading)
        except BaseException:
            self._generator.forget()
            raise
        whole = text.whole()
        finish: Finish = text.finish
        if len(whole) > MOST_CHARACTERS:
            whole, finish = whole[:MOST_CHARACTERS], "length"
        if constraint and finish != "stop":
            whole = constraint.closed(whole)
        usage = Usage(len(prompt), len(text.tokens))
        return Reply(whole, (), finish, constraint is not None, usage)

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
        try:
            yield
        except (MemoryError, IndexError, RuntimeError) as error:
            tokens = f"{len(prompt):,} tokens read and up to {request.most_tokens:,} written"
            if is_out_of_memory(error):
                message = f"{self.name}: out of memory, with {tokens}"
                raise AuthorError(message, "use a smaller model, or show it less") from error
            if self.window and len(prompt) + request.most_tokens > self.window:
                message = f"{self.name}: {tokens}, but its window is {self.window:,} tokens"
                raise AuthorError(message, "show it less, or let it write less") from error
            raise


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a text, by the model's settings or the tokenizer's."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(
        int(token) for token in (*several, tokenizer.eos_token_id) if token is not None
    )
