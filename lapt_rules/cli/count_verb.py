"""`lapt count FILE`: how many architectures the principles keep, exactly."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("count")
@shell.file_argument
@shell.space_option
@shell.json_option
def command(file: str, space_name: str | None, as_json: bool) -> None:
    """Count the architectures that FILE keeps, and those of its whole space.

    Exact, and 0 for principles that contradict each other.
    """
    from lapt_rules.subspace import Subspace, whole

    principles = shell.read_principles(file, space_name)
    count = Subspace(principles.space, principles.keeps).count()
    total = whole(principles.space).count()
    share = shell.percent(count, total)
    shell.answer(
        as_json,
        {"count": count, "total": total, "space": principles.space.name},
        f"{count:,} of {total:,} {principles.space.name} architectures ({share})",
    )
    if not count:
        click.echo("nothing is left: `lapt check` names the principles that clash", err=True)
