"""Values that were paid for once, in a file of JSON lines that runs only ever add to.

A line holds `key` and `value`, and whatever else people may want to know. A line that a crash cut
off is passed over, here and after others were added: its value is paid for again.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from lapt_rules.errors import LaptError


def read(path: Path) -> dict[str, float]:
    """The value of each key, the first where two runs found one; {} where there is no file.

    Raises LaptError where the file cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _failed(path, "read", error) from error
    found: dict[str, float] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
        except (ValueError, TypeError, KeyError):
            continue
        if isinstance(key, str) and isinstance(value, float) and math.isfinite(value):
            found.setdefault(key, value)
    return found


def add(path: Path, entry: dict[str, Any]) -> None:
    """Add a line, so that it is on the disk on return and two runs at once do not mix theirs.

    Raises LaptError where the file cannot be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        with os.fdopen(handle, "r+b", buffering=0) as file:
            torn = file.seek(0, os.SEEK_END) > 0 and _last_byte(file.fileno()) != b"\n"
            line = b"\n" * torn + json.dumps(entry).encode() + b"\n"
            if file.write(line) != len(line):  # in one piece: others may be writing too
                raise OSError("no room")
            os.fsync(file.fileno())
    except OSError as error:
        raise _failed(path, "written", error) from error


def _last_byte(handle: int) -> bytes:
    os.lseek(handle, -1, os.SEEK_END)
    return os.read(handle, 1)


def _failed(path: Path, what: str, error: OSError) -> LaptError:
    message = f"{path}: cannot be {what}: {error.strerror or error}"
    return LaptError(message, "choose another folder for the cache")
