"""What happens at Ctrl-C, and at SIGTERM: the command ends in order, and never with a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HEEDED = (signal.SIGINT, signal.SIGTERM)
_raised: Stopped | None = None


class Stopped(SystemExit):
    """The user stops the command; it ends with 128 and the number of the signal: 130, or 143."""

    code: int

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def heed_signals() -> None:
    """From here on the first signal raises Stopped, and a second one ends the process at once.

    A signal that the process was started to ignore, as by `nohup` or `&`, stays ignored.
    """
    for number in _HEEDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _unraisable


def end_at_once() -> None:
    """From here on any signal ends the process at once: there is nothing more to tell."""
    for number in _HEEDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stoppable() -> Iterator[None]:
    """What is stopped in here ends with Stopped, also where a library made another error of it.

    An import that is stopped ends with an ImportError, or with none where the package is optional.
    """
    try:
        yield
    except BaseException as error:
        if _raised is not None and error is not _raised:
            raise _raised from error
        raise
    if _raised is not None:
        raise _raised


def _stop(number: int, frame: FrameType | None) -> None:
    global _raised
    end_at_once()
    _raised = Stopped(number)
    raise _raised


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised in a callback of its own, but must not drop Stopped."""
    if isinstance(found.exc_value, Stopped):
        os._exit(found.exc_value.code)
    sys.__unraisablehook__(found)
