"""The one place through which text reaches people, and programs that read the answer.

What is shown may come from a table, a file or a model. No character of it steers the terminal: an
unseen one is shown as an escape. A character that the encoding of the stream lacks is, too.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TextIO

from lapt_rules.characters import one_line, visible
from lapt_rules.errors import LaptError

_CLEAR = "\r\x1b[2K"


def prepare() -> None:
    """Make the standard streams of this process ready; to be called once, before anything is read.

    In place of one that is closed stands one that cannot be written to. Otherwise the next file to
    be opened would stand there, and messages be written into it.
    """
    while (handle := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(text: str, end: str = "\n") -> bool:
    """Print an answer, or a part of it, on stdout.

    False where whoever read it has closed it, as `head` does: the rest goes nowhere, and the exit
    code stays what it is for the whole answer. LaptError where it cannot be written.
    """
    try:
        _write(sys.stdout, visible(text) + end)
    except BrokenPipeError:
        _shut(sys.stdout)
        return False
    except OSError as error:
        _shut(sys.stdout)
        message = f"the answer cannot be written: {error.strerror or error}"
        raise LaptError(message, "look at where standard output goes") from error
    return True


def tell(text: str) -> None:
    """Print a message on stderr, in place of a status that stands there."""
    _print(f"{_CLEAR * sys.stderr.isatty()}{visible(text)}\n")


def status(text: str) -> None:
    """Show on stderr what a long job is doing, in place of what stood there; only to a person."""
    if sys.stderr.isatty():
        _print(f"{_CLEAR}{one_line(text)}")


def _print(text: str) -> None:
    try:
        _write(sys.stderr, text)
    except OSError:  # there is nobody to tell
        _shut(sys.stderr)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _shut(stream: TextIO) -> None:
    """What is still held for the stream, and what comes, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
