"""What the engine tells an author, in words: what it counted, measured and left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from lapt_rules.authors.author import Brief
from lapt_rules.authors.evidence import Evidence, Support, found_evidence, told_leaning
from lapt_rules.authors.leaning import (
    archive_leanings,
    is_leaning,
    leaning_preferences,
    leanings,
)
from lapt_rules.errors import listed
from lapt_rules.evaluate.agreement import kendall_tau
from lapt_rules.evaluate.evaluator import Rated
from lapt_rules.gate import Report
from lapt_rules.language.printer import print_clause
from lapt_rules.logic.plain import score
from lapt_rules.logic.principles import Preference
from lapt_rules.network import isomorphism_key
from lapt_rules.search.searcher import Trial
from lapt_rules.subspace import Subspace, whole

_MOST_LOST = 10
_FIRST_TRIED = 10
_MOST_FIRST = 20
_PAIRS = 8


def effects(report: Report, brief: Brief) -> str:
    """What each principle of a file keeps and rejects, and what archive and search say of it.

    Of a file that keeps nothing, and so has no effects, how much of the archive each keeps.
    """
    lines = []
    evidence = Evidence(brief.space, brief.archive.architectures)
    best = Evidence(brief.space, [trial.architecture for trial in brief.found])
    found = found_evidence(brief)
    by_name = {effect.principle: effect for effect in report.effects}
    for principle in report.principles.principles if report.principles else ():
        if is_leaning(principle.syntax):
            continue
        effect = by_name.get(principle.name)
        if principle.clauses:
            told = [f"{evidence.kept(principle.keeps)} of {evidence.size} in the archive"]
            if effect:
                told = [f"{evidence.support(principle.keeps, effect.alone)}"]
            if best.size:
                told.append(f"{best.kept(principle.keeps)} of the best {best.size} found")
            if effect:
                told.append(f"without it the file would keep {effect.margin:,} more architectures")
            lines.append(f"- `{principle.name}` keeps {'; '.join(told)}")
        for preference in principle.preferences:
            measured = told_leaning(preference, evidence, found)
            said = f" (measured {measured})" if measured else ""
            lines.append(f"- `{principle.name}`: `{print_clause(preference.syntax)}`{said}")
    return "\n".join(lines)


def lost(subspace: Subspace, brief: Brief) -> str:
    """The best found or, before there are any, the members of the archive that are not kept."""
    shown = [(t.architecture, t.value) for t in brief.found] or [
        (member.architecture, member.value) for member in brief.archive.members
    ]
    what = "the best found" if brief.trials else "the architectures shown"
    out = [
        f"{number}. {one.listing}  {value:.6g}"
        for number, (one, value) in enumerate(shown, start=1)
        if one not in subspace
    ]
    if not out:
        return f"It loses none of {what}."
    more = [f"and {len(out) - _MOST_LOST} more"] * (len(out) > _MOST_LOST)
    return "\n".join([f"Of {what} it loses:", *out[:_MOST_LOST], *more])


def first_tried(subspace: Subspace, brief: Brief) -> str:
    """The architectures with the highest scores that compute something new, with their scores.

    As many as the next round spends, at most twenty.
    """
    most = min(brief.round or _FIRST_TRIED, _MOST_FIRST)
    taken = {isomorphism_key(trial.architecture) for trial in brief.trials}
    lines: list[tuple[str, float]] = []
    for one in subspace.best(2 * most + 2 * len(brief.trials), seed=0):
        key = isomorphism_key(one)
        if key not in taken and len(lines) < most:
            taken.add(key)
            lines.append((one.listing, score(subspace.preferences, one)))
    return _numbered(lines) if lines else "(nothing that was not tried)"


def agreement(preferences: Sequence[Preference], brief: Brief) -> str:
    """How far the order of preferences agrees with the evaluations, and that of single layers."""
    values = [trial.value for trial in brief.trials]
    layers = leaning_preferences(brief.space, leanings(brief))
    of_file, of_layers = (
        kendall_tau(values, [score(chosen, trial.architecture) for trial in brief.trials])
        for chosen in (preferences, layers)
    )
    if math.isnan(of_file) or math.isnan(of_layers):
        return "There are no evaluations yet that this order could be compared with."
    return (
        f"On the {len(values)} evaluations, from which weights were measured, too, that order\n"
        f"agrees with the values by Kendall's tau {of_file:.2f} (1 is the same, 0 is chance),\n"
        f"that of single layers alone by {of_layers:.2f}."
    )


def left_out(brief: Brief, subspace: Subspace) -> str:
    """Layer by layer, the choices that no kept architecture makes, and those never tried yet."""
    lines = []
    tried = {
        (variable, value)
        for trial in brief.trials
        for variable, value in enumerate(trial.architecture.values)
    }
    everything = whole(brief.space).value_counts()
    for index, counts in enumerate(subspace.value_counts()):
        variable = brief.space.variables[index]
        possible = [v for v, count in enumerate(everything[index]) if count]
        gone = [variable.values[v] for v in possible if not counts[v]]
        idle = [variable.values[v] for v in possible if counts[v] and (index, v) not in tried]
        word = "operator" if variable.kind == "operator" else "source"
        said = [f"{word} {listed(gone)} left out"] * bool(gone)
        said += [f"{word} {listed(idle)} kept but never tried"] * bool(idle)
        if said:
            lines.append(f"- {brief.space.layers[variable.layer].name}: {'; '.join(said)}")
    return "\n".join(lines) or "- every operator and source of every layer is kept, and was tried"


def facts(evidence: Evidence, in_full: bool, most: int | None = None) -> str:
    """Shares of each choice with their log-odds, the spread of each measure, the clear pairs.

    Of each layer `most` choices, the most frequent, are told.
    """
    space = evidence.space
    lines = ["Choices of each layer, with their log-odds against the space:"]
    architectures = evidence.architectures
    weights = archive_leanings(space, architectures)
    for index, variable in enumerate(space.variables):
        shares = []
        seen = [a.values[index] for a in architectures]
        for value in sorted(range(len(variable.values)), key=lambda v: -seen.count(v))[:most]:
            if (index, value) in weights:
                share = f"{seen.count(value) / len(seen):.0%}"
                shares.append(f"{variable.values[value]} {share} ({weights[index, value]:+.1f})")
        word = "" if variable.kind == "operator" else " from"
        lines.append(f"- {space.layers[variable.layer].name}{word}: {', '.join(shares)}")
    if not in_full:
        return "\n".join(lines)
    lines.append("Measures:")
    lines += [f"- {spread}" for spread in evidence.spreads()]
    pairs = evidence.pairs(_PAIRS)
    if pairs:
        lines.append("Pairs of choices that chance does not explain (about one may be chance):")
        lines += [f"- {pair}" for pair in pairs]
    else:
        lines.append("No two choices of different layers go together more than chance explains.")
    return "\n".join(lines)


def rule_lines(clear: Sequence[tuple[str, Support]]) -> str:
    """Formulas that most of an archive keep, with the shares of archive and space that do."""
    lines = [
        f"- `{formula}`: {support.kept / support.of:.0%} of them, {support.share:.0%} of the space"
        for formula, support in clear
    ]
    return "\n".join(lines) or "(none that is clear)"


def progress(brief: Brief) -> str:
    """How the last round compares with those before it, as Algorithm 2 looks at it."""
    best: dict[int, float] = {}
    for trial in brief.trials:
        best[trial.iteration] = max(trial.value, best.get(trial.iteration, -math.inf))
    if brief.rounds not in best:
        return "The last round of search found nothing that was not tried before."
    last = best.pop(brief.rounds)
    if not best:
        return "The first round of search is over."
    before = max(best.values())
    found = "a better architecture" if last > before else "nothing better"
    found = "one as good" if last == before else found
    return f"The last round of search found {found}: {last:.6g} after {before:.6g}."


def layer_weights(brief: Brief) -> str:
    """The leanings of every layer, and how often each choice was tried."""
    lines = []
    weights = leanings(brief)
    for index, variable in enumerate(brief.space.variables):
        own = sorted(((w, v) for (i, v), w in weights.items() if i == index), reverse=True)
        tried = Counter(trial.architecture.values[index] for trial in brief.trials)
        told = ", ".join(
            f"{variable.values[value]} {weight:+.1f} (tried {tried[value]})"
            for weight, value in own
        )
        word = "" if variable.kind == "operator" else " from"
        lines.append(f"- {brief.space.layers[variable.layer].name}{word}: {told}")
    return "\n".join(lines)


def archive_lines(members: Sequence[Rated]) -> str:
    """The members in order; of those that compute the same, the first is named."""
    first: dict[str, int] = {}
    lines = []
    for number, member in enumerate(members, start=1):
        same = first.setdefault(isomorphism_key(member.architecture), number)
        note = "" if same == number else f"  (computes the same as {same})"
        lines.append(f"{number}. {member.architecture.listing}  {member.value:.6g}{note}")
    return "\n".join(lines)


def _numbered(rows: Sequence[tuple[str, float]]) -> str:
    return "\n".join(f"{n}. {text}  {value:.6g}" for n, (text, value) in enumerate(rows, start=1))


def trial_lines(trials: Sequence[Trial]) -> str:
    return "\n".join(
        f"{number}. {trial.architecture.listing}  {trial.value:.6g}  (round {trial.iteration})"
        for number, trial in enumerate(trials, start=1)
    )
