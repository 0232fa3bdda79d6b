"""Z3 reasons about principles where the other engines enumerate.

Every principle stands behind one assumption literal, so that what Z3 blames is what the user
wrote. Z3 may answer `unknown`; that is a third answer and is never read as yes or no. Where it
does, the diagrams decide, if the principles can be compiled. What Z3 may use is counted in its own
resources (`rlimit`), not in seconds, so that it gives up at the same place on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

import z3

from lapt_rules.errors import LimitError, SpaceError
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.diagram import intersection
from lapt_rules.logic.encoding import Encoding
from lapt_rules.logic.plain import Plain
from lapt_rules.logic.principles import Principle, PrincipleSet
from lapt_rules.space import Architecture

PATIENCE = 1_000_000
"""The resources that Z3 gets for one question before the diagrams are asked, of many left."""

GUARD = 60
"""Seconds after which Z3 is stopped and asked no more: for what its resources do not count."""

_LARGEST = 2**32 - 1  # of the resources that Z3 can be given for one question

Solver = TypeVar("Solver", z3.Solver, z3.Optimize)


class Answer(Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Conflict:
    """Principles that cannot hold together; without any one of them the others can.

    `minimal` is False where that last part could not be decided. No principles at all means that
    the space itself is empty.
    """

    principles: tuple[Principle, ...]
    minimal: bool


@dataclass(frozen=True)
class Redundancy:
    """Whether a principle rejects nothing beyond what the others (and the space) reject.

    If YES, `implied_by` is a minimal choice of the others that imply it.
    """

    principle: Principle
    answer: Answer
    implied_by: tuple[Principle, ...] = ()


@dataclass(frozen=True)
class _Question:
    """Whether some architecture satisfies all of `principles` and violates `violated`."""

    principles: tuple[Principle, ...]
    violated: Principle | None = None

    def without(self, principle: Principle) -> _Question:
        return replace(self, principles=tuple(p for p in self.principles if p is not principle))


class Reasoner:
    """Questions about one principle set, all of them within the budget of `compiler`.

    The compiler may have compiled some of the principles already. `undecided` tells whether a
    question was left without an answer.

    >>> from lapt_rules.logic.binding import bind
    >>> from lapt_rules.space import load_space
    >>> text = "principle p require count(conv) > 4 principle q require count(pool) > 4"
    >>> principles = bind(f"space nas201 {text}", load_space("nas201"))
    >>> [p.name for p in Reasoner(principles).conflict().principles]
    ['p', 'q']
    """

    def __init__(self, principles: PrincipleSet, compiler: Compiler | None = None) -> None:
        self.principles = principles
        self.undecided = False
        self._compiler = compiler or Compiler(principles.space)
        self._budget = self._compiler.budget
        self._blamed: tuple[Principle, ...] = ()  # by the last question answered with no
        self._clashing: dict[frozenset[str], Conflict] = {}  # every conflict found, by its names
        self._kept: list[frozenset[str]] = []  # all that some architecture satisfies
        self._context = z3.Context()
        self._solver = _deaf(z3.Solver(ctx=self._context))
        # This one knows the space, and no principle.
        self._evaluator = _deaf(z3.Solver(ctx=self._context))
        self._takes: list[list[z3.BoolRef]] = []
        self._keeps: dict[str, z3.BoolRef] = {}
        self._on: dict[str, z3.BoolRef] = {}
        self._off: dict[str, z3.BoolRef] = {}
        try:
            self._state()
        except LimitError:
            self._budget.resources = 0  # so that Z3 is not asked

    def _state(self) -> None:
        """Tell Z3 the space, and the principles behind their literals."""

        def add(fact: z3.BoolRef) -> None:
            self._solver.add(fact)
            self._evaluator.add(fact)

        encoding = Encoding(self.principles.space, self._context, add, self._budget)
        self._takes = encoding.takes
        add(encoding.formula(invariants(self.principles.space)))
        for principle in self.principles.principles:
            literal = z3.Bool(f"on {principle.name}", self._context)
            violated = z3.Bool(f"off {principle.name}", self._context)
            keeps = encoding.formula(principle.keeps)
            self._solver.add(z3.Implies(literal, keeps), z3.Implies(violated, z3.Not(keeps)))
            self._keeps[principle.name] = keeps
            self._on[principle.name] = literal
            self._off[principle.name] = violated

    # ------------------------------------------------------------------------------ questions

    def satisfiable(self, principles: Iterable[Principle] | None = None) -> Answer:
        """Whether some architecture satisfies the given principles; all of the set by default."""
        chosen = self.principles.principles if principles is None else tuple(principles)
        return self._ask(_Question(chosen))

    def conflict(self) -> Conflict | None:
        """A minimal set of principles that clash; None where there is none, or none was proven."""
        return self._conflict(_Question(self.principles.principles))

    def conflicts(self, limit: int = 10) -> list[Conflict]:
        """Up to `limit` different minimal conflicts (MARCO: Liffiton et al., Constraints 2016).

        A second solver keeps the choices of principles still worth a look. One that can be
        satisfied rules out its subsets, one that cannot is shrunk to a conflict, which rules out
        its supersets.
        """
        principles = self.principles.principles
        chosen = _deaf(z3.Solver(ctx=self._context))
        taken = self._selectors()
        found: list[Conflict] = []
        while len(found) < limit:
            more = self._check(chosen)
            if more is not Answer.YES:
                self.undecided = self.undecided or more is Answer.UNKNOWN
                break
            model = chosen.model()
            seed = tuple(p for p in principles if not z3.is_false(model[taken[p.name]]))
            answer = self.satisfiable(seed)
            if answer is Answer.UNKNOWN:
                break
            if answer is Answer.YES:
                rest = [taken[p.name] for p in principles if p not in seed]
                chosen.add(z3.Or(*rest) if rest else z3.BoolVal(False, self._context))
                continue
            conflict = self._minimal(_Question(seed))
            found.append(conflict)
            if not conflict.principles:
                break  # the space itself is empty
            chosen.add(z3.Or(*(z3.Not(taken[p.name]) for p in conflict.principles)))
        return found

    def repair(self, weights: Mapping[str, int] | None = None) -> list[Principle] | None:
        """The fewest principles to drop so that the rest keep something.

        Of as few, those whose `weights` (by name, 0 where none is given) sum up to least. None
        where that could not be decided, or where the space itself is empty.
        """
        every = {p.name: (weights or {}).get(p.name, 0) for p in self.principles.principles}
        dropped = self._fewest(every)
        if dropped is None:
            dropped = self._hitting(every)
        if dropped is None:
            return None
        return [p for p in self.principles.principles if p.name in dropped]

    def _fewest(self, weights: Mapping[str, int]) -> frozenset[str] | None:
        """The repair, found by asking Z3 for ever fewer; None where it gives up."""
        names = frozenset(weights)
        if self._ask(_Question(())) is not Answer.YES:
            return None
        dropped = names - max(self._kept, key=len)
        ones = dict.fromkeys(weights, 1)
        too_few = -1
        while len(dropped) - too_few > 1:
            most = (len(dropped) + too_few) // 2
            answer = self._repaired((ones, most))
            if answer is Answer.UNKNOWN:
                return None
            if answer is Answer.YES:
                dropped = names - self._kept[-1]
            else:
                too_few = most
        while weight := sum(weights[name] for name in dropped):
            answer = self._repaired((ones, len(dropped)), (weights, weight - 1))
            self.undecided = self.undecided or answer is Answer.UNKNOWN
            if answer is not Answer.YES:
                break
            dropped = names - self._kept[-1]
        return dropped

    def _repaired(self, *limits: tuple[Mapping[str, int], int]) -> Answer:
        """Whether some architecture satisfies all principles but a few.

        Each limit says what dropping costs, by name, and what those dropped may cost together.
        """
        if self._budget.resources <= 0:
            return Answer.UNKNOWN
        off = {name: z3.Not(on) for name, on in self._on.items()}
        self._solver.push()
        try:
            for costs, most in limits:
                weighed = [(off[name], cost) for name, cost in costs.items()]
                self._solver.add(z3.PbLe(weighed, most))
            self._solver.add(*(z3.Or(*(off[n] for n in sorted(c))) for c in self._clashing))
            answer = self._check(self._solver, most=self._budget.resources // 4)
            if answer is Answer.YES:
                self._satisfied(self._found())
            return answer
        finally:
            self._solver.pop()

    def _hitting(self, weights: Mapping[str, int]) -> frozenset[str] | None:
        """The repair, where Z3 decides small questions only.

        The least that hits every conflict found so far is dropped; what is left is satisfiable, or
        has a conflict of its own, to be hit as well (implicit hitting sets: Davies and Bacchus,
        CP 2011).
        """
        hitting = _deaf(z3.Optimize(ctx=self._context))
        dropped = self._selectors()
        dearest = sum(weights.values()) + 1
        for name, drops in dropped.items():
            hitting.add_soft(z3.Not(drops), str(dearest + weights[name]))
        for names in self._clashing:
            hitting.add(z3.Or(*(dropped[name] for name in sorted(names))))
        while self._check(hitting) is Answer.YES:
            model = hitting.model()
            out = frozenset(name for name, drops in dropped.items() if z3.is_true(model[drops]))
            rest = tuple(p for p in self.principles.principles if p.name not in out)
            answer = self._ask(_Question(rest))
            if answer is Answer.YES:
                return out
            conflict = self._minimal(_Question(rest)).principles if answer is Answer.NO else ()
            if not conflict:
                break
            hitting.add(z3.Or(*(dropped[p.name] for p in conflict)))
        return None

    def redundancies(self) -> list[Redundancy]:
        """For each principle with hard clauses, whether the others imply it."""
        hard = [p for p in self.principles.principles if p.clauses]
        return [self._redundancy(p, tuple(q for q in hard if q is not p)) for p in hard]

    def _redundancy(self, principle: Principle, others: tuple[Principle, ...]) -> Redundancy:
        question = _Question(others, principle)
        answer = self._ask(question)
        if answer is Answer.NO:
            return Redundancy(principle, Answer.YES, self._minimal(question).principles)
        return Redundancy(principle, Answer.NO if answer is Answer.YES else Answer.UNKNOWN)

    def rejecters(self, architecture: Architecture) -> list[Principle] | None:
        """Every principle that rejects a well-formed architecture; None if Z3 does not know."""
        if architecture.space is not self.principles.space:
            raise SpaceError(f"{architecture} is an architecture of {architecture.space.name}")
        fixed = [takes[v] for takes, v in zip(self._takes, architecture.values, strict=True)]
        if self._check(self._evaluator, fixed) is not Answer.YES:
            return None
        model = self._evaluator.model()
        kept = {name: model.eval(keeps, True) for name, keeps in self._keeps.items()}
        return [p for p in self.principles.principles if not z3.is_true(kept[p.name])]

    def architectures(self) -> Iterator[Architecture]:
        """What the principles keep, in the order of `Subspace`, found by Z3 alone.

        Depth first over the variables, each value in a scope of its own (push and pop): nothing
        is ever added to rule out what was found. The independent check of the diagrams, some
        hundreds of times slower. Raises LimitError where Z3 does not know.
        """
        self._solver.push()
        try:
            self._solver.add(*self._on.values())
            yield from self._below(())
        finally:
            self._solver.pop()

    def _below(self, values: tuple[int, ...]) -> Iterator[Architecture]:
        answer = self._check(self._solver)
        if answer is Answer.UNKNOWN:
            raise LimitError(
                "Z3 could not list these architectures within its resources",
                "allow it more of them, or a smaller set",
            )
        if answer is Answer.NO:
            return
        if len(values) == len(self._takes):
            yield Architecture(self.principles.space, values)
            return
        for value, takes in enumerate(self._takes[len(values)]):
            self._solver.push()
            try:
                self._solver.add(takes)
                yield from self._below((*values, value))
            finally:
                self._solver.pop()

    # -------------------------------------------------------------------------------- answers

    def _selectors(self) -> dict[str, z3.BoolRef]:
        """One fresh Boolean for each principle."""
        names = [principle.name for principle in self.principles.principles]
        return {name: z3.Bool(f"choose {name}", self._context) for name in names}

    def _check(
        self,
        solver: z3.Solver | z3.Optimize,
        assumptions: Sequence[z3.BoolRef] = (),
        most: int = _LARGEST,
    ) -> Answer:
        """What Z3 answers with the resources that are left, and no more than `most` of them."""
        most = min(self._budget.resources, most, _LARGEST)
        if most <= 0:
            return Answer.UNKNOWN
        solver.set("rlimit", most)
        solver.set("timeout", 1000 * GUARD)
        used, start = self._used(), time.monotonic()
        result = solver.check(*assumptions)
        self._budget.resources -= self._used() - used
        if time.monotonic() - start > GUARD:
            self._budget.resources = 0
        if result == z3.sat:
            return Answer.YES
        return Answer.NO if result == z3.unsat else Answer.UNKNOWN

    def _used(self) -> int:
        """The resources that Z3 has used so far."""
        return int(self._solver.statistics().get_key_value("rlimit count"))

    def _ask(self, question: _Question) -> Answer:
        """What is known already, or what Z3 answers or, where it has no answer, the diagrams."""
        answer = self._known(question)
        if answer is Answer.UNKNOWN:
            answer = self._asked(question, min(PATIENCE, self._budget.resources // 16))
        if answer is Answer.UNKNOWN:
            answer = self._compiled(question)
        if answer is Answer.UNKNOWN:
            answer = self._asked(question, self._budget.resources // 4)
        self.undecided = self.undecided or answer is Answer.UNKNOWN
        return answer

    def _known(self, question: _Question) -> Answer:
        """What follows from earlier answers.

        A part of principles that hold together holds, and more principles than a conflict do not.
        """
        if question.violated:
            return Answer.UNKNOWN
        names = frozenset(principle.name for principle in question.principles)
        if any(names <= kept for kept in self._kept):
            return Answer.YES
        for clashing, conflict in self._clashing.items():
            if clashing <= names:
                self._blamed = conflict.principles
                return Answer.NO
        return Answer.UNKNOWN

    def _asked(self, question: _Question, most: int) -> Answer:
        """What Z3 answers."""
        if self._budget.resources <= 0:
            return Answer.UNKNOWN
        assumptions = [self._on[p.name] for p in question.principles]
        if question.violated:
            assumptions.append(self._off[question.violated.name])
        answer = self._check(self._solver, assumptions, most)
        if answer is Answer.NO:
            core = {str(literal) for literal in self._solver.unsat_core()}
            self._blamed = tuple(p for p in question.principles if str(self._on[p.name]) in core)
        if answer is Answer.YES:
            self._satisfied(self._found())
        return answer

    def _found(self) -> tuple[int, ...]:
        """The architecture of Z3's last yes."""
        model = self._solver.model()
        return tuple(
            next(value for value, one in enumerate(takes) if z3.is_true(model[one]))
            for takes in self._takes
        )

    def _compiled(self, question: _Question) -> Answer:
        """What the diagrams answer."""
        self._blamed = question.principles
        try:
            parts = [self._compiler.compile(invariants(self.principles.space))]
            parts += [self._compiler.compile(p.keeps) for p in question.principles]
            if question.violated:
                parts.append(self._compiler.compile(question.violated.keeps).complement())
            found = intersection(parts, self._budget)
        except LimitError:
            return Answer.UNKNOWN
        if found.is_empty:
            return Answer.NO
        self._satisfied(tuple(found.spread().first(1)[0].tolist()))
        return Answer.YES

    def _satisfied(self, values: tuple[int, ...]) -> None:
        """Remember the principles that an architecture satisfies, by plain evaluation."""
        plain = Plain(self.principles.space, values)
        kept = (p.name for p in self.principles.principles if plain.holds(p.keeps))
        self._kept.append(frozenset(kept))

    def _conflict(self, question: _Question) -> Conflict | None:
        return self._minimal(question) if self._ask(question) is Answer.NO else None

    def _minimal(self, question: _Question) -> Conflict:
        """Drop principles one at a time from a question just answered with no, while it stays."""
        question = replace(question, principles=self._blamed)
        names = frozenset(principle.name for principle in question.principles)
        if names in self._clashing and not question.violated:
            return self._clashing[names]
        proven = True
        for principle in self._blamed:
            if principle not in question.principles:
                continue
            rest = question.without(principle)
            answer = self._ask(rest)
            if answer is Answer.NO:
                question = replace(rest, principles=self._blamed)
            proven = proven and answer is not Answer.UNKNOWN
        conflict = Conflict(question.principles, proven)
        if not question.violated:
            self._clashing[frozenset(p.name for p in conflict.principles)] = conflict
        return conflict


def _deaf(solver: Solver) -> Solver:
    """A solver that leaves Ctrl-C to Python; Z3 would take it for itself and answer unknown."""
    solver.set("ctrl_c", False)
    return solver
