"""`lapt costs SPACE`: what each operator costs in the network itself, against space.toml."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.evaluate.model import Costs, Disagreement
    from lapt_rules.space import Space

Place = tuple[str, str]
"""A layer, and the source it reads."""


@click.command("costs")
@click.argument("space_name", metavar="SPACE")
@click.option("--check", is_flag=True, help="End with 1 where space.toml says something else.")
@shell.json_option
def command(space_name: str, check: bool, as_json: bool) -> None:
    """Count what each operator of SPACE costs, at each layer and source.

    Counted in the published network that models/SPACE.py builds, as the difference that one
    operator makes; this runs that file, and needs torch. DARTS takes about half a minute.
    """
    from lapt_rules import content
    from lapt_rules.evaluate.model import derive_costs
    from lapt_rules.space import load_space

    space = load_space(space_name)
    costs = derive_costs(space)
    wrong = list(costs.disagreements())
    value = {
        "space": space.name,
        "model": str(content.model_file(space.name)),
        "base": dict(costs.base),
        "layers": [
            {"layer": layer, "operator": operator, "source": source, **counted}
            for (layer, operator, source), counted in costs.layers.items()
        ],
        "disagreements": [asdict(one) for one in wrong],
    }
    shell.answer(as_json, value, _as_text(costs, wrong, value["model"]))
    if check and wrong:
        shell.leave(1)


def _as_text(costs: Costs, wrong: list[Disagreement], model: Any) -> str:
    space, measured = costs.space, list(costs.base)
    units = {cost.name: cost.unit for cost in space.costs}
    base = ", ".join(f"{costs.base[cost]:,} {units.get(cost, cost)}" for cost in measured)
    lines = [f"{space.name}: the network of {model}", f"without its layers: {base}"]
    said = {(one.layer, one.operator, one.source, one.cost): one for one in wrong}
    width = max(len(operator.name) for operator in space.operators)
    for places in _alike(costs):
        lines += ["", *_named(space, places)]
        lines.append(f"  {'':<{width}}" + "".join(f"{cost:>15}" for cost in measured))
        layer, source = places[0]
        for operator in (operator.name for operator in space.operators):
            counted = costs.layers[layer, operator, source]
            numbers = "".join(f"{counted[cost]:>15,}" for cost in measured)
            others = [said.get((layer, operator, source, cost)) for cost in measured]
            says = ", ".join(f"{other.cost} {other.declared:,}" for other in others if other)
            note = f"   space.toml says {says}" if says else ""
            lines.append(f"  {operator:<{width}}{numbers}{note}")
    differ = f"space.toml says otherwise in {len(wrong)} of {_compared(costs)} costs"
    return "\n".join([*lines, "", differ if wrong else "space.toml says the same"])


def _compared(costs: Costs) -> int:
    return len(costs.layers) * len(set(costs.base) & {cost.name for cost in costs.space.costs})


def _alike(costs: Costs) -> list[list[Place]]:
    """The places where every operator costs the same, together."""
    tables: dict[Place, list[Any]] = {}
    for (layer, operator, source), counted in costs.layers.items():
        tables.setdefault((layer, source), []).append((operator, counted))
    groups: dict[str, list[Place]] = {}
    for place, table in tables.items():
        groups.setdefault(repr(table), []).append(place)
    return list(groups.values())


def _named(space: Space, places: list[Place]) -> list[str]:
    """The layers, those with the same sources in one line; no word on sources if all are meant."""
    sources: dict[str, list[str]] = {}
    for layer, source in places:
        sources.setdefault(layer, []).append(source)
    lines: dict[str, list[str]] = {}
    for layer, read in sources.items():
        every = len(read) == len(space.layers[space.layer_index[layer]].sources)
        lines.setdefault("" if every else f" from {' or '.join(read)}", []).append(layer)
    return [", ".join(layers) + which for which, layers in lines.items()]
