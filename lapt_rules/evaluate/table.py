"""Benchmark tables: the value of every architecture of a space on one task, measured beforehand.

A table plays one of two parts and the types keep them apart. As a *source* it gives an `Archive`,
the only thing an author sees. As a *target* it is wrapped in `TargetTable`, which answers for one
architecture at a time and cannot be listed, sorted or handed on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lapt_rules import content
from lapt_rules.characters import one_line
from lapt_rules.errors import ArchitectureError, TableError, listed
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.evaluate.table_file import Reader, opened
from lapt_rules.space import Architecture, Space, load_space
from lapt_rules.subspace import MAX_LISTED, whole

LONGEST_NAME = 200
"""Characters of a table's name, in which a task may have any name."""


@dataclass(frozen=True, eq=False)
class Table:
    """The values of architectures on one task, higher is better; see `load_table`."""

    space: Space
    name: str
    values: Mapping[tuple[int, ...], float] = field(repr=False)

    def archive(self, size: int | None = None) -> Archive:
        """The `size` best architectures, best first; equal values in the order of the table.

        By default as many as the settings of the space say. Raises TableError where the table has
        fewer.
        """
        size = self.space.settings.archive if size is None else size
        if size > len(self.values):
            raise TableError(
                f"{self.name}: an archive of {size} was asked for, the table has "
                f"{len(self.values)} architectures",
                "ask for fewer (--archive-size, or `archive` in the settings)",
            )
        top = sorted(self.values.items(), key=lambda item: -item[1])[:size]
        members = tuple(Rated(Architecture(self.space, values), value) for values, value in top)
        return Archive(self.space, members, self.name, self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """A text that two tables share iff they order the same architectures alike."""
        order = sorted(self.values, key=lambda values: (-self.values[values], values))
        return hashlib.sha256(repr(order).encode()).hexdigest()


class TargetTable:
    """A table as the target of a search: an Evaluator that gives one value at a time.

    Refuses a table that lacks some architecture of the space: the search would be steered by
    what happens to be there.
    """

    def __init__(self, table: Table) -> None:
        self.name = table.name
        self.space = table.space
        self.fingerprint = table.fingerprint
        self.__values = table.values
        total = whole(table.space).count()
        if total > MAX_LISTED:
            raise TableError(
                f"{table.name} has {len(table.values):,} of {total:,} architectures",
                "a target must hold every architecture of its space, and no table of this one can",
            )
        missing = [v for v in map(tuple, whole(table.space).rows.tolist()) if v not in table.values]
        if missing:
            raise TableError(
                f"{table.name}: {len(missing):,} of the {table.space.name} architectures are "
                f"missing, the first is {Architecture(table.space, missing[0])}",
                "use a complete table as the target",
            )

    def evaluate(self, architecture: Architecture) -> float:
        """The value of one architecture of the table's space; ArchitectureError for any other."""
        if architecture.space is not self.space:
            raise ArchitectureError(f"{architecture} is not in {self.space.name}")
        return self.__values[architecture.values]

    def rank(self, value: float) -> tuple[int, int]:
        """The rank of a value in the table (1 is best), and how many the table has.

        For reports, once a search is over: nothing that steers a search or an author calls it.
        """
        better = sum(other > value for other in self.__values.values())
        return better + 1, len(self.__values)


def load_table(
    path: Path | str, space: Space | str | None = None, task: str = "", metric: str = ""
) -> Table:
    """Read a table of `space` from a file, whose `path` may end in `:TASK`.

    `SPACE:TASK` is the table that ships with a space; then `space` may be left out.

    The forms: `{arch: {metric: value}}` and `{arch: value}` (JSON), `{task: {arch: value}}`
    (JSON), `{"architectures": [{"normal": [[op, source], ...], "reduce": [...], metric: value}]}`
    (JSON, DARTS), TransNAS-Bench-101's own `.pth`, where `data[space][arch][task]["metrics"]`
    holds a list over epochs for each metric, of which the best counts, and our own `.npz`
    (`packed.py`). Pickled code in a `.pth` or `.npz` is refused. A JSON file has at most 256 MiB,
    and an architecture among its first 10,000 keys.

    Raises TableError for a file that is none of these, for a task or metric it does not have, and
    for an entry that is missing, no number or NaN.

    >>> table = load_table("digits:jigsaw")
    >>> table.name, len(table.values)
    ('digits:jigsaw:valid', 4096)
    """
    file, named = (Path(path), task) if task else _split(str(path))
    space = load_space(space) if isinstance(space, str) else space
    shipped = None if os.path.exists(file) else _table_of(str(file), space)
    if shipped is not None:
        file, space = shipped.folder / "table.npz", space or shipped
    if space is None:
        raise TableError(f"{path}: for which space?", "write load_table(PATH, SPACE)")
    reader = Reader(file, space, named, metric)
    values = reader.read(opened(file, space))
    owner = space.name if file == space.folder / "table.npz" else file.name
    name = ":".join(part for part in (owner, reader.task, reader.metric) if part)
    return Table(space, one_line(name)[:LONGEST_NAME], values)


def _table_of(name: str, space: Space | None) -> Space | None:
    """The space called `name`, where a table ships with it."""
    if space is None or space.name != name:
        if name not in content.space_folders():
            return None
        space = load_space(name)
    return space if (space.folder / "table.npz").exists() else None


def _split(written: str) -> tuple[Path, str]:
    """`PATH:TASK` in its two parts; a path that exists as written has no task."""
    head, colon, tail = written.rpartition(":")
    if not colon or os.path.exists(written) or "/" in tail or "\\" in tail:
        return Path(written), ""
    if not head:
        raise TableError(f"{written}: there is no path before the colon", "write PATH:TASK")
    return Path(head), tail


def table_from_api(api: Any, space: Space, dataset: str, split: str = "valid-accuracy") -> Table:
    """A table from an opened NAS-Bench-201 or NATS-Bench (topology) API object.

    `dataset` and `split` are the API's own names: "cifar10-valid" and "valid-accuracy", or
    "ImageNet16-120" and "test-accuracy". Values are those after 200 epochs, averaged over seeds.
    """
    entries = {}
    for text in api:
        index = api.query_index_by_arch(text)
        info = api.get_more_info(index, dataset, hp="200", is_random=False)
        if split not in info:
            fix = f"use one of {listed(key for key in info if key.endswith('accuracy'))}"
            raise TableError(f"{dataset} has no `{split}`", fix)
        entries[text] = info[split]
    name = f"{dataset} {split}"
    return Table(space, name, Reader(Path(name), space, "", "").read(entries))
