"""Characters that no reader sees: they steer a terminal, reorder a line or hide in it.

U+200C and U+200D are not among them: Persian, Hindi and emoji are written with them.
"""

from __future__ import annotations

import re

UNSEEN = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but line end and tab, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    r"\xad\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"  # other format characters
    r"\ud800-\udfff]"  # lone surrogates, which no file can hold
)
"""A regular expression for one of them."""


def visible(text: str) -> str:
    r"""The text with an escape in place of each unseen character; line ends and tabs stay.

    >>> print(visible("\x1b[31mred\r \u202etxt\ud800 naïve\n漢 👩\u200d🔬"))
    \x1b[31mred\x0d \u202etxt\ud800 naïve
    漢 👩‍🔬
    """
    return re.sub(UNSEEN, _escape, text)


def one_line(text: str) -> str:
    r"""The same with line ends and tabs escaped, for a name inside a line.

    >>> print(one_line("a\n\tb"))
    a\x0a\x09b
    """
    return re.sub(rf"[\n\t]|{UNSEEN}", _escape, text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
