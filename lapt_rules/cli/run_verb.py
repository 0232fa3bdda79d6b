"""`lapt run`: the main job, LAPT's Algorithm 1 from a source task to a target task."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lapt_rules.cli import shell
from lapt_rules.cli.author_options import AuthorWanted, author_options, spent, spent_text

if TYPE_CHECKING:
    from lapt_rules.audit.journal import RunFolder
    from lapt_rules.authors.author import Author
    from lapt_rules.evaluate.evaluator import Evaluator
    from lapt_rules.search import Searcher
    from lapt_rules.space import Settings
    from lapt_rules.transfer import Result

_COUNT = click.IntRange(min=1)


@click.command("run")
@click.option("--space", "space_name", default="digits", show_default=True, metavar="NAME")
@click.option(
    "--source", metavar="TABLE",
    help="The table that principles are learned from: PATH[:TASK], or SPACE:TASK for a table that "
    "ships with its space.  [digits: digits:jigsaw]",
)  # fmt: skip
@click.option("--target", metavar="TABLE", help="The table searched.  [digits: digits:class]")
@click.option("--principles", metavar="FILE", help="Start from these principles, not learned ones.")
@author_options
@click.option(
    "--evaluator", type=click.Choice(["table", "train", "supernet"]), default="table",
    show_default=True, help="What rates a candidate: a table, its training, or shared weights.",
)  # fmt: skip
@click.option(
    "--searcher", type=click.Choice(["rea", "genetic", "random", "best-first"]),
    help="  [rea; genetic with a supernet]",
)  # fmt: skip
@click.option("--budget", type=int, metavar="N", help="Evaluations of the target.")
@click.option("--iterations", type=_COUNT, metavar="G", help="Rounds of search and adaptation.")
@click.option("--top", type=_COUNT, metavar="R", help="Found architectures that the author sees.")
@click.option("--population", type=_COUNT, metavar="P", help="Population of the evolution.")
@click.option("--tournament", type=_COUNT, metavar="S", help="Tournament size of the evolution.")
@click.option("--archive-size", type=_COUNT, metavar="N", help="Architectures learned from.")
@click.option(
    "--data", default="digits", show_default=True, metavar="SPEC",
    help="Images to train on: digits, cifar10:FOLDER or npz:FOLDER.",
)  # fmt: skip
@click.option("--epochs", type=_COUNT, metavar="N", help="Epochs of a training.")
@click.option(
    "--rated", type=_COUNT, default=5_000, show_default=True, metavar="N",
    help="Random architectures rated by a supernet, the best of which are learned from.",
)  # fmt: skip
@click.option(
    "--cache", type=click.Path(path_type=Path), default="runs/trained", show_default=True,
    metavar="FOLDER", help="Where trainings are kept: what is there is not trained again.",
)  # fmt: skip
@shell.metric_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--twins", is_flag=True, help="Allow evaluations of cells that compute the same.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="The run folder.")
@shell.json_option
def command(
    space_name: str,
    source: str | None,
    target: str | None,
    principles: str | None,
    wanted: AuthorWanted,
    evaluator: str,
    searcher: str | None,
    data: str,
    epochs: int | None,
    rated: int,
    cache: Path,
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
    those of the space (Table 1 of the LAPT paper; `lapt show SPACE --json`). Without a source the
    given principles stay as they are.

    Without any option it runs on the table of `digits` that ships with it, from the task jigsaw to
    the task class. With `--evaluator train` candidates are trained on --data; with `supernet`
    they are rated by weights that all share, and so is the archive, unless --source names a table.

    Principles are written by the --author: the miner, who counts and needs nothing; a language
    model on this machine (hf:FOLDER) or behind a server (api:MODEL); or the record of an earlier
    run (replay:RUN_FOLDER), which gives the same run again.
    """
    from lapt_rules.audit.journal import RunFolder
    from lapt_rules.authors.author import Brief
    from lapt_rules.authors.fixed import FixedPrinciples
    from lapt_rules.cli.run_target import Wanted, archive_of, evaluator_of
    from lapt_rules.errors import RunError
    from lapt_rules.space import load_space
    from lapt_rules.transfer import admit, check, transfer

    space = load_space(space_name)
    settings = replace(space.settings, **{k: v for k, v in overrides.items() if v is not None})
    settings = replace(settings, archive=archive_size or settings.archive)
    if space.name == "digits" and evaluator == "table":
        source = source or (None if principles else "digits:jigsaw")
        target = target or "digits:class"
    given = shell.read_file(principles) if principles else None
    if given is None and source is None and evaluator != "supernet":
        fix = "give --source TABLE to learn from, or --principles FILE"
        raise RunError("there is nothing to start from", fix)
    if source is None and evaluator != "supernet" and wanted.author != "miner":
        fix = "give --source TABLE, or leave --author out"
        raise RunError(f"without a source there is nothing for {wanted.author} to adapt", fix)
    backend = wanted.open()
    rated_by = Wanted(
        space, evaluator, target, metric, data, epochs, rated, cache, wanted.device, seed, settings
    )
    nobody: Author = FixedPrinciples(given or "")
    trains = evaluator != "table"
    with shell.kept_in(cache, trains):
        subspace = None
        if given is not None:
            empty = archive_of(rated_by, None, None)
            brief = Brief(space, empty, settings.top, settings.population)
            _, admitted = admit(given, principles or "", brief)
            # What is explored may lie outside: then the weights must know the whole space.
            subspace = admitted if source is None else None
        rating = evaluator_of(rated_by, subspace)
        archive = archive_of(rated_by, source, rating if given is None else None)
    check(archive, rating, settings)
    job = rating.name.replace(":", "-").removeprefix(f"{space.name}-")
    folder = RunFolder.create(out, f"{space.name}-{job}-seed{seed}")
    chosen = searcher or ("genetic" if evaluator == "supernet" else "rea")
    request: dict[str, object] = {
        "space": space.name,
        "source": archive.origin,
        "target": rating.name,
        "evaluator": evaluator,
        "principles": principles,
        **(wanted.request(backend) if len(archive) else {"author": nobody.name}),
        "searcher": chosen,
        "seed": seed,
        "twins": twins,
        "settings": {**asdict(settings), "archive": len(archive)},
    }
    replays = backend is not None and len(archive) > 0
    with shell.kept_in(cache, trains), shell.recorded_in(folder, replays):
        folder.started(request, archive if len(archive) else None)
        writer = wanted.writer(backend, folder.path, seed) if len(archive) else nobody
        result = transfer(
            space,
            archive,
            rating,
            writer,
            _searcher(chosen, settings),
            settings,
            principles=given,
            path=principles or "",
            seed=seed,
            twins=twins,
            journal=folder,
        )
    shell.status("")
    value = _as_json(result, rating, folder)
    used = spent(writer)
    if used is not None:
        value["author"] = used
    folder.ended({key: part for key, part in value.items() if key != "folder"})
    text = _as_text(result, rating, folder, settings.budget)
    shell.answer(
        as_json, value, text if used is None else f"{text}\nauthor             {spent_text(used)}"
    )


