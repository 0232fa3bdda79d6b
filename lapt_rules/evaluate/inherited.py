"""Candidates rated by inherited weights: what an architecture is worth, without training it.

A rating is the accuracy on validation images with the weights that the supernet has for it. It
depends on the architecture alone, not on what was rated before. Ratings stand in the supernet's
folder, in `ratings-FINGERPRINT.jsonl`, a line each as they are found: a search or an archive that
was killed pays for none of them twice, and ends the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property

import torch
from torch import Tensor

from lapt_rules.errors import ArchitectureError, RunError
from lapt_rules.evaluate import cache as values
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.evaluate.supernet import Supernet
from lapt_rules.network import live_layers
from lapt_rules.space import Architecture
from lapt_rules.subspace import whole

Told = Callable[[int], None]
"""Told after each rating how many there are."""


class SupernetEvaluator:
    """An Evaluator: accuracy with inherited weights, in percent of the first validation images.

    `images` is how many, `batch` how many at once: normalisation takes its statistics from them.

    Architectures with the same live layers on the same edges compute the same and are rated once.
    Twins on other edges inherit other weights, and may differ.
    """

    def __init__(self, supernet: Supernet, *, images: int = 5000, batch: int = 500) -> None:
        self.space = supernet.space
        self.name = f"supernet-{supernet.data.name}"
        self._supernet = supernet
        self._images, self._batch = min(images, len(supernet.data.valid)), batch
        self._file = supernet.folder / f"ratings-{self.fingerprint}.jsonl"
        self._known = values.read(self._file)

    @cached_property
    def fingerprint(self) -> str:
        """A text that two evaluators share if and only if they rate alike, by the same weights."""
        digest = hashlib.sha256(f"{self.name} {self._images} {self._batch}".encode())
        for name, weight in self._supernet.network.state_dict().items():
            digest.update(f"{name} {tuple(weight.shape)} ".encode())
            digest.update(weight.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]

    def evaluate(self, architecture: Architecture) -> float:
        """The accuracy of one architecture; ArchitectureError for one of another space."""
        if architecture.space is not self.space:
            raise ArchitectureError(f"{architecture} is not in {self.space.name}")
        operators, sources = architecture.operators, architecture.sources
        live = sorted(live_layers(architecture))
        key = ", ".join(
            f"{self.space.layers[layer].name} {operators[layer]} {sources[layer]}" for layer in live
        )
        if key not in self._known:
            value = self._known[key] = self._accuracy(architecture)
            entry = {"key": key, "value": value, "architecture": str(architecture)}
            values.add(self._file, entry)
        return self._known[key]

    def rate(self, architectures: Iterable[Architecture], told: Told | None = None) -> list[Rated]:
        """The ratings of many, in their order."""
        found: list[Rated] = []
        for architecture in architectures:
            found.append(Rated(architecture, self.evaluate(architecture)))
            if told is not None:
                told(len(found))
        return found

    @torch.inference_mode()
    def _accuracy(self, architecture: Architecture) -> float:
        network = self._supernet.network.eval()
        right = torch.zeros((), dtype=torch.int64, device=self._supernet.device)
        for images, labels in self._batches:
            right += network(images, architecture).argmax(1).eq(labels).sum()
        return 100 * int(right) / self._images

    @cached_property
    def _batches(self) -> list[tuple[Tensor, Tensor]]:
        """The images in batches of nearly one size, so that none is normalised by a few."""
        valid, device = self._supernet.data.valid, self._supernet.device
        images = valid.normalised(valid.pixels[: self._images].to(device))
        labels = valid.labels[: self._images].to(device)
        parts = -(-self._images // self._batch)
        return list(zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True))


def supernet_archive(
    evaluator: SupernetEvaluator,
    number: int = 5000,
    size: int = 100,
    *,
    seed: int,
    told: Told | None = None,
) -> Archive:
    """The `size` best of `number` architectures drawn uniformly, without replacement, best first.

    LAPT's archive of DARTS: 100 of 5,000. Equal values stand as they were drawn. Raises RunError
    where fewer are rated than the archive should have.
    """
    drawn = whole(evaluator.space).best(number, seed)
    if size > len(drawn):
        raise RunError(
            f"an archive of {size} was asked for, of {len(drawn)} rated architectures",
            "ask for fewer, or rate more",
        )
    best = sorted(evaluator.rate(drawn, told), key=lambda one: -one.value)[:size]
    origin = f"{evaluator.name}, the best of {len(drawn):,}"
    return Archive(evaluator.space, tuple(best), origin, evaluator.fingerprint)
