"""What the dialogue needs of a language model, whichever back-end runs it.

A `Request` holds all that decides a reply, and a `Reply` all that came of it; neither holds a time,
a key or the name of a machine. So an exchange can be recorded, and a run replayed from the record.
What a model says is data: it is read as a principle file, as a call of one of the `Tool`s it was
offered, or not at all. All that is said, by whomever, is `sound` from the moment that it is put
into a `Message`, a `ToolCall` or a `Reply`: so what is sent, used, recorded and replayed is one
text, and a person can read its files in a terminal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from lapt_rules.characters import visible
from lapt_rules.errors import LaptError

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "repeat", "calls"]

MOST_CHARACTERS = 256 * 1024
"""No reply is longer: a back-end stops reading there, and says that the reply was cut."""


class AuthorError(LaptError):
    """An author that cannot be reached or loaded, has no budget left, or was refused to the end."""


@dataclass(frozen=True)
class ToolCall:
    """A model's call of a tool; `arguments` is JSON as the model wrote it: it may be anything."""

    identity: str
    name: str
    arguments: str

    def __post_init__(self) -> None:
        _make_sound(self, "identity", "name", "arguments")


@dataclass(frozen=True)
class Message:
    """One turn. `calls` are those of an assistant; `answers` is the call that a tool answers."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""

    def __post_init__(self) -> None:
        _make_sound(self, "text", "answers")


@dataclass(frozen=True)
class Tool:
    """What a model may ask in mid-thought; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Request:
    """One question to a model.

    `grammar` is the Lark text that the reply must be a sentence of, "" for free text; a back-end
    that cannot constrain ignores it. `most_tokens` bounds the reply. `temperature` 0 is greedy.
    """

    messages: tuple[Message, ...]
    most_tokens: int
    grammar: str = ""
    tools: tuple[Tool, ...] = ()
    seed: int = 0
    temperature: float = 0.7

    @property
    def key(self) -> str:
        """The SHA-256 of everything in it: what a record is looked up by."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Usage:
    """Tokens read and written, and what they cost in US dollars, None where no price is known."""

    read: int = 0
    written: int = 0
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        total = round(sum(costs), 9) if costs else None
        return Usage(self.read + other.read, self.written + other.written, total)


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    `finish` is `length` where the text was cut off, `repeat` where it was cut off for repeating
    itself, `calls` where tools are to be answered first. `constrained` tells whether the text was
    decoded under the grammar of the request.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = "stop"
    constrained: bool = False
    usage: Usage = Usage()

    def __post_init__(self) -> None:
        _make_sound(self, "text")


class Progress:
    """Told of a dialogue as it goes on; this one shows nothing of it."""

    def asking(self, step: str) -> None:
        """A model is asked; `step` says what for, such as `learn: write`."""

    def reading(self, tokens: int, of: int) -> None:
        """So many tokens of a request are read."""

    def writing(self, piece: str, tokens: int | None = None) -> None:
        """The next piece of a reply, and how many tokens it has by now, where that is known."""


def sound(text: str) -> str:
    r"""The text as UTF-8 can hold it and a person read it, in whatever pieces it comes.

    Without NUL, every line end a line feed, each lone surrogate replaced, other unseen characters
    as escapes. Only CR LF and a surrogate pair must not be cut in two.

    >>> print(sound("a\0b\ud800\ud83d\ude00\r\n\x1b[31m \u202e"))
    ab�😀
    \x1b[31m \u202e
    """
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return visible(paired)


def _make_sound(said: object, *names: str) -> None:
    for name in names:
        object.__setattr__(said, name, sound(getattr(said, name)))  # they are frozen


class Backend(Protocol):
    """A language model that answers one request at a time."""

    @property
    def name(self) -> str:
        """As `--author` names it: `smollm2`, `hf:PATH_OR_ID`, `api:MODEL`."""
        ...

    @property
    def constrains(self) -> bool:
        """Whether it decodes under a grammar."""
        ...

    @property
    def calls_tools(self) -> bool:
        """Whether it passes tools to the model."""
        ...

    @property
    def window(self) -> int | None:
        """Most tokens of a request and its reply together; None where that is not known."""
        ...

    @property
    def parameters(self) -> int | None:
        """How many parameters the model has; None where that is not known."""
        ...

    def count(self, messages: Sequence[Message]) -> int | None:
        """How many tokens the messages are for this model; None where only the server knows."""
        ...

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        """The answer to a request; AuthorError where there is none to be had."""
        ...


class Unasked:
    """No model at all: for looking at what one would be asked, without opening it."""

    name = "nobody"
    constrains = False
    window = None
    parameters = None

    def __init__(self, calls_tools: bool = False) -> None:
        self.calls_tools = calls_tools

    def count(self, messages: Sequence[Message]) -> int | None:
        return None

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        raise AuthorError("there is no model to ask", "name one with --author")
