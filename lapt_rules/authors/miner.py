"""The miner: principles from an archive by counting, with no language model.

Hard rules. Candidates are what the archive shows: which operators and sources each layer has, how
many of each operator or class, how long the paths are. Of the rules that most of the archive keeps
the one with the highest lift is taken (its share of the archive / its share of the space, both
exact), then the next, each measured inside what the earlier ones keep, until none adds much or the
subspace would grow too small.

Preferences. For each layer and operator the natural log-odds of being in the archive against
being anywhere in the space, with one pseudo-observation of the space, so that 0 says nothing.

On the target, `update` adds the log-odds of being among the best found (r of them, but no more
than half) against being evaluated at all; `explore` reopens what the rule with the least margin
shut out, and prefers it until it was tried.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lapt_rules.analysis import Analysis
from lapt_rules.authors.author import Brief
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Archive
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import parse
from lapt_rules.language.printer import print_file
from lapt_rules.logic.binding import bind
from lapt_rules.logic.formula import Amount, And, Formula
from lapt_rules.logic.plain import Plain
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import Subspace, whole

_LEANING = "ln(share in the archive / share in the space)"
"""The reason that the miner gives for its preferences, and knows them by."""

_ADAPTED = f"{_LEANING} + ln(share of the best found / share of all evaluated)"


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
        header = [
            f"# learn: from {learned_from}, by {self.name}.",
            f"space {brief.space.name}",
        ]
        weights = _log_odds(brief.space, brief.archive.architectures)
        preferences = _preferences(brief.space, weights, _LEANING)
        return _layout("\n".join([*header, *principles, *preferences]))

    def update(self, brief: Brief) -> str:
        """The hard rules as they are; the preferences with what the target has shown added."""
        file = _in_force(brief)
        weights = self._learned_weights(brief)
        note = f"# update: {self._evidence(brief)}."
        return _layout(_with_preferences(file, brief.space, weights, note))

    def explore(self, brief: Brief) -> str:
        """The hard principle that adds least dropped; what it shut out is preferred until tried."""
        file = _in_force(brief)
        weights = self._learned_weights(brief)
        assert brief.principles is not None
        hard = [p for p in brief.principles.principles if p.clauses]
        if not hard:
            note = f"# explore: {self._evidence(brief)}; there was no rule to drop."
            return _layout(_with_preferences(file, brief.space, weights, note))
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
        note = f"# explore: {self._evidence(brief)}; dropped {weakest.name}, which added least."
        return _layout(_with_preferences(opened, brief.space, weights, note))

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

    # ----------------------------------------------------------------------------- preferences

    def _top_found(self, brief: Brief) -> list[Architecture]:
        """The best found: r of them, but no more than half of what was evaluated."""
        half = math.ceil(len(brief.trials) / 2)
        return [trial.architecture for trial in brief.found[:half]]

    def _evidence(self, brief: Brief) -> str:
        found = len(self._top_found(brief))
        return f"preferences lean to the best {found} of {len(brief.trials)} evaluations"

    def _learned_weights(self, brief: Brief) -> dict[tuple[int, int], float]:
        """The archive's log-odds plus those of the best r against all that was evaluated."""
        weights = _log_odds(brief.space, brief.archive.architectures)
        found = self._top_found(brief)
        tried = [trial.architecture for trial in brief.trials]
        for variable in range(len(brief.space.variables)):
            among = Counter(a.values[variable] for a in found)
            against = Counter(a.values[variable] for a in tried)
            for value, number in against.items():
                share = number / len(tried)
                odds = (among[value] + share) / (len(found) + 1) / share
                weights[variable, value] += math.log(odds)
        return weights


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


def _log_odds(space: Space, architectures: Sequence[Architecture]) -> dict[tuple[int, int], float]:
    """For each variable and value: ln of its share in the archive over its share in the space."""
    weights = {}
    everything = whole(space)
    for index, counts in enumerate(everything.value_counts()):
        seen = Counter(a.values[index] for a in architectures)
        for value, count in enumerate(counts):
            share = count / everything.count()
            if share:
                odds = (seen[value] + share) / (len(architectures) + 1) / share
                weights[index, value] = math.log(odds)
    return weights


def _possible(space: Space, keeps: Formula) -> set[tuple[int, int]]:
    """The values that each variable still takes somewhere in a subspace."""
    return {
        (index, value)
        for index, counts in enumerate(Subspace(space, keeps).value_counts())
        for value, count in enumerate(counts)
        if count
    }


def _preferences(space: Space, weights: dict[tuple[int, int], float], why: str) -> list[str]:
    """One principle a layer, its operators and sources by falling weight."""
    lines = []
    for layer_number, layer in enumerate(space.layers):
        clauses = []
        for (index, value), weight in sorted(weights.items(), key=lambda item: -item[1]):
            variable = space.variables[index]
            if variable.layer == layer_number:
                word = "is" if variable.kind == "operator" else "from"
                clauses.append(
                    f"prefer {layer.name} {word} {variable.values[value]} weight {weight:.2f}"
                )
        lines.append(f'principle {layer.name}_leaning "{why}" ' + " ".join(clauses))
    return lines


def _with_preferences(
    file: ast.File, space: Space, weights: dict[tuple[int, int], float], note: str
) -> str:
    """The file with the miner's own preferences replaced, and a note of what was done and why.

    It is bound to the space that the preferences name.
    """
    kept: list[ast.Block] = []
    for block in file.blocks:
        if isinstance(block, ast.SpaceLine):
            above = (*block.comments.above, note)
            comments = replace(block.comments, above=above)
            kept.append(replace(block, name=ast.Name(space.name), comments=comments))
        elif not (isinstance(block, ast.Principle) and block.why.startswith(_LEANING)):
            kept.append(block)
    return "\n".join(
        [print_file(ast.File(tuple(kept), file.closing)), *_preferences(space, weights, _ADAPTED)]
    )


def _in_force(brief: Brief) -> ast.File:
    assert brief.principles is not None, "there are principles in force once a search has begun"
    return brief.principles.file


def _layout(text: str) -> str:
    return print_file(parse(text))
