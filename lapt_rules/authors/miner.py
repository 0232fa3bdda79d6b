"""The miner: principles from an archive by counting, with no language model.

Hard rules. Candidates are what the archive shows: which operators and sources each layer has, how
many of each operator or class, how long the paths are. Of the rules that most of the archive keeps
the one with the highest lift is taken (its share of the archive / its share of the space, both
exact), then the next, each measured inside what the earlier ones keep, until none adds much or the
subspace would grow too small.

Preferences. The leanings of every layer (`lapt_rules.authors.leaning`), which `update` measures
anew with what the search has found; `explore` also reopens what the rule with the least margin
shut out, and prefers it until it was tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lapt_rules.analysis import Analysis
from lapt_rules.authors.author import Brief
from lapt_rules.authors.evidence import Evidence, Support
from lapt_rules.authors.leaning import best_found, leanings, with_leanings
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Archive
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import parse
from lapt_rules.logic.binding import bind
from lapt_rules.logic.formula import Amount, And, Formula
from lapt_rules.logic.plain import Plain
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, whole

_CLEAR_SUPPORT = 0.9


@dataclass(frozen=True)
class _Rule:
    """A hard rule the archive may support: a name for it, its text and what it means."""

    name: str
    clause: str
    keeps: Formula


@dataclass(frozen=True)
class Miner:
    """Writes principles by counting.

    `rule_support` is the share of the archive that each rule must keep of what is left, and
    `support` the share that all of them together must keep; `least_lift` is what a rule must add,
    and `most_rules` how many there may be.
    """

    rule_support: float = 0.9
    support: float = 0.8
    least_lift: float = 1.15
    most_rules: int = 6
    name: str = "miner"

    def learn(self, brief: Brief) -> str:
        """Hard rules and preferences that the archive supports.

        Raises RunError for an empty archive.
        """
        if not len(brief.archive):
            raise RunError("the archive is empty", "use a source table with architectures")
        principles = self._rules(brief)
        learned_from = f"the best {len(brief.archive)} of {brief.archive.origin}"
        file = parse("\n".join([f"space {brief.space.name}", *principles]))
        note = f"# learn: from {learned_from}, by {self.name}."
        return with_leanings(file, brief, leanings(brief), note)

    def update(self, brief: Brief) -> str:
        """The hard rules as they are; the preferences with what the target has shown added."""
        note = f"# update: {_evidence(brief)}."
        return with_leanings(_in_force(brief), brief, leanings(brief), note)

    def explore(self, brief: Brief) -> str:
        """The hard principle that adds least dropped; what it shut out is preferred until tried."""
        file = _in_force(brief)
        weights = leanings(brief)
        assert brief.principles is not None
        hard = [p for p in brief.principles.principles if p.clauses]
        if not hard:
            note = f"# explore: {_evidence(brief)}; there was no rule to drop."
            return with_leanings(file, brief, weights, note)
        margins = {e.principle: e.margin for e in Analysis(brief.principles).effects()}
        weakest = min(hard, key=lambda p: margins[p.name])
        before = _possible(brief.space, brief.principles.keeps)
        after = _possible(brief.space, And(tuple(p.keeps for p in hard if p is not weakest)))
        tried = {
            (variable, value)
            for trial in brief.trials
            for variable, value in enumerate(trial.architecture.values)
        }
        for variable, value in after - before - tried:
            best = max(w for (v, _), w in weights.items() if v == variable)
            weights[variable, value] = best + 0.5
        blocks = tuple(block for block in file.blocks if block is not weakest.syntax)
        opened = ast.File(blocks, file.closing)
        note = f"# explore: {_evidence(brief)}; dropped {weakest.name}, which added least."
        return with_leanings(opened, brief, weights, note)

    # ------------------------------------------------------------------------------ hard rules

    def _rules(self, brief: Brief) -> list[str]:
        space, archive = brief.space, brief.archive
        smallest = max(len(archive), 10 * brief.population)
        taken: list[_Rule] = []
        lines: list[str] = []
        kept: Sequence[Architecture] = archive.architectures
        size = whole(space).count()
        candidates = list(_candidates(space, archive))
        while len(taken) < self.most_rules:
            best: tuple[float, _Rule, int] | None = None
            for rule in candidates:
                members = sum(_holds(rule.keeps, a) for a in kept)
                enough = members >= max(self.rule_support * len(kept), self.support * len(archive))
                if not enough:
                    continue
                inside = And((*(r.keeps for r in taken), rule.keeps))
                count = Subspace(space, inside).count()
                if count < smallest:
                    continue
                lift = (members / len(kept)) / (count / size)
                if best is None or lift > best[0] + 1e-9:
                    best = lift, rule, count
            if best is None or best[0] < self.least_lift:
                break
            _, rule, size = best
            taken.append(rule)
            kept = [a for a in kept if _holds(rule.keeps, a)]
            support = sum(_holds(rule.keeps, a) for a in archive.architectures)
            share = _share(space, rule.keeps)
            lift = support / len(archive) / share
            of_archive = f"{support} of {len(archive)} in the archive"
            why = f"{of_archive}, {share:.1%} of the space: lift {lift:.2f}"
            twice = sum(other.name == rule.name for other in taken[:-1])
            name = f"{rule.name}_{twice + 1}" if twice else rule.name
            lines.append(f'principle {name} "{why}" require {rule.clause}')
        return lines


def clear_rules(space: Space, archive: Archive, most: int) -> list[tuple[str, Support]]:
    """What nine tenths of an archive keep, with the highest lift first: formulas and their support.

    Of rules on one layer or one measure only the best is told.
    """
    evidence = Evidence(space, archive.architectures)
    found: dict[str, tuple[str, Support]] = {}
    for rule in _candidates(space, archive):
        if evidence.kept(rule.keeps) < _CLEAR_SUPPORT * evidence.size:
            continue
        support = evidence.support(rule.keeps)
        subject = re.split(r" in \{| from | [<>]= ", rule.clause)[0]
        if subject not in found or support.lift > found[subject][1].lift:
            found[subject] = rule.clause, support
    return sorted(found.values(), key=lambda one: -one[1].lift)[:most]


def _candidates(space: Space, archive: Archive) -> Iterator[_Rule]:
    """Rules that could be read off the archive; the tails of what it shows are cut at 0 to 5 %."""
    found: dict[str, str] = {}
    architectures = archive.architectures
    tails = sorted({0, len(architectures) // 50, len(architectures) // 20})
    for index, variable in enumerate(space.variables):
        layer = space.layers[variable.layer].name
        seen = Counter(a.values[index] for a in architectures)
        for tail in tails:
            names = [variable.values[v] for v in range(len(variable.values)) if seen[v] > tail]
            if 0 < len(names) < len(variable.values):
                if variable.kind == "operator":
                    found.setdefault(
                        f"{layer} in {_set(_classed(space, names))}", f"{layer}_operator"
                    )
                else:
                    found.setdefault(f"{layer} from {_set(names)}", f"{layer}_source")
    classes = [name for name, members in space.classes.items() if len(members) > 1]
    for name in [*classes, *space.operator_index]:
        for extreme in ("count", "longest", "shortest"):
            for bound, relation in _bounds(space, f"{extreme}({name})", architectures, tails):
                word = "at_least" if relation == ">=" else "at_most"
                clause = f"{extreme}({name}) {relation} {bound}"
                found.setdefault(clause, f"{extreme}_{name}_{word}_{bound}")
    for layer in space.layer_index:
        found.setdefault(f"{layer} is live", f"{layer}_is_live")
    for clause, name in found.items():
        yield _Rule(name, clause, _meaning(space, clause))


def _bounds(
    space: Space, measure: str, architectures: Sequence[Architecture], tails: Sequence[int]
) -> Iterator[tuple[int, str]]:
    """What bounds a measure on the archive from below and from above, but for a tail."""
    bound = bind(f"space {space.name} principle m prefer more {measure} weight 1", space)
    what = bound.preferences[0].what
    values = sorted(_amount(what, a) for a in architectures)
    for tail in tails:
        yield values[tail], ">="
        yield values[-1 - tail], "<="


def _amount(what: object, architecture: Architecture) -> int:
    assert isinstance(what, Amount)
    return Plain(architecture.space, architecture.values).amount(what)


def _meaning(space: Space, clause: str) -> Formula:
    return bind(f"space {space.name} principle m require {clause}", space).keeps


def _holds(keeps: Formula, architecture: Architecture) -> bool:
    return Plain(architecture.space, architecture.values).holds(keeps)


def _share(space: Space, keeps: Formula) -> float:
    return Subspace(space, keeps).count() / whole(space).count()


def _classed(space: Space, operators: Sequence[str]) -> list[str]:
    """Operators with every class that is there in full named as such: principles travel better."""
    left = list(operators)
    named = []
    for name, members in space.classes.items():
        if len(members) > 1 and set(members) <= set(left):
            named.append(name)
            left = [operator for operator in left if operator not in members]
    return named + left


def _set(names: Sequence[str]) -> str:
    return "{" + ", ".join(names) + "}"


def _possible(space: Space, keeps: Formula) -> set[tuple[int, int]]:
    """The values that each variable still takes somewhere in a subspace."""
    return {
        (index, value)
        for index, counts in enumerate(Subspace(space, keeps).value_counts())
        for value, count in enumerate(counts)
        if count
    }


def _evidence(brief: Brief) -> str:
    found = len(best_found(brief))
    return f"preferences lean to the best {found} of {len(brief.trials)} evaluations"


def _in_force(brief: Brief) -> ast.File:
    assert brief.principles is not None, "there are principles in force once a search has begun"
    return brief.principles.file