def _searcher(name: str, settings: Settings) -> Searcher:
    from lapt_rules.search import BestFirst, GeneticSearch, RandomSearch, RegularizedEvolution

    if name == "random":
        return RandomSearch()
    if name == "best-first":
        return BestFirst()
    if name == "genetic":
        return GeneticSearch(settings.population, settings.tournament)
    return RegularizedEvolution(settings.population, settings.tournament)


def _rank(evaluator: Evaluator, value: float) -> tuple[int, int] | None:
    """The rank of a value among all architectures, where a table knows them all."""
    from lapt_rules.evaluate.table import TargetTable

    return evaluator.rank(value) if isinstance(evaluator, TargetTable) else None


def _as_json(result: Result, evaluator: Evaluator, folder: RunFolder) -> dict[str, Any]:
    rank = _rank(evaluator, result.best.value)
    files = zip(folder.principle_files, result.revisions, strict=True)
    return {
        "space": result.space.name,
        "target": evaluator.name,
        "best": {
            "architecture": str(result.best.architecture),
            "value": result.best.value,
            "rank": rank and rank[0],
            "of": rank and rank[1],
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


def _as_text(result: Result, evaluator: Evaluator, folder: RunFolder, budget: int) -> str:
    lines = []
    highest = float("-inf")
    for number, trial in enumerate(result.trials, start=1):
        if trial.value > highest:
            highest = trial.value
            lines.append(f"{number:>4}  {trial.value:.4f}  {trial.architecture}")
    sizes = [f"{r.subspace_size:,} ({r.step})" for r in result.revisions]
    found = [
        f"each new best on {evaluator.name}:",
        *lines,
        "",
        f"best architecture  {result.best.architecture}",
        f"value              {result.best.value:.4f}",
        f"evaluations        {len(result.trials)}{_unspent(len(result.trials), budget)}",
        f"subspace           {' -> '.join(sizes)}",
        f"run folder         {folder.path}",
    ]
    rank = _rank(evaluator, result.best.value)
    if rank is not None:
        position, of = rank
        found[-4] += f", rank {position:,} of {of:,} in the table"
        # The least of n ranks drawn from 1 to N without repetition is (N + 1) / (n + 1) on average.
        by_chance = (of + 1) / (len(result.trials) + 1)
        found[-3] += f"; as many at random find rank {by_chance:,.0f} on average"
    return "\n".join(found)
