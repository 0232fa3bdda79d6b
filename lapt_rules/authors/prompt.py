"""The prompts: one template file, filled from the space, the archive and what the search paid for.

The parts and the three steps of reasoning are those of the LAPT paper (Appendix II). A prompt is
made from a `Brief`, which holds no value of the target that the search has not paid for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from lapt_rules import content
from lapt_rules.authors.author import Brief
from lapt_rules.authors.backend import AuthorError
from lapt_rules.authors.evidence import Evidence, changes, found_evidence, told_leaning
from lapt_rules.authors.leaning import (
    archive_leanings,
    is_leaning,
    leaning_preferences,
    leanings,
    without_leanings,
)
from lapt_rules.errors import ModelError, did_you_mean, listed
from lapt_rules.evaluate.agreement import kendall_tau
from lapt_rules.evaluate.evaluator import Rated
from lapt_rules.gate import Report, examine
from lapt_rules.language.printer import print_clause, print_file
from lapt_rules.logic.plain import score
from lapt_rules.logic.principles import Preference
from lapt_rules.network import isomorphism_key
from lapt_rules.search.searcher import Trial
from lapt_rules.space import Space
from lapt_rules.subspace import Subspace, whole

SHIPPED = Path(__file__).with_name("prompts.md")
SECTIONS = (
    "system",
    "learn",
    "update",
    "explore",
    "tools",
    "write",
    "write_constrained",
    "missing",
    "refused",
    "passed",
)
"""The sections that a template must have; it may have more, for these to use."""

VALUES = {
    "name": "the space",
    "title": "its title",
    "total": "how many architectures it has",
    "model": "the code of models/NAME.py",
    "layers": "the layers, with the nodes that they read and write",
    "operators": "the operators, with their class and costs",
    "classes": "the classes with their members",
    "regions": "the regions with their members",
    "costs": "the costs with their units",
    "with_sources": "where layers choose what they read: words that say so, else nothing",
    "and_source": "the same, shorter",
    "from_forms": "the same: a line on `L from N`",
    "first": "the first layer",
    "last": "the last layer",
    "wanted": "how small a subspace may be",
    "origin": "the source task",
    "archive_size": "how many architectures of the source are shown",
    "archive": "these, as lists, best first, with their values on the source task",
    "facts": "what the engine counted in them",
    "principles": "the file in force",
    "effects": "what each of its principles keeps and rejects",
    "trials_count": "how many evaluations of the target were paid for",
    "found_count": "how many of them are shown as the best",
    "found": "these, with their values on the target",
    "rest": "the other evaluations",
    "changes": "what it did to the value on the target to change one choice and nothing else",
    "left": "how many evaluations the budget still holds",
    "round": "how many of them the next round of search spends",
    "weights": "the measured weight of every choice of every layer, and how often it was tried",
    "progress": "how the last round of search compares with those before it",
    "shown": "the architectures that rules should keep: the source's, or the best found",
    "left_out": "what the principles leave out, layer by layer",
    "diagnostics": "what is wrong with a file, as a person is told",
    "count": "how many architectures a file keeps",
    "share": "the same as a share of the space",
    "archive_kept": "how many of the archive it keeps",
    "lost": "the architectures of the archive, or the best found, that it loses",
    "dropped": "the claims of a file that the archive contradicts",
    "first_tried": "which architectures the search would try first",
    "agreement": "how far the order of a file agrees with what was found",
}
"""What a template may have filled in, and what it stands for."""

_HEADING = re.compile(r"^=== (\w+) ===$", re.MULTILINE)
_MOST_TRIALS = 60
_MOST_LOST = 10
_MOST_CHANGES = 16
_FIRST_TRIED = 10
_MOST_FIRST = 20
_PAIRS = 8


@dataclass(frozen=True)
class Detail:
    """How much a prompt shows: for a model whose window is small, less."""

    shown: int | None = None
    model: bool = True
    facts: bool = True


DETAILS = (Detail(), Detail(model=False), Detail(20, model=False), Detail(8, False, False))
"""From all there is to what a small window holds."""


class Prompts:
    """The sections of a template file.

    >>> Prompts.read().fill("missing", {"name": "nas201"}).splitlines()[-1]
    'begins with `space nas201`.'
    """

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.text = text
        parts = _HEADING.split(text)
        self.sections = {n: t.strip("\n") for n, t in zip(parts[1::2], parts[2::2], strict=True)}
        self._check()

    @classmethod
    def read(cls, path: Path | None = None) -> Prompts:
        """The template at `path`, or the one that ships; AuthorError where it is not sound."""
        path = path or SHIPPED
        try:
            return cls(path.read_text(encoding="utf-8"), path)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            fix = "`lapt prompt --template` prints one to start from"
            raise AuthorError(f"{path}: the prompts cannot be read: {reason}", fix) from error

    def fill(self, section: str, values: Mapping[str, str]) -> str:
        """A section with everything put in; what is put in is not looked through again."""

        class Known(dict[str, str]):
            def __missing__(known, name: str) -> str:  # noqa: N805
                if name in self.sections:
                    return self.fill(name, values)
                message = f"{self.path}: `${{{name}}}` has no value in the section `{section}`"
                raise AuthorError(message, "`lapt prompt --values` tells where each stands")

        return Template(self.sections[section]).substitute(Known(values)).strip("\n")

    def _check(self) -> None:
        missing = [name for name in SECTIONS if name not in self.sections]
        if missing:
            fix = "`lapt prompt --template` prints a file that has them all"
            raise AuthorError(f"{self.path}: there is no section {listed(missing)}", fix)
        known = [*VALUES, *self.sections]
        for section, text in self.sections.items():
            for match in Template.pattern.finditer(text):
                name = match["named"] or match["braced"]
                if match["escaped"] is None and name not in known:
                    near = did_you_mean(name or "", known)
                    fix = f"did you mean `${{{near}}}`?" if near else "write a dollar sign as `$$`"
                    where = f"{self.path}:{self._line(section, match.start())}"
                    raise AuthorError(f"{where}: `{match[0]}` stands for nothing", fix)
            self._check_circle(section, ())

    def _check_circle(self, section: str, above: tuple[str, ...]) -> None:
        if section in above:
            circle = " in ".join([section, *reversed(above[above.index(section) :])])
            raise AuthorError(f"{self.path}: a section stands in itself: {circle}", "take it out")
        for match in Template.pattern.finditer(self.sections[section]):
            name = match["named"] or match["braced"]
            if name in self.sections and name not in VALUES:
                self._check_circle(name, (*above, section))

    def _line(self, section: str, offset: int) -> int:
        start = self.text.index(self.sections[section])
        return self.text.count("\n", 0, start + offset) + 1


def values(brief: Brief, detail: Detail = Detail()) -> dict[str, str]:
    """Everything that the sections learn, update and explore put in."""
    space, archive = brief.space, brief.archive
    members = archive.members[: detail.shown]
    found = standing_values(brief, detail.model)
    found |= {
        "archive_size": str(len(members)),
        "archive": _archive(members),
        "facts": _facts(Evidence(space, archive.architectures), detail.facts),
    }
    return found | _of_search(brief, detail) if brief.principles is not None else found


def standing_values(brief: Brief, with_model: bool = True) -> dict[str, str]:
    """What stands for the space, and all else that every section may use."""
    space = brief.space
    chosen = any(variable.kind == "source" for variable in space.variables)
    forms = "  L from N, L from {N, N2}     the node that layer L reads\n"
    return {
        "name": space.name,
        "title": space.title,
        "total": f"{whole(space).count():,}",
        "model": _model(space) if with_model else "# left out: the window of this model is small",
        "layers": "\n".join(_layers(space)),
        "operators": "\n".join(_operators(space)),
        "classes": _members(space.classes),
        "regions": _members(
            {name: [space.layers[i].name for i in region] for name, region in space.regions.items()}
        ),
        "costs": ", ".join(f"`{cost.name}` ({cost.unit})" for cost in space.costs),
        "with_sources": ", and the node that it reads (`OPERATOR from NODE`)" if chosen else "",
        "and_source": " and source" if chosen else "",
        "from_forms": forms if chosen else "",
        "first": space.layers[0].name,
        "last": space.layers[-1].name,
        "wanted": f"but at least {10 * brief.population} architectures",
        "origin": brief.archive.origin,
        "left": "an unknown number" if brief.left is None else str(brief.left),
        "round": "an unknown number" if brief.round is None else str(brief.round),
        "shown": "the best architectures found" if brief.trials else "the architectures shown",
    }


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
        f"On the {len(values)} evaluations that order agrees with the values by\n"
        f"Kendall's tau {of_file:.2f} (1 is the same order, 0 is chance), that of single layers "
        f"alone by {of_layers:.2f}."
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


def _of_search(brief: Brief, detail: Detail) -> dict[str, str]:
    """What stands for the principles in force and the evaluations paid for."""
    assert brief.principles is not None
    text = print_file(without_leanings(brief.principles.file))
    report = examine(text, "in force", brief.space, brief.archive)
    ordered = sorted(brief.trials, key=lambda trial: -trial.value)
    best = ordered[: min(brief.top, detail.shown or brief.top)]
    rest = ordered[len(best) : len(best) + (detail.shown or _MOST_TRIALS)]
    told = [f"- {change}" for change in changes(ordered, _MOST_CHANGES)]
    return {
        "principles": text.rstrip("\n"),
        "effects": f"What the engine found of them:\n\n{effects(report, brief)}",
        "trials_count": str(len(brief.trials)),
        "found_count": str(len(best)),
        "found": _trials(best),
        "rest": _trials(rest) if rest else "(none)",
        "weights": _weights(brief),
        "progress": _progress(brief.trials),
        "agreement": agreement(brief.principles.preferences, brief),
        "changes": "\n".join(told) or "(no two of them differ in one choice alone)",
        "left_out": left_out(brief, report.subspace) if report.subspace else "(not known)",
    }


def _model(space: Space) -> str:
    """The code that builds the space's network."""
    try:
        return content.model_file(space.name).read_text(encoding="utf-8").strip()
    except ModelError:
        return "# no code is known for this space"


