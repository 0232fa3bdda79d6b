"""A table in one small file that anyone can read: every score of every seed, in a .npz.

    high, low int8 and uint8 (task, class, split, seed): a score is (256 high + low) * 1e-4; apart,
              because that compresses best
    member    uint16 (architecture,): its class, in the order of `every`
    seconds   uint16 (class,): how long the training took, all tasks and seeds, in units of 0.01 s
    about     text, JSON: space, tasks, splits, seeds, and how the values came about

A class is a set of twins (`lapt_rules.network`): they compute the same, so one was trained for all.
Nothing in the file is pickled, and reading it needs numpy alone.
"""

from __future__ import annotations

import itertools
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapt_rules.errors import TableError
from lapt_rules.network import isomorphism_key
from lapt_rules.space import Architecture, Space

UNIT = 1e-4
"""Of a score in the file: finer than what one image counts."""


def every(space: Space) -> list[Architecture]:
    """All architectures of a space without choice of sources, the last layer changing fastest."""
    names = [operator.name for operator in space.operators]
    return [space.architecture(row) for row in itertools.product(names, repeat=len(space.layers))]


def representatives(space: Space) -> list[Architecture]:
    """The first architecture of each class of twins, in the order of `every`."""
    first: dict[str, Architecture] = {}
    for architecture in every(space):
        first.setdefault(isomorphism_key(architecture), architecture)
    return list(first.values())


def pack(
    path: Path, space: Space, entries: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]
) -> None:
    """Write the table of `space` from what was measured of each representative.

    An entry holds `seconds` and `scores`: for each task of `about["tasks"]` and split of
    `about["splits"]` the value of each seed. Raises TableError where a representative is missing
    or a score does not fit. Equal arguments give equal bytes.
    """
    classes = representatives(space)
    missing = [str(one) for one in classes if str(one) not in entries]
    if missing:
        raise TableError(
            f"{len(missing):,} of {len(classes):,} classes are missing, the first is {missing[0]}",
            "finish the training, then pack",
        )
    rows = [entries[str(one)] for one in classes]
    scores = np.array(
        [
            [[row["scores"][task][split] for split in about["splits"]] for row in rows]
            for task in about["tasks"]
        ]
    )
    fits = np.abs(scores / UNIT) <= np.iinfo(np.int16).max  # False for NaN too
    if not fits.all():
        first = classes[int(np.argmin(fits.all((0, 2, 3))))]
        raise TableError(f"{first}: a score is no number or too large", "train it again")
    number = {isomorphism_key(one): index for index, one in enumerate(classes)}
    member = [number[isomorphism_key(one)] for one in every(space)]
    seconds = np.array([row["seconds"] for row in rows])
    units = np.round(scores / UNIT).astype(np.int16)
    np.savez_compressed(
        path,
        high=(units >> 8).astype(np.int8),
        low=(units & 255).astype(np.uint8),
        member=np.array(member, np.uint16),
        seconds=np.round(100 * seconds).clip(0, 65535).astype(np.uint16),
        about=np.array(json.dumps({"space": space.name, **about})),
    )


def about(path: Path) -> dict[str, Any]:
    """How the values of a packed table came about; TableError where it is none."""
    found: dict[str, Any] = json.loads(str(_arrays(path)["about"]))
    return found


def unpack(path: Path, space: Space) -> dict[str, dict[Architecture, dict[str, dict[str, float]]]]:
    """{space: {architecture: {task: {metric: value}}}} of a packed table.

    The metrics are `valid` and `test`, each the mean over the seeds, and `valid0`, `test0`, ...
    of one seed. Raises TableError for a file that is damaged or of another space.
    """
    arrays = _arrays(path)
    try:
        facts = json.loads(str(arrays["about"]))
        if facts["space"] != space.name:
            fix = f"name a table of {space.name}"
            raise TableError(f"{path}: it is a table of {facts['space']}", fix)
        names = [f"{split}{seed}" for split in facts["splits"] for seed in facts["seeds"]]
        names += facts["splits"]
        units = 256.0 * arrays["high"] + arrays["low"]
        apart = units.reshape(*units.shape[:2], -1)
        values = np.round(np.concatenate([apart, units.mean(3)], 2) * UNIT, 6)
        tasks, of_classes = facts["tasks"], values.swapaxes(0, 1).tolist()
        classes = [
            {
                task: dict(zip(names, row, strict=True))
                for task, row in zip(tasks, rows, strict=True)
            }
            for rows in of_classes
        ]
        members = arrays["member"].tolist()
        found = {one: classes[number] for one, number in zip(every(space), members, strict=True)}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _damaged(path) from error
    return {space.name: found}


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("high", "low", "member", "seconds", "about")}
    except OSError as error:
        if error.strerror is None:
            raise _damaged(path) from error
        fix = "name a table, as PATH or PATH:TASK"
        raise TableError(f"{path}: cannot be read: {error.strerror}", fix) from error
    except (KeyError, TypeError, ValueError, EOFError, AttributeError) as error:
        raise _damaged(path) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> TableError:
    return TableError(f"{path}: not a packed table, or damaged", "copy it again")
