"""`lapt show`: what a principle on a space may name, or what the principles of a file do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.space import Space


@click.command("show")
@click.argument("subject", metavar="SPACE|FILE")
@shell.space_option
@shell.json_option
def command(subject: str, space_name: str | None, as_json: bool) -> None:
    """Show a SPACE or a principle FILE.

    Of a space: its layers, operators, classes, regions and costs, and how an ARCH is written. Of a
    file: each principle, what it keeps alone and rejects alone of all, the size of what is left,
    and for each layer the share of each choice before and after.
    """
    from lapt_rules.space import load_space

    if subject == "-" or subject.endswith(".lapt") or Path(subject).is_file():
        value, text = _file(subject, space_name)
        shell.answer(as_json, value, text)
        return
    space = load_space(subject)
    shell.answer(as_json, _as_json(space), _as_text(space))


def _file(path: str, space_name: str | None) -> tuple[dict[str, Any], str]:
    from lapt_rules.analysis import Analysis
    from lapt_rules.cli.facts import choices, choices_table, effects_table
    from lapt_rules.language.printer import print_clause
    from lapt_rules.subspace import whole

    principles = shell.read_principles(path, space_name)
    analysis = Analysis(principles)
    kept, everything = analysis.subspace, whole(principles.space)
    if not kept.count():
        raise analysis.conflict_error()
    effects = analysis.effects()
    layers = choices(everything, kept)
    lines = []
    for principle in principles.principles:
        lines += [principle.name, *([f"  {principle.why}"] if principle.why else [])]
        written = [c.syntax for c in principle.clauses] + [p.syntax for p in principle.preferences]
        ordered = sorted(written, key=lambda syntax: syntax.span.line)
        lines += [f"    {print_clause(syntax)}" for syntax in ordered]
    count, total, name = kept.count(), everything.count(), principles.space.name
    lines += ["", *effects_table(principles, effects, total)]
    share = shell.percent(count, total)
    lines += [f"together they keep {count:,} of {total:,} in {name} ({share})", ""]
    lines += choices_table(layers, total, count)
    value = {
        "space": name,
        "count": count,
        "total": total,
        "principles": [
            {
                "name": principle.name,
                "why": principle.why,
                "clauses": [print_clause(c.syntax) for c in principle.clauses],
                "preferences": [print_clause(p.syntax) for p in principle.preferences],
                "alone": effect.alone,
                "margin": effect.margin,
            }
            for principle, effect in zip(principles.principles, effects, strict=True)
        ],
        "layers": layers,
    }
    return value, "\n".join(lines)


def _as_text(space: Space) -> str:
    lines = [f"{space.name}: {space.title}", f"  {space.source}", "", "layers"]
    width = max(len(layer.name) for layer in space.layers)
    for layer in space.layers:
        sources = " or ".join(layer.sources)
        lines.append(f"  {layer.name:<{width}}  {sources} -> {layer.target}")
    lines += ["", *_operators(space)]
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


def _operators(space: Space) -> list[str]:
    """Each operator with its costs: by cell where cells differ, a row more where striding does."""
    operators = space.operators
    columns = []
    for cost in space.costs:
        both = [amounts[cost.name] for o in operators for amounts in (o.costs, o.strided_costs)]
        same = all(len(set(amounts)) == 1 for amounts in both)
        cells = enumerate(space.cells)
        columns += [
            (cost.name, number, cost.name if same else f"{cost.name} in {cell.name}")
            for number, cell in cells
            if not (same and number)
        ]
    width = max(len(operator.name) for operator in operators) + 2
    titles = "".join(f"{title:>18}" for _, _, title in columns)
    lines = [f"operators{'':<{width - 5}}{'class':<10}{titles}"]
    for operator in operators:
        rows = [(operator.name, ", ".join(operator.classes), operator.costs)]
        if operator.strided_costs != operator.costs:
            rows.append(("", "strided", operator.strided_costs))
        for name, classes, costs in rows:
            values = "".join(f"{costs[cost][number]:>18,}" for cost, number, _ in columns)
            lines.append(f"  {name:<{width}}  {classes:<10}{values}")
    strided = {cell.name: _set(n for n in cell.nodes if n in cell.strided) for cell in space.cells}
    if any(operator.strided_costs != operator.costs for operator in operators):
        where = ", ".join(f"{nodes} in {cell}" for cell, nodes in strided.items() if nodes != "{}")
        lines.append(f"  strided: on a layer that reads {where}")
    return lines


def _by_cell(space: Space, amounts: tuple[int, ...]) -> int | dict[str, int]:
    if len(set(amounts)) == 1:
        return amounts[0]
    return {cell.name: amount for cell, amount in zip(space.cells, amounts, strict=True)}


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
            {
                "name": operator.name,
                "classes": list(operator.classes),
                "costs": {c: _by_cell(space, a) for c, a in operator.costs.items()},
                "strided_costs": {c: _by_cell(space, a) for c, a in operator.strided_costs.items()},
            }
            for operator in space.operators
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
