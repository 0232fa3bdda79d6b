"""What a server understands of the interface, found out by asking it and by what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from lapt_rules.authors.api.secret import shown
from lapt_rules.authors.api.wire import Failure, Wire
from lapt_rules.authors.backend import AuthorError
from lapt_rules.errors import did_you_mean, listed

LOOK_SECONDS = 10.0
MOST_MODELS_BYTES = 4 * 1024 * 1024

FIELDS: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "vllm": lambda grammar: {"structured_outputs": {"grammar": grammar}},
    "llamacpp": lambda grammar: {"grammar": "%llguidance {}\n" + grammar},
    "sglang": lambda grammar: {"ebnf": "%llguidance {}\n" + grammar},
}
"""How a grammar is written into a Chat Completions request, for each server that takes one."""

GRAMMAR_FIELDS = ("auto", "none", "openai", *FIELDS)

REFUSABLE = {
    "temperature": r"temperature",
    "seed": r"seed",
    "stream_options": r"stream_options",
    "tools": r"tools|tool[ _-]choice",
    "max_tokens": r"max_tokens",
}
"""Parameters that a server need not know, and how its message names them."""

OF_GRAMMAR = r"grammar|ebnf|lark|guid(ance|ed)|structured|sampl(er|ing)|regex"
"""How a message names a grammar that a server does not take."""


def is_openai(address: str) -> bool:
    return urlsplit(address).hostname == "api.openai.com"


class Dialect:
    """What one server takes for one model.

    `refused` are the parameters that it does not take. A grammar is sent as `grammar_field` says;
    with `auto` as the list of models gives the server away, which is asked for once.
    """

    def __init__(self, wire: Wire, model: str, grammar_field: str) -> None:
        if grammar_field not in GRAMMAR_FIELDS:
            near = did_you_mean(grammar_field, GRAMMAR_FIELDS)
            fix = f"did you mean `{near}`?" if near else f"use one of {listed(GRAMMAR_FIELDS)}"
            raise AuthorError(f"there is no grammar field `{grammar_field}`", fix)
        self.refused: set[str] = set()
        self._wire = wire
        self._model = model
        self._asks = grammar_field == "auto" and not is_openai(wire.address)
        self._grammar_field = "" if grammar_field == "auto" else grammar_field
        self._models: list[dict[str, Any]] | None = None

    @property
    def grammar_field(self) -> str:
        """A grammar field other than `auto`."""
        if not self._grammar_field:
            if self._asks:
                owner = self._described.get("owned_by")
                self._grammar_field = next((field for field in FIELDS if field == owner), "none")
            else:
                self._grammar_field = "openai"
        return self._grammar_field

    @property
    def window(self) -> int | None:
        """Tokens of a request and its reply, as the server lists them where it is asked."""
        described = self._described if self._asks else {}
        sizes = [described.get("max_model_len"), described.get("context_length")]
        return next((n for n in sizes if type(n) is int and 0 < n < 2**31), None)

    def gives_up(self, failure: Failure, body: Mapping[str, Any], constrained: bool) -> bool:
        """Whether the server refused something that can be left out, which it is from now on.

        Where OpenAI's own way of taking a grammar is refused, for whatever reason, it is given up.
        """
        through_tool = "input" in body
        if failure.status not in ({400, 404, 405, 422} if through_tool else {400, 422}):
            return False
        for name, pattern in REFUSABLE.items():
            droppable = name in body and not (through_tool and name == "tools")
            if droppable and _refuses(failure, pattern):
                self.refused.add(name)
                return True
        said = f"{failure.parameter} {failure.message}"
        if through_tool or (constrained and re.search(OF_GRAMMAR, said, re.I)):
            self._grammar_field = "none"
            return True
        return False

    def known_models(self) -> str:
        """The way out where a server does not know a model, or is no model server."""
        names = [
            shown(model["id"], self._wire.secret)
            for model in self._looked_up()
            if isinstance(model.get("id"), str)
        ]
        if not names:
            return "check the base URL in LAPT_API_URL; it mostly ends with /v1"
        near = did_you_mean(self._model, names)
        hint = f"did you mean `{near}`? " if near and near != self._model else ""
        return f"{hint}the server has {listed(names)}"

    def _looked_up(self) -> list[dict[str, Any]]:
        """The models that the server lists; none where it lists none."""
        if self._models is None:
            found = self._wire.get("/models", LOOK_SECONDS, MOST_MODELS_BYTES)
            items = found.get("data") if isinstance(found, dict) else None
            listing = items if isinstance(items, list) else []
            self._models = [item for item in listing if isinstance(item, dict)]
        return self._models

    @property
    def _described(self) -> dict[str, Any]:
        """What the server lists of this model, or of the first one where it is not listed."""
        models = self._looked_up()
        named = [model for model in models if model.get("id") == self._model]
        return next(iter(named or models), {})


def _refuses(failure: Failure, pattern: str) -> bool:
    """Whether a refusal is of this parameter, by its own field or else by its message."""
    if failure.parameter:
        return re.match(rf"({pattern})\b", failure.parameter, re.I) is not None
    return re.search(rf"\b({pattern})\b", failure.message, re.I) is not None
