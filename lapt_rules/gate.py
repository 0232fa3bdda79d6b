"""The one gate that every principle set passes, whoever wrote it.

It parses; it binds; it keeps something (else the minimal conflict); nothing in it is empty or
redundant without a warning; it keeps enough of the archive and is not smaller than the population.
What fails is told with place and fix; what passes is told what it does, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lapt_rules.errors import ConflictError, LimitError, PrincipleError, SpaceError
from lapt_rules.evaluate.evaluator import Archive
from lapt_rules.language.diagnostics import Diagnostic, Severity, Source
from lapt_rules.language.parser import parse_tolerant
from lapt_rules.language.syntax import File, Span
from lapt_rules.logic.binding import bind_tolerant
from lapt_rules.logic.formula import Formula, Plain
from lapt_rules.logic.principles import Principle, PrincipleSet
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import Subspace, alone_and_margin, refine, whole

MOST_EXPLAINED = 16
"""For how many redundant principles Z3 is asked which others imply them."""


@dataclass(frozen=True)
class Effect:
    """What one principle does: architectures it keeps alone, and rejects beyond all the others.

    `archive` is how many members of the archive it keeps; None without an archive.
    """

    principle: str
    alone: int
    margin: int
    archive: int | None


@dataclass(frozen=True)
class Report:
    """What the gate found. `admitted` says whether a search may start from these principles."""

    diagnostics: tuple[Diagnostic, ...]
    principles: PrincipleSet | None = None
    subspace: Subspace | None = field(default=None, repr=False)
    total: int = 0
    effects: tuple[Effect, ...] = ()
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


def examine(
    text: str,
    path: str,
    space: Space | None = None,
    archive: Archive | None = None,
    least_support: float = 0.0,
    population: int = 0,
) -> Report:
    """Pass a principle file through the gate; never raises for what is wrong in the file.

    `least_support` is the share of the archive that the file must keep, `population` the least
    number of architectures that it must keep. A file for `space any` needs `space`.
    """
    file, found = parse_tolerant(text, path)
    if file is None:
        return Report(tuple(found))
    try:
        space = space_of(file, space)
    except PrincipleError as error:
        return Report((*found, *error.diagnostics))
    principles, errors = bind_tolerant(file, space)
    diagnostics = [*found, *errors, *principles.warnings]
    if found or errors:
        diagnostics.sort(key=lambda d: (d.span.line, d.span.column))
        return Report(tuple(diagnostics), principles)
    try:
        subspace = refine(space, principles)
    except ConflictError as error:
        diagnostics += _conflicts(principles, error)
        return Report(tuple(diagnostics), principles)
    except LimitError as error:
        diagnostics += _reasoned(principles, error)
        return Report(tuple(diagnostics), principles)
    total = whole(space).count()
    effects = tuple(
        Effect(principle.name, alone, margin, _kept(principle.keeps, archive))
        for principle, (alone, margin) in zip(
            principles.principles,
            alone_and_margin(space, [p.keeps for p in principles.principles]),
            strict=True,
        )
    )
    diagnostics += _idle(principles, effects, total)
    kept = None
    if archive is not None:
        kept = sum(member in subspace for member in archive.architectures)
        if kept < least_support * len(archive):
            diagnostics.append(
                Diagnostic(
                    "support",
                    f"keeps {kept} of {len(archive)} archive members, at least "
                    f"{least_support:.0%} are wanted",
                    principles.source,
                    fix="weaken the principles that keep few of them",
                )
            )
    if subspace.count() < population:
        message = f"keeps {subspace.count()} architectures, fewer than the population {population}"
        fix = "drop or weaken a principle"
        diagnostics.append(Diagnostic("too-small", message, principles.source, fix=fix))
    size = len(archive) if archive is not None else None
    return Report(tuple(diagnostics), principles, subspace, total, effects, kept, size)


def _kept(keeps: Formula, archive: Archive | None) -> int | None:
    if archive is None:
        return None
    return sum(Plain(a.space, a.values).holds(keeps) for a in archive.architectures)


def _conflicts(principles: PrincipleSet, error: ConflictError) -> list[Diagnostic]:
    """One diagnostic at each principle of the minimal conflict."""
    clashing = [p for p in principles.principles if p.name in error.conflict]
    found = []
    for principle in clashing:
        others = ", ".join(f"`{p.name}`" for p in clashing if p is not principle)
        message = (
            f"`{principle.name}` conflicts with {others}: together they keep nothing"
            if others
            else f"no architecture satisfies `{principle.name}`"
        )
        fix = error.fix if others else "weaken it: no architecture can satisfy it"
        found.append(_at(principle, principles, "conflict", message, fix))
    return found or [Diagnostic("conflict", error.message, principles.source, fix=error.fix)]


def _idle(principles: PrincipleSet, effects: tuple[Effect, ...], total: int) -> list[Diagnostic]:
    """Warnings for principles that reject nothing, alone or beyond the others."""
    from lapt_rules.logic.smt import Reasoner

    found = []
    idle = {effect.principle for effect in effects if not effect.margin}
    hard = [p for p in principles.principles if p.clauses and p.name in idle]
    vacuous = {effect.principle for effect in effects if effect.alone == total}
    for principle in hard:
        if principle.name in vacuous:
            message = f"`{principle.name}` rejects no architecture at all"
            fix = "drop it, or say what it should forbid"
            found.append(_at(principle, principles, "vacuous", message, fix, "warning"))
    redundant = [p for p in hard if p.name not in vacuous]
    if redundant:
        explained = Reasoner(principles).redundancies(redundant[:MOST_EXPLAINED])
        implied = {found.principle.name: found.implied_by for found in explained}
        for principle in redundant:
            by = ", ".join(f"`{p.name}`" for p in implied.get(principle.name, ()))
            message = f"`{principle.name}` rejects nothing beyond what {by or 'the others'} reject"
            fix = "drop it, or keep it for its reason alone"
            found.append(_at(principle, principles, "redundant", message, fix, "warning"))
    return found


def _reasoned(principles: PrincipleSet, limit: LimitError) -> list[Diagnostic]:
    """What Z3 alone can say of a set that cannot be counted."""
    from lapt_rules.logic.smt import Answer, Reasoner

    found = [
        Diagnostic("limit", limit.message, principles.source, fix=limit.fix, severity="warning")
    ]
    reasoner = Reasoner(principles)
    answer = reasoner.satisfiable()
    if answer is Answer.UNKNOWN:
        message = "Z3 could not decide whether these principles keep anything"
        found.append(Diagnostic("unknown", message, principles.source, fix="", severity="warning"))
    conflict = reasoner.conflict() if answer is Answer.NO else None
    if conflict is not None:
        names = [principle.name for principle in conflict.principles]
        found += _conflicts(principles, ConflictError("these principles keep nothing", names))
    for redundancy in reasoner.redundancies() if answer is Answer.YES else []:
        by = ", ".join(f"`{p.name}`" for p in redundancy.implied_by) or "the space itself"
        message = f"`{redundancy.principle.name}` rejects nothing beyond what {by} reject"
        found.append(
            _at(redundancy.principle, principles, "redundant", message, "drop it", "warning")
        )
    return found


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
