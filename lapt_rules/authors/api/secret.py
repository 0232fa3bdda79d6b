"""The key of a server, and what keeps it out of all that is shown or written down.

A server may repeat the key, and in another form: reversed, in hexadecimal or base64, or with its
characters escaped as in URLs, HTML and JSON. Each form is found in upper and lower case, and where
its characters are escaped in turn. Any other encoding is not found.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

from lapt_rules.authors.backend import MOST_CHARACTERS, AuthorError, sound

KEY_VARIABLES = ("LAPT_API_KEY", "OPENAI_API_KEY")
FEWEST_KEY_CHARACTERS = 8
SHOWN_CHARACTERS = 300
"""How much of a server's message an error repeats."""

_LOOKS_LIKE_KEY = re.compile(
    r"\bsk-[\w-]{8}|\b(hf|gsk|r8|ghp)_\w{16}|\b(xai|nvapi|pplx)-[\w-]{16}|\bAIza[\w-]{16}|\beyJ\w{16}"
    r"|\b(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])(?=[0-9]*([A-Za-z]+[0-9]+){4})[A-Za-z0-9]{32}"
)
"""How known servers begin their keys; else a long row of letters of both cases and many digits."""

_UNIT = re.compile(
    r"%[0-9a-f]{2}|&#[0-9]{1,5};|&#x[0-9a-f]{1,5};|&(?:amp|lt|gt|quot|apos);"
    r"|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[/\"'\\]|.",
    re.IGNORECASE | re.DOTALL,
)
"""A character, or the escape of one."""

_LONGEST_UNIT = len("&#x00041;")
_CUT_UNIT = re.compile(
    r"(?:%[0-9a-f]?|&(?:#?[0-9]{0,5}|#x[0-9a-f]{0,5}|[a-z]{0,4})|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?)$",
    re.IGNORECASE,
)
"""At the end of a text, an escape whose end may be to come."""


def refuse_key(text: str, place: str, known: Iterable[str] = ()) -> None:
    """AuthorError where a key stands in what is shown and recorded, a `known` one or any other."""
    text = f"{text} {unquote(text)}"
    found = any(key in text for key in known if len(key) >= FEWEST_KEY_CHARACTERS)
    if found or _LOOKS_LIKE_KEY.search(text):
        raise AuthorError(
            f"{place} holds what looks like a key, and would be shown and recorded",
            f"leave it out there, and set the environment variable {KEY_VARIABLES[0]} to it",
        )


class Secret:
    """A key; its text is in `header` alone, and no `repr` holds it."""

    def __init__(self, text: str, variable: str) -> None:
        """AuthorError where `text`, found in the environment `variable`, cannot be a key."""
        fix = f"set {variable} to the key alone, without quotes, spaces or line ends"
        if not all("!" <= character <= "~" for character in text):
            raise AuthorError(f"{variable}: the key holds a space or an unprintable character", fix)
        if len(text) < FEWEST_KEY_CHARACTERS:
            raise AuthorError(
                f"{variable}: a key of {len(text)} characters is none",
                f"unset {variable} where the server needs no key",
            )
        self._text = text
        self.variable = variable
        self._forms = sorted({form.lower() for form in _forms(text)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)), re.IGNORECASE)

    def __repr__(self) -> str:
        return "[key]"

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self._text}"

    def redacted(self, text: str) -> str:
        """The text with `[key]` wherever the key stands in it, in any of its forms."""
        units = _UNIT.findall(self._pattern.sub("[key]", text))
        parts, done = [], 0
        for match in self._pattern.finditer(_decoded(units)):
            parts += [*units[done : match.start()], "[key]"]
            done = match.end()
        return "".join([*parts, *units[done:]])

    def begun(self, text: str) -> int:
        """How many of the last characters of the text may be the beginning of one of the forms."""
        text = text[-_LONGEST_UNIT * len(self._forms[0]) :]
        cut = _CUT_UNIT.search(text)
        units = _UNIT.findall(text[: cut.start()] if cut else text)
        escaped = units[len(units) - self._beginning(_decoded(units)) :]
        return max(self._beginning(text), len("".join(escaped)) + len(cut[0] if cut else ""))

    def is_most(self, part: str) -> bool:
        """Whether so long a beginning gives the key away."""
        read = _decoded(_UNIT.findall(_CUT_UNIT.sub("", part))).lower()
        return any(form.startswith(read) and 2 * len(read) > len(form) for form in self._forms)

    def _beginning(self, text: str) -> int:
        """How many of the last characters are the beginning of one of the forms."""
        ends = (text[start:].lower() for start in range(len(text)))
        return next((len(e) for e in ends if any(form.startswith(e) for form in self._forms)), 0)


def _forms(key: str) -> Iterator[str]:
    """The texts that give a key away; of base64, what no neighbour of the key changes."""
    data = key.encode()
    yield from (key, key[::-1], data.hex())
    for shift in range(3):  # the key begins at any byte of a group of three
        coded = base64.b64encode(bytes(shift) + data).decode()
        inner = coded[-(-8 * shift // 6) : 8 * (shift + len(data)) // 6]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _decoded(units: Iterable[str]) -> str:
    """One character for each unit."""
    return "".join(unit if len(unit) == 1 else _character(unit) for unit in units)


def _character(escape: str) -> str:
    if escape[0] == "&":
        return html.unescape(escape) or "\ufffd"
    if len(escape) == 2:
        return escape[1]
    return chr(int(escape.lstrip("%\\uUxX"), 16))


def shown(text: str, secret: Secret | None) -> str:
    r"""What an error repeats of a server's text: one line, no control characters, no key, not long.

    >>> shown("no\x1b[31m\n  such model", None)
    'no [31m such model'
    """
    text = secret.redacted(text) if secret else text
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]} ..."


class Screen:
    """Passes on the text of a reply piece by piece: sound, without the key, and not too long.

    `told` gets what `text` becomes, in pieces. The end of a piece is held back for as long as it
    may be the beginning of the key, or half of a surrogate pair or of CR LF.
    """

    def __init__(self, secret: Secret | None, told: Callable[[str], None] | None) -> None:
        self._secret = secret
        self._told = told
        self._held = ""
        self._cut = ""
        self._passed: list[str] = []
        self._room = MOST_CHARACTERS

    @property
    def text(self) -> str:
        return "".join(self._passed)

    def add(self, piece: str) -> bool:
        """Whether there was room for all of it."""
        piece = self._cut + piece
        self._cut = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" or piece[-1:] == "\r" else ""
        return self._add(sound(piece.removesuffix(self._cut)))

    def close(self) -> None:
        """Passes on what was held back, or `[key]` for most of a key."""
        self._add(sound(self._cut))
        cut_key = self._secret and self._secret.is_most(self._held)
        self._pass("[key]" if cut_key else self._held)
        self._held = self._cut = ""

    def _add(self, text: str) -> bool:
        text = self._held + text
        if self._secret:
            text = self._secret.redacted(text)
        kept = self._secret.begun(text) if self._secret else 0
        self._held = text[len(text) - kept :]
        return self._pass(text[: len(text) - kept])

    def _pass(self, text: str) -> bool:
        fitting = text[: self._room]
        self._room -= len(fitting)
        if fitting:
            self._passed.append(fitting)
            if self._told:
                self._told(fitting)
        return len(fitting) == len(text)
