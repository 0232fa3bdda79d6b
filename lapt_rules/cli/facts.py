"""What a set of principles does, in tables: shared by the verbs that tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.analysis import Effect
    from lapt_rules.logic.principles import PrincipleSet
    from lapt_rules.subspace import Subspace


def effects_table(
    principles: PrincipleSet, effects: Sequence[Effect], total: int, archive_size: int | None = None
) -> list[str]:
    """What each principle keeps alone, and rejects that all the others would keep."""
    lines = []
    hard = [p.name for p in principles.principles if p.clauses]
    shown = [effect for effect in effects if effect.principle in hard]
    if shown:
        rows = [("principle", "keeps alone", "", "rejects alone of all", "archive")]
        for effect in shown:
            share = shell.percent(effect.alone, total)
            kept = "" if effect.archive is None else f"{effect.archive}/{archive_size}"
            rows.append((effect.principle, f"{effect.alone:,}", share, f"{effect.margin:,}", kept))
        if archive_size is None:
            rows = [(*row[:4], "") for row in rows]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for name, *numbers in rows:
            cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=True)]
            lines.append("  ".join([f"{name:<{widths[0]}}", *cells]).rstrip())
    if len(shown) < len(effects):
        lines.append(f"{shell.plural(len(effects) - len(shown), 'principle')} only prefer")
    return lines


def choices(everything: Subspace, kept: Subspace) -> list[dict[str, Any]]:
    """Each choice of each layer, with the number of architectures that make it, of all and kept."""
    space = kept.space
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


def choices_table(choices: Sequence[dict[str, Any]], total: int, count: int) -> list[str]:
    """The same with shares of the `total` and of the `count` kept: what is gone, what is forced."""
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
