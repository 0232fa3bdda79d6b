"""`lapt learn`: principles from the best architectures of a source table."""

from __future__ import annotations

from pathlib import Path

import click

from lapt_rules.cli import shell


@click.command("learn")
@click.option("--space", "space_name", required=True, metavar="NAME", help="The search space.")
@click.option("--source", required=True, metavar="PATH[:TASK]", help="The source table.")
@click.option(
    "--archive-size", type=click.IntRange(min=1), metavar="N", help="How many to learn from."
)
@click.option("--author", default="miner", show_default=True, metavar="AUTHOR")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.")
@shell.metric_option
@shell.json_option
def command(
    space_name: str,
    source: str,
    archive_size: int | None,
    author: str,
    output: Path | None,
    metric: str,
    as_json: bool,
) -> None:
    """Write a principle file from the best architectures of a source table.

    Prints it, or writes it with -o.
    """
    from lapt_rules.authors.author import Brief, author_named
    from lapt_rules.gate import examine
    from lapt_rules.space import load_space
    from lapt_rules.writing import write_whole

    space = load_space(space_name)
    settings = space.settings
    archive = shell.read_table(source, space, metric).archive(archive_size or settings.archive)
    writer = author_named(author)
    text = writer.learn(Brief(space, archive, settings.top, settings.population))
    report = examine(text, str(output or "principles"), space, archive)
    if output:
        write_whole(output, text)
    value = {
        "principles": text,
        "file": str(output) if output else None,
        "count": report.count,
        "total": report.total,
        "archive_kept": report.archive_kept,
        "archive_size": report.archive_size,
    }
    if as_json or not output:
        shell.answer(as_json, value, text.rstrip())
    click.echo(
        f"keeps {report.count or 0:,} of {report.total:,}, "
        f"and {report.archive_kept} of {report.archive_size} in the archive",
        err=True,
    )
