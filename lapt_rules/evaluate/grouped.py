"""Train all models of one `digits` architecture, one a task and seed, as a single network.

Side by side they are one network of grouped convolutions. The models share no weight, their losses
add up, and AdamW works weight by weight, so each is trained as if it were alone, in less than half
of the time.
"""

from __future__ import annotations

import copy
import importlib.util
import math
from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType

import torch
from torch import Tensor, nn

from lapt_rules import content
from lapt_rules.evaluate.digits import SETTING, SPLITS, TASKS, held_out, stream
from lapt_rules.space import Architecture

Scores = dict[str, dict[str, list[float]]]
"""For each task and split the metric of each seed."""


def network(architecture: Architecture, task: str, seed: int) -> nn.Module:
    """The untrained network of `models/digits.py`, with weights from N(0, 2 / fan-in)."""
    operators = dict(zip(architecture.space.layer_index, architecture.operators, strict=True))
    outputs, dense = TASKS[task].outputs, TASKS[task].dense
    made: nn.Module = _model_file().Network(**operators, outputs=outputs, dense=dense)
    generator = torch.Generator().manual_seed(7 * seed + 1)
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_in), generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return made


def train(architecture: Architecture, tasks: Sequence[str], seeds: Sequence[int]) -> Scores:
    """Train one model a task and seed, and judge each on the images held out.

    Equal arguments give equal scores, on one machine and with one thread.
    """
    models = Models(architecture, tasks, seeds)
    optimizer = torch.optim.AdamW(models.parameters(), lr=SETTING.rate, weight_decay=SETTING.decay)
    inputs, targets = _streams(tuple(tasks), tuple(seeds))
    steps = len(inputs) // SETTING.batch
    for step, batch in enumerate(_batches(len(inputs), SETTING.batch)):
        for group in optimizer.param_groups:
            group["lr"] = SETTING.rate * _schedule(step, steps)
        optimizer.zero_grad()
        answers = models(inputs[batch])
        losses = [
            TASKS[task].loss(_flat(answers[task]), _flat(targets[task][batch])) for task in tasks
        ]
        loss = torch.stack(losses).sum() / SETTING.batch
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return _scores(models.eval(), tasks, seeds)


class Models(nn.Module):
    """The networks of one architecture side by side; answers (B, seeds, outputs...) a task."""

    def __init__(
        self, architecture: Architecture, tasks: Sequence[str], seeds: Sequence[int]
    ) -> None:
        super().__init__()
        self.seeds = len(seeds)
        networks = [[network(architecture, task, seed) for seed in seeds] for task in tasks]
        self.body = _side_by_side([one.get_submodule("body") for row in networks for one in row])
        heads = [_side_by_side([one.get_submodule("head") for one in row]) for row in networks]
        self.heads = nn.ModuleDict(dict(zip(tasks, heads, strict=True)))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """`images` (B, models, 8, 8): the models of a task together, in the order of the seeds."""
        parts = self.body(images).chunk(len(self.heads), 1)
        answers = zip(self.heads.items(), parts, strict=True)
        return {
            task: head(features).unflatten(1, (self.seeds, -1))
            for (task, head), features in answers
        }


def _side_by_side(modules: Sequence[nn.Module]) -> nn.Module:
    """One module that computes, each on its own channels, what these of one structure compute."""
    first, number = modules[0], len(modules)
    joint: nn.Module
    match first:
        case nn.Conv2d():
            joint = nn.Conv2d(
                number * first.in_channels,
                number * first.out_channels,
                first.kernel_size,  # type: ignore[arg-type]
                first.stride,  # type: ignore[arg-type]
                first.padding,  # type: ignore[arg-type]
                groups=number,
                bias=first.bias is not None,
            )
        case nn.BatchNorm2d():
            joint = nn.BatchNorm2d(number * first.num_features)
        case _:
            joint = copy.deepcopy(first)
            for name, _ in first.named_children():
                children = [module.get_submodule(name) for module in modules]
                setattr(joint, name, _side_by_side(children))
            return joint
    with torch.no_grad():
        for name, parameter in joint.named_parameters():
            parameter.copy_(torch.cat([module.get_parameter(name) for module in modules]))
    return joint


@torch.no_grad()
def _scores(models: Models, tasks: Sequence[str], seeds: Sequence[int]) -> Scores:
    scores: Scores = {task: {} for task in tasks}
    for split in SPLITS:
        inputs, targets = _splits(split, tuple(tasks), len(seeds))
        answers = [models(inputs[batch]) for batch in _batches(len(inputs), 4 * SETTING.batch)]
        for task in tasks:
            of_seeds = torch.cat([answer[task] for answer in answers]).unbind(1)
            metric = TASKS[task].metric
            scores[task][split] = [metric(one, targets[task]).item() for one in of_seeds]
    return scores


def _schedule(step: int, steps: int) -> float:
    """The rate at a step, as a part of the highest."""
    rising = SETTING.warm_up * steps
    if step < rising:
        return (step + 1) / rising
    falling = (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
    return SETTING.floor + (1 - SETTING.floor) * falling


def _batches(number: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, number, size))


def _flat(by_seed: Tensor) -> Tensor:
    return by_seed.flatten(0, 1)


@cache
def _streams(tasks: tuple[str, ...], seeds: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    """The inputs (N, models, 8, 8) of all models, and for each task the targets (N, seeds, ...)."""
    streams = {task: [stream(task, seed) for seed in seeds] for task in tasks}
    inputs = [images for task in tasks for images, _ in streams[task]]
    targets = {task: torch.stack([t for _, t in streams[task]], 1) for task in tasks}
    return _channels_last(inputs), targets


@cache
def _splits(split: str, tasks: tuple[str, ...], seeds: int) -> tuple[Tensor, dict[str, Tensor]]:
    """What the models are judged on: `_streams` for a split, with targets (N, ...)."""
    drawn = {task: held_out(task, split) for task in tasks}
    inputs = [drawn[task][0] for task in tasks for _ in range(seeds)]
    return _channels_last(inputs), {task: targets for task, (_, targets) in drawn.items()}


def _channels_last(images: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(images), 3).permute(0, 3, 1, 2)


@cache
def _model_file() -> ModuleType:
    path = content.shipped() / "models" / "digits.py"
    spec = importlib.util.spec_from_file_location("digits_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
