"""Every error that a user can cause, under one parent.

The command line prints these without a traceback and ends with exit code 2; anything else that
escapes is a defect of ours. `str(error)` is the whole message: what is wrong, where, and on a
second line what to do about it.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lapt_rules.language.diagnostics import Diagnostic


SHOWN_AT_ONCE = 20
"""How many diagnostics one message holds."""


class LaptError(Exception):
    """A mistake of the user's, or of a file's: `message` says where and what, `fix` the way out."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class SpaceError(LaptError):
    """A space that does not exist, or a `space.toml` that does not describe one."""


class ArchitectureError(LaptError):
    """A text or list that is not an architecture of the space."""


class TableError(LaptError):
    """A benchmark table that cannot be read, or lacks what is asked of it."""


class ModelError(LaptError):
    """A `models/NAME.py` that is not there, or does not build the networks of its space."""


class DataError(LaptError):
    """A data set that is not there, or is not what its form says."""


class TrainingError(LaptError):
    """A training that cannot start or go on: an impossible setting, another one's checkpoint."""


class LimitError(LaptError):
    """A stated limit was reached: time, size or memory."""


class RunError(LaptError):
    """A search that cannot start or go on: an empty subspace, a budget of zero, a closed folder."""


class PrincipleError(LaptError):
    """A principle file that does not parse or bind; carries every diagnostic found in one pass."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics[:SHOWN_AT_ONCE])
        more = len(diagnostics) - len(self.diagnostics)
        shown = [str(diagnostic) for diagnostic in self.diagnostics]
        super().__init__("\n\n".join(shown + [f"... and {more:,} more"] * (more > 0)))


class ConflictError(LaptError):
    """Principles that keep no architecture; `conflict` names a minimal set that clash."""

    def __init__(self, message: str, conflict: Sequence[str]) -> None:
        self.conflict = tuple(conflict)
        super().__init__(
            message, "drop or weaken one of them; `lapt check` finds the smallest repair"
        )


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to a misspelt `name`, or None.

    >>> did_you_mean("nor_conv3x3", ["nor_conv_3x3", "none"])
    'nor_conv_3x3'
    >>> did_you_mean("zebra", ["nor_conv_3x3", "none"]) is None
    True
    """
    names = list(candidates)
    folded = {candidate.lower(): candidate for candidate in reversed(names)}
    matches = get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Names in backquotes for a message, cut after `limit`.

    >>> listed(["conv", "pool"])
    '`conv`, `pool`'
    """
    every = list(names)
    shown = ", ".join(f"`{name}`" for name in every[:limit])
    return f"{shown} and {len(every) - limit} more" if len(every) > limit else shown
