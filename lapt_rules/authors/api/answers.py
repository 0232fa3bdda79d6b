"""What a model server says, read as it comes, in the two forms that OpenAI gave it.

Whatever a server sends, a reading ends: with a reply, a reply that was cut, or a failure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lapt_rules.authors.api.secret import Screen, Secret
from lapt_rules.authors.api.spending import size
from lapt_rules.authors.api.wire import Failure, complaint, parsed
from lapt_rules.authors.backend import MOST_CHARACTERS, ToolCall, sound

MOST_LINE = 8 * MOST_CHARACTERS
"""Bytes of one event, or of an answer that is no stream."""

MOST_BODY = 64 * MOST_CHARACTERS
"""Bytes of a whole stream, in which every few letters have an event of their own."""

MOST_CALLS = 64


class MalformedError(ValueError):
    """JSON that is not what the form says."""


@dataclass
class _Call:
    identity: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Reading(ABC):
    """What has come of an answer. `whole` tells that it may be used, `cut` that it was too long."""

    def __init__(self, screen: Screen, secret: Secret | None) -> None:
        self.screen = screen
        self.secret = secret
        self.usage: tuple[int, int] | None = None
        self.failure: Failure | None = None
        self.constrained = False
        self.cut = False
        self.done = False
        self.unshown = 0
        """Bytes that were written besides the text: reasoning, and calls of tools."""

    @abstractmethod
    def feed(self, data: bytes) -> bool:
        """Whether it wants more."""

    def end(self) -> None:
        """To be called once after the last byte."""
        self.screen.close()

    @property
    def whole(self) -> bool:
        return self.failure is None and (self.cut or self.done)

    @property
    def written(self) -> int:
        """Bytes that the model wrote, as far as they came."""
        return size(self.screen.text) + self.unshown

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return ()

    @property
    def finish(self) -> Literal["stop", "length", "calls"]:
        return "length" if self.cut else "stop"

    def _show(self, text: str) -> None:
        if not self.screen.add(text):
            self.cut = True

    def _value(self, body: bytes) -> dict[str, Any]:
        """The object of a body; MalformedError where there is none, or where it is an error."""
        value = parsed(body)
        if not isinstance(value, dict):
            raise MalformedError("the answer is not a JSON object, or was broken off")
        if value.get("error"):
            error = value["error"]
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            self.failure = replace(complaint(body, status, self.secret), begun=True)
        return value


class ChatReading(Reading):
    """A chat completion: server-sent events, or one object from a server that does not stream."""

    def __init__(self, screen: Screen, secret: Secret | None) -> None:
        super().__init__(screen, secret)
        self._buffer = bytearray()
        self._event = bytearray()
        self._size = 0
        self._streamed: bool | None = None
        self._reason = ""
        self._calls: dict[int, _Call] = {}
        self._over = False
        """Whether the stream has said that it is over."""

    def feed(self, data: bytes) -> bool:
        self._size += len(data)
        self._buffer += data
        if self._streamed is None:
            self._buffer = self._buffer.lstrip()
            self._streamed = self._buffer[:1] != b"{" if self._buffer else None
        if self._streamed and b"\n" in data:
            *lines, rest = bytes(self._buffer).split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                self._line(line)
        held = max(len(self._buffer), len(self._event), self.unshown)
        if self._size > MOST_BODY or held > MOST_LINE:
            self.cut = True
        return not (self.cut or self._over or self.failure)

    def end(self) -> None:
        if not self.cut and not self._streamed and self._buffer:
            self._take(bytes(self._buffer), "message")
        elif not self.cut and not self._over:
            self._line(bytes(self._buffer))
            self._line(b"")
        self.done = self._over or bool(self._reason)
        super().end()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """None of a reply that was cut: the last one may be half a call."""
        if self.finish != "calls":
            return ()
        return tuple(
            ToolCall(
                self._clean(call.identity) or f"call_{place}",
                self._clean(call.name),
                self._clean("".join(call.arguments)),
            )
            for place, call in self._calls.items()
        )

    @property
    def finish(self) -> Literal["stop", "length", "calls"]:
        if self.cut or self._reason == "length":
            return "length"
        return "calls" if self._calls else "stop"

    def _clean(self, text: str) -> str:
        text = sound(text)
        return self.secret.redacted(text) if self.secret else text

    def _line(self, line: bytes) -> None:
        """One line of the stream: of the data of an event, or the empty one that ends it."""
        if self._over or self.cut or self.failure:
            return
        line = line.rstrip(b"\r")
        if line.startswith(b"data:"):
            self._event += line[5:].strip()
        elif not line and self._event:
            event, self._event = bytes(self._event), bytearray()
            if event == b"[DONE]":
                self._over = True
            else:
                self._take(event, "delta")

    def _take(self, body: bytes, part: str) -> None:
        try:
            self._choose(self._value(body), part)
        except MalformedError as error:
            if not self._reason:
                self.failure = Failure(str(error), begun=True)

    def _choose(self, value: dict[str, Any], part: str) -> None:
        usage = value.get("usage")
        self.usage = _usage(usage, "prompt_tokens", "completion_tokens") or self.usage
        for choice in _dicts(value.get("choices")):
            if choice.get("index") in (None, 0):
                self._reason = _text(choice.get("finish_reason")) or self._reason
                for piece in _dicts([choice[part]] if choice.get(part) is not None else []):
                    self._piece(piece)

    def _piece(self, piece: dict[str, Any]) -> None:
        self._show(_text(piece.get("content")))
        self._show(_text(piece.get("refusal")))
        for name in ("reasoning_content", "reasoning"):
            if isinstance(piece.get(name), str):
                self.unshown += size(piece[name])
                break
        for call in _dicts(piece.get("tool_calls")):
            self._call(call)

    def _call(self, said: dict[str, Any]) -> None:
        """A piece of a call; one without an index begins a call where it names a tool."""
        [function] = _dicts([said.get("function") or {}])
        name, arguments = _text(function.get("name")), _text(function.get("arguments"))
        place = said.get("index")
        if not isinstance(place, int):
            place = len(self._calls) if name else max(self._calls, default=0)
        if place not in self._calls and len(self._calls) == MOST_CALLS:
            self.cut = True
            return
        call = self._calls.setdefault(place, _Call())
        call.identity = call.identity or _text(said.get("id"))
        call.name = call.name or name
        call.arguments.append(arguments)
        self.unshown += size(arguments)


class ResponsesReading(Reading):
    """An answer of the Responses API: one object, its text the input of the tool of the grammar."""

    def __init__(self, screen: Screen, secret: Secret | None) -> None:
        super().__init__(screen, secret)
        self._body = bytearray()

    def feed(self, data: bytes) -> bool:
        self._body += data
        self.cut = len(self._body) > MOST_LINE
        return not self.cut

    def end(self) -> None:
        if not self.cut:
            try:
                self._take(self._value(bytes(self._body)))
            except MalformedError as error:
                self.failure = Failure(str(error), begun=True)
        super().end()

    def _take(self, value: dict[str, Any]) -> None:
        self.usage = _usage(value.get("usage"), "input_tokens", "output_tokens")
        items = _dicts(value.get("output"))
        sentences = [item for item in items if item.get("type") == "custom_tool_call"]
        for item in sentences[:1]:
            self._show(_text(item.get("input")))
            self.constrained = True
        for item in [] if sentences else items:
            for part in _dicts(item.get("content")) if item.get("type") == "message" else []:
                self._show(_text(part.get("text")) + _text(part.get("refusal")))
        self.done = value.get("status") == "completed"
        self.cut = self.cut or value.get("status") == "incomplete"
        if not self.whole and self.failure is None:
            self.failure = Failure("the answer was not completed", begun=True)


def _text(value: Any) -> str:
    """A text, nothing, or a list of parts some of which are text."""
    if value is None or isinstance(value, str):
        return value or ""
    parts = [part.get("text") for part in _dicts(value) if part.get("type") == "text"]
    return "".join(_text(part) if isinstance(part, str) else "" for part in parts)


def _dicts(value: Any) -> list[dict[str, Any]]:
    """A list of objects, or none."""
    items = [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedError("the answer is not in the form of this interface")
    return items


def _usage(value: Any, read: str, written: str) -> tuple[int, int] | None:
    """The tokens read and written that a server counted; None where these are not counts."""
    counts = [value.get(read), value.get(written)] if isinstance(value, dict) else []
    sane = [count for count in counts if type(count) is int and 0 <= count < 2**53]
    return (sane[0], sane[1]) if len(sane) == 2 else None
