"""Where a training stands, in one file that is whole or not there.

A checkpoint says which training it is of (`about`) and is loaded for no other: to go on from
another one's weights would give a value that no setting explains.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lapt_rules.errors import TrainingError
from lapt_rules.writing import make_folder, write_whole

About = Mapping[str, str | int | float | bool | None]
"""What a training is of: network, data, seed, device, and each number of its setting."""

_FORM = 1
"""Of the file; another number is another form."""


def save(path: Path, about: About, state: Mapping[str, Any]) -> None:
    """Write the state of a training, tensors and plain values, in place of an earlier one.

    Raises LaptError where the folder cannot be written.
    """
    content = io.BytesIO()
    torch.save({"form": _FORM, "about": dict(about), "state": dict(state)}, content)
    make_folder(path.parent)
    write_whole(path, content.getvalue())


def load(path: Path, about: About) -> dict[str, Any] | None:
    """The state that was saved for this training, its tensors on the CPU; None without a file.

    Raises TrainingError where the file is damaged, holds anything but tensors and plain values, or
    is of another training, and says in what it differs.
    """
    start_anew = "delete it to start anew"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        message = f"{path}: no checkpoint, or damaged; code in a checkpoint is refused"
        raise TrainingError(message, start_anew) from error
    if not isinstance(found, dict) or found.get("form") != _FORM:
        raise TrainingError(f"{path}: no checkpoint of this version", start_anew)
    saved: dict[str, object] = found["about"]
    for name, value in about.items():
        if saved.get(name) != value:
            raise TrainingError(
                f"{path}: a checkpoint of another training: its {name} is {saved.get(name)}, "
                f"not {value}",
                f"use another folder, train as before, or {start_anew}",
            )
    state: dict[str, Any] = found["state"]
    return state
