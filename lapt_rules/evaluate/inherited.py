"""Rating by inherited weights: what an architecture is worth without training of its own.

The rate is the accuracy on validation images with the weights that the supernet has for it. It
depends on the architecture alone, not on what was rated before, so a search that is interrupted
and repeated finds the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lapt_rules.errors import ArchitectureError, RunError
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.evaluate.supernet import Supernet
from lapt_rules.network import live_layers
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import whole
from lapt_rules.writing import write_whole

Told = Callable[[int, int], None]
"""Told after each rating: how many are done, and of how many."""


class SupernetEvaluator:
    """An Evaluator: accuracy with inherited weights, from 0 to 1, on the first validation images.

    Architectures with the same live layers, at the same edges, compute the same with the same
    weights and are rated once. Twins at other edges inherit other weights and differ a little.
    """

    def __init__(self, supernet: Supernet, images: int = 5000, batch: int = 500) -> None:
        self.space: Space = supernet.space
        self.name = f"supernet on {supernet.data.name}"
        self._supernet = supernet
        self._images, self._batch = images, batch
        self._found: dict[tuple[object, ...], float] = {}

    @cached_property
    def fingerprint(self) -> str:
        """A text that two evaluators share if and only if they have the same weights."""
        digest = hashlib.sha256()
        for name, weight in sorted(self._supernet.network.state_dict().items()):
            digest.update(f"{name} {tuple(weight.shape)} ".encode())
            digest.update(weight.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def evaluate(self, architecture: Architecture) -> float:
        if architecture.space is not self.space:
            raise ArchitectureError(f"{architecture} is not in {self.space.name}")
        operators, sources = architecture.operators, architecture.sources
        live = sorted(live_layers(architecture))
        key = tuple((layer, operators[layer], sources[layer]) for layer in live)
        if key not in self._found:
            self._found[key] = self._accuracy(architecture)
        return self._found[key]

    @torch.inference_mode()
    def _accuracy(self, architecture: Architecture) -> float:
        network = self._supernet.network.eval()
        right = torch.zeros((), dtype=torch.int64, device=self._supernet.device)
        for images, labels in self._batches:
            right += network(images, architecture).argmax(1).eq(labels).sum()
        return right.item() / sum(len(labels) for _, labels in self._batches)

    @cached_property
    def _batches(self) -> list[tuple[Tensor, Tensor]]:
        """The images in batches of nearly one size: each gives its own statistics."""
        valid, device = self._supernet.data.valid, self._supernet.device
        number = min(self._images, len(valid))
        images = valid.normalised(valid.pixels[:number].to(device))
        labels = valid.labels[:number].to(device)
        parts = -(-number // self._batch)
        return list(zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True))


def rate(
    evaluator: SupernetEvaluator,
    architectures: Sequence[Architecture],
    journal: Path | None = None,
    told: Told | None = None,
) -> list[Rated]:
    """Rate many architectures, in their order.

    `journal` is a file that gets one line a rating, as they come; what stands there is not rated
    again, so an interrupted call goes on. Raises RunError where it holds ratings of another
    supernet or of other architectures.
    """
    found = [] if journal is None else _opened(journal, evaluator, architectures)
    for architecture in architectures[len(found) :]:
        rated = Rated(architecture, evaluator.evaluate(architecture))
        found.append(rated)
        if journal is not None:
            _append(journal, {"architecture": str(architecture), "value": rated.value})
        if told is not None:
            told(len(found), len(architectures))
    return found


def supernet_archive(
    evaluator: SupernetEvaluator,
    number: int = 5000,
    size: int = 100,
    *,
    seed: int,
    journal: Path | None = None,
    told: Told | None = None,
) -> Archive:
    """The `size` best of `number` architectures drawn uniformly, without replacement, best first.

    LAPT's archive of DARTS (its Table 1: 100 of 5,000). Equal values stand as they were drawn.
    """
    space = evaluator.space
    drawn = whole(space).best(number, seed)
    if size > len(drawn):
        raise RunError(
            f"an archive of {size} was asked for, of {len(drawn)} rated architectures",
            "ask for fewer, or rate more",
        )
    rated = rate(evaluator, drawn, journal, told)
    best = sorted(rated, key=lambda one: -one.value)[:size]
    origin = f"{evaluator.name}, best of {len(drawn):,}"
    return Archive(space, tuple(best), origin, evaluator.fingerprint)


def _opened(
    journal: Path, evaluator: SupernetEvaluator, architectures: Sequence[Architecture]
) -> list[Rated]:
    """The ratings that a journal holds; a new one begins with whose ratings they are."""
    title = {"ratings": evaluator.name, "fingerprint": evaluator.fingerprint}
    try:
        text = journal.read_text(encoding="utf-8") if journal.exists() else ""
        if text.rpartition("\n")[2]:  # the writer was stopped in the middle of a line
            text = text[: text.rfind("\n") + 1]
            write_whole(journal, text)
        lines = [json.loads(line) for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise RunError(f"{journal}: cannot be read", "name another file") from error
    if not lines:
        _append(journal, title)
        return []
    if lines[0] != title:
        raise RunError(f"{journal}: it holds ratings by another supernet", "name another file")
    found = []
    for line, architecture in zip(lines[1:], architectures, strict=False):
        if line.get("architecture") != str(architecture):
            raise RunError(f"{journal}: it holds ratings of others", "name another file")
        found.append(Rated(architecture, float(line["value"])))
    return found


def _append(journal: Path, entry: Mapping[str, object]) -> None:
    try:
        with journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        message = f"{journal}: cannot be written: {error.strerror}"
        raise RunError(message, "make room for it") from error
