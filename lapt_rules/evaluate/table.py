"""Benchmark tables: the value of every architecture of a space on one task, measured beforehand.

A table plays one of two parts and the types keep them apart. As a *source* it gives an `Archive`,
the only thing an author sees. As a *target* it is wrapped in `TargetTable`, which answers for one
architecture at a time and cannot be listed, sorted or handed on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from lapt_rules.characters import one_line
from lapt_rules.errors import ArchitectureError, TableError, did_you_mean, listed
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.evaluate.packed import unpack
from lapt_rules.logic.arrays import Arrays
from lapt_rules.logic.binding import invariants
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import MAX_LISTED, whole

_PREFERRED_METRICS = (
    "valid",
    "val_acc_200",
    "val_accuracy",
    "valid_top1",
    "valid_mIoU",
    "valid_ssim",
    "valid_neg_loss",
)
"""What a value is read from where an entry holds several and the user names none."""

LONGEST_NAME = 200
"""Characters of a table's name, in which a task may have any name."""


@dataclass(frozen=True, eq=False)
class Table:
    """The values of architectures on one task, higher is better; see `load_table`."""

    space: Space
    name: str
    values: Mapping[tuple[int, ...], float] = field(repr=False)

    def archive(self, size: int) -> Archive:
        """The `size` best architectures, best first; equal values in the order of the table."""
        if size > len(self.values):
            raise TableError(
                f"{self.name}: an archive of {size} was asked for, the table has "
                f"{len(self.values)} architectures",
                "ask for fewer with --archive-size",
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


def load_table(path: Path, space: Space, task: str = "", metric: str = "") -> Table:
    """Read a table of `space` from a file.

    The forms: `{arch: {metric: value}}` and `{arch: value}` (JSON), `{task: {arch: value}}`
    (JSON), `{"architectures": [{"normal": [[op, source], ...], "reduce": [...], metric: value}]}`
    (JSON, DARTS), TransNAS-Bench-101's own `.pth`, where `data[space][arch][task]["metrics"]`
    holds a list over epochs for each metric, of which the best counts, and our own `.npz`
    (`packed.py`). Pickled code in a `.pth` or `.npz` is refused.

    Raises TableError for a file that is none of these, for a task or metric it does not have, and
    for an entry that is missing, no number or NaN.
    """
    if path.suffix == ".npz":
        data: Any = unpack(path, space)
    else:
        data = _read_pth(path) if path.suffix in {".pth", ".pt"} else _read_json(path)
    reader = _Reader(path, space, task, metric)
    values = reader.read(data)
    ships = path == space.folder / "table.npz"
    parts = (space.name if ships else path.name, reader.task, reader.metric)
    name = ":".join(part for part in parts if part)
    return Table(space, one_line(name)[:LONGEST_NAME], values)


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
    return Table(space, name, _Reader(Path(name), space, "", "").read(entries))


def _read_json(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_pairs_hook=partial(_without_repetition, path))
    except OSError as error:
        fix = "name a table, as PATH or PATH:TASK"
        raise TableError(f"{path}: cannot be read: {error.strerror}", fix) from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not a text file", "a table is JSON or a .pth file") from error
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        raise TableError(
            f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}",
            "the file seems cut off: copy it again" if cut else "a table is JSON or a .pth file",
        ) from error
    except RecursionError as error:
        fix = "see `load_table` for the forms of a table"
        raise TableError(f"{path}: the JSON is nested too deeply to be a table", fix) from error
    except ValueError as error:  # an integer of thousands of digits
        raise TableError(f"{path}: a number in it is too long", "a value has few digits") from error


