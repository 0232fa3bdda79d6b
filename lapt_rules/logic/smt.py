"""The same meaning in Z3, which reasons where the other engines enumerate.

Every principle stands behind one assumption literal, so that what Z3 blames is what the user
wrote. Costs and counts use one integer a variable, linked to its values and summed plainly: on
infeasible sums Z3 decides that form where pseudo-Boolean and if-then-else forms time out.
Z3 may answer `unknown`; that is a third answer and is never read as yes or no.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import z3

from lapt_rules.logic.binding import invariants
from lapt_rules.logic.formula import (
    Amount,
    And,
    Choice,
    Compare,
    Connected,
    Constant,
    Formula,
    Holding,
    Live,
    Measure,
    Not,
    Or,
    PathLength,
    Relation,
    Tally,
    zero_operators,
)
from lapt_rules.logic.principles import Principle, PrincipleSet
from lapt_rules.space import Space

TIMEOUT = 10.0
"""Seconds that all questions about one principle set may take together."""


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


class Reasoner:
    """Questions to Z3 about one principle set, all of them within `timeout` seconds.

    >>> from lapt_rules.logic.binding import bind
    >>> from lapt_rules.space import load_space
    >>> text = "principle p require count(conv) > 4 principle q require count(pool) > 4"
    >>> principles = bind(f"space nas201 {text}", load_space("nas201"))
    >>> [p.name for p in Reasoner(principles).conflict().principles]
    ['p', 'q']
    """

    def __init__(self, principles: PrincipleSet, timeout: float = TIMEOUT) -> None:
        self.principles = principles
        self._context = z3.Context()
        self._solver = z3.Solver(ctx=self._context)
        self._end = time.monotonic() + timeout
        encoding = Encoding(principles.space, self._context, self._solver.add)
        self._solver.add(encoding.formula(invariants(principles.space)))
        self._on: dict[str, z3.BoolRef] = {}
        self._off: dict[str, z3.BoolRef] = {}
        for principle in principles.principles:
            literal = z3.Bool(f"on {principle.name}", self._context)
            violated = z3.Bool(f"off {principle.name}", self._context)
            keeps = encoding.formula(principle.keeps)
            self._solver.add(z3.Implies(literal, keeps), z3.Implies(violated, z3.Not(keeps)))
            self._on[principle.name] = literal
            self._off[principle.name] = violated

    def satisfiable(self, principles: Iterable[Principle] | None = None) -> Answer:
        """Whether some architecture satisfies the given principles; all of the set by default."""
        chosen = self.principles.principles if principles is None else principles
        return self._ask([self._on[p.name] for p in chosen])

    def conflict(self) -> Conflict | None:
        """A minimal set of principles that clash; None where there is none, or none was proven."""
        chosen = list(self.principles.principles)
        if self.satisfiable(chosen) is not Answer.NO:
            return None
        return self._minimal(chosen, [])

    def conflicts(self, limit: int = 10) -> list[Conflict]:
        """Up to `limit` different minimal conflicts (MARCO: Liffiton et al., Constraints 2016).

        A second solver keeps the choices of principles still worth a look. One that can be
        satisfied rules out its subsets, one that cannot is shrunk to a conflict, which rules out
        its supersets.
        """
        principles = self.principles.principles
        chosen = z3.Solver(ctx=self._context)
        taken = {p.name: z3.Bool(f"in {p.name}", self._context) for p in principles}
        found: list[Conflict] = []
        while len(found) < limit and chosen.check() == z3.sat:
            model = chosen.model()
            seed = [p for p in principles if not z3.is_false(model[taken[p.name]])]
            answer = self.satisfiable(seed)
            if answer is Answer.UNKNOWN:
                break
            if answer is Answer.YES:
                rest = [taken[p.name] for p in principles if p not in seed]
                chosen.add(z3.Or(*rest) if rest else z3.BoolVal(False, self._context))
                continue
            conflict = self._minimal(seed, [])
            found.append(conflict)
            if not conflict.principles:
                break  # the space itself is empty
            chosen.add(z3.Or(*(z3.Not(taken[p.name]) for p in conflict.principles)))
        return found

    def repair(self, weights: Mapping[str, int] | None = None) -> list[Principle] | None:
        """The principles to drop so that the rest keep something: least in number, or in weight.

        `weights` says by name what dropping costs, 1 where it says nothing. None where Z3 does not
        know in time, or where the space itself is empty.
        """
        optimum = z3.Optimize(ctx=self._context)
        optimum.set("timeout", max(1, int(1000 * (self._end - time.monotonic()))))
        optimum.add(self._solver.assertions())
        for principle in self.principles.principles:
            weight = (weights or {}).get(principle.name, 1)
            optimum.add_soft(self._on[principle.name], str(weight))
        if optimum.check() != z3.sat:
            return None
        model = optimum.model()
        return [p for p in self.principles.principles if not z3.is_true(model[self._on[p.name]])]

    def redundancies(self) -> list[Redundancy]:
        """For each principle with hard clauses, whether the others imply it."""
        hard = [p for p in self.principles.principles if p.clauses]
        return [self._redundancy(p, [q for q in hard if q is not p]) for p in hard]

    def _redundancy(self, principle: Principle, others: list[Principle]) -> Redundancy:
        violated = [self._off[principle.name]]
        answer = self._ask([self._on[p.name] for p in others] + violated)
        if answer is Answer.NO:
            implied_by = self._minimal(others, violated).principles
            return Redundancy(principle, Answer.YES, implied_by)
        return Redundancy(principle, Answer.NO if answer is Answer.YES else Answer.UNKNOWN)

    def _ask(self, assumptions: Sequence[z3.BoolRef]) -> Answer:
        left = self._end - time.monotonic()
        if left <= 0:
            return Answer.UNKNOWN
        self._solver.set("timeout", max(1, int(1000 * left)))
        result = self._solver.check(*assumptions)
        if result == z3.sat:
            return Answer.YES
        return Answer.NO if result == z3.unsat else Answer.UNKNOWN

    def _minimal(self, chosen: list[Principle], fixed: list[z3.BoolRef]) -> Conflict:
        """Drop principles one at a time from a set just found unsatisfiable, while it stays so."""
        core = {str(literal) for literal in self._solver.unsat_core()}
        needed = [p for p in chosen if str(self._on[p.name]) in core]
        proven = True
        for principle in list(needed):
            rest = [p for p in needed if p is not principle]
            answer = self._ask([self._on[p.name] for p in rest] + fixed)
            if answer is Answer.NO:
                needed = rest
            proven = proven and answer is not Answer.UNKNOWN
        return Conflict(tuple(needed), proven)


class Encoding:
    """Formulas as Z3 expressions over one Boolean for each value of each variable."""

    def __init__(
        self, space: Space, context: z3.Context, add: Callable[[z3.BoolRef], None]
    ) -> None:
        self.space = space
        self._context = context
        self._add = add
        self._zero = zero_operators(space)
        self._formulas: dict[Formula, z3.BoolRef] = {}
        self._measures: dict[Measure, z3.ArithRef] = {}
        self._links: dict[tuple[int, tuple[int, ...]], z3.ArithRef] = {}
        self.takes = [
            [z3.Bool(f"v{number}={value}", context) for value in variable.values]
            for number, variable in enumerate(space.variables)
        ]
        for values in self.takes:
            add(z3.PbEq([(value, 1) for value in values], 1, ctx=context))

    def formula(self, formula: Formula) -> z3.BoolRef:
        if formula not in self._formulas:
            self._formulas[formula] = self._formula(formula)
        return self._formulas[formula]

    def _formula(self, formula: Formula) -> z3.BoolRef:
        match formula:
            case Constant(value):
                return z3.BoolVal(value, self._context)
            case Choice(variable, values):
                return self._or([self.takes[variable][value] for value in sorted(values)])
            case Not(part):
                return cast("z3.BoolRef", z3.Not(self.formula(part)))
            case And(parts):
                return self._and([self.formula(part) for part in parts])
            case Or(parts):
                return self._or([self.formula(part) for part in parts])
            case Compare(amount, relation):
                return self._related(self.amount(amount), relation)
            case Live(index):
                layer = self.space.layers[index]
                reached, leading = self._reachability(layer.cell)
                return self._and([self._flow(index, reached), leading[layer.target]])
            case Connected(index):
                reached, _ = self._reachability(index)
                return self._or([reached[node] for node in self.space.cells[index].outputs])

    def amount(self, amount: Amount) -> z3.ArithRef:
        terms = [self._int(amount.constant)]
        terms += [coefficient * self.measure(measure) for coefficient, measure in amount.terms]
        return cast("z3.ArithRef", z3.Sum(terms))

    def measure(self, measure: Measure) -> z3.ArithRef:
        if measure not in self._measures:
            self._measures[measure] = self._measure(measure)
        return self._measures[measure]

    def _measure(self, measure: Measure) -> z3.ArithRef:
        match measure:
            case Tally(weights):
                terms = [self._link(variable, weight) for variable, weight in weights]
            case Holding(parts):
                terms = [z3.If(self.formula(part), self._int(1), self._int(0)) for part in parts]
            case PathLength(extreme, cells, counted):
                lengths = [self._path(extreme, cell, dict(counted)) for cell in cells]
                return self._best(extreme, lengths)
        return cast("z3.ArithRef", z3.Sum([self._int(0), *terms]))

    def _link(self, variable: int, weight: tuple[int, ...]) -> z3.ArithRef:
        """An integer that equals the weight of the value that the variable takes."""
        key = (variable, weight)
        if key not in self._links:
            link = z3.Int(f"k{len(self._links)}", self._context)
            for takes, cost in zip(self.takes[variable], weight, strict=True):
                self._add(z3.Implies(takes, link == cost))
            self._add(self._and([link >= min(weight), link <= max(weight)]))
            self._links[key] = link
        return self._links[key]

    # -------------------------------------------------------------------------------- networks

    def _passes(self, layer: int) -> z3.BoolRef:
        values = self.takes[self.space.operator_variable[layer]]
        return self._and([z3.Not(values[zero]) for zero in sorted(self._zero)])

    def _reads(self, layer: int, source: int) -> z3.BoolRef:
        variable = self.space.source_variable[layer]
        if variable is None:
            return z3.BoolVal(True, self._context)
        return self.takes[variable][source]

    def _flow(self, layer: int, reached: dict[str, z3.BoolRef]) -> z3.BoolRef:
        sources = enumerate(self.space.layers[layer].sources)
        received = [self._and([self._reads(layer, n), reached[node]]) for n, node in sources]
        return self._and([self._passes(layer), self._or(received)])

    def _reachability(self, index: int) -> tuple[dict[str, z3.BoolRef], dict[str, z3.BoolRef]]:
        cell = self.space.cells[index]
        reached = {n: z3.BoolVal(n in cell.inputs, self._context) for n in cell.nodes}
        leading = {n: z3.BoolVal(n in cell.outputs, self._context) for n in cell.nodes}
        for i in self.space.flow_order[index]:
            target = self.space.layers[i].target
            reached[target] = self._or([reached[target], self._flow(i, reached)])
        for i in reversed(self.space.flow_order[index]):
            layer = self.space.layers[i]
            for number, source in enumerate(layer.sources):
                useful = [self._passes(i), leading[layer.target], self._reads(i, number)]
                leading[source] = self._or([leading[source], self._and(useful)])
        return reached, leading

    def _path(self, extreme: str, index: int, counted: dict[int, frozenset[int]]) -> z3.ArithRef:
        cell = self.space.cells[index]
        far = len(self.space.layers) + 1
        never = self._int(-far if extreme == "longest" else far)
        length = {node: self._int(0) if node in cell.inputs else never for node in cell.nodes}
        for i in self.space.flow_order[index]:
            layer = self.space.layers[i]
            here = never
            for number, source in enumerate(layer.sources):
                here = z3.If(self._reads(i, number), length[source], here)
            operators = self.takes[self.space.operator_variable[i]]
            counts = self._or([operators[value] for value in sorted(counted.get(i, ()))])
            step = z3.If(counts, self._int(1), self._int(0))
            reached = here >= 0 if extreme == "longest" else here < far
            here = z3.If(self._and([self._passes(i), reached]), here + step, never)
            length[layer.target] = self._best(extreme, [length[layer.target], here])
        end = self._best(extreme, [length[node] for node in cell.outputs])
        lives = end >= 0 if extreme == "longest" else end < far
        return cast("z3.ArithRef", z3.If(lives, end, self._int(0)))

    def _best(self, extreme: str, lengths: Sequence[z3.ArithRef]) -> z3.ArithRef:
        best = lengths[0]
        for length in lengths[1:]:
            better = length > best if extreme == "longest" else length < best
            best = z3.If(better, length, best)
        return best

    # ------------------------------------------------------------------------------ Z3's own

    def _int(self, value: int) -> z3.ArithRef:
        return z3.IntVal(value, self._context)

    def _and(self, parts: Sequence[Any]) -> z3.BoolRef:
        if not parts:
            return z3.BoolVal(True, self._context)
        return cast("z3.BoolRef", z3.And(*parts)) if len(parts) > 1 else parts[0]

    def _or(self, parts: Sequence[Any]) -> z3.BoolRef:
        if not parts:
            return z3.BoolVal(False, self._context)
        return cast("z3.BoolRef", z3.Or(*parts)) if len(parts) > 1 else parts[0]

    def _related(self, amount: z3.ArithRef, relation: Relation) -> z3.BoolRef:
        match relation:
            case "<=":
                return amount <= 0
            case ">=":
                return amount >= 0
            case "==":
                return cast("z3.BoolRef", amount == 0)
            case "!=":
                return cast("z3.BoolRef", amount != 0)
            case "<":
                return amount < 0
            case ">":
                return amount > 0
