"""`lapt learn`: principles from the best architectures of a source table."""

from __future__ import annotations

from pathlib import Path

import click

from lapt_rules.cli import shell
from lapt_rules.cli.author_options import AuthorWanted, author_options, spent, spent_text


@click.command("learn")
@click.option("--space", "space_name", required=True, metavar="NAME", help="The search space.")
@click.option("--source", required=True, metavar="PATH[:TASK]", help="The source table.")
@click.option(
    "--archive-size", type=click.IntRange(min=1), metavar="N", help="How many to learn from."
)
@author_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The run folder that records the dialogue with a language model.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@shell.metric_option
@shell.json_option
def command(
    space_name: str,
    source: str,
    archive_size: int | None,
    wanted: AuthorWanted,
    output: Path | None,
    out: Path | None,
    seed: int,
    metric: str,
    as_json: bool,
) -> None:
    """Write a principle file from the best architectures of a source table.

    Prints it, or writes it with -o. A language model as the --author is led through a dialogue,
    which is recorded in a run folder: what it was asked, what it said, what the engine found.
    """
    from lapt_rules.audit.journal import RunFolder
    from lapt_rules.authors.author import Brief
    from lapt_rules.authors.miner import Miner
    from lapt_rules.evaluate.table import load_table
    from lapt_rules.gate import examine
    from lapt_rules.space import load_space
    from lapt_rules.transfer import Revision
    from lapt_rules.writing import write_whole

    space = load_space(space_name)
    settings = space.settings
    archive = load_table(source, space, metric=metric).archive(archive_size)
    brief = Brief(space, archive, settings.top, settings.population)
    backend = wanted.open()
    folder = used = None
    if backend is None:
        text = Miner().learn(brief)
    else:
        folder = RunFolder.create(out, f"{space.name}-learn-seed{seed}")
        request = {"space": space.name, "source": archive.origin, "seed": seed}
        folder.started({**request, **wanted.request(backend)}, archive)
        with shell.recorded_in(folder, replays=True):
            writer = wanted.writer(backend, folder.path, seed)
            text = writer.learn(brief)
        used = spent(writer)
        shell.status("")
    report = examine(text, str(output or "principles"), space, archive)
    if folder is not None:
        folder.revised(Revision(1, "learn", text, report.count or 0))
    if output:
        write_whole(output, text)
    value = {
        "principles": text,
        "file": str(output) if output else None,
        "folder": str(folder.path) if folder else None,
        "author": used,
        "count": report.count,
        "total": report.total,
        "archive_kept": report.archive_kept,
        "archive_size": report.archive_size,
    }
    if as_json or not output:
        shell.answer(as_json, value, text.rstrip())
    shell.tell(
        f"keeps {report.count or 0:,} of {report.total:,}, "
        f"and {report.archive_kept} of {report.archive_size} in the archive"
    )
    if folder is not None and used is not None:
        shell.tell(f"{spent_text(used)}; the dialogue is in {folder.path}")
