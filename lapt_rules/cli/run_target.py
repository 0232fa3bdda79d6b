"""What `lapt run` rates candidates by, and what it learns from: from options to objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lapt_rules.cli import shell
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Archive, Evaluator
from lapt_rules.space import Settings, Space

if TYPE_CHECKING:
    from lapt_rules.evaluate.inherited import SupernetEvaluator
    from lapt_rules.subspace import Subspace


@dataclass(frozen=True)
class Wanted:
    """The options of a run that say what rates a candidate; see `lapt run --help`."""

    space: Space
    evaluator: str
    target: str | None
    metric: str
    data: str
    epochs: int | None
    rated: int
    cache: Path
    device: str
    seed: int
    settings: Settings


def evaluator_of(wanted: Wanted, subspace: Subspace | None) -> Evaluator:
    """The evaluator; a supernet is trained on `subspace`, or on the whole space where it is None.

    Raises RunError where the target does not go with it.
    """
    if wanted.evaluator == "table":
        from lapt_rules.evaluate.table import TargetTable, load_table

        if wanted.target is None:
            raise RunError(
                "there is no task to search", "give --target TABLE, or --evaluator train"
            )
        return TargetTable(load_table(wanted.target, wanted.space, metric=wanted.metric))
    if wanted.target is not None:
        message = f"--evaluator {wanted.evaluator} rates candidates itself"
        raise RunError(message, "leave --target out; --data says on which images")
    with shell.torch_needed():
        import torch

        if wanted.device == "cpu":
            torch.set_num_threads(1)  # in small networks threads only wait for each other
        return _trained(wanted) if wanted.evaluator == "train" else _inherited(wanted, subspace)


def archive_of(wanted: Wanted, source: str | None, rating: Evaluator | None) -> Archive:
    """What principles are learned from: the best of a source table, or of what a supernet rated.

    The architectures that a supernet rates for the archive are paid for like the search's own, so
    that one supernet may be both source and target; the run folder says so.
    """
    if source is not None:
        from lapt_rules.evaluate.table import load_table

        table = load_table(source, wanted.space, metric=wanted.metric)
        return table.archive(wanted.settings.archive)
    if rating is None or wanted.evaluator != "supernet":
        return Archive.empty(wanted.space)
    from lapt_rules.evaluate.inherited import SupernetEvaluator, supernet_archive

    assert isinstance(rating, SupernetEvaluator)
    archive = supernet_archive(
        rating,
        wanted.rated,
        wanted.settings.archive,
        seed=wanted.seed,
        told=lambda done: shell.status(f"rated {done:,} of {wanted.rated:,}"),
    )
    return replace(archive, fingerprint="")


def _trained(wanted: Wanted) -> Evaluator:
    from lapt_rules.evaluate.data import load_data
    from lapt_rules.evaluate.setting import Setting
    from lapt_rules.evaluate.trainer import Step
    from lapt_rules.evaluate.training import TrainingEvaluator

    def told(step: Step) -> None:
        shell.status(f"epoch {step.epoch} of {step.epochs}, step {step.step:,} of {step.steps:,}")

    return TrainingEvaluator(
        wanted.space,
        load_data(wanted.data),
        Setting() if wanted.epochs is None else Setting(epochs=wanted.epochs),
        seed=wanted.seed,
        cache=wanted.cache,
        device=wanted.device,
        progress=told,
    )


def _inherited(wanted: Wanted, subspace: Subspace | None) -> SupernetEvaluator:
    from lapt_rules.evaluate.data import load_data
    from lapt_rules.evaluate.inherited import SupernetEvaluator
    from lapt_rules.evaluate.supernet import SupernetSetting, train_supernet
    from lapt_rules.subspace import whole

    data = load_data(wanted.data)
    if wanted.device == "cpu":
        setting = SupernetSetting.small(wanted.space)
    else:
        setting = SupernetSetting.published(wanted.space)
    if wanted.epochs is not None:
        setting = replace(setting, epochs=wanted.epochs)
    supernet = train_supernet(
        wanted.space,
        subspace or whole(wanted.space),
        data,
        setting,
        seed=wanted.seed,
        folder=_folder(wanted, subspace),
        device=wanted.device,
        progress=lambda done, of, loss: shell.status(f"epoch {done} of {of}, loss {loss:.3f}"),
    )
    return SupernetEvaluator(supernet)


def _folder(wanted: Wanted, subspace: Subspace | None = None) -> Path:
    """Where the supernet of these options is kept."""
    data = "".join(c if c.isalnum() else "-" for c in wanted.data)
    of = "whole"
    if subspace is not None:
        of = hashlib.sha256(subspace.sample_rows(64).tobytes()).hexdigest()[:8]
    epochs = "" if wanted.epochs is None else f"-{wanted.epochs}-epochs"
    name = f"supernet-{wanted.space.name}-{data}-{of}{epochs}-seed{wanted.seed}"
    return wanted.cache / name
