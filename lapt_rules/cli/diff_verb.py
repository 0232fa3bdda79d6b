"""`lapt diff A B`: what one file of principles keeps and the other does not."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--witnesses", type=click.IntRange(0, 1000), default=3, show_default=True, metavar="N",
    help="How many architectures to name on each side.",
)  # fmt: skip
@shell.space_option
@shell.json_option
def command(before: str, after: str, witnesses: int, space_name: str | None, as_json: bool) -> None:
    """Count the architectures gained and lost from A to B, with witnesses.

    Exits with 1 where the two keep different architectures.
    """
    from lapt_rules.audit.diff import difference

    first = shell.read_principles(before, space_name)
    second = shell.read_principles(after, space_name or first.space.name)
    found = difference(first, second)
    lost, gained = found.lost.count(), found.gained.count()
    lost_ones = [str(a) for a in found.witnesses(found.lost, witnesses)]
    gained_ones = [str(a) for a in found.witnesses(found.gained, witnesses)]
    lines = [f"lost {lost:,}, gained {gained:,}, kept by both {found.both:,}"]
    lines += [f"- {one}" for one in lost_ones] + [f"+ {one}" for one in gained_ones]
    value = {
        "lost": lost,
        "gained": gained,
        "both": found.both,
        "lost_witnesses": lost_ones,
        "gained_witnesses": gained_ones,
    }
    shell.answer(as_json, value, "\n".join(lines))
    shell.leave(1 if lost or gained else 0)
