"""One peer in a process of its own: reads a task from stdin, writes an answer a line to stdout.

A task names the peer, the space, the principle file and the questions. The first line says that all
is read and imported; each further one is a JSON object with a question and what was measured.
Whatever is not measured when the process is ended, its parent knows to be over the limit.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lapt_rules.bench import peers
from lapt_rules.bench.cases import Case, bound, with_other_numbers
from lapt_rules.bench.drawing import Drawing
from lapt_rules.bench.measure import best_of, peak_memory, seconds_each
from lapt_rules.bench.peers.peer import Peer
from lapt_rules.errors import LaptError
from lapt_rules.language.parser import read_text
from lapt_rules.logic.arrays import Arrays, Rows
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.formula import And
from lapt_rules.subspace import Subspace

FIRST = 1_000
LISTED = 1 << 16  # no set of a space of so many points is too large to list
ROWS = 1 << 17  # rows at hand for membership and explanations
SOME = 100  # of them, those whose answers are compared between the peers
DRAWS = 1 << 22
FEW = 1_000  # architectures whose neighbours are listed


class Task:
    """One peer and one set, and the measuring of each question."""

    def __init__(self, peer: str, case: Case, quick: bool) -> None:
        self.peer_class = peers.load(peer)
        self.case = case
        self.principles = case.load()
        self.space = self.principles.space
        self.repeats, self.patience = (2, 0.2) if quick else (9, 1.0)

    def peer(self) -> Peer:
        return self.peer_class(self.principles)

    def ask(self, question: str) -> dict[str, Any]:
        """What was measured: `seconds` or `rate`, and the `answer` that all peers must share."""
        measured: dict[str, Any] = getattr(self, f"_{question}")()
        return measured

    # ------------------------------------------------------------------------------ with a time

    def _fresh(self) -> dict[str, Any]:
        seconds, number = best_of(self.peer().count, 1)
        return {"seconds": seconds, "answer": str(number)}

    def _prepare(self) -> None:
        """Leave what a process has that counted some other, small set of this space before."""
        text = "principle p require each l in all: l is conv"
        other = bound(f"space {self.space.name} {text}", self.space)
        about = self.peer_class.about
        is_large = prod(len(variable.values) for variable in self.space.variables) > LISTED
        if "count" in about.questions and not (about.counts_by_listing and is_large):
            self.peer_class(other).count()
        Subspace(self.space, other.keeps).count()

    def _count(self) -> dict[str, Any]:
        self._prepare()
        seconds, number = best_of(self.peer().count, 1)
        return {"seconds": seconds, "answer": str(number)}

    def _again(self) -> dict[str, Any]:
        self._prepare()
        self.peer().count()
        text = with_other_numbers(read_text(self.case.file))
        peer = self.peer_class(bound(text, self.space))
        seconds, number = best_of(peer.count, 1)
        return {"seconds": seconds, "note": f"{number:,}"}

    def _first(self) -> dict[str, Any]:
        self._prepare()
        best, before, total = float("inf"), float("inf"), 0.0
        while total < self.patience:
            built, listed = best_of(self.peer().lister, 1)
            taken, rows = best_of(partial(listed, FIRST), 1)
            total += built + taken
            best, before = min(best, built + taken), min(before, built)
        self._check(np.array(rows, np.int8))
        distinct = len({tuple(row) for row in rows})
        return {"seconds": best, "before": before, "answer": f"{distinct} different"}

    # ------------------------------------------------------------------------------ with a rate

    def _samples(self) -> dict[str, Any]:
        start, draw = best_of(self.peer().sampler, 1)
        kept, attempts = 0, 0

        def run(number: int) -> None:
            nonlocal kept, attempts
            kept += len(draw(number))
            attempts += number

        each, _ = seconds_each(run, DRAWS, self.repeats, self.patience)
        self._check(draw(FIRST))
        note = "" if kept else f"none in {attempts:,} draws"
        return {"rate": kept / attempts / each, "before": start, "note": note}

    def _members(self) -> dict[str, Any]:
        rows = self._rows()
        decide = self.peer().membership()
        found = int(np.sum(decide(rows[:SOME])))
        repeats = self.repeats
        each, _ = seconds_each(lambda n: decide(rows[:n]), len(rows), repeats, self.patience)
        return {"rate": 1 / each, "answer": f"{found} of {SOME}"}

    def _neighbours(self) -> dict[str, Any]:
        rows = Subspace(self.space, self.principles.keeps).sample_rows(FEW, 3)
        neighbours = self.peer().neighbourhood()
        found = neighbours(rows[:4])
        repeats = self.repeats
        each, _ = seconds_each(
            lambda number: neighbours(rows[:number]), FEW, repeats, self.patience
        )
        return {"rate": 1 / each, "answer": " ".join(map(str, found))}

    def _explain(self) -> dict[str, Any]:
        rows = self._rows()
        arrays = Arrays(self.space, rows)
        kept = And((invariants(self.space), self.principles.keeps))
        rows = rows[~arrays.holds(kept) & arrays.holds(invariants(self.space))]
        explain = self.peer().explainer()
        named = sum(len(principles) for principles in explain(rows[:SOME]))
        repeats = self.repeats
        each, _ = seconds_each(lambda n: explain(rows[:n]), len(rows), repeats, self.patience)
        return {"rate": 1 / each, "answer": f"{named} principles for {min(SOME, len(rows))}"}

    def _growth(self) -> dict[str, Any]:
        """The count as in a new process, the size of the diagram, and the rate of the sampler."""
        seconds, number = best_of(self.peer().count, 1)
        both = And((invariants(self.space), self.principles.keeps))
        nodes = Compiler(self.space).compile(both).nodes
        samples = self._samples()
        return {
            "seconds": seconds,
            "answer": str(number),
            "nodes": nodes,
            "rate": samples["rate"],
            "before": samples["before"],
        }

    def _rows(self) -> Rows:
        """Raw draws and members in turn, the same for every peer."""
        raw = Drawing(self.space).rows(ROWS, np.random.default_rng(1)).copy()
        raw[::2] = Subspace(self.space, self.principles.keeps).sample_rows(ROWS // 2, 2)
        return raw

    def _check(self, rows: Rows) -> None:
        """Raise where a row is not what it was asked for: the peer, or how we use it, is wrong."""
        both = And((invariants(self.space), self.principles.keeps))
        if len(rows) and not Arrays(self.space, rows).holds(both).all():
            raise LaptError(f"{self.peer_class.about.title} gives architectures outside the set")


def main() -> None:
    task = json.loads(sys.stdin.read())
    case = Case(task["case"], Path(task["space"]), Path(task["file"]))
    try:
        asked = Task(task["peer"], case, task["quick"])
        print(json.dumps({"ready": task["peer"]}), flush=True)
        for question in task["questions"]:
            wall, processor = time.perf_counter(), time.process_time()
            measured = asked.ask(question)
            share = (time.process_time() - processor) / (time.perf_counter() - wall)
            measured |= {"question": question, "peak": peak_memory(), "share": share}
            print(json.dumps(measured), flush=True)
    except LaptError as error:
        print(json.dumps({"error": error.message}), flush=True)


if __name__ == "__main__":
    main()
