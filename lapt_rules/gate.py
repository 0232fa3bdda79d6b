"""The one gate that every principle set passes, whoever wrote it.

It parses; it binds; it keeps something (else the minimal conflict); nothing in it is empty or
redundant without a warning; it keeps enough of the archive and is not smaller than the population.
What fails is told with place and fix; what passes is told what it does, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lapt_rules.analysis import Analysis, Effect
from lapt_rules.errors import LimitError, PrincipleError, SpaceError, listed
from lapt_rules.evaluate.evaluator import Archive
from lapt_rules.language.diagnostics import Diagnostic, Severity, Source
from lapt_rules.language.parser import parse_tolerant
from lapt_rules.language.syntax import NOWHERE, File, Span
from lapt_rules.logic.binding import bind_tolerant
from lapt_rules.logic.budget import Budget
from lapt_rules.logic.formula import Formula
from lapt_rules.logic.plain import Plain
from lapt_rules.logic.principles import Principle, PrincipleSet
from lapt_rules.space import Architecture, Space, load_space
from lapt_rules.subspace import Subspace, whole

if TYPE_CHECKING:
    from lapt_rules.logic.smt import Reasoner

MOST_CONFLICTS = 5
"""How many minimal conflicts are told."""

MOST_NAMED = 12
"""How many principles of one conflict are named."""

MOST_EXPLAINED = 16
"""For how many redundant principles it is worked out which others imply them."""


@dataclass(frozen=True)
class Report:
    """What the gate found. `admitted` says whether a search may start from these principles.

    For a set that keeps nothing: its minimal `conflicts`, `MOST_CONFLICTS` of them at most, and the
    fewest principles to drop for a `repair`; None where that could not be decided.
    """

    diagnostics: tuple[Diagnostic, ...]
    principles: PrincipleSet | None = None
    subspace: Subspace | None = field(default=None, repr=False)
    total: int = 0
    effects: tuple[Effect, ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    repair: tuple[str, ...] | None = None
    archive_kept: int | None = None
    archive_size: int | None = None

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def count(self) -> int | None:
        """How many architectures the file keeps; None where that could not be told."""
        if self.subspace is not None:
            return self.subspace.count()
        return 0 if any(error.code == "conflict" for error in self.errors) else None

    @property
    def admitted(self) -> bool:
        return self.subspace is not None and not self.errors


def space_of(file: File, otherwise: Space | None = None) -> Space:
    """The space given, or else the one that the file is written for.

    Binding refuses a file for another space than the one given. Raises PrincipleError where the
    file names a space that does not exist, or none (or `any`) and no other is given.
    """
    written = file.space
    source = Source(file.path, file.text)
    if otherwise is None and written is not None and written.text != "any":
        try:
            return load_space(written.text)
        except SpaceError as error:
            found = Diagnostic("unknown-space", error.message, source, written.span, error.fix)
            raise PrincipleError([found]) from error
    if otherwise is not None:
        return otherwise
    span = written.span if written else Span(1, 1, 1, 2)
    message = (
        "the file is for any space, so it must be said which one is meant"
        if written
        else "the file does not say for which space it is"
    )
    fix = "add --space NAME" if written else "begin it with `space NAME`"
    raise PrincipleError([Diagnostic("no-space", message, source, span, fix)])


def admit(
    text: str,
    path: str,
    space: Space | None = None,
    archive: Archive | None = None,
    least_support: float = 0.0,
    population: int = 0,
    found: Sequence[Architecture] = (),
    budget: Budget | None = None,
) -> Report:
    """Pass a principle file through the gate; never raises for what is wrong in the file.

    `least_support` is the share that the file must keep of the best that a search has `found` or,
    before there are any, of the archive; `population` the least number of architectures that it
    must keep. A file for `space any` needs `space`. All that is asked of the engines has one
    `budget`; what it left undecided is told as a diagnostic.
    """
    return _admit(text, path, space, archive, least_support, population, found, budget)[0]


def _admit(
    text: str,
    path: str,
    space: Space | None,
    archive: Archive | None,
    least_support: float,
    population: int,
    found: Sequence[Architecture],
    budget: Budget | None,
) -> tuple[Report, Analysis | None]:
    """What the gate found and, where the principles keep something, what else they may be asked."""
    file, malformed = parse_tolerant(text, path)
    if file is None:
        return Report(tuple(malformed)), None
    try:
        space = space_of(file, space)
    except PrincipleError as error:
        return Report((*malformed, *error.diagnostics)), None
    principles, errors = bind_tolerant(file, space)
    diagnostics = [*malformed, *errors, *principles.warnings]
    if malformed or errors:
        diagnostics.sort(key=lambda d: (d.span.line, d.span.column))
        return Report(tuple(diagnostics), principles), None
    analysis = Analysis(principles, budget)
    report = Report(tuple(diagnostics), principles)
    try:
        subspace = analysis.subspace
    except LimitError as error:
        return _reasoned(report, analysis, error, archive), None
    if not subspace.count():
        return _clashing(report, _reasoner(analysis), archive), None
    report = Report(tuple(diagnostics), principles, subspace, whole(space).count())
    if archive is not None:
        kept = sum(member in subspace for member in archive.architectures)
        report = replace(report, archive_kept=kept, archive_size=len(archive))
    little = _too_little(report, least_support, population, found)
    return replace(report, diagnostics=(*diagnostics, *little)), analysis


def examine(
    text: str,
    path: str,
    space: Space | None = None,
    archive: Archive | None = None,
    least_support: float = 0.0,
    population: int = 0,
    found: Sequence[Architecture] = (),
    budget: Budget | None = None,
) -> Report:
    """The same as `admit`, and what each principle does; warns of those that do nothing."""
    report, analysis = _admit(text, path, space, archive, least_support, population, found, budget)
    if analysis is None:
        return report
    principles = analysis.principles.principles
    try:
        effects = analysis.effects()
    except LimitError as error:
        undone = _undone("what each principle does", analysis.principles, error)
        return replace(report, diagnostics=(*report.diagnostics, undone))
    if archive is not None:
        kept = [_kept(principle.keeps, archive.architectures) for principle in principles]
        effects = [replace(e, archive=n) for e, n in zip(effects, kept, strict=True)]
    if found:
        kept = [_kept(principle.keeps, found) for principle in principles]
        effects = [replace(e, found=n) for e, n in zip(effects, kept, strict=True)]
    idle = _idle(analysis, effects, report.total)
    return replace(report, effects=tuple(effects), diagnostics=(*report.diagnostics, *idle))


def _too_little(
    report: Report, least_support: float, population: int, best: Sequence[Architecture]
) -> list[Diagnostic]:
    """Errors for a set that keeps too little of what is good, or too few to search."""
    assert report.principles is not None
    assert report.subspace is not None
    found = []
    source, kept, size = report.principles.source, report.archive_kept, report.archive_size
    if not best and kept is not None and size is not None and kept < least_support * size:
        message = f"keeps {kept} of {size} archive members, at least {least_support:.0%} are wanted"
        fix = "weaken the principles that keep few of them"
        found.append(Diagnostic("support", message, source, fix=fix))
    best_kept = sum(one in report.subspace for one in best)
    if best_kept < least_support * len(best):
        of = f"{best_kept} of the best {len(best)} found"
        message = f"keeps {of}, at least {least_support:.0%} are wanted"
        fix = "weaken the principles that reject them; `prefer` orders without rejecting"
        found.append(Diagnostic("found", message, source, fix=fix))
    if report.count is not None and report.count < population:
        message = f"keeps {report.count:,} architectures, fewer than the population {population}"
        fix = "drop or weaken a principle, or search with a smaller population"
        found.append(Diagnostic("too-small", message, source, fix=fix))
    return found


def _kept(keeps: Formula, architectures: Sequence[Architecture]) -> int:
    return sum(Plain(a.space, a.values).holds(keeps) for a in architectures)


def _reasoner(analysis: Analysis) -> Reasoner:
    """What Z3 and the diagrams may be asked with what is left of the budget."""
    from lapt_rules.logic.smt import Reasoner

    return Reasoner(analysis.principles, analysis.compiler)


def _clashing(report: Report, reasoner: Reasoner, archive: Archive | None) -> Report:
    """The report on principles that keep nothing.

    Each conflict is told at the last of its principles, where the file went wrong. Of repairs that
    drop as many, the one that drops what keeps least of the archive is told.
    """
    from lapt_rules.logic.smt import Conflict

    principles = reasoner.principles
    everything = Conflict(principles.principles, minimal=False)
    conflicts = reasoner.conflicts(MOST_CONFLICTS) or [reasoner.conflict() or everything]
    undecided = []
    if not all(conflict.minimal for conflict in conflicts):
        undecided.append("whether each conflict needs all of its principles")
    if reasoner.undecided and len(conflicts) < MOST_CONFLICTS:
        undecided.append("whether there are more conflicts")
    weights = None
    if archive is not None and len(archive):
        weights = {p.name: _kept(p.keeps, archive.architectures) for p in principles.principles}
    repair = reasoner.repair(weights)
    names = tuple(p.name for p in repair) if repair is not None else None
    fix = "drop or weaken one of them"
    if names is not None:
        fix = f"the smallest repair: drop {listed(names)}, or weaken what it says"
    found = []
    for conflict in conflicts:
        if not conflict.principles:
            empty = f"the invariants of {principles.space.name} keep nothing at all"
            found.append(Diagnostic("conflict", empty, principles.source))
            continue
        *others, last = conflict.principles
        message = f"no architecture satisfies `{last.name}`"
        if others:
            message = f"`{last.name}` conflicts with {_places(others)}: together they keep nothing"
        found.append(_at(last, principles, "conflict", message, fix))
    if names is None and all(conflict.principles for conflict in conflicts):
        undecided.append("which repair is the smallest")
    if undecided:
        found.append(_undecided(" and ".join(undecided), principles))
    return replace(
        report,
        diagnostics=(*report.diagnostics, *found),
        conflicts=tuple(tuple(p.name for p in conflict.principles) for conflict in conflicts),
        repair=names,
    )


def _places(principles: Sequence[Principle]) -> str:
    shown = [f"`{p.name}` (line {p.syntax.name.span.line})" for p in principles[:MOST_NAMED]]
    more = len(principles) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _idle(analysis: Analysis, effects: Sequence[Effect], total: int) -> list[Diagnostic]:
    """Warnings for principles that reject nothing, alone or beyond the others."""
    principles = analysis.principles
    found = []
    implied = 0
    undone = None
    for principle, effect in zip(principles.principles, effects, strict=True):
        if effect.margin or not principle.clauses:
            continue
        if effect.alone == total:
            message = f"`{principle.name}` rejects no architecture at all"
            fix = "drop it, or say what it should forbid"
            found.append(_at(principle, principles, "vacuous", message, fix, "warning"))
            continue
        implied += 1
        by = "the others"
        if implied <= MOST_EXPLAINED and undone is None:
            try:
                by = ", ".join(f"`{other.name}`" for other in analysis.implied_by(principle))
            except LimitError as error:
                undone = _undone("which principles imply a redundant one", principles, error)
        found.append(_redundant(principle, principles, by))
    return [*found, undone] if undone else found


def _redundant(principle: Principle, principles: PrincipleSet, by: str) -> Diagnostic:
    message = f"`{principle.name}` rejects only what is rejected by {by}"
    fix = "drop it, or keep it for its reason alone"
    return _at(principle, principles, "redundant", message, fix, "warning")


def _reasoned(
    report: Report, analysis: Analysis, limit: LimitError, archive: Archive | None
) -> Report:
    """What Z3 can say of a set that cannot be compiled: it may not know, and then says so."""
    from lapt_rules.logic.smt import Answer

    principles = analysis.principles
    reasoner = _reasoner(analysis)
    answer = reasoner.satisfiable()
    if answer is Answer.NO:
        return _clashing(report, reasoner, archive)
    source = principles.source
    found = [Diagnostic("limit", limit.message, source, fix=limit.fix, severity="warning")]
    if answer is Answer.UNKNOWN:
        found.append(_undecided("whether these principles keep anything", principles))
    for redundancy in reasoner.redundancies() if answer is Answer.YES else ():
        principle = redundancy.principle
        if redundancy.answer is Answer.YES:
            by = ", ".join(f"`{p.name}`" for p in redundancy.implied_by) or "the space itself"
            found.append(_redundant(principle, principles, by))
        elif redundancy.answer is Answer.UNKNOWN:
            what = f"whether `{principle.name}` is redundant"
            found.append(_undecided(what, principles, principle.syntax.name.span))
    return replace(report, diagnostics=(*report.diagnostics, *found))


def _undecided(what: str, principles: PrincipleSet, span: Span = NOWHERE) -> Diagnostic:
    """A warning that the budget ended before an answer was found."""
    message = f"not decided with what one check may take: {what}"
    fix = "drop or simplify some of the principles"
    return Diagnostic("unknown", message, principles.source, span, fix, "warning")


def _undone(what: str, principles: PrincipleSet, limit: LimitError) -> Diagnostic:
    """A warning that the diagrams could not tell something."""
    message = f"not worked out: {what}; {limit.message}"
    return Diagnostic("limit", message, principles.source, fix=limit.fix, severity="warning")


def _at(
    principle: Principle,
    principles: PrincipleSet,
    code: str,
    message: str,
    fix: str,
    severity: Severity = "error",
) -> Diagnostic:
    span = principle.syntax.name.span
    return Diagnostic(code, message, principles.source, span, fix, severity)
