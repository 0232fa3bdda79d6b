"""CaDiCaL: lists solutions, each followed by a clause that blocks it.

On these sets that is faster than walking the choices under assumptions, and CaDiCaL faster than
Glucose, MiniSat and MapleSAT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lapt_rules.bench.circuit import Circuit
from lapt_rules.bench.clauses import Clauses
from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic.binding import invariants


class Sat(Peer):
    about = About("CaDiCaL", ("count", "first"), counts_by_listing=True)

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        from pysat.solvers import Solver

        problem = Clauses([len(variable.values) for variable in self.space.variables])
        circuit = Circuit(self.space, problem)
        problem.require(circuit.lower(invariants(self.space)))
        for principle in self.principles.principles:
            problem.require(circuit.lower(principle.keeps))
        solver = Solver("cadical195", bootstrap_with=problem.clauses)

        def listed(number: int | None) -> list[list[int]]:
            found: list[list[int]] = []
            while len(found) != number and solver.solve():
                model = solver.get_model()
                taken = [
                    next(literal for literal in values if model[literal - 1] > 0)
                    for values in problem.takes
                ]
                solver.add_clause([-literal for literal in taken])
                pairs = zip(taken, problem.takes, strict=True)
                found.append([literal - values[0] for literal, values in pairs])
            solver.delete()
            return found

        return listed
