"""The command on a terminal of its own, as a person has one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from conftest import ROOT

COMMAND = [sys.executable, "-m", "lapt_rules"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 60.0


class Terminal:
    """A process whose input, output and messages are one terminal; `text` is what it showed."""

    def __init__(self, *arguments: str | Path, cwd: Path | None = None, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=ENVIRONMENT | environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until the text is shown."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, self.text
            assert self._read(), self.text

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        """Whether there is, or may be, more to read."""
        ready, _, _ = select.select([self._ours], [], [], PATIENCE)
        assert ready, self.text
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # how Linux says that nobody writes any more
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)