def _layers(space: Space) -> Iterator[str]:
    for layer in space.layers:
        yield f"- {layer.name}: {' or '.join(layer.sources)} -> {layer.target}"


def _operators(space: Space) -> Iterator[str]:
    for operator in space.operators:
        costs = [
            f"{_by_cell(space, operator.costs[cost.name])} {cost.unit}"
            for cost in space.costs
            if any(operator.costs[cost.name])
        ]
        strided = [
            f"{_by_cell(space, operator.strided_costs[cost.name])} {cost.unit}"
            for cost in space.costs
            if operator.strided_costs[cost.name] != operator.costs[cost.name]
        ]
        said = f": {'; '.join(costs)}" if costs else ": costs nothing"
        said += f", but where it halves the resolution {'; '.join(strided)}" if strided else ""
        yield f"- {operator.name} ({', '.join(operator.classes) or 'no class'}){said}"


def _by_cell(space: Space, amounts: Sequence[int]) -> str:
    if len(set(amounts)) == 1:
        return f"{amounts[0]:,}"
    cells = zip(amounts, space.cells, strict=True)
    return " and ".join(f"{amount:,} in {cell.name}" for amount, cell in cells)


def _members(named: Mapping[str, Sequence[str]]) -> str:
    shown = (f"`{name}` = {{{', '.join(members)}}}" for name, members in named.items())
    return ", ".join(shown)


