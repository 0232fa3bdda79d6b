"""Where `grammar/`, `spaces/` and `models/` are: content that people read, edit and add to.

In a checkout they stand beside the package, in a wheel inside it. A user's own folders that hold a
`spaces/` or `models/` of their own are searched first: those named in `LAPT_PATH`, then the
current folder. The grammar is the language itself and is never overridden.
"""

from __future__ import annotations

import os
from pathlib import Path

from lapt_rules.errors import ModelError, SpaceError, did_you_mean, listed

_PACKAGE = Path(__file__).resolve().parent


def shipped() -> Path:
    """The folder that holds the project's own content."""
    inside = _PACKAGE / "content"
    return inside if inside.is_dir() else _PACKAGE.parent


def roots() -> list[Path]:
    """Folders searched for spaces and models, first match wins."""
    named = [Path(entry) for entry in os.environ.get("LAPT_PATH", "").split(os.pathsep) if entry]
    return [*named, Path.cwd(), shipped()]


def grammar() -> str:
    """The text of the one grammar."""
    return (shipped() / "grammar" / "principles.lark").read_text(encoding="utf-8")


def space_folders() -> dict[str, Path]:
    """Every space that can be loaded by name, in alphabetical order, with its folder."""
    found: dict[str, Path] = {}
    for root in roots():
        for file in _space_files(root):
            found.setdefault(file.parent.name, file.parent)
    return dict(sorted(found.items()))


def space_folder(name: str) -> Path:
    """The folder `spaces/NAME` that holds a `space.toml`.

    Raises SpaceError with the nearest name where there is none.
    """
    known = space_folders()
    if name in known:
        return known[name]
    near = did_you_mean(name, known)
    raise SpaceError(
        f"there is no space `{name}`",
        f"did you mean `{near}`?"
        if near
        else f"use one of {listed(known)}, or put your own in ./spaces/{name}/space.toml "
        "(or under a folder named in LAPT_PATH)",
    )


def model_file(name: str) -> Path:
    """The file `models/NAME.py` that holds the network of the space `name`.

    Raises ModelError where there is none.
    """
    for root in roots():
        file = root / "models" / f"{name}.py"
        if file.is_file():
            return file
    raise ModelError(
        f"there is no network for the space `{name}`",
        f"write ./models/{name}.py (or under a folder named in LAPT_PATH); see models/README.md",
    )


def _space_files(root: Path) -> list[Path]:
    return sorted(root.glob("spaces/*/space.toml"))