def _without_repetition(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise TableError(f"{path}: `{_shortened(twice)}` stands in the table twice", "remove one")
    return found


def _read_pth(path: Path) -> Any:
    if not path.is_file():
        raise TableError(f"{path}: this is no file", "name a table, as PATH or PATH:TASK")
    try:
        import torch
    except ImportError as error:
        fix = "pip install 'lapt-rules[tables]'"
        raise TableError(f"{path}: reading .pth files needs torch", fix) from error

    # numpy's scalars are all that such a file may hold beside lists and text; they run no code.
    rebuild = np.float64(0).__reduce__()[0]
    numpy_scalars: list[Any] = [np.dtype, rebuild, (rebuild, "numpy.core.multiarray.scalar")]
    numpy_scalars += [np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType]
    try:
        with torch.serialization.safe_globals(numpy_scalars):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a bad or hostile file
        raise TableError(
            f"{path}: not a table that can be loaded safely ({type(error).__name__})",
            "use the published file: it holds dictionaries, lists and numbers, and no code",
        ) from error


def _epochs(entry: object) -> bool:
    """Whether an entry looks like one number an epoch."""
    return isinstance(entry, list) and bool(entry) and isinstance(entry[0], int | float)


def _shortened(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


class _Reader:
    """Finds the values of one task in a table file, whatever its form."""

    def __init__(self, path: Path, space: Space, task: str, metric: str) -> None:
        self.path = path
        self.space = space
        self.task = task
        self.metric = metric

    def read(self, data: Any) -> dict[tuple[int, ...], float]:
        if not isinstance(data, dict) or not data:
            raise self._error("this is not a table", "see `load_table` for the forms")
        entries: Iterable[tuple[Any, Any]]
        if isinstance(data.get("architectures"), list):
            self._refuse_task()
            entries = self._darts(data["architectures"])
        elif self._is_architecture(next(iter(data))):
            self._refuse_task()
            entries = data.items()
        else:
            entries = self._tasks(data)
        values: dict[tuple[int, ...], float] = {}
        for written, entry in entries:
            architecture = written if isinstance(written, Architecture) else self._parse(written)
            if architecture.values in values:
                raise self._error(f"`{written}` stands in the table twice", "remove one")
            values[architecture.values] = self._value(written, entry)
        if not values:
            raise self._error("the table is empty", "name a table with architectures")
        self._check_form(values)
        return values

    def _refuse_task(self) -> None:
        if self.task:
            message = f"it has no tasks, so none called `{_shortened(self.task)}`"
            raise self._error(message, f"write {self.path.name} alone")

    def _check_form(self, values: Mapping[tuple[int, ...], float]) -> None:
        rows = np.array(list(values), np.int8)
        well_formed = Arrays(self.space, rows).holds(invariants(self.space))
        if not well_formed.all():
            first = Architecture(self.space, tuple(rows[np.argmin(well_formed)].tolist()))
            fix = f"`lapt show {self.space.name}` lists the invariants"
            raise self._error(f"{first} is not well-formed in {self.space.name}", fix)

    def _tasks(self, data: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        """The entries of the chosen task: of {task: {arch: value}}, or the published .pth."""
        for part in data.values():  # the .pth holds one dict a search space
            if isinstance(part, dict) and part:
                first, entry = next(iter(part.items()))
                if self._is_architecture(first) and isinstance(entry, dict):
                    by_arch = {arch: e if isinstance(e, dict) else {} for arch, e in part.items()}
                    tasks = {str(task) for entry in by_arch.values() for task in entry}
                    self._choose_task(sorted(tasks))
                    return [(arch, entry.get(self.task)) for arch, entry in by_arch.items()]
        tasks_here = [task for task, part in data.items() if isinstance(part, dict)]
        if not tasks_here:
            raise self._error(
                f"no key of it is an architecture of {self.space.name} or a task",
                f"{self.space.name} writes {self.space.notations[0].template}",
            )
        self._choose_task(tasks_here)
        part = data[self.task]
        return part.items() if isinstance(part, dict) else []

    def _choose_task(self, tasks: list[str]) -> None:
        if not self.task and len(tasks) == 1:
            self.task = tasks[0]
        if self.task not in tasks:
            near = did_you_mean(self.task, tasks)
            named = f"it has no task `{_shortened(self.task)}`"
            message = named if self.task else "it holds several tasks"
            choice = near or tasks[0]
            raise self._error(message, f"write {self.path.name}:{choice}; it has {listed(tasks)}")

    def _darts(self, entries: list[Any]) -> Iterator[tuple[Architecture, Any]]:
        for number, entry in enumerate(entries):
            try:
                pairs = [pair for cell in self.space.cells for pair in entry[cell.name]]
                operators = [str(operator) for operator, _ in pairs]
                cells = (cell for cell in self.space.cells for _ in entry[cell.name])
                sources = [c.nodes[int(i)] for c, (_, i) in zip(cells, pairs, strict=True)]
                architecture = self.space.architecture(operators, sources)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                where = f"architectures[{number}]"
                fix = "give each cell as a list of [operator, source number]"
                raise self._error(f"{where}: not a {self.space.name} cell", fix) from error
            except ArchitectureError as error:
                raise self._error(f"architectures[{number}]: {error.message}", error.fix) from error
            yield architecture, entry

    def _is_architecture(self, key: Any) -> bool:
        try:
            return bool(self.space.parse(str(key)))
        except ArchitectureError:
            return any(notation.read(str(key)) for notation in self.space.notations)

    def _parse(self, text: object) -> Architecture:
        try:
            return self.space.parse(str(text))
        except ArchitectureError as error:
            raise self._error(error.message, error.fix) from error

    def _value(self, written: object, entry: Any) -> float:
        where = f"`{written}`"
        if isinstance(entry, dict):
            metrics = entry.get("metrics", entry)
            entry = metrics if isinstance(metrics, dict) else {}
            names = [str(n) for n, v in entry.items() if isinstance(v, int | float) or _epochs(v)]
            if not self.metric:
                self.metric = next((m for m in _PREFERRED_METRICS if m in names), "")
            if self.metric not in names:
                what = f"no `{self.metric}`" if self.metric else "no value that is known"
                fix = f"name one of its metrics: {listed(names)}" if names else "complete the table"
                raise self._error(f"{where}: it has {what}", fix)
            entry = entry[self.metric]
        if isinstance(entry, list) and entry:  # one value an epoch
            numbers = [x for x in entry if isinstance(x, float) or type(x) is int]
            whole_list = len(numbers) == len(entry) and not any(x != x for x in numbers)
            entry = max(numbers) if whole_list else math.nan
        if isinstance(entry, bool) or not isinstance(entry, int | float):
            raise self._error(f"{where}: the value is missing", "complete the table")
        try:
            value = float(entry)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self._error(f"{where}: the value is {value}", "correct or remove the entry")
        return value

    def _error(self, message: str, fix: str = "") -> TableError:
        return TableError(f"{self.path}: {message}", fix)
