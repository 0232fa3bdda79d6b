"""The tests that a principle file carries: `accept`, `reject`, `rank` and `expect`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lapt_rules.language import syntax as ast
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.formula import Amount, Plain
from lapt_rules.logic.principles import Example, Preference, Principle, PrincipleSet
from lapt_rules.space import Architecture


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


def score(preferences: Iterable[Preference], architecture: Architecture) -> float:
    """The sum of the weights (nats) of the preferences that hold for an architecture."""
    plain = Plain(architecture.space, architecture.values)
    total = 0.0
    for preference in preferences:
        if plain.holds(preference.when):
            what = preference.what
            value = plain.amount(what) if isinstance(what, Amount) else plain.holds(what)
            total += preference.weight * value
    return total


def rejecters(
    principles: Iterable[Principle], architecture: Architecture
) -> list[tuple[Principle, ast.Hard]]:
    """Each clause that rejects an architecture, with its principle."""
    plain = Plain(architecture.space, architecture.values)
    return [
        (principle, clause.syntax)
        for principle in principles
        for clause in principle.clauses
        if not plain.holds(clause.keeps)
    ]


def is_well_formed(architecture: Architecture) -> bool:
    """Whether the architecture satisfies the invariants of its space."""
    space = architecture.space
    return Plain(space, architecture.values).holds(invariants(space))


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
