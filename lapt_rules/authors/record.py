"""The record of a dialogue, and an author that is one: every exchange, so that a run replays.

A folder `dialogue/` holds, beside one another:

    backend.json       the name of the back-end and what it can do
    exchanges.jsonl    one line a question to the back-end, in order, written as it happens
    001-system.md, 002-user.md, 003-assistant.md, ...   what was said, each text once, in order
    grammar-1.lark     a grammar that replies were decoded under

No file holds a time, a key or the address of a server: the same dialogue writes the same bytes. A
replay looks a request up by the SHA-256 of all that is in it, and writes the same record again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from lapt_rules.authors.backend import (
    AuthorError,
    Backend,
    Finish,
    Message,
    Progress,
    Reply,
    Request,
    Role,
    Tool,
    ToolCall,
    Usage,
)
from lapt_rules.errors import LaptError
from lapt_rules.writing import append_line, make_folder, read_ordinary, write_whole

FOLDER = "dialogue"
"""The folder of a run folder that holds the record."""

_TEXT_FILE = re.compile(r"\d{3,6}-(system|user|assistant|tool)\.md|grammar-\d{1,6}\.lark")
_SHOWN = 120


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `backend.json` holds."""

    name: str
    constrains: bool
    calls_tools: bool
    window: int | None
    parameters: int | None = None


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One message: its text is in a file."""

    role: Role
    file: str
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request; `grammar` names a file."""

    messages: tuple[_Said, ...]
    most_tokens: int
    grammar: str = ""
    tools: tuple[Tool, ...] = ()
    seed: int = 0
    temperature: float = 0.0


class _Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A reply; `file` holds its text."""

    file: str
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = "stop"
    constrained: bool = False
    usage: Usage = Usage()


class _Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A line of `exchanges.jsonl`: an exchange, a question that failed, or a count of tokens."""

    key: str
    asked: _Asked | None = None
    answered: _Answered | None = None
    tokens: int | None = None


class Recorder:
    """A back-end that keeps a record of everything that passes through it.

    What the back-end can do is what it could at the start: a dialogue must not depend on more than
    its record holds. Raises AuthorError where there is a record already.
    """

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._backend = backend
        self._folder = folder
        self._files: dict[tuple[str, str], str] = {}
        if (folder / "exchanges.jsonl").exists():
            raise AuthorError(f"{folder}: there is a record already", "name a new folder")
        make_folder(folder)
        self.name = backend.name
        self.constrains = backend.constrains
        self.calls_tools = backend.calls_tools
        self.window = backend.window
        self.parameters = backend.parameters
        about = _About(self.name, self.constrains, self.calls_tools, self.window, self.parameters)
        write_whole(
            folder / "backend.json", msgspec.json.format(msgspec.json.encode(about)) + b"\n"
        )

    def count(self, messages: Sequence[Message]) -> int | None:
        tokens = self._backend.count(messages)
        if tokens is not None:
            self._append(_Exchange(_count_key(messages), tokens=tokens))
        return tokens

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        said = [
            _Said(m.role, self._kept(m.role, m.text), m.calls, m.answers) for m in request.messages
        ]
        asked = _Asked(
            tuple(said),
            request.most_tokens,
            self._kept("grammar", request.grammar) if request.grammar else "",
            request.tools,
            request.seed,
            request.temperature,
        )
        try:
            reply = self._backend.reply(request, progress)
        except LaptError:
            self._append(_Exchange(request.key, asked))
            raise
        file = self._kept("assistant", reply.text)
        answered = _Answered(file, reply.calls, reply.finish, reply.constrained, reply.usage)
        self._append(_Exchange(request.key, asked, answered))
        return reply

    def _kept(self, role: str, text: str) -> str:
        """The file that holds a text; a new one where it was not said before."""
        if (role, text) not in self._files:
            if role == "grammar":
                number = 1 + sum(kind == role for kind, _ in self._files)
                name = f"grammar-{number}.lark"
            else:
                number = 1 + sum(kind != "grammar" for kind, _ in self._files)
                name = f"{number:03}-{role}.md"
            write_whole(self._folder / name, text)
            self._files[role, text] = name
        return self._files[role, text]

    def _append(self, exchange: _Exchange) -> None:
        append_line(self._folder / "exchanges.jsonl", msgspec.json.encode(exchange).decode())


