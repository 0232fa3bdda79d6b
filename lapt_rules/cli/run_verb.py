"""`lapt run`: the main job, LAPT's Algorithm 1 on benchmark tables."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.audit.journal import RunFolder
    from lapt_rules.authors.author import Author
    from lapt_rules.evaluate.table import TargetTable
    from lapt_rules.search import Searcher
    from lapt_rules.space import Settings
    from lapt_rules.transfer import Result

_COUNT = click.IntRange(min=1)


@click.command("run")
@click.option("--space", "space_name", required=True, metavar="NAME", help="The search space.")
@click.option("--source", metavar="PATH[:TASK]", help="The table that principles are learned from.")
@click.option("--target", required=True, metavar="PATH[:TASK]", help="The table that is searched.")
@click.option("--principles", metavar="FILE", help="Start from these principles, not learned ones.")
@click.option("--author", default="miner", show_default=True, help="Who writes and adapts.")
@click.option(
    "--searcher", type=click.Choice(["rea", "random", "best-first"]), default="rea",
    show_default=True,
)  # fmt: skip
@click.option("--budget", type=int, metavar="N", help="Evaluations of the target.")
@click.option("--iterations", type=_COUNT, metavar="G", help="Rounds of search and adaptation.")
@click.option("--top", type=_COUNT, metavar="R", help="Found architectures that the author sees.")
@click.option("--population", type=_COUNT, metavar="P", help="Population of the evolution.")
@click.option("--tournament", type=_COUNT, metavar="S", help="Tournament size of the evolution.")
@click.option("--archive-size", type=_COUNT, metavar="N", help="Architectures learned from.")
@shell.metric_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--twins", is_flag=True, help="Allow evaluations of cells that compute the same.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="The run folder.")
@shell.json_option
def command(
    space_name: str,
    source: str | None,
    target: str,
    principles: str | None,
    author: str,
    searcher: str,
    seed: int,
    twins: bool,
    out: Path | None,
    as_json: bool,
    archive_size: int | None,
    metric: str,
    **overrides: int | None,
) -> None:
    """Search a target task from the principles of a source task.

    Learns principles from --source (or takes --principles), searches the exact subspace that they
    keep, adapts them to what is found, and writes a run folder. Settings that are not given are
    those of the space (Table 1 of the LAPT paper; `lapt show SPACE --json`). Without --source the
    given principles stay as they are.
    """
    from lapt_rules.audit.journal import RunFolder
    from lapt_rules.authors.author import Brief, author_named
    from lapt_rules.authors.fixed import FixedPrinciples
    from lapt_rules.errors import RunError
    from lapt_rules.evaluate.evaluator import Archive
    from lapt_rules.evaluate.table import TargetTable
    from lapt_rules.space import load_space
    from lapt_rules.transfer import admit, check, transfer

    space = load_space(space_name)
    settings = replace(space.settings, **{k: v for k, v in overrides.items() if v is not None})
    if source is None and principles is None:
        fix = "give --source TABLE to learn from, or --principles FILE"
        raise RunError("there is nothing to start from", fix)
    given = shell.read_file(principles) if principles else None
    if source is None:
        archive = Archive(space, (), "no source")
        writer: Author = FixedPrinciples(given or "")
    else:
        table = shell.read_table(source, space, metric)
        archive = table.archive(archive_size or settings.archive)
        writer = author_named(author)
    evaluator = TargetTable(shell.read_table(target, space, metric))
    check(archive, evaluator, settings)
    if given is not None:
        admit(given, principles or "", Brief(space, archive, settings.top, settings.population))
    folder = RunFolder.create(out, f"{space.name}-{evaluator.name.replace(':', '-')}-seed{seed}")
    request: dict[str, object] = {
        "space": space.name,
        "source": archive.origin,
        "target": evaluator.name,
        "principles": principles,
        "author": writer.name,
        "searcher": searcher,
        "seed": seed,
        "twins": twins,
        "settings": {**asdict(settings), "archive": len(archive)},
    }
    folder.started(request, archive if len(archive) else None)
    result = transfer(
        space,
        archive,
        evaluator,
        writer,
        _searcher(searcher, settings),
        settings,
        principles=given,
        path=principles or "",
        seed=seed,
        twins=twins,
        journal=folder,
    )
    value = _as_json(result, evaluator, folder)
    folder.ended({key: part for key, part in value.items() if key != "folder"})
    shell.answer(as_json, value, _as_text(result, evaluator, folder, settings.budget))


def _searcher(name: str, settings: Settings) -> Searcher:
    from lapt_rules.search import BestFirst, RandomSearch, RegularizedEvolution

    if name == "random":
        return RandomSearch()
    if name == "best-first":
        return BestFirst()
    return RegularizedEvolution(settings.population, settings.tournament)


def _as_json(result: Result, evaluator: TargetTable, folder: RunFolder) -> dict[str, Any]:
    rank, of = evaluator.rank(result.best.value)
    files = zip(folder.principle_files, result.revisions, strict=True)
    return {
        "space": result.space.name,
        "target": evaluator.name,
        "best": {
            "architecture": str(result.best.architecture),
            "value": result.best.value,
            "rank": rank,
            "of": of,
        },
        "evaluations": len(result.trials),
        "trajectory": [
            {
                "architecture": str(trial.architecture),
                "value": trial.value,
                "iteration": trial.iteration,
            }
            for trial in result.trials
        ],
        "iterations": [
            {
                "principles": file.relative_to(folder.path).as_posix(),
                "step": revision.step,
                "subspace_size": revision.subspace_size,
            }
            for file, revision in files
        ],
        "folder": str(folder.path),
    }


def _unspent(evaluations: int, budget: int) -> str:
    if evaluations == budget:
        return ""
    return f" of {budget}: all that is left computes the same as something tried (see --twins)"


def _as_text(result: Result, evaluator: TargetTable, folder: RunFolder, budget: int) -> str:
    lines = []
    highest = float("-inf")
    for number, trial in enumerate(result.trials, start=1):
        if trial.value > highest:
            highest = trial.value
            lines.append(f"{number:>4}  {trial.value:.4f}  {trial.architecture}")
    rank, of = evaluator.rank(result.best.value)
    sizes = [f"{r.subspace_size:,} ({r.step})" for r in result.revisions]
    return "\n".join(
        [
            f"each new best on {evaluator.name}:",
            *lines,
            "",
            f"best architecture  {result.best.architecture}",
            f"value              {result.best.value:.4f}, rank {rank:,} of {of:,} in the table",
            f"evaluations        {len(result.trials)}{_unspent(len(result.trials), budget)}",
            f"subspace           {' -> '.join(sizes)}",
            f"run folder         {folder.path}",
        ]
    )
