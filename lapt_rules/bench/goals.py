"""What this project promises of its engine, and whether one run has kept it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lapt_rules.bench import peers
from lapt_rules.bench.engine import Report, Result
from lapt_rules.bench.tables import Table, duration, rate, ratio, times


@dataclass(frozen=True)
class Goal:
    """A bound on our own figure, or on its ratio to a peer, over all sets of a space.

    `measure` gives the figure of one set, None where there is none; `is_least` says that a figure
    must be at least the bound, else at most.
    """

    text: str
    bound: float
    is_least: bool
    measure: Callable[[Report, str], float | None]
    shown: Callable[[float], str]


@dataclass(frozen=True)
class Verdict:
    """The worst set of a goal; `worst` is None where nothing was measured."""

    goal: Goal
    worst: float | None
    case: str

    @property
    def holds(self) -> bool | None:
        if self.worst is None:
            return None
        bound = self.goal.bound
        return self.worst >= bound if self.goal.is_least else self.worst <= bound


def _ours(question: str) -> Callable[[Report, str], Result | None]:
    return lambda report, case: report.of(case, peers.OURS, question)


def _seconds(space: str, question: str) -> Callable[[Report, str], float | None]:
    def measure(report: Report, case: str) -> float | None:
        result = _ours(question)(report, case) if case.startswith(space) else None
        if result is None:
            return None
        return result.over if result.seconds is None else result.seconds

    return measure


def _each(peer: str) -> Callable[[Report, str], float | None]:
    """Seconds to explain one architecture."""

    def measure(report: Report, case: str) -> float | None:
        result = report.of(case, peer, "explain")
        return 1 / result.rate if result and result.rate else None

    return measure


def _rate(space: str, question: str) -> Callable[[Report, str], float | None]:
    def measure(report: Report, case: str) -> float | None:
        result = _ours(question)(report, case) if case.startswith(space) else None
        return result.rate if result else None

    return measure


def _ratio(
    peer: str, question: str, space: str = "", after: bool = False
) -> Callable[[Report, str], float | None]:
    def measure(report: Report, case: str) -> float | None:
        if not case.startswith(space):
            return None
        return ratio(report.of(case, peer, question), _ours(question)(report, case), after)

    return measure


def _rejection(low: float, high: float) -> Callable[[Report, str], float | None]:
    """Against drawing blindly, on sets whose share of the space lies between two bounds."""
    plain = _ratio("numpy", "samples")

    def measure(report: Report, case: str) -> float | None:
        ours = _ours("count")(report, case)
        if ours is None or not ours.answer:
            return None
        share = int(ours.answer) / report.totals[case]
        return plain(report, case) if low < share <= high else None

    return measure


def _peak(report: Report, case: str) -> float | None:
    """The most memory, in bytes, that our own processes held."""
    found = [r.peak for r in report.results if r.case == case and r.peer == peers.OURS]
    return float(max(found)) if found else None


GOALS: Sequence[Goal] = (
    Goal("exact count, NAS-Bench-201", 0.002, False, _seconds("nas201", "count"), duration),
    Goal("exact count, DARTS", 0.1, False, _seconds("darts", "count"), duration),
    Goal("the same with other numbers, DARTS", 0.05, False, _seconds("darts", "again"), duration),
    Goal("uniform draws, DARTS", 3e6, True, _rate("darts", "samples"), rate),
    Goal("draws against a walk over dd", 100, True, _ratio("dd", "samples", "darts"), times),
    Goal("draws against rejection, 7 % or less kept", 10, True, _rejection(0, 0.07), times),
    Goal("draws against rejection, more kept", 0.9, True, _rejection(0.07, 1), times),
    Goal("first 1,000 against Z3 cubes", 10, True, _ratio("z3-cubes", "first", "darts"), times),
    Goal(
        "the same once both are built",
        10,
        True,
        _ratio("z3-cubes", "first", "darts", after=True),
        times,
    ),
    Goal(
        "first 1,000 against Z3 blocking clauses",
        50,
        True,
        _ratio("z3-blocking", "first", "darts"),
        times,
    ),
    Goal("first 1,000 against CP-SAT", 1, True, _ratio("cp-sat", "first", "darts"), times),
    Goal("first 1,000 against SAT", 1, True, _ratio("sat", "first", "darts"), times),
    Goal("neighbours against Z3", 500, True, _ratio("z3-cubes", "neighbours", "darts"), times),
    Goal("one explanation, in a batch", 1e-4, False, _each(peers.OURS), duration),
    Goal("one explanation, through Z3", 5e-3, False, _each("z3"), duration),
    Goal("peak memory", 2 * 2**30, False, _peak, lambda size: f"{size / 2**20:,.0f} MiB"),
)


def verdicts(report: Report) -> list[Verdict]:
    """For each goal its worst set."""
    found = []
    for goal in GOALS:
        measured = [(goal.measure(report, case), case) for case in report.cases]
        known = [(value, case) for value, case in measured if value is not None]
        worst = (min if goal.is_least else max)(known, default=(None, ""))
        found.append(Verdict(goal, *worst))
    return found


def goals_table(report: Report) -> Table:
    """Each goal with its worst set; goals of which nothing was measured are left out."""
    rows = []
    for verdict in verdicts(report):
        if verdict.worst is not None:
            goal = verdict.goal
            bound = f"{'>=' if goal.is_least else '<='} {goal.shown(goal.bound)}"
            state = "kept" if verdict.holds else "missed"
            rows.append((goal.text, bound, goal.shown(verdict.worst), verdict.case, state))
    return Table("Goals, on the worst set", ("goal", "bound", "worst", "set", ""), tuple(rows))
