"""Files that are either whole or not there, and the folders that they stand in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lapt_rules.errors import LaptError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    A text is written as UTF-8. Raises LaptError where the folder does not exist or cannot be
    written.
    """
    data = content.encode() if isinstance(content, str) else content
    path = path.resolve()  # a link stays a link
    if path.exists() and not path.is_file():
        raise LaptError(f"{path}: this is no ordinary file", "choose another place")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _closed(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or the new name could outlive the content
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise _closed(path, error) from error


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, which is made where there is none; LaptError where that fails."""
    try:
        with path.open("ab") as file:
            file.write(f"{line}\n".encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise LaptError(f"{path}: cannot be written: {reason}", "make room for it") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there; LaptError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _closed(path, error) from error


def _closed(path: Path, error: OSError) -> LaptError:
    reason = error.strerror or str(error)
    return LaptError(f"{path}: cannot be written: {reason}", "choose another place")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
