"""Files that are either whole or not there, and the folders that they stand in."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from lapt_rules.errors import LaptError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    A text is written as UTF-8. Raises LaptError where the folder does not exist or cannot be
    written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        mode = _mode(path)
        path = Path(os.path.realpath(path))  # a link stays a link
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _closed(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or the new name could outlive the content
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _closed(path, error) from error
        raise


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, which is made where there is none: the whole line, or nothing of it.

    Raises LaptError where that fails.
    """
    try:
        with path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            left = f"{line}\n".encode()
            try:
                while left:  # of a disk that is nearly full the first part is still taken
                    left = left[file.write(left) :]
            except BaseException:
                file.truncate(before)
                raise
    except OSError as error:
        raise _closed(path, error) from error


def read_ordinary(path: Path) -> bytes:
    """What is in a file; OSError for what is none, such as a link, a pipe or a device."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "this is no ordinary file")
    return path.read_bytes()


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there; LaptError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _closed(path, error) from error


def _mode(path: Path) -> int:
    """The permissions of a file, or those of a new one; OSError where no file can stand there."""
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return 0o666 & ~_umask()
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "this is no ordinary file")
    return found & 0o777


def _closed(path: Path, error: OSError) -> LaptError:
    reason, fix = error.strerror or str(error), "choose another place"
    if error.errno == errno.ENOENT:
        reason = f"there is no folder {path.parent}"
    elif error.errno in _NO_ROOM:
        fix = "make room for it, or choose another place"
    return LaptError(f"{path}: cannot be written: {reason}", fix)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
