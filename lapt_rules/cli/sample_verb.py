"""`lapt sample FILE`: architectures drawn uniformly from those that the principles keep."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("sample")
@shell.file_argument
@click.option("-n", "number", type=click.IntRange(1, 1_000_000), default=10, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--weighted", is_flag=True, help="In proportion to exp(score), not uniformly.")
@shell.space_option
@shell.json_option
def command(
    file: str, number: int, seed: int, weighted: bool, space_name: str | None, as_json: bool
) -> None:
    """Draw N architectures uniformly, with replacement, from those that FILE keeps.

    The same seed draws the same architectures. With --weighted an architecture is drawn in
    proportion to exp(the sum of the `prefer` weights that hold for it).
    """
    from lapt_rules.analysis import refine

    principles = shell.read_principles(file, space_name)
    subspace = refine(principles.space, principles)
    draw = subspace.sample_weighted if weighted else subspace.sample
    drawn = [str(architecture) for architecture in draw(number, seed)]
    shell.answer(as_json, {"architectures": drawn, "seed": seed}, "\n".join(drawn))
