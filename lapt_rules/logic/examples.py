"""The tests that a principle file carries: `accept`, `reject`, `rank` and `expect`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lapt_rules.language import syntax as ast
from lapt_rules.logic.plain import is_well_formed, rejecters, score
from lapt_rules.logic.principles import Example, Principle, PrincipleSet


@dataclass(frozen=True)
class Outcome:
    """One test and how it went; `found` says what is the case where it failed."""

    test: ast.Test | ast.Expect
    principle: str
    passed: bool
    found: str = ""


def run_tests(principles: PrincipleSet, count: int) -> list[Outcome]:
    """Run every test of a file; `count` is how many architectures the file keeps.

    A test inside a principle is of that principle alone, one outside of the whole file.
    """
    outcomes = []
    for principle in principles.principles:
        outcomes += [_run(one, [principle], principle.name) for one in principle.examples]
    outcomes += [_run(one, principles.principles, "") for one in principles.examples]
    for expect in principles.expectations:
        passed = expect.minimum <= count <= expect.maximum
        outcomes.append(Outcome(expect, "", passed, "" if passed else f"the file keeps {count:,}"))
    return outcomes


def _run(example: Example, principles: Sequence[Principle], owner: str) -> Outcome:
    first = example.architectures[0]
    if example.kind == "rank":
        preferences = [p for principle in principles for p in principle.preferences]
        better, worse = (score(preferences, one) for one in example.architectures)
        passed = better > worse
        found = "" if passed else f"it scores {better:.3g}, the other {worse:.3g}"
        return Outcome(example.syntax, owner, passed, found)
    against = rejecters(principles, first)
    kept = not against and is_well_formed(first)
    passed = kept == (example.kind == "accept")
    if passed:
        return Outcome(example.syntax, owner, True)
    if kept:
        return Outcome(example.syntax, owner, False, "it is kept")
    names = dict.fromkeys(principle.name for principle, _ in against)
    by = f"it is rejected by {', '.join(names)}" if names else "it is not well-formed"
    return Outcome(example.syntax, owner, False, by)
