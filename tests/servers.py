"""Model servers on loopback that answer as a test tells them to, however badly that is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    path: str
    headers: dict[str, str]
    body: Any


class Handler(BaseHTTPRequestHandler):
    """Notes the request, then gives the next answer of its server; the last one again and again."""

    server: _Listener

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: Any) -> None:
        pass

    def begin(self, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.server.owner.sent += len(data)

    def stall(self) -> None:
        """Says nothing until the test is over."""
        self.server.owner.over.wait(30)

    def _answer(self, body: Any) -> None:
        owner = self.server.owner
        owner.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        special = owner.at.get(self.path)
        if special is None:
            special = owner.answers.pop(0) if len(owner.answers) > 1 else owner.answers[0]
        with suppress(BrokenPipeError, ConnectionResetError):
            special(self)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Server


class Server:
    """Gives its answers in turn; those `at` a path are given there always."""

    def __init__(self, *answers: Answer, at: dict[str, Answer] | None = None) -> None:
        self.answers = list(answers) or [status(404)]
        self.at = {"/v1/models": status(404), **(at or {})}
        self.asked: list[Asked] = []
        self.sent = 0
        self.over = threading.Event()
        self._listener = _Listener(("127.0.0.1", 0), Handler)
        self._listener.owner = self
        self.url = f"http://127.0.0.1:{self._listener.server_port}/v1"

    @property
    def bodies(self) -> list[Any]:
        """What was posted."""
        return [asked.body for asked in self.asked if asked.body is not None]

    def __enter__(self) -> Server:
        beat = {"poll_interval": 0.01}
        threading.Thread(target=self._listener.serve_forever, kwargs=beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._listener.shutdown()
        self._listener.server_close()


def status(code: int, body: Any = None, **headers: str) -> Answer:
    """A status with a JSON value, or with bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.begin(code, **headers)
        handler.write(data)

    return answer


def refusal(message: str, code: int = 400, param: str | None = None, **headers: str) -> Answer:
    return status(code, {"error": {"message": message, "param": param}}, **headers)


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def delta(piece: dict[str, Any], finish: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": piece, "finish_reason": finish}]})


def used(read: int, written: int) -> bytes:
    return event(
        {"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": written}},
    )


def stream(
    *pieces: str, finish: str = "stop", usage: tuple[int, int] | None = None, chunk: int = 0
) -> Answer:
    """A sound reply in server-sent events, sent `chunk` bytes at a time where that is given."""
    events = [delta({"role": "assistant", "content": ""})]
    events += [delta({"content": piece}) for piece in pieces]
    events += [delta({}, finish)]
    events += [used(*usage)] if usage else []
    data = b"".join([*events, event(b"[DONE]")])
    return raw([data[i : i + chunk] for i in range(0, len(data), chunk)] if chunk else [data])


def raw(parts: Iterable[bytes], stall: bool = False) -> Answer:
    """Bytes under status 200; the connection is then closed, or kept open without a word."""

    def answer(handler: Handler) -> None:
        handler.begin(200, Content_Type="text/event-stream")
        for part in parts:
            handler.write(part)
            handler.wfile.flush()
        if stall:
            handler.stall()

    return answer


def whole(text: str, **more: Any) -> Answer:
    """A reply that is no stream."""
    message = {"role": "assistant", "content": text}
    return status(200, {"choices": [{"message": message, "finish_reason": "stop"}], **more})
