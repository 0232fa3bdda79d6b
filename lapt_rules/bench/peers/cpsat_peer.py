"""CP-SAT: OR-Tools' solver lists all solutions; sums are its own linear constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lapt_rules.bench.circuit import Circuit
from lapt_rules.bench.clauses import Clauses
from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic.binding import invariants


class _Model(Clauses):
    """Clauses go into the model as they come; a sum that counts as a condition is enforced by it,
    its opposite by the negated condition."""

    has_sums = True

    def __init__(self, sizes: Sequence[int]) -> None:
        from ortools.sat.python import cp_model

        self.model = cp_model.CpModel()
        self._weighted_sum = cp_model.LinearExpr.weighted_sum
        self._of: list[Any] = []  # OR-Tools has no one type for a literal and its opposite
        super().__init__(sizes)
        self.values = [self.model.new_int_var(0, size - 1, "") for size in sizes]
        for value, takes in zip(self.values, self.takes, strict=True):
            numbered = zip(takes, range(len(takes)), strict=True)
            self.model.add(value == sum(k * self._literal(t) for t, k in numbered))

    def _literal(self, number: int) -> Any:
        literal = self._of[abs(number) - 1]
        return literal if number > 0 else literal.negated()

    def new(self) -> int:
        self._of.append(self.model.new_bool_var(""))
        return super().new()

    def clause(self, literals: Sequence[int]) -> None:
        self.model.add_bool_or([self._literal(number) for number in literals])

    def exactly_one(self, literals: Sequence[int]) -> None:
        self.model.add_exactly_one([self._literal(number) for number in literals])

    def at_least(self, terms: Sequence[tuple[int, int]], bound: int) -> int:
        key = (1, bound, *(number for term in terms for number in term))
        if key not in self._known:
            node = self.new()
            total = self._weighted_sum(
                [self._literal(number) for _, number in terms], [weight for weight, _ in terms]
            )
            self.model.add(total >= bound).only_enforce_if(self._literal(node))
            self.model.add(total <= bound - 1).only_enforce_if(self._literal(-node))
            self._known[key] = node
        return self._known[key]


class CpSat(Peer):
    about = About("CP-SAT", ("count", "first"), counts_by_listing=True)

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        from ortools.sat.python import cp_model

        model = _Model([len(variable.values) for variable in self.space.variables])
        circuit = Circuit(self.space, model)
        model.require(circuit.lower(invariants(self.space)))
        for principle in self.principles.principles:
            model.require(circuit.lower(principle.keeps))
        solver = cp_model.CpSolver()
        solver.parameters.enumerate_all_solutions = True
        solver.parameters.num_workers = 1  # listing all is done by one worker alone
        solver.parameters.linearization_level = 0  # without an objective relaxations only cost

        class Listing(cp_model.CpSolverSolutionCallback):  # type: ignore[misc, unused-ignore]
            def __init__(self, number: int | None) -> None:
                super().__init__()
                self.number = number
                self.found: list[list[int]] = []

            def on_solution_callback(self) -> None:
                self.found.append([self.value(value) for value in model.values])
                if len(self.found) == self.number:
                    self.stop_search()

        def listed(number: int | None) -> list[list[int]]:
            listing = Listing(number)
            solver.solve(model.model, listing)
            return listing.found

        return listed
