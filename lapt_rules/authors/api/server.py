"""`api:MODEL`: a model behind an OpenAI-compatible server, wherever that is.

OpenAI, vLLM, llama.cpp, SGLang, Ollama and `transformers serve` are such servers. What they leave
out of the interface is found out by asking, and remembered; what they send is bounded, counted and
kept from holding the key. The grammar of a request is passed on in the field that the server has
for it. A server may ignore that field and not say so, therefore a reply is always parsed again by
those who asked for it.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lapt_rules.authors.api.answers import ChatReading, Reading, ResponsesReading
from lapt_rules.authors.api.bodies import chat_body, responses_body
from lapt_rules.authors.api.dialect import FIELDS, Dialect, is_openai
from lapt_rules.authors.api.secret import KEY_VARIABLES, Screen, Secret, refuse_key
from lapt_rules.authors.api.spending import Budget, Prices, PromptSizes, estimate, message_size
from lapt_rules.authors.api.wire import PASSING, Failure, Wire, checked_address
from lapt_rules.authors.backend import AuthorError, Message, Progress, Reply, Request, Usage

OPENAI = "https://api.openai.com/v1"
ATTEMPTS = 5
LONGEST_WAIT = 60.0
LONGEST_TIMEOUT = 1e6
UNFINISHED = Failure("the answer ended before the reply did", begun=True)


@dataclass(frozen=True)
class Pace:
    """The passing of time between attempts, which a test replaces.

    `chance` is a number from 0 to 1: servers that broke down are not asked by all in one moment.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def wait(self, attempts: int) -> float:
        """Seconds after so many attempts: about 0.5, 1, 2 and 4."""
        return 0.5 * 2.0 ** (attempts - 1) * (0.5 + self.chance())


@dataclass(frozen=True)
class _Question:
    """What one attempt sends, and the most tokens that it may read and write.

    `through_tool` tells of the Responses API, `constrained` of a grammar in a field of its own;
    `frame` is what the prompt holds besides the messages.
    """

    body: Mapping[str, Any]
    through_tool: bool
    constrained: bool
    frame: str
    most_read: int
    most_written: int


