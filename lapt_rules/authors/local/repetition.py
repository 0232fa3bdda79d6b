"""Where a text does nothing but repeat itself, as small models do that find no end."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 256
"""The longest run of tokens whose repetition is noticed."""

TIMES = 4
LEAST = 64
"""A run must stand so often in a row, and the repetition be so many tokens long."""

RECENT, KNOWN = 6, 4
"""Of so many last lines of a text so many must stand above, for its lines to repeat."""

_LAST_NUMBER = re.compile(r"[-\d.]+$")


def repeated_from(tokens: Sequence[int]) -> int | None:
    """Where a text may be cut that ends in one run, over and over: behind the first of them.

    None for a text that does not end so.

    >>> repeated_from([5, 6, *([1, 2, 3] * 30)]), repeated_from(list(range(90)))
    (5, None)
    """
    end = len(tokens)
    for period in range(1, min(LONGEST, end // TIMES) + 1):
        length = max(TIMES * period, LEAST + period)
        if length > end or tokens[end - 1] != tokens[end - 1 - period]:
            continue
        tail = tokens[end - length :]
        if tail[period:] == tail[:-period]:
            return _first(tokens, period) + period
    return None


def _first(tokens: Sequence[int], period: int) -> int:
    """Where the repetition of a run of so many tokens begins, which goes on to the end."""
    at = len(tokens) - period
    while at > 0 and tokens[at - 1] == tokens[at - 1 + period]:
        at -= 1
    return at


def lines_repeat(text: str) -> bool:
    """Whether most of the last lines that are whole stand above; a number at their end may differ.

    >>> clause = "  prefer layer0 is conv weight 0.{}\\n"
    >>> [lines_repeat("".join(clause.format(i) for i in range(n))) for n in (4, 9)]
    [False, True]
    """
    lines = [_LAST_NUMBER.sub("", line) for line in text.split("\n")[:-1] if line.strip()]
    recent = lines[-RECENT:]
    before = len(lines) - len(recent)
    return sum(line in lines[: before + i] for i, line in enumerate(recent)) >= KNOWN
