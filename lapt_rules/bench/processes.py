"""Each peer in a child process, ended where one question takes longer than allowed."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from lapt_rules.bench.cases import Case

START = 60.0
"""Seconds that a process may take to import what it needs and to read the file."""


def answers(
    peer: str, case: Case, questions: Sequence[str], limit: float, quick: bool = False
) -> Iterator[dict[str, Any]]:
    """What a peer answers to each question, in order: a dictionary as the worker writes it.

    It holds `over`, the limit, where the question took longer, and `error` where it failed; then
    the questions that are left go to a new process.
    """
    left = list(questions)
    while left:
        answered = 0
        for answer in _from_one_process(peer, case, left, limit, quick):
            yield {"question": left[answered]} | answer
            answered += 1
        left = left[answered:]


def _from_one_process(
    peer: str, case: Case, questions: Sequence[str], limit: float, quick: bool
) -> Iterator[dict[str, Any]]:
    task = {
        "peer": peer,
        "case": case.name,
        "space": str(case.space),
        "file": str(case.file),
        "questions": list(questions),
        "quick": quick,
    }
    command = [sys.executable, "-m", "lapt_rules.bench.worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 -- our own interpreter and module
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(task))
        process.stdin.close()
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        errors: list[str] = []
        complaints = threading.Thread(target=_drain, args=(process, errors), daemon=True)
        reader.start()
        complaints.start()
        try:
            for number in range(len(questions) + 1):
                try:
                    line = lines.get(timeout=limit if number else START)
                except queue.Empty:
                    yield {"over": limit if number else START}
                    return
                if line is None:
                    process.wait()
                    complaints.join()
                    yield {"error": errors[-1].strip() if errors else "ended without a word"}
                    return
                answer: dict[str, Any] = json.loads(line)
                if "ready" in answer:
                    continue
                yield answer
                if "error" in answer:
                    return
        finally:
            process.kill()


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _drain(process: subprocess.Popen[str], errors: list[str]) -> None:
    assert process.stderr is not None
    errors += [line for line in process.stderr if line.strip()]
