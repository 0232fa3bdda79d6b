"""One request to an HTTP server and its answer, bounded in time, size and where it goes.

Nothing here raises for what a server does: an attempt ends with None or with a `Failure`, so that
no exception is left whose chain holds the request and the key in it.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import urlsplit

from lapt_rules.authors.api.secret import Secret, shown
from lapt_rules.authors.backend import AuthorError

MOST_ERROR_BYTES = 64 * 1024
CONNECT_SECONDS = 30.0
LOGGERS = ("httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.proxy")
PASSING = frozenset({0, 429, 500, 502, 503, 504, 529})
"""What may be otherwise at the next attempt; 0 stands for no answer or a broken one."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt brought no answer.

    `parameter` is the one that the server refused, where it says so; `wait` the seconds it asks us
    to wait. `begun` tells that the server may have worked, and charge, for the attempt.
    """

    message: str
    status: int = 0
    parameter: str = ""
    wait: float | None = None
    begun: bool = False


class Reader(Protocol):
    """Takes the body of an answer as it comes."""

    def feed(self, data: bytes) -> bool:
        """Whether it wants more."""
        ...


class Collector:
    """Keeps a body of at most `most` bytes; `cut` tells that it was longer."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.body = bytearray()
        self.cut = False

    def feed(self, data: bytes) -> bool:
        self.body += data
        self.cut = len(self.body) > self._most
        del self.body[self._most :]
        return not self.cut


def parsed(body: bytes) -> Any:
    """The JSON value of a body; None where there is none, however it is broken."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def checked_address(text: str) -> str:
    """The base URL of a server, without a slash at the end; AuthorError where it is not one."""
    fix = "give one like http://127.0.0.1:8000/v1, and the key in the variable LAPT_API_KEY"
    problem = ""
    try:
        parts = urlsplit(text)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        raise AuthorError("the base URL of the server is not a URL", fix) from None
    if "@" in text:
        problem = "holds a user name or password"
    elif parts.query or parts.fragment:
        problem = "holds a query or a fragment"
    elif parts.scheme not in {"http", "https"} or not host:
        problem = "does not begin with http:// or https:// and a host"
    elif not text.isprintable() or " " in text:
        problem = "holds a space or an unprintable character"
    if problem:
        raise AuthorError(f"the base URL of the server {problem}", fix)
    return text.rstrip("/")


class Watchdog:
    """Shuts a connection down when its time is over, also where a server sends endless headers."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Watchdog:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by the HTTP library of each of its steps; a new connection is among them."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.expired:
                self._expire()

    def _expire(self) -> None:
        self.expired = True
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Wire:
    """The way to one server. Redirects are not followed, since the key would go with them."""

    def __init__(self, address: str, secret: Secret | None, stall: float) -> None:
        """`stall` is how many seconds a server may send nothing."""
        self.address = address
        self.secret = secret
        self._stall = stall

    def get(self, path: str, seconds: float, most: int) -> Any:
        """The JSON value at a path, None where there is none of at most so many bytes."""
        collector = Collector(most)
        failure = self._exchange("GET", path, None, seconds, self._stall, collector)
        return None if failure or collector.cut else parsed(bytes(collector.body))

    def post(
        self, path: str, value: Mapping[str, Any], seconds: float, reader: Reader, streamed: bool
    ) -> Failure | None:
        """Sends a JSON value; the answer goes to the reader.

        A server that does not stream says nothing for as long as it works, so it may stall.
        """
        stall = self._stall if streamed else seconds
        return self._exchange("POST", path, json.dumps(value).encode(), seconds, stall, reader)

    def _exchange(
        self,
        method: str,
        path: str,
        content: bytes | None,
        seconds: float,
        stall: float,
        reader: Reader,
    ) -> Failure | None:
        httpx2 = _library()
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        if self.secret:
            headers["Authorization"] = self.secret.header
        stall = min(stall, seconds)
        patience = httpx2.Timeout(stall, connect=min(CONNECT_SECONDS, stall))
        client = _client(httpx2, patience)
        problem: Failure | None = None
        with Watchdog(seconds) as watchdog, _discreet(self.secret):
            try:
                with (
                    client,
                    client.stream(
                        method,
                        self.address + path,
                        content=content,
                        headers=headers,
                        extensions={"trace": watchdog.trace},
                    ) as response,
                ):
                    if not 200 <= response.status_code < 300:
                        return self._refused(response)
                    for chunk in response.iter_raw():
                        if not reader.feed(chunk):
                            return None
            except httpx2.ConnectError as error:
                return Failure(f"no connection: {shown(str(error), self.secret)}")
            except httpx2.ConnectTimeout:
                return Failure("no connection: the server does not answer")
            except httpx2.TimeoutException:
                return Failure(f"the server sent nothing for {stall:g} s", begun=True)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                said = shown(str(error), self.secret)
                problem = Failure(f"the connection broke: {said}", begun=True)
        if watchdog.expired:
            return Failure(f"no whole answer within {seconds:.0f} s", begun=True)
        return problem

    def _refused(self, response: Any) -> Failure:
        """A status other than success, with what the server says of it."""
        status = int(response.status_code)
        if 300 <= status < 400:
            place = shown(response.headers.get("location", "nowhere"), self.secret)
            return Failure(f"the server sends us elsewhere, to {place}", status)
        collector = Collector(MOST_ERROR_BYTES)
        for chunk in response.iter_raw():
            if not collector.feed(chunk):
                break
        wait = _seconds(response.headers.get("retry-after", ""))
        return complaint(bytes(collector.body), status, self.secret, wait)


def complaint(
    body: bytes, status: int, secret: Secret | None, wait: float | None = None
) -> Failure:
    """What a server says of a request that it refuses, in any of the forms that are in use."""
    value = parsed(body)
    found = value
    if isinstance(value, dict):
        found = value.get("error") or value.get("message") or value.get("detail") or value
    parameter = ""
    if isinstance(found, dict):
        named = found.get("param")
        parameter = named if isinstance(named, str) else ""
        found = found.get("message") or found
    if found is None:
        found = body.decode("utf-8", "replace")
    try:
        text = found if isinstance(found, str) else json.dumps(found)
    except RecursionError:
        text = ""
    return Failure(shown(text, secret) or "no reason given", status, parameter, wait)


def _seconds(text: str) -> float | None:
    """The seconds of a `Retry-After`, which is a number or a date; None where it is neither."""
    if re.fullmatch(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        zoned = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (zoned - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@contextmanager
def _discreet(secret: Secret | None) -> Iterator[None]:
    """Keeps the key out of what the HTTP library logs: a server may echo it in its headers."""

    def redact(record: logging.LogRecord) -> bool:
        if secret:
            record.msg, record.args = secret.redacted(record.getMessage()), ()
        return True

    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addFilter(redact)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(redact)


def _library() -> Any:
    try:
        import httpx2
    except ImportError:
        raise AuthorError(
            "an `api:` author needs the package httpx2", "pip install 'lapt-rules[api]'"
        ) from None
    return httpx2


def _client(httpx2: Any, patience: Any) -> Any:
    """A client with the proxies and certificates that the environment names."""
    try:
        return httpx2.Client(timeout=patience, follow_redirects=False)
    except (OSError, ValueError, ImportError, httpx2.InvalidURL):
        pass
    raise AuthorError(
        "the proxy or the certificates that the environment names cannot be used",
        "check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
    )
