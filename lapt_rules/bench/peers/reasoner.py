"""Our own reasoner in Z3, which names the principles that reject one architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic.arrays import Rows
from lapt_rules.logic.budget import Budget
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.smt import Reasoner
from lapt_rules.space import Architecture

MANY = 10**12
"""What Z3 may use for all questions together: the bench has a limit of its own."""


class ThroughZ3(Peer):
    about = About("lapt, Z3", ("explain",))

    def explainer(self) -> Callable[[Rows], Sequence[Sequence[str]]]:
        reasoner = Reasoner(self.principles, Compiler(self.space, Budget(resources=MANY)))

        def explain(rows: Rows) -> list[list[str]]:
            architectures = [Architecture(self.space, tuple(row)) for row in rows.tolist()]
            found = [reasoner.rejecters(architecture) for architecture in architectures]
            return [[principle.name for principle in principles or ()] for principles in found]

        return explain
