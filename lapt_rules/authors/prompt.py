"""The prompts: the template, filled from the space, the archive and what the search paid for.

The parts and the three steps of reasoning are those of the LAPT paper (Appendix II). A prompt is
made from a `Brief`, which holds no value of the target that the search has not paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lapt_rules import content
from lapt_rules.authors.author import Brief
from lapt_rules.authors.evidence import Evidence, changes
from lapt_rules.authors.leaning import without_leanings
from lapt_rules.authors.miner import clear_rules
from lapt_rules.authors.telling import (
    agreement,
    archive_lines,
    effects,
    facts,
    layer_weights,
    left_out,
    progress,
    rule_lines,
    trial_lines,
)
from lapt_rules.errors import ModelError
from lapt_rules.gate import examine
from lapt_rules.language.printer import print_file
from lapt_rules.space import Space
from lapt_rules.subspace import whole

MOST_RULES = 6
MOST_TRIALS = 60
MOST_CHANGES = 16


@dataclass(frozen=True)
class Detail:
    """How much a prompt shows: for a model whose window is small, less.

    At most `shown` architectures of each kind, and `choices` of each layer with their shares; the
    `model` is the code of the network, `facts` are measures and pairs.
    """

    shown: int | None = None
    model: bool = True
    facts: bool = True
    choices: int | None = None


FULL_DETAILS = (Detail(), Detail(model=False), Detail(20, model=False), Detail(8, False, False))
"""From all there is to what a small window holds."""

SHORT_DETAILS = tuple(Detail(n, False, False, choices=m) for n, m in ((5, 3), (2, 2), (1, 1)))
"""The same for the short prompts."""


def values(brief: Brief, detail: Detail = Detail()) -> dict[str, str]:
    """Everything that the sections learn, update and explore put in."""
    space, archive = brief.space, brief.archive
    members = archive.members[: detail.shown]
    clear = clear_rules(space, archive, MOST_RULES)
    formulas = [formula for formula, _ in clear] or ["connected"]
    found = standing_values(brief, detail.model)
    found |= {
        "archive_total": str(len(archive)),
        "archive_size": str(len(members)),
        "archive": archive_lines(members),
        "rules": rule_lines(clear),
        "first_rule": formulas[0],
        "second_rule": formulas[min(1, len(formulas) - 1)],
        "facts": facts(Evidence(space, archive.architectures), detail.facts, detail.choices),
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
        "operator_names": ", ".join(space.operator_index),
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
        "left": _left(brief),
        "round": "an unknown number" if brief.round is None else str(brief.round),
        "shown": "the best architectures found" if brief.trials else "the architectures shown",
    }


def _left(brief: Brief) -> str:
    if brief.left is None:
        return "an unknown number"
    return f"{brief.left}{' (the next round is the last)' if brief.left == brief.round else ''}"


def _of_search(brief: Brief, detail: Detail) -> dict[str, str]:
    """What stands for the principles in force and the evaluations paid for."""
    assert brief.principles is not None
    text = print_file(without_leanings(brief.principles.file))
    report = examine(text, "in force", brief.space, brief.archive)
    ordered = sorted(brief.trials, key=lambda trial: -trial.value)
    best = ordered[: min(brief.top, detail.shown or brief.top)]
    rest = ordered[len(best) : len(best) + (detail.shown or MOST_TRIALS)]
    most = min(MOST_CHANGES, detail.shown or MOST_CHANGES)
    told = [f"- {change}" for change in changes(ordered, most)]
    return {
        "principles": text.rstrip("\n"),
        "effects": f"What the engine found of them:\n\n{effects(report, brief)}",
        "trials_count": str(len(brief.trials)),
        "found_count": str(len(best)),
        "found": trial_lines(best),
        "rest": trial_lines(rest) if rest else "(none)",
        "weights": layer_weights(brief),
        "progress": progress(brief),
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


def fitted(
    fits: Callable[[str], bool],
    fill: Callable[[dict[str, str]], str],
    brief: Brief,
    details: Sequence[Detail],
) -> str:
    """What `fill` makes of the values, in the most detail that `fits` or else in the least."""
    text = ""
    for detail in details:
        text = fill(values(brief, detail))
        if fits(text):
            break
    return text
