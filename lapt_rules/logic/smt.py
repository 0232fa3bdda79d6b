"""Z3 reasons about principles where the other engines enumerate.

Every principle stands behind one assumption literal, so that what Z3 blames is what the user
wrote. Z3 may answer `unknown`; that is a third answer and is never read as yes or no. Where it
does, the diagrams decide, if the principles can be compiled.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import TypeVar

import z3

from lapt_rules.errors import LimitError, SpaceError
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.diagram import Budget, intersection
from lapt_rules.logic.encoding import Encoding
from lapt_rules.logic.principles import Principle, PrincipleSet
from lapt_rules.space import Architecture

TIMEOUT = 10.0
"""Seconds that all questions about one principle set may take together."""

PATIENCE = 0.25
"""Seconds that Z3 gets for one question before the diagrams are asked."""

Solver = TypeVar("Solver", z3.Solver, z3.Optimize)


class Answer(Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Conflict:
    """Principles that cannot hold together; without any one of them the others can.

    `minimal` is False where a timeout left that last part unproven. No principles at all means
    that the space itself is empty.
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
    """Questions about one principle set, all of them within `timeout` seconds.

    >>> from lapt_rules.logic.binding import bind
    >>> from lapt_rules.space import load_space
    >>> text = "principle p require count(conv) > 4 principle q require count(pool) > 4"
    >>> principles = bind(f"space nas201 {text}", load_space("nas201"))
    >>> [p.name for p in Reasoner(principles).conflict().principles]
    ['p', 'q']
    """

    def __init__(self, principles: PrincipleSet, timeout: float = TIMEOUT) -> None:
        self.principles = principles
        self._compiler: Compiler | None = Compiler(principles.space)
        self._blamed: tuple[Principle, ...] = ()  # by the last question answered with no
        self._context = z3.Context()
        self._solver = _deaf(z3.Solver(ctx=self._context))
        self._end = time.monotonic() + timeout
        self._evaluator = _deaf(z3.Solver(ctx=self._context))  # knows the space, and no principle

        def add(fact: z3.BoolRef) -> None:
            self._solver.add(fact)
            self._evaluator.add(fact)

        encoding = Encoding(principles.space, self._context, add)
        self._takes = encoding.takes
        add(encoding.formula(invariants(principles.space)))
        self._keeps: dict[str, z3.BoolRef] = {}
        self._on: dict[str, z3.BoolRef] = {}
        self._off: dict[str, z3.BoolRef] = {}
        for principle in principles.principles:
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
        while len(found) < limit and chosen.check() == z3.sat:
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
        """The principles to drop so that the rest keep something: least in number, or in weight.

        `weights` says by name what dropping costs, 1 where it says nothing. None where that could
        not be decided in time, or where the space itself is empty.

        The least that hits every conflict found so far is dropped; what is left is satisfiable, or
        has a conflict of its own, to be hit as well (implicit hitting sets: Davies and Bacchus,
        CP 2011). Each step is a small question; one question for the whole optimum is where Z3
        gives up.
        """
        hitting = _deaf(z3.Optimize(ctx=self._context))
        dropped = self._selectors()
        for name, drops in dropped.items():
            hitting.add_soft(z3.Not(drops), str((weights or {}).get(name, 1)))
        while hitting.check() == z3.sat:
            model = hitting.model()
            out = [p for p in self.principles.principles if z3.is_true(model[dropped[p.name]])]
            question = _Question(tuple(p for p in self.principles.principles if p not in out))
            answer = self._ask(question)
            if answer is Answer.YES:
                return out
            conflict = self._minimal(question).principles if answer is Answer.NO else ()
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
        if self._check(fixed, solver=self._evaluator) is not Answer.YES:
            return None
        model = self._evaluator.model()
        kept = {name: model.eval(keeps, True) for name, keeps in self._keeps.items()}
        return [p for p in self.principles.principles if not z3.is_true(kept[p.name])]

    def architectures(self) -> Iterator[Architecture]:
        """What the principles keep, in the order of `Subspace`, found by Z3 alone.

        Depth first over the variables, each value in a scope of its own (push and pop): nothing
        is ever added to rule out what was found. The independent check of the diagrams, some
        hundreds of times slower. Raises LimitError where Z3 does not know, or time is over.
        """
        self._solver.push()
        try:
            self._solver.add(*self._on.values())
            yield from self._below(())
        finally:
            self._solver.pop()

    def _below(self, values: tuple[int, ...]) -> Iterator[Architecture]:
        answer = self._check([])
        if answer is Answer.UNKNOWN:
            raise LimitError(
                "Z3 could not list these architectures in time",
                "allow it more time, or a smaller set",
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
        assumptions: Sequence[z3.BoolRef],
        patience: float = inf,
        solver: z3.Solver | None = None,
    ) -> Answer:
        solver = solver or self._solver
        seconds = min(self._end - time.monotonic(), patience)
        if seconds <= 0:
            return Answer.UNKNOWN
        solver.set("timeout", max(1, int(1000 * seconds)))
        result = solver.check(*assumptions)
        if result == z3.sat:
            return Answer.YES
        return Answer.NO if result == z3.unsat else Answer.UNKNOWN

    def _ask(self, question: _Question) -> Answer:
        """Z3's answer and, where it has none, that of the diagrams."""
        assumptions = [self._on[p.name] for p in question.principles]
        if question.violated:
            assumptions.append(self._off[question.violated.name])
        self._blamed = question.principles
        answer = self._check(assumptions, PATIENCE if self._compiler else inf)
        if answer is Answer.UNKNOWN and self._compiler is not None:
            try:
                return self._compiled(question, self._compiler)
            except LimitError:
                self._compiler = None
                answer = self._check(assumptions)
        if answer is Answer.NO:
            core = {str(literal) for literal in self._solver.unsat_core()}
            self._blamed = tuple(p for p in question.principles if str(self._on[p.name]) in core)
        return answer

    def _compiled(self, question: _Question, compiler: Compiler) -> Answer:
        compiler.budget = Budget(seconds=max(0.0, self._end - time.monotonic()))
        parts = [compiler.compile(invariants(self.principles.space))]
        parts += [compiler.compile(p.keeps) for p in question.principles]
        if question.violated:
            parts.append(compiler.compile(question.violated.keeps).complement())
        return Answer.NO if intersection(parts, compiler.budget).is_empty else Answer.YES

    def _conflict(self, question: _Question) -> Conflict | None:
        return self._minimal(question) if self._ask(question) is Answer.NO else None

    def _minimal(self, question: _Question) -> Conflict:
        """Drop principles one at a time from a question just answered with no, while it stays."""
        question = replace(question, principles=self._blamed)
        proven = True
        for principle in question.principles:
            rest = question.without(principle)
            answer = self._ask(rest)
            if answer is Answer.NO:
                question = rest
            proven = proven and answer is not Answer.UNKNOWN
        return Conflict(question.principles, proven)


def _deaf(solver: Solver) -> Solver:
    """A solver that leaves Ctrl-C to Python; Z3 would take it for itself and answer unknown."""
    solver.set("ctrl_c", False)
    return solver
