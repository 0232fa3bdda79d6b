"""Candidates rated by training them: what a search pays for where there is no table.

The values stand in a folder that further runs share:

    CACHE/SPACE-DATA-FINGERPRINT/about.json      what was trained how
    .../values.jsonl                             a line a value, added as it is found
    .../training/KEY/checkpoint.pt               of a candidate whose training was interrupted

A value is that of all twins (`lapt_rules.network`): they compute the same, so one is trained.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from lapt_rules import content
from lapt_rules.errors import ArchitectureError
from lapt_rules.evaluate import cache as values
from lapt_rules.evaluate.data import DataSet
from lapt_rules.evaluate.setting import Setting
from lapt_rules.evaluate.skeleton import CHANNELS, fitted, skeleton
from lapt_rules.evaluate.trainer import Outcome, Progress, train
from lapt_rules.network import isomorphism_key
from lapt_rules.space import Architecture, Space
from lapt_rules.writing import make_folder, write_whole


class TrainingEvaluator:
    """An Evaluator that trains: a value is the best validation accuracy on the way, in percent.

    Networks are built at a small skeleton (`channels`, `cells`; see skeleton.py) without dead
    layers, and trained with the same setting and seed. `cache` is a folder for values and
    checkpoints: with the same one an interrupted search pays for nothing twice. Without it values
    are kept in memory.

    Raises ModelError where the space has no network, or none for such images.
    """

    def __init__(
        self,
        space: Space,
        data: DataSet,
        setting: Setting | None = None,
        *,
        seed: int = 0,
        channels: int = CHANNELS,
        cells: int | None = None,
        cache: Path | None = None,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.space, self.data, self.setting = space, data, setting or Setting()
        self.seed, self.device, self.progress = seed, device, progress
        self.skeleton = skeleton(space, data, channels, cells)
        self.name = f"{data.name}-{self.setting.epochs}-epochs"
        self.trained = 0
        """Trainings that this evaluator paid for; the other values came from the cache."""
        self._known: dict[str, float] = {}
        self._folder: Path | None = None
        if cache is not None:
            self._folder = cache / f"{space.name}-{_plain(data.name)}-{self.fingerprint}"
            make_folder(self._folder)
            write_whole(self._folder / "about.json", json.dumps(self.about, indent=2) + "\n")
            self._known = values.read(self._folder / "values.jsonl")

    @cached_property
    def about(self) -> dict[str, Any]:
        """All that a value depends on, but for the architecture and the machine."""
        model = content.model_file(self.space.name).read_bytes()
        return {
            "space": self.space.name,
            "model": hashlib.sha256(model).hexdigest()[:16],
            "skeleton": self.skeleton,
            "data": {"name": self.data.name, "fingerprint": self.data.fingerprint},
            "setting": asdict(self.setting),
            "seed": self.seed,
        }

    @cached_property
    def fingerprint(self) -> str:
        """A text that two evaluators share if and only if they train alike."""
        return _digest(json.dumps(self.about))

    def evaluate(self, architecture: Architecture) -> float:
        """The best validation accuracy; ArchitectureError for one of another space."""
        if architecture.space is not self.space:
            raise ArchitectureError(f"{architecture} is not in {self.space.name}")
        key = isomorphism_key(architecture)
        if key not in self._known:
            self._known[key] = self._train(architecture, key).best
            self.trained += 1
        return self._known[key]

    def _train(self, architecture: Architecture, key: str) -> Outcome:
        name = str(architecture)
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(self.seed)  # for what has no reset_parameters
            network = fitted(architecture, self.data, self.skeleton)
        # A checkpoint is of an architecture, not of a key: twins have their layers elsewhere.
        folder = self._folder and self._folder / "training" / _digest(name)
        outcome = train(
            network,
            self.data,
            self.setting,
            seed=self.seed,
            folder=folder,
            device=self.device,
            progress=self.progress,
            name=name,
        )
        if self._folder and folder:
            entry = {"key": key, "value": outcome.best, "architecture": name, **asdict(outcome)}
            values.add(self._folder / "values.jsonl", entry)
            shutil.rmtree(folder, ignore_errors=True)  # another run may have done it
        return outcome


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(name: str) -> str:
    """A name with nothing in it that a file system may take for something else."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name)
