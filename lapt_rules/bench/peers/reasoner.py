"""Our own reasoner in Z3, which names the principles that reject one architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic import smt
from lapt_rules.logic.arrays import Rows
from lapt_rules.logic.principles import Principle
from lapt_rules.space import Architecture

LONG = 3600.0

_REJECTERS = "rejecters"  # by name, as not every version of the reasoner has it


class ThroughZ3(Peer):
    about = About("lapt, Z3", ("explain",) if hasattr(smt.Reasoner, _REJECTERS) else ())

    def explainer(self) -> Callable[[Rows], Sequence[Sequence[str]]]:
        reasoner = smt.Reasoner(self.principles, LONG)
        rejecters: Callable[[Architecture], list[Principle]] = getattr(reasoner, _REJECTERS)

        def explain(rows: Rows) -> list[list[str]]:
            architectures = [Architecture(self.space, tuple(row)) for row in rows.tolist()]
            return [[principle.name for principle in rejecters(one)] for one in architectures]

        return explain