def _facts(evidence: Evidence, in_full: bool) -> str:
    """Shares of each choice with their log-odds, the spread of each measure, the clear pairs."""
    space = evidence.space
    lines = ["Choices of each layer, with their log-odds against the space:"]
    architectures = evidence.architectures
    weights = archive_leanings(space, architectures)
    for index, variable in enumerate(space.variables):
        shares = []
        seen = [a.values[index] for a in architectures]
        for value in sorted(range(len(variable.values)), key=lambda v: -seen.count(v)):
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


def _progress(trials: Sequence[Trial]) -> str:
    """How the last round compares, as Algorithm 2 looks at it."""
    rounds = {trial.iteration for trial in trials}
    if len(rounds) < 2:
        return "The first round of search is over."
    best = {one: max(t.value for t in trials if t.iteration == one) for one in rounds}
    last, before = best.pop(max(rounds)), max(best.values())
    if last > before:
        return (
            f"The last round of search found a better architecture: {last:.6g} after {before:.6g}."
        )
    return f"The last round of search found nothing better: {last:.6g} after {before:.6g}."


def _weights(brief: Brief) -> str:
    """The leanings of every layer, as they stand in force."""
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


def _archive(members: Sequence[Rated]) -> str:
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


def _trials(trials: Sequence[Trial]) -> str:
    return "\n".join(
        f"{number}. {trial.architecture.listing}  {trial.value:.6g}  (round {trial.iteration})"
        for number, trial in enumerate(trials, start=1)
    )


def fitted(fits: Callable[[str], bool], prompts: Prompts, section: str, brief: Brief) -> str:
    """A section in the most detail that `fits`; in the least where none does."""
    text = ""
    for detail in DETAILS:
        text = prompts.fill(section, values(brief, detail))
        if fits(text):
            break
    return text
