"""`lapt agree A B`: whether two ratings put the same architectures in the same order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.space import Architecture, Space


@click.command("agree")
@click.argument("first", metavar="TABLE[:TASK]")
@click.argument("second", metavar="[TABLE[:TASK]]", required=False)
@click.option("--space", "space_name", required=True, metavar="NAME", help="The search space.")
@click.option(
    "--supernet", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Compare with ratings by the weights trained there, instead of a second table.",
)  # fmt: skip
@click.option(
    "--data", default="digits", show_default=True, metavar="SPEC",
    help="What the supernet was trained on: digits, cifar10:FOLDER or npz:FOLDER.",
)  # fmt: skip
@click.option("--device", metavar="NAME", help="Where it computes; a GPU where there is one.")
@click.option(
    "--limit", type=click.IntRange(min=2), metavar="N",
    help="Compare N of the architectures, drawn uniformly; by default all.",
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="K",
    help="Also compare the K best of each.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@shell.metric_option
@shell.json_option
def command(
    first: str,
    second: str | None,
    space_name: str,
    supernet: Path | None,
    data: str,
    device: str | None,
    limit: int | None,
    top: int,
    seed: int,
    metric: str,
    as_json: bool,
) -> None:
    """Say how well two ratings of the same architectures agree.

    Over the architectures that both have: Kendall's tau-b, Spearman's rho, and the part of the K
    best by one that is among the K best by the other. 1 is full agreement; unrelated ratings have
    tau and rho near 0.
    """
    import numpy as np

    from lapt_rules.errors import TableError
    from lapt_rules.evaluate.agreement import kendall_tau, spearman, top_overlap
    from lapt_rules.evaluate.table import load_table
    from lapt_rules.space import Architecture, load_space

    if (second is None) == (supernet is None):
        raise click.UsageError("give a second table, or --supernet FOLDER")
    space = load_space(space_name)
    one = load_table(first, space, metric=metric)
    other = None if second is None else load_table(second, space, metric=metric)
    shared = [values for values in one.values if other is None or values in other.values]
    if limit is not None and limit < len(shared):
        drawn = np.random.default_rng(seed).choice(len(shared), limit, replace=False)
        shared = [shared[i] for i in sorted(drawn.tolist())]
    if len(shared) < 2:
        fix = "compare tables of the same architectures"
        raise TableError(f"the two have {shell.plural(len(shared), 'architecture')} in common", fix)
    left = [one.values[values] for values in shared]
    if supernet is not None:
        architectures = [Architecture(space, values) for values in shared]
        name, right = _rated(space, supernet, data, device, architectures)
    else:
        assert other is not None
        name, right = other.name, [other.values[values] for values in shared]
    top = min(top, len(shared))
    value: dict[str, Any] = {
        "first": one.name,
        "second": name,
        "architectures": len(shared),
        "kendall_tau": _number(kendall_tau(left, right)),
        "spearman": _number(spearman(left, right)),
        "top": top,
        "top_overlap": top_overlap(left, right, top),
    }
    shell.answer(as_json, value, _as_text(value))


def _rated(
    space: Space, folder: Path, spec: str, device: str | None, architectures: Sequence[Architecture]
) -> tuple[str, list[float]]:
    """The name of a supernet's ratings, and those of the architectures."""
    from lapt_rules.errors import TrainingError

    try:
        from lapt_rules.evaluate.data import load_data
        from lapt_rules.evaluate.inherited import SupernetEvaluator
        from lapt_rules.evaluate.supernet import load_supernet
    except ModuleNotFoundError as error:
        fix = "pip install 'lapt-rules[tables]'"
        raise TrainingError("a supernet needs torch", fix) from error
    evaluator = SupernetEvaluator(load_supernet(space, load_data(spec), folder, device))
    return evaluator.name, [rated.value for rated in evaluator.rate(architectures)]


def _number(value: float) -> float | None:
    """JSON has no NaN: it is what a constant rating gives."""
    return None if math.isnan(value) else value


def _as_text(value: dict[str, Any]) -> str:
    def shown(number: float | None) -> str:
        return "none: one of them rates all alike" if number is None else f"{number:.3f}"

    chance = shell.percent(value["top"], value["architectures"])
    return "\n".join(
        [
            f"{value['first']} and {value['second']}",
            f"architectures   {value['architectures']:,}",
            f"Kendall's tau   {shown(value['kendall_tau'])}",
            f"Spearman's rho  {shown(value['spearman'])}",
            f"{value['top']} best by each   {value['top_overlap']:.0%} in common; "
            f"{chance} by chance",
        ]
    )
