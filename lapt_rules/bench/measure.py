"""How time and memory are measured: best of several, since other work only ever adds."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

PATIENCE = 1.0
"""Seconds after which one measurement is not repeated any more."""

REPEATS = 9
_ONE_ROUND = 0.05  # seconds that a round takes at least, so that the clock's grain is nothing


def best_of(
    call: Callable[[], Answer], repeats: int = REPEATS, patience: float = PATIENCE
) -> tuple[float, Answer]:
    """The least seconds of several calls, and the answer; one call where that takes long."""
    best, total = float("inf"), 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        answer = call()
        taken = time.perf_counter() - start
        best, total = min(best, taken), total + taken
        if total >= patience:
            break
    return best, answer


def seconds_each(
    run: Callable[[int], object], most: int, repeats: int = REPEATS, patience: float = PATIENCE
) -> tuple[float, int]:
    """The least seconds that one unit takes, and the units of a round; `run` does so many.

    A round has more and more units, `most` at most, until it takes long enough to be timed.
    """
    units = 1
    while True:
        start = time.perf_counter()
        run(units)
        taken = time.perf_counter() - start
        if taken >= _ONE_ROUND or units == most:
            break
        units = min(most, units * max(2, min(16, int(_ONE_ROUND / max(taken, 1e-6)))))
    best, total = taken, taken
    for _ in range(repeats - 1):
        if total >= patience:
            break
        start = time.perf_counter()
        run(units)
        taken = time.perf_counter() - start
        best, total = min(best, taken), total + taken
    return best / units, units


def peak_memory() -> int:
    """The most bytes of memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # the other figure includes what the parent held before it began us
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
