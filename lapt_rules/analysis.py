"""What the principles of a set do together, and to each other: exact, at any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from lapt_rules.errors import ConflictError, LimitError, SpaceError
from lapt_rules.language.syntax import File
from lapt_rules.logic.binding import bind
from lapt_rules.logic.budget import Budget
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.diagram import Diagram, intersection, near_first
from lapt_rules.logic.principles import Principle, PrincipleSet
from lapt_rules.space import Space
from lapt_rules.subspace import Subspace, well_formed


def refine(space: Space, principles: File | str | PrincipleSet) -> Subspace:
    """The exact set that `principles` keep in `space`.

    Raises PrincipleError where they do not parse or bind, ConflictError, with a minimal set of
    principles that clash, where they keep nothing, and LimitError, with the principle to blame,
    where they cannot be compiled exactly.

    >>> from lapt_rules.space import load_space
    >>> refine(load_space("nas201"), "space nas201 principle p require layer0 is conv").count()
    6250
    """
    bound = principles if isinstance(principles, PrincipleSet) else bind(principles, space)
    if bound.space is not space:
        raise SpaceError(f"these principles are bound to {bound.space.name}, not to {space.name}")
    analysis = Analysis(bound)
    if analysis.subspace.count() == 0:
        raise analysis.conflict_error()
    return analysis.subspace


@dataclass(frozen=True)
class Effect:
    """What one principle does: architectures it keeps alone, and how many only it rejects.

    The second is its margin: what all the others together keep and this one does not. `archive` is
    how many members of an archive it keeps, `found` how many of the best that a search has found;
    None without an archive, or a search.
    """

    principle: str
    alone: int
    margin: int
    archive: int | None = None
    found: int | None = None


class Analysis:
    """The principles of a set, each compiled once, and what can be asked of them.

    Every question raises LimitError, with the principle to blame, where the principles cannot be
    compiled exactly within the `budget`, which is for all questions together.

    >>> from lapt_rules.space import load_space
    >>> text = "principle p require layer0 is conv principle q require count(conv) >= 1"
    >>> found = Analysis(bind(f"space nas201 {text}", load_space("nas201")))
    >>> found.subspace.count(), [effect.margin for effect in found.effects()]
    (6250, [8646, 0])
    >>> [principle.name for principle in found.implied_by(found.principles.principles[1])]
    ['p']
    """

    def __init__(self, principles: PrincipleSet, budget: Budget | None = None) -> None:
        self.principles = principles
        self.compiler = Compiler(principles.space, budget)
        self._budget = self.compiler.budget

    @cached_property
    def _sets(self) -> dict[str, Diagram]:
        """What each principle keeps, by name."""
        sets: dict[str, Diagram] = {}
        for principle in self.principles.principles:
            self._budget.subject = f"principle {self._place(principle)}"
            sets[principle.name] = self.compiler.compile(principle.keeps)
        self._budget.subject = "these principles together"
        return sets

    def _place(self, principle: Principle) -> str:
        line = principle.syntax.name.span.line
        return f"`{principle.name}` ({self.principles.file.path}:{line})"

    @cached_property
    def subspace(self) -> Subspace:
        """What all the principles keep; it may be empty."""
        bound = self.principles
        if self.compiler.is_small:
            return Subspace(bound.space, bound.keeps, bound.preferences, self.compiler)
        _ = self._sets  # one by one, so that a limit has someone to blame
        with suppress(LimitError):
            return Subspace(bound.space, bound.keeps, bound.preferences, self.compiler)
        self._join_one_by_one()
        return Subspace(bound.space, bound.keeps, bound.preferences, self.compiler)

    def _join_one_by_one(self) -> None:
        """Join the principles from the smallest on, to name the one that goes beyond the limit.

        Where none does, this order was the better one, and the compiler now knows the whole.
        """
        joined = well_formed(self.principles.space)
        ordered = sorted(self.principles.principles, key=lambda p: self._sets[p.name].nodes)
        for number, principle in enumerate(ordered):
            if number:
                before = f"{number} of these principles ({joined.nodes:,} nodes)"
                self._budget.subject = f"{before} together with {self._place(principle)}"
            joined = intersection([joined, self._sets[principle.name]], self._budget)
        self.compiler.learn(self.principles.keeps, joined)

    def effects(self) -> list[Effect]:
        """What each principle of the set does, in their order."""
        whole = well_formed(self.principles.space)
        sets = near_first({id(one): one for one in self._sets.values()}.values())
        before = [whole]  # the intersection of all before each one
        for one in sets:
            before.append(intersection([before[-1], one], self._budget))
        total = before.pop().count()
        margins = {}
        after = whole
        for one, ahead in zip(reversed(sets), reversed(before), strict=True):
            margins[id(one)] = intersection([ahead, after], self._budget).count() - total
            after = intersection([after, one], self._budget)
        times = Counter(map(id, self._sets.values()))
        return [
            Effect(
                name,
                intersection([whole, one], self._budget).count(),
                margins[id(one)] if times[id(one)] == 1 else 0,
            )
            for name, one in self._sets.items()
        ]

    def implied_by(self, principle: Principle) -> list[Principle]:
        """A minimal choice of the others that together imply it; meant for one of margin 0."""
        others = [p for p in self.principles.principles if p is not principle]
        own = self._sets[principle.name]
        twins = [other for other in others if self._sets[other.name] is own]
        if twins:
            return twins[-1:]
        violated = own.complement()
        whole = well_formed(self.principles.space)
        return self._minimal_core(intersection([whole, violated], self._budget), others)

    def conflict(self) -> list[Principle]:
        """A minimal choice of principles that cannot hold together; meant for an empty set.

        No principles at all means that the space itself is empty.
        """
        return self._minimal_core(well_formed(self.principles.space), self.principles.principles)

    def conflict_error(self) -> ConflictError:
        """The conflict in the words of the file."""
        core = self.conflict()
        if not core:
            empty = f"the invariants of {self.principles.space.name} keep nothing at all"
            return ConflictError(empty, [])
        together = "all of these principles together" if len(core) > 1 else "this principle"
        places = ", ".join(map(self._place, core))
        names = [principle.name for principle in core]
        return ConflictError(f"no architecture satisfies {together}: {places}", names)

    def _minimal_core(self, base: Diagram, principles: Sequence[Principle]) -> list[Principle]:
        """A minimal choice of principles whose intersection with `base` is empty.

        Each in turn is dropped if those needed so far and those still to come do without it.
        """
        sets = [self._sets[principle.name] for principle in principles]
        after = [base]  # the intersection of base and the sets from each index on
        for one in reversed(sets):
            after.append(intersection([after[-1], one], self._budget))
        after.reverse()
        needed = base
        core = []
        for index, (principle, one) in enumerate(zip(principles, sets, strict=True)):
            if not intersection([needed, after[index + 1]], self._budget).is_empty:
                core.append(principle)
                needed = intersection([needed, one], self._budget)
        return core