class Api:
    """A `Backend` over HTTP.

    A request is sent again, at most five times within `timeout` seconds, while the server is busy
    or broken, or says nothing for `stall` seconds; `progress` is told again from the
    beginning.
    The usage of a reply is that of all these attempts. Before each of them, its dearest outcome
    must fit the budget; the reply is made shorter where that helps. A broken attempt is charged as
    if it had read the most it could; a reply that the server did not count, by its bytes.
    """

    def __init__(
        self,
        model: str,
        base_url: str = OPENAI,
        *,
        key: Secret | None = None,
        timeout: float = 600.0,
        stall: float = 120.0,
        prices: Prices | None = None,
        token_budget: int | None = None,
        cost_budget: float | None = None,
        grammar_field: str = "auto",
        pace: Pace | None = None,
    ) -> None:
        """AuthorError for a setting that cannot be."""
        if not model:
            raise AuthorError("`api:` names no model", "write `api:MODEL`")
        if not (0 < timeout <= LONGEST_TIMEOUT and 0 < stall <= LONGEST_TIMEOUT):
            raise AuthorError(
                f"a timeout of {timeout:g} s and a stall of {stall:g} s",
                f"give more than zero, and at most {LONGEST_TIMEOUT:,.0f}",
            )
        self._model = model
        self._timeout = timeout
        self._wire = Wire(checked_address(base_url), key, stall)
        self._budget = Budget(prices, token_budget, cost_budget)
        self._prompts = PromptSizes()
        self._dialect = Dialect(self._wire, model, grammar_field)
        self._pace = pace or Pace()

    def __repr__(self) -> str:
        return f"Api({self._model!r}, {self._wire.address!r})"

    @property
    def name(self) -> str:
        return f"api:{self._model}"

    @property
    def constrains(self) -> bool:
        """Whether a grammar is sent; with `auto`, the server is asked once what it is."""
        return self._dialect.grammar_field != "none"

    @property
    def calls_tools(self) -> bool:
        """True until the server refuses tools."""
        return "tools" not in self._dialect.refused

    parameters = None

    @property
    def window(self) -> int | None:
        """As the server lists it, where `auto` has it looked up."""
        return self._dialect.window

    @property
    def spent(self) -> Usage:
        """By all requests so far, also those that failed."""
        return self._budget.spent

    def count(self, messages: Sequence[Message]) -> int | None:
        """None: only the server knows."""
        return None

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        """The answer; AuthorError where the server gives none, or the budget allows none."""
        end = self._pace.clock() + self._timeout
        before = self.spent
        attempts = 0
        while True:
            question = self._question(request)
            reading, failure = self._attempt(question, request, end, progress)
            if failure is None:
                spent = self.spent
                usage = self._budget.usage(spent.read - before.read, spent.written - before.written)
                text, calls, finish = reading.screen.text, reading.calls, reading.finish
                return Reply(text, calls, finish, reading.constrained, usage)
            if not self._dialect.gives_up(failure, question.body, question.constrained):
                attempts += 1
                self._pause(failure, attempts, end)

    def _question(self, request: Request) -> _Question:
        """What to send; AuthorError where the budget does not allow it."""
        field = self._dialect.grammar_field if request.grammar else "none"
        refused = self._dialect.refused
        extra = FIELDS[field](request.grammar) if field in FIELDS else {}

        def body(most: int) -> dict[str, Any]:
            if field == "openai":
                return responses_body(self._model, request, most, refused)
            return chat_body(self._model, request, most, extra, refused)

        tools = body(0).get("tools")
        frame = json.dumps(tools) if tools else ""
        read = self._prompts.bound(frame, request.messages)
        most = self._budget.allowed(read, request.most_tokens)
        return _Question(body(most), field == "openai", bool(extra), frame, read, most)

    def _attempt(
        self, question: _Question, request: Request, end: float, progress: Progress | None
    ) -> tuple[Reading, Failure | None]:
        """Sends it once and charges what that cost."""
        secret = self._wire.secret
        screen = Screen(secret, progress.writing if progress else None)
        reading: Reading
        if question.through_tool:
            path, reading = "/responses", ResponsesReading(screen, secret)
        else:
            path, reading = "/chat/completions", ChatReading(screen, secret)
            reading.constrained = question.constrained
        seconds = max(0.001, end - self._pace.clock())
        streamed = not question.through_tool
        failure = self._wire.post(path, question.body, seconds, reading, streamed)
        if failure is None or failure.begun:
            reading.end()
            failure = None if reading.whole else reading.failure or failure or UNFINISHED
        if failure is None:
            self._charge(question, request, reading)
        elif failure.begun:
            self._budget.charge(question.most_read, min(reading.written, question.most_written))
        return reading, failure

    def _charge(self, question: _Question, request: Request, reading: Reading) -> None:
        read, written = reading.usage or (0, 0)
        if read:
            self._prompts.record(question.frame, request.messages, read)
        texts = sum(message_size(message) for message in request.messages)
        self._budget.charge(
            read or min(estimate(texts + len(question.frame)), question.most_read),
            written or min(estimate(reading.written), question.most_written),
        )

    def _pause(self, failure: Failure, attempts: int, end: float) -> None:
        """Waits for the next attempt; AuthorError where there is to be none."""
        if failure.status not in PASSING:
            raise self._error(failure.message, failure.status)
        if failure.wait is not None and failure.wait > LONGEST_WAIT:
            raise AuthorError(
                f"{self._place}: {failure.message} (the server wants us to wait "
                f"{failure.wait:,.0f} s)",
                "go on later, or use another model",
            )
        wait = self._pace.wait(attempts) if failure.wait is None else failure.wait
        times = f"{attempts} attempt{'s' * (attempts > 1)}"
        if attempts == ATTEMPTS or self._pace.clock() + wait >= end:
            raise self._error(f"{failure.message} ({times})", failure.status)
        self._pace.sleep(wait)

    @property
    def _place(self) -> str:
        return f"{self.name} at {self._wire.address}"

    def _error(self, message: str, status: int) -> AuthorError:
        """What to tell the user of a server that gave no answer."""
        secret = self._wire.secret
        fix = "see what the server's log says of it"
        if status in {401, 403}:
            held = f"the key in {secret.variable}" if secret else "a key in LAPT_API_KEY"
            fix = f"give {held} that is valid there"
        elif status == 404:
            fix = self._dialect.known_models()
        elif status == 0:
            fix = "check that the server runs, and its base URL in LAPT_API_URL"
        elif status in PASSING:
            fix = "go on later, or use another model"
        elif 300 <= status < 400:
            fix = "set LAPT_API_URL to the base URL of the server itself"
        status_shown = f"status {status}: " if status else ""
        return AuthorError(f"{self._place}: {status_shown}{message}", fix)


def open_api(
    model: str,
    base_url: str | None = None,
    *,
    timeout: float = 600.0,
    prices: Prices | None = None,
    token_budget: int | None = None,
    cost_budget: float | None = None,
    grammar_field: str = "auto",
    environment: Mapping[str, str] | None = None,
) -> Api:
    """The model `api:MODEL` of the server that the arguments or the environment name.

    The base URL is the argument, or else LAPT_API_URL, OPENAI_BASE_URL or OpenAI's own. The key is
    LAPT_API_KEY or else OPENAI_API_KEY; the latter is sent to OpenAI's server and to the one that
    OPENAI_BASE_URL names, and to no other. Only OpenAI's server needs a key. AuthorError where they
    are missing or cannot be, and where a key stands in the name of the model or in the URL.
    """
    settings = os.environ if environment is None else environment
    address = base_url or settings.get("LAPT_API_URL") or settings.get("OPENAI_BASE_URL") or OPENAI
    checked_address(address)
    known = [settings.get(variable, "") for variable in KEY_VARIABLES]
    refuse_key(model, "the name of the model", known)
    refuse_key(address, "the base URL of the server", known)
    variables = ["LAPT_API_KEY"]
    if is_openai(address) or address == settings.get("OPENAI_BASE_URL"):
        variables.append("OPENAI_API_KEY")
    variable = next((v for v in variables if settings.get(v)), None)
    key = Secret(settings[variable], variable) if variable else None
    if key is None and is_openai(address):
        raise AuthorError(
            f"api:{model} at {address} needs a key",
            "set LAPT_API_KEY to it, or LAPT_API_URL to another server",
        )
    return Api(
        model,
        address,
        key=key,
        timeout=timeout,
        prices=prices,
        token_budget=token_budget,
        cost_budget=cost_budget,
        grammar_field=grammar_field,
    )
