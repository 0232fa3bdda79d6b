"""Where `grammar/`, `spaces/` and `models/` are: content that people read, edit and add to.

In a checkout they stand beside the package, in a wheel inside it. A folder of a user's own with a
`spaces/` or `models/` in it is searched first, but only where it is asked for: `lapt --content
FOLDER`, or the environment variable `LAPT_PATH`. A model is code that runs, so the current folder,
which may hold anybody's files, is not searched. The grammar is the language itself and is never
overridden.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from lapt_rules.errors import LaptError, ModelError, SpaceError, did_you_mean, listed

_PACKAGE = Path(__file__).resolve().parent
_VARIABLE = "LAPT_PATH"


def shipped() -> Path:
    """The folder that holds the project's own content."""
    inside = _PACKAGE / "content"
    return inside if inside.is_dir() else _PACKAGE.parent


def own() -> list[Path]:
    """The folders of a user's own that were asked for, first match wins."""
    named = os.environ.get(_VARIABLE, "").split(os.pathsep)
    folders = [Path(entry).resolve() for entry in named if entry]
    return [folder for folder in folders if folder != shipped()]


def use(folder: Path) -> None:
    """Search `folder` before all others, in this process and in those that it starts.

    Raises LaptError for a folder that holds no content.
    """
    folder = folder.resolve()
    if not any((folder / part).is_dir() for part in ("spaces", "models")):
        fix = "name the folder that they lie in"
        raise LaptError(f"{folder}: it holds neither spaces/ nor models/", fix)
    if os.pathsep in str(folder):
        message = f"{folder}: the name of a folder of content cannot hold `{os.pathsep}`"
        raise LaptError(message, "rename it")
    named = os.environ.get(_VARIABLE, "")
    os.environ[_VARIABLE] = f"{folder}{os.pathsep}{named}" if named else str(folder)


def grammar() -> str:
    """The text of the one grammar."""
    return (shipped() / "grammar" / "principles.lark").read_text(encoding="utf-8")


def space_folders() -> dict[str, Path]:
    """Every space that can be loaded by name, in alphabetical order, with its folder."""
    found: dict[str, Path] = {}
    for root in (*own(), shipped()):
        for file in sorted(root.glob("spaces/*/space.toml")):
            found.setdefault(file.parent.name, file.parent)
    return dict(sorted(found.items()))


def space_folder(name: str) -> Path:
    """The folder `spaces/NAME` that holds a `space.toml`.

    Raises SpaceError with the nearest name where there is none.
    """
    known = space_folders()
    if name in known:
        return _said(known[name])
    near = did_you_mean(name, known)
    raise SpaceError(
        f"there is no space `{name}`",
        _fix_here(f"spaces/{name}/space.toml")
        or (f"did you mean `{near}`?" if near else "")
        or f"use one of {listed(known)}, or name the folder of your own spaces/{name}/space.toml "
        "with --content",
    )


def model_file(name: str) -> Path:
    """The file `models/NAME.py` that holds the network of the space `name`.

    Raises ModelError where there is none.
    """
    for root in (*own(), shipped()):
        file = root / "models" / f"{name}.py"
        if file.is_file():
            return _said(file)
    raise ModelError(
        f"there is no network for the space `{name}`",
        _fix_here(f"models/{name}.py")
        or f"write models/{name}.py and name its folder with --content; see models/README.md",
    )


def own_files(name: str) -> dict[str, str]:
    """The files of a user's own that stand for a space and its network, with their SHA-256."""
    found = {}
    for file in (f"spaces/{name}/space.toml", f"models/{name}.py"):
        path = next((root / file for root in own() if (root / file).is_file()), None)
        if path is not None:
            found[file] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _fix_here(file: str) -> str:
    """What to do where the current folder holds what was looked for."""
    return f"add `--content .` to use ./{file}" if os.path.isfile(file) else ""


def _said(path: Path) -> Path:
    """A path that will be used; where it is a user's own, that is said once on stderr."""
    root = path.parents[1]
    if root != shipped():
        _say(path.relative_to(root).as_posix(), root)
    return path


@cache
def _say(name: str, root: Path) -> None:
    import logging  # without a configuration, a warning is a line on stderr

    logging.getLogger("lapt_rules").warning("using %s from %s", name, root)
