"""The plan: every set, every peer, every question, one process at a time; and what came out."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import Any

from lapt_rules.bench import peers
from lapt_rules.bench.cases import Case
from lapt_rules.bench.peers.peer import ONE_SHOT, QUESTIONS
from lapt_rules.bench.processes import answers
from lapt_rules.space import load_space
from lapt_rules.subspace import whole

LIMIT = 20.0
SHOTS = 3
FAIR_SHARE = 0.9
LISTABLE = 20_000
"""The largest set that a peer counts by listing it."""

_LIBRARIES = (
    "lapt-rules", "numpy", "z3-solver", "ortools", "python-sat", "dd", "oxidd", "ConfigSpace"
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What one peer answered to one question on one set.

    `seconds` or `rate` (per second) is there where it finished, `over` where it took longer than
    that many seconds, `error` where it failed. `before` are seconds of preparation: part of
    `seconds`, but not of a rate. `answer` is what all peers must agree on. `share` is the part of
    the time in which the process had a processor: far below 1 something else took it.
    """

    case: str
    peer: str
    question: str
    seconds: float | None = None
    rate: float | None = None
    before: float | None = None
    answer: str = ""
    note: str = ""
    over: float | None = None
    error: str = ""
    peak: int = 0
    nodes: int | None = None
    share: float | None = None


@dataclass
class Report:
    """The results of one run; `missing` are peers that were asked for and are not installed."""

    machine: dict[str, str]
    limit: float
    results: list[Result] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    """The size of the whole space of each set."""
    seconds: float = 0.0

    def of(self, case: str, peer: str, question: str) -> Result | None:
        for result in self.results:
            if (result.case, result.peer, result.question) == (case, peer, question):
                return result
        return None

    @property
    def disturbed(self) -> int:
        """How many measurements had to share their processor."""
        return sum(r.share is not None and r.share < FAIR_SHARE for r in self.results)

    @property
    def cases(self) -> list[str]:
        return list(dict.fromkeys(result.case for result in self.results))

    @property
    def peers(self) -> list[str]:
        found = {result.peer for result in self.results}
        return [name for name in peers.NAMES if name in found]

    @property
    def failures(self) -> list[str]:
        """Where peers disagree with each other, and where one ended with an error."""
        found = [
            f"{r.case}: {r.peer} failed at `{r.question}`: {r.error}"
            for r in self.results
            if r.error
        ]
        for case in self.cases:
            for question in QUESTIONS:
                told = {
                    r.peer: r.answer
                    for r in self.results
                    if r.case == case and r.question == question and r.answer
                }
                if len(set(told.values())) > 1:
                    said = "; ".join(f"{peer} says {answer}" for peer, answer in told.items())
                    found.append(f"{case}: the peers disagree on `{question}`: {said}")
            counted = {
                r.answer
                for r in self.results
                if r.case == case and r.question in ("fresh", "count") and r.answer
            }
            if len(counted) > 1:
                found.append(f"{case}: two counts: {', '.join(sorted(counted))}")
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "limit": self.limit,
            "seconds": self.seconds,
            "missing": self.missing,
            "totals": self.totals,
            "disturbed": self.disturbed,
            "failures": self.failures,
            "results": [asdict(result) for result in self.results],
        }


def run(
    cases: Iterable[Case],
    names: Sequence[str] = peers.NAMES,
    limit: float = LIMIT,
    quick: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Ask every peer every question that it can answer, on every set; ours first on each."""
    start = time.monotonic()
    report = Report(machine(), limit)
    report.missing = [name for name in names if not peers.is_installed(name)]
    present = [name for name in peers.NAMES if name in names and name not in report.missing]
    for case in cases:
        report.totals[case.name] = whole(load_space(case.space)).count()
        for name in present:
            about = peers.load(name).about
            questions = [q for q in about.questions if _is_fair(q, name, case, report)]
            progress(f"{case.name}  {about.title}")
            for question in [q for q in questions if q in ONE_SHOT]:
                report.results.append(_best_shot(name, case, question, limit, quick))
            rest = [q for q in questions if q not in ONE_SHOT]
            report.results += _asked(name, case, rest, limit, quick)
    report.seconds = time.monotonic() - start
    return report


def _asked(
    name: str, case: Case, questions: Sequence[str], limit: float, quick: bool
) -> Iterable[Result]:
    for answer in answers(name, case, questions, limit, quick):
        yield Result(case.name, name, **answer)


def _best_shot(name: str, case: Case, question: str, limit: float, quick: bool) -> Result:
    """The best of a few processes that answer one question each; an odd one out is kept."""
    best: Result | None = None
    for _ in range(1 if quick else SHOTS):
        (result,) = _asked(name, case, [question], limit, quick)
        if result.seconds is None or (best and result.answer != best.answer):
            return result
        if best is None or best.seconds is None or result.seconds < best.seconds:
            best = result
    assert best is not None
    return best


def _is_fair(question: str, name: str, case: Case, report: Report) -> bool:
    """Whether a peer can be asked this question on this set."""
    about = peers.load(name).about
    if about.largest_space is not None:
        sizes = [len(variable.values) for variable in load_space(case.space).variables]
        if prod(sizes) > about.largest_space:
            return False
    if question == "count" and about.counts_by_listing:
        ours = report.of(case.name, peers.OURS, "count")
        return ours is None or not ours.answer or int(ours.answer) <= LISTABLE
    return True


def machine() -> dict[str, str]:
    """What the figures were measured on: date, processor, system, versions."""
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if sys.platform == "linux" and information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