class Replay:
    """A back-end that answers from a record, and only the very same requests.

    `folder` is a record or a run folder that holds one. Raises AuthorError for a folder that is
    none. A request that is not in the record is an AuthorError that says what changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder if (folder / "exchanges.jsonl").exists() else folder / FOLDER
        about = self._read("backend.json", _About)
        self.name = about.name
        self.constrains = about.constrains
        self.calls_tools = about.calls_tools
        self.window = about.window
        self.parameters = about.parameters
        lines = self._bytes("exchanges.jsonl").splitlines()
        self._exchanges = [self._decoded(line, n) for n, line in enumerate(lines, start=1)]
        self._counts = {e.key: e.tokens for e in self._exchanges if e.asked is None}
        self._asked = [e for e in self._exchanges if e.asked is not None]
        self._waiting = [*self._asked]

    def count(self, messages: Sequence[Message]) -> int | None:
        return self._counts.get(_count_key(messages))

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        found = next((e for e in self._waiting if e.key == request.key), None)
        if found is None:
            raise self._miss(request)
        self._waiting.remove(found)
        answered = found.answered
        if answered is None:
            message = f"{self._folder}: here the recorded run failed: the back-end gave no answer"
            raise AuthorError(message, "nothing after this was recorded")
        text = self._text(answered.file)
        if progress is not None:
            progress.writing(text)
        calls, finish = answered.calls, answered.finish
        return Reply(text, calls, finish, answered.constrained, answered.usage)

    def _miss(self, request: Request) -> AuthorError:
        """What differs between a request and the one that the record has in its place."""
        place = len(self._asked) - len(self._waiting) + 1
        if not self._waiting:
            message = (
                f"{self._folder}: the record has {len(self._asked)} exchanges, this is one more"
            )
            return AuthorError(message, "the run goes on longer than the recorded one did")
        recorded = self._waiting[0].asked
        assert recorded is not None
        where = f"{self._folder}: exchange {place} is not the recorded one"
        fix = "replay with the same files, options and version; or ask the model anew"
        for said, now in zip(recorded.messages, request.messages, strict=False):
            text = self._text(said.file)
            if text != now.text:
                return AuthorError(f"{where}: {said.file} {_difference(text, now.text)}", fix)
        grammar = self._text(recorded.grammar) if recorded.grammar else ""
        if grammar != request.grammar:
            differs = _difference(grammar, request.grammar)
            return AuthorError(f"{where}: {recorded.grammar or 'the grammar'} {differs}", fix)
        pairs = {
            "messages": (len(recorded.messages), len(request.messages)),
            "most_tokens": (recorded.most_tokens, request.most_tokens),
            "seed": (recorded.seed, request.seed),
            "temperature": (recorded.temperature, request.temperature),
        }
        changed = [f"{n} was {a} and is {b}" for n, (a, b) in pairs.items() if a != b]
        return AuthorError(f"{where}: {', '.join(changed) or 'its tools differ'}", fix)

    def _text(self, name: str) -> str:
        if not _TEXT_FILE.fullmatch(name):
            raise AuthorError(
                f"{self._folder}: `{_cut(name)}` is no file of a record", "restore it"
            )
        try:
            return self._bytes(name).decode()
        except UnicodeDecodeError as error:
            raise AuthorError(
                f"{self._folder / name}: this is no UTF-8 text", "restore it"
            ) from error

    def _read(self, name: str, kind: type[_About]) -> _About:
        try:
            return msgspec.json.decode(self._bytes(name), type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            message = f"{self._folder / name}: this is not what a record holds: {error}"
            raise AuthorError(message, "restore the file, or name another folder") from error

    def _decoded(self, line: bytes, number: int) -> _Exchange:
        try:
            return msgspec.json.decode(line, type=_Exchange)
        except (msgspec.DecodeError, RecursionError) as error:
            path = self._folder / "exchanges.jsonl"
            message = f"{path}:{number}: this is not what a record holds: {error}"
            raise AuthorError(message, "restore the file, or name another folder") from error

    def _bytes(self, name: str) -> bytes:
        path = self._folder / name
        try:
            return read_ordinary(path)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror or error}"
            fix = f"name a run folder with a {FOLDER}/ in it, as runs with a language model write"
            raise AuthorError(message, fix) from error


def _count_key(messages: Sequence[Message]) -> str:
    return Request(tuple(messages), 0).key


def _difference(recorded: str, now: str) -> str:
    """The first line in which two texts differ."""
    pairs = zip_longest(recorded.split("\n"), now.split("\n"), fillvalue="(nothing)")
    number, (before, after) = next(
        (n, pair) for n, pair in enumerate(pairs, start=1) if pair[0] != pair[1]
    )
    return f"differs at line {number}:\n  recorded: {_cut(before)}\n  now:      {_cut(after)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
