"""`lapt count FILE`: how many architectures the principles keep, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.space import Space
    from lapt_rules.subspace import Subspace


@click.command("count")
@shell.file_argument
@click.option("--layers", is_flag=True, help="Also for each operator and source of each layer.")
@shell.space_option
@shell.json_option
def command(file: str, layers: bool, space_name: str | None, as_json: bool) -> None:
    """Count the architectures that FILE keeps, and those of its whole space.

    Exact, and 0 for principles that contradict each other. With --layers, how often each operator
    and source occurs in the space and in what is kept: those that are gone, and those forced.
    """
    from lapt_rules.analysis import Analysis
    from lapt_rules.subspace import whole

    principles = shell.read_principles(file, space_name)
    space = principles.space
    kept, everything = Analysis(principles).subspace, whole(space)
    count, total = kept.count(), everything.count()
    value: dict[str, Any] = {"count": count, "total": total, "space": space.name}
    share = shell.percent(count, total)
    lines = [f"{count:,} of {total:,} {space.name} architectures ({share})"]
    if layers:
        value["layers"] = _choices(space, everything, kept)
        lines += ["", *_table(value["layers"], total, count)]
    shell.answer(as_json, value, "\n".join(lines))
    if not count:
        click.echo("nothing is left: `lapt check` names the principles that clash", err=True)


def _choices(space: Space, everything: Subspace, kept: Subspace) -> list[dict[str, Any]]:
    """Each choice of each layer, with the number of architectures that make it."""
    counts = zip(space.variables, everything.value_counts(), kept.value_counts(), strict=True)
    return [
        {
            "layer": space.layers[variable.layer].name,
            "choice": variable.kind,
            "values": {
                name: {"before": before, "after": after}
                for name, before, after in zip(variable.values, all_of, left, strict=True)
                if before
            },
        }
        for variable, all_of, left in counts
    ]


def _table(choices: list[dict[str, Any]], total: int, count: int) -> list[str]:
    width = max(len(choice["layer"]) for choice in choices)
    lines = []
    for choice in choices:
        remaining = [name for name, number in choice["values"].items() if number["after"]]
        for name, number in choice["values"].items():
            word = "" if choice["choice"] == "operator" else "from "
            before, after = (
                shell.percent(number["before"], total),
                shell.percent(number["after"], count),
            )
            forced = len(remaining) == 1 and len(choice["values"]) > 1
            note = "gone" if not number["after"] else "forced" if forced else ""
            label = f"{choice['layer']:<{width}}  {word + name:<16}"
            lines.append(f"{label} {before:>8} -> {after:>8}  {note}".rstrip())
    return lines
