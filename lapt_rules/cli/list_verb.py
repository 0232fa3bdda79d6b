"""`lapt list FILE`: the architectures that the principles keep."""

from __future__ import annotations

from itertools import islice

import click

from lapt_rules.cli import shell


@click.command("list")
@shell.file_argument
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N of them.")
@click.option("--best", is_flag=True, help="Best first by the `prefer` weights.")
@shell.space_option
@shell.json_option
def command(
    file: str, limit: int | None, best: bool, space_name: str | None, as_json: bool
) -> None:
    """List the architectures that FILE keeps, one a line, in the order of the space."""
    from lapt_rules.analysis import Analysis

    principles = shell.read_principles(file, space_name)
    subspace = Analysis(principles).subspace
    number = subspace.count() if limit is None else min(limit, subspace.count())
    members = subspace.best(number) if best else islice(subspace, number)
    if as_json:
        found = [str(architecture) for architecture in members]
        shell.answer(True, {"count": subspace.count(), "architectures": found}, "")
        return
    for architecture in members:
        if not shell.show(str(architecture)):
            return
    if number < subspace.count():
        shell.tell(f"{number:,} of {subspace.count():,} shown")
