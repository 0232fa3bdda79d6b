"""`lapt show SPACE`: everything that a principle on a space may name."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.space import Space


@click.command("show")
@click.argument("space_name", metavar="SPACE")
@shell.json_option
def command(space_name: str, as_json: bool) -> None:
    """Show SPACE: its layers, operators, classes, regions and costs, and how an ARCH is written."""
    from lapt_rules.space import load_space

    space = load_space(space_name)
    shell.answer(as_json, _as_json(space), _as_text(space))


def _as_text(space: Space) -> str:
    lines = [f"{space.name}: {space.title}", f"  {space.source}", "", "layers"]
    width = max(len(layer.name) for layer in space.layers)
    for layer in space.layers:
        sources = " or ".join(layer.sources)
        lines.append(f"  {layer.name:<{width}}  {sources} -> {layer.target}")
    names = [operator.name for operator in space.operators]
    width = max(len(name) for name in names)
    costs = "".join(f"{cost.name:>15}" for cost in space.costs)
    lines += ["", f"operators{'':<{width - 5}}{'class':<10}{costs}"]
    for operator in space.operators:
        values = "".join(f"{operator.costs[cost.name]:>15,}" for cost in space.costs)
        lines.append(f"  {operator.name:<{width}}  {', '.join(operator.classes):<10}{values}")
    lines += ["", "costs"]
    lines += [f"  {cost.name} in {cost.unit}: {cost.origin}" for cost in space.costs]
    lines += ["", "classes"]
    lines += [f"  {name} = {_set(members)}" for name, members in space.classes.items()]
    lines += ["", "regions"]
    for name, members in space.regions.items():
        lines.append(f"  {name} = {_set(space.layers[layer].name for layer in members)}")
    lines += ["", "an ARCH is written", f"  {space.example}"]
    with_choice = any(len(layer.sources) > 1 for layer in space.layers)
    entry = "OP from NODE" if with_choice else "OP"
    lines.append(f"  or as a list, one entry a layer: [{entry}, {entry}, ...]")
    notation = space.notations[0]
    for kind, codes in (("operators", notation.operators), ("sources", notation.sources)):
        if codes:
            lines.append(f"  {kind}: {', '.join(f'{code} = {n}' for n, code in codes.items())}")
    settings = ", ".join(f"{name} {value}" for name, value in asdict(space.settings).items())
    lines += ["", "settings of a run", f"  {settings}"]
    if space.invariants.strip():
        lines += ["", "invariants", *(f"  {line}" for line in space.invariants.strip().split("\n"))]
    return "\n".join(lines)


def _as_json(space: Space) -> dict[str, Any]:
    return {
        "name": space.name,
        "title": space.title,
        "source": space.source,
        "layers": [
            {
                "name": layer.name,
                "cell": space.cells[layer.cell].name,
                "from": list(layer.sources),
                "to": layer.target,
            }
            for layer in space.layers
        ],
        "operators": [
            {"name": o.name, "classes": list(o.classes), "costs": dict(o.costs)}
            for o in space.operators
        ],
        "classes": {name: list(members) for name, members in space.classes.items()},
        "regions": {
            name: [space.layers[layer].name for layer in members]
            for name, members in space.regions.items()
        },
        "costs": {c.name: {"unit": c.unit, "origin": c.origin} for c in space.costs},
        "notations": [notation.template for notation in space.notations],
        "example": str(space.example),
        "invariants": space.invariants,
        "settings": asdict(space.settings),
    }


def _set(names: Any) -> str:
    return "{" + ", ".join(names) + "}"
