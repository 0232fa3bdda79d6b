"""A run as its folder records it, read again."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from lapt_rules.authors.author import Brief
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.language.parser import parse, read_stream
from lapt_rules.logic.binding import bind
from lapt_rules.search.searcher import Trial
from lapt_rules.space import load_space
from lapt_rules.writing import read_ordinary

Kind = TypeVar("Kind")


class _Settings(msgspec.Struct):
    top: Annotated[int, msgspec.Meta(ge=1)]
    population: Annotated[int, msgspec.Meta(ge=1)]


class _Run(msgspec.Struct):
    """What is read of `run.json`."""

    space: str
    source: str
    settings: _Settings


class _Rated(msgspec.Struct):
    """A line of `archive.jsonl`."""

    architecture: str
    value: float


class _Tried(_Rated):
    """A line of `trials.jsonl`."""

    iteration: int


def recorded_brief(folder: Path) -> Brief:
    """What the author of a run knows at its end: archive, trials, principles in force.

    Raises RunError for a folder that does not record a run from an archive.
    """
    run = _decoded(folder / "run.json", _read(folder / "run.json"), _Run)
    space = load_space(run.space)
    archive = _lines(folder / "archive.jsonl", _Rated)
    trials = folder / "trials.jsonl"
    tried = _lines(trials, _Tried) if trials.exists() else []
    if not archive:
        raise RunError(f"{folder}: its archive is empty", "name a run that learned from a source")
    files = {
        int(path.name.partition("-")[0]): path
        for path in (folder / "principles").glob("*-*.lapt")
        if path.name.partition("-")[0].isdecimal()
    }
    if not files:
        raise RunError(f"{folder}: there are no principles in it", "name the folder of a run")
    last = files[max(files)]
    principles = parse(read_stream(BytesIO(_read(last)), str(last)), str(last))
    return Brief(
        space,
        Archive(
            space, tuple(Rated(space.parse(m.architecture), m.value) for m in archive), run.source
        ),
        run.settings.top,
        run.settings.population,
        tuple(Trial(space.parse(t.architecture), t.value, t.iteration) for t in tried),
        bind(principles, space),
        rounds=max((t.iteration for t in tried), default=0),
    )


def _lines(path: Path, kind: type[Kind]) -> list[Kind]:
    return [_decoded(path, line, kind) for line in _read(path).splitlines()]


def _decoded(path: Path, data: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"{path}: this is not what a run records: {error}"
        raise RunError(message, "restore the file, or name another run") from error


def _read(path: Path) -> bytes:
    try:
        return read_ordinary(path)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror or error}"
        raise RunError(message, "name the folder of a run that learned from an archive") from error
