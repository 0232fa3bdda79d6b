"""Z3, which finds a solution and blocks it by a clause, again and again.

Its finite-domain solver does that fastest. Models are read through the C interface: Python's own
way of reading 128 Booleans takes longer than finding them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import z3

from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.bench.peers.z3_problem import state


class Z3Blocking(Peer):
    about = About("Z3 blocking", ("count", "first"), counts_by_listing=True)

    def lister(self) -> Callable[[int | None], Sequence[Sequence[int]]]:
        solver = z3.SolverFor("QF_FD")
        takes = state(self.principles, solver)
        context = z3.main_ctx().ref()
        declared = [[literal.decl().ast for literal in values] for values in takes]
        opposite = [[z3.Not(literal) for literal in values] for values in takes]

        def is_true(model: z3.ModelRef, declaration: object) -> bool:
            meaning = z3.Z3_model_get_const_interp(context, model.model, declaration)
            return bool(meaning) and z3.Z3_get_bool_value(context, meaning) == z3.Z3_L_TRUE

        def listed(number: int | None) -> list[list[int]]:
            found: list[list[int]] = []
            while len(found) != number and solver.check() == z3.sat:
                model = solver.model()
                row = [
                    next(v for v, declaration in enumerate(values) if is_true(model, declaration))
                    for values in declared
                ]
                found.append(row)
                solver.add(z3.Or(*(o[value] for o, value in zip(opposite, row, strict=True))))
            return found

        return listed
