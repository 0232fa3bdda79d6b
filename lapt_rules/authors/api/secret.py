"""The key of a server, and what keeps it out of all that is shown or written down."""

from __future__ import annotations

from lapt_rules.authors.backend import MOST_CHARACTERS, AuthorError, Told, sound

FEWEST_KEY_CHARACTERS = 8
SHOWN_CHARACTERS = 300
"""How much of a server's message an error repeats."""


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

    def __repr__(self) -> str:
        return "[key]"

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self._text}"

    def redacted(self, text: str) -> str:
        """The text with `[key]` wherever the key stands in it."""
        return text.replace(self._text, "[key]")

    def begun(self, text: str) -> int:
        """How many of the last characters of the text may be the beginning of the key."""
        longest = min(len(self._text) - 1, len(text))
        return next((n for n in range(longest, 0, -1) if text.endswith(self._text[:n])), 0)

    def is_most(self, part: str) -> bool:
        """Whether so long a beginning gives the key away."""
        return 2 * len(part) > len(self._text)


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
    may be the beginning of the key, or half of a surrogate pair.
    """

    def __init__(self, secret: Secret | None, told: Told | None) -> None:
        self._secret = secret
        self._told = told
        self._held = ""
        self._passed: list[str] = []
        self._room = MOST_CHARACTERS

    @property
    def text(self) -> str:
        return "".join(self._passed)

    def add(self, piece: str) -> bool:
        """Whether there was room for all of it."""
        text = self._held + piece.replace("\0", "")
        if self._secret:
            text = self._secret.redacted(text)
        kept = self._secret.begun(text) if self._secret else 0
        if not kept and "\ud800" <= text[-1:] <= "\udbff":
            kept = 1
        self._held = text[len(text) - kept :]
        return self._pass(text[: len(text) - kept])

    def close(self) -> None:
        """Passes on what was held back, or `[key]` for most of a key."""
        cut_key = self._secret and self._secret.is_most(self._held)
        self._pass("[key]" if cut_key else self._held)
        self._held = ""

    def _pass(self, text: str) -> bool:
        sane = sound(text)
        fitting = sane[: self._room]
        self._room -= len(fitting)
        if fitting:
            self._passed.append(fitting)
            if self._told:
                self._told(fitting)
        return len(fitting) == len(sane)
