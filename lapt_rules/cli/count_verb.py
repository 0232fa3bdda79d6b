"""`lapt count FILE`: how many architectures the principles keep, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    pass


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
    from lapt_rules.cli.facts import choices, choices_table
    from lapt_rules.subspace import whole

    principles = shell.read_principles(file, space_name)
    space = principles.space
    kept, everything = Analysis(principles).subspace, whole(space)
    count, total = kept.count(), everything.count()
    value: dict[str, Any] = {"count": count, "total": total, "space": space.name}
    share = shell.percent(count, total)
    lines = [f"{count:,} of {total:,} {space.name} architectures ({share})"]
    if layers:
        value["layers"] = choices(everything, kept)
        lines += ["", *choices_table(value["layers"], total, count)]
    shell.answer(as_json, value, "\n".join(lines))
    if not count:
        shell.tell("nothing is left: `lapt check` names the principles that clash")
