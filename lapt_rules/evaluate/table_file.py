"""The forms of a table file, and the values of one task in it.

A JSON parser tells nothing before the end of the text, which takes time and memory for a large
file. So the first keys are looked at before it is parsed, and a file of something else is refused
at once. Whether the text is JSON at all, the parser decides.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lapt_rules.errors import ArchitectureError, TableError, did_you_mean, listed, shortened
from lapt_rules.evaluate.packed import unpack
from lapt_rules.logic.arrays import Arrays
from lapt_rules.logic.binding import invariants
from lapt_rules.space import Architecture, Space

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


MAX_BYTES = 256 * 2**20
"""The largest JSON file. It is read as a whole, which takes about five times its size in memory."""

MAX_FOREIGN = 10_000
"""So many keys may stand before the first architecture, as those of TransNAS's other space do."""


def opened(path: Path, space: Space) -> Any:
    """What a table file holds: dictionaries, lists and numbers, in the form that the file has.

    Raises TableError for a file that cannot be read, or that is no table of `space`.
    """
    if path.suffix == ".npz":
        return unpack(path, space)
    return _read_pth(path) if path.suffix in {".pth", ".pt"} else _read_json(path, space)


def _read_json(path: Path, space: Space) -> Any:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                fix = "keep one task and one metric of it: {arch: value}"
                raise TableError(f"{path}: larger than {MAX_BYTES / 2**20:.0f} MiB", fix)
            content = file.read()
    except OSError as error:
        fix = "name a table, as PATH or PATH:TASK"
        raise TableError(f"{path}: cannot be read: {error.strerror}", fix) from error
    keys = [key.decode(errors="replace") for key in islice(_keys(content), MAX_FOREIGN)]
    if len(keys) == MAX_FOREIGN and not any(_is_of_table(key, space) for key in keys):
        raise _foreign(path, space, f"none of its first {MAX_FOREIGN:,} keys", keys)
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=partial(_without_repetition, path))
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


_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)"?\s*+(:?)|[{}\[\]]', re.DOTALL)
"""A string with the colon that makes it a key, or a bracket."""


def _keys(content: bytes) -> Iterator[bytes]:
    """The keys of a JSON object and of the objects right inside it, in the order of the text.

    >>> list(_keys(b'{"jigsaw": {"3_33_333": {"valid": [0.9]}}, "other": {}}'))
    [b'jigsaw', b'3_33_333', b'other']
    """
    depth = 0
    for token in _TOKEN.finditer(content):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
        elif token[2] and depth <= 2:
            yield token[1]


def _is_of_table(key: str, space: Space) -> bool:
    """Whether a key, as it is written in the JSON text, shows that more must be read."""
    return key == "architectures" or "\\" in key or space.recognizes(key)


def _foreign(path: Path, space: Space, keys: str, some: Iterable[str]) -> TableError:
    """The error for keys that are no architectures of a space; `some` of them may be another's."""
    others = (space.elsewhere(key) for key in islice(some, 10))
    other = next((name for name in others if name), None)
    fix = f"{space.name} writes {space.notations[0].template}"
    fix = f"it is a table of {other}; {fix}" if other else fix
    return TableError(f"{path}: {keys} is an architecture of {space.name}", fix)


def _without_repetition(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise TableError(f"{path}: `{shortened(twice)}` stands in the table twice", "remove one")
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


class Reader:
    """Finds the values of one task in what a table file holds, whatever its form.

    `task` and `metric` are those wanted; where they are empty, those that were found.
    """

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
        elif self.space.recognizes(str(next(iter(data)))):
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
            message = f"it has no tasks, so none called `{shortened(self.task)}`"
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
        parts = {name: part for name, part in data.items() if isinstance(part, dict)}
        ours = {name for name, part in parts.items() if self._begins_with_an_architecture(part)}
        for name, part in parts.items():  # the .pth holds one dict a search space
            if name in ours and isinstance(next(iter(part.values())), dict):
                by_arch = {arch: e if isinstance(e, dict) else {} for arch, e in part.items()}
                tasks = {str(task) for entry in by_arch.values() for task in entry}
                self._choose_task(sorted(tasks))
                return [(arch, entry.get(self.task)) for arch, entry in by_arch.items()]
        tasks_here = [n for n, part in parts.items() if n in ours or n == self.task or not part]
        if not tasks_here:
            keys = (key for name in data for key in (name, *islice(parts.get(name, ()), 1)))
            raise _foreign(self.path, self.space, "no key of it", map(str, keys))
        self._choose_task(tasks_here)
        return list(parts[self.task].items())

    def _begins_with_an_architecture(self, part: dict[str, Any]) -> bool:
        return bool(part) and self.space.recognizes(str(next(iter(part))))

    def _choose_task(self, tasks: list[str]) -> None:
        if not self.task and len(tasks) == 1:
            self.task = tasks[0]
        if self.task not in tasks:
            near = did_you_mean(self.task, tasks)
            named = f"it has no task `{shortened(self.task)}`"
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
