"""What the verbs share: options, the way files and architectures are read, and how to answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

import click

from lapt_rules.cli.stopping import Stopped, stoppable
from lapt_rules.cli.terminal import show as show
from lapt_rules.cli.terminal import status as status
from lapt_rules.cli.terminal import tell as tell
from lapt_rules.errors import ArchitectureError, LaptError

if TYPE_CHECKING:
    from lapt_rules.audit.journal import RunFolder
    from lapt_rules.logic.principles import PrincipleSet
    from lapt_rules.space import Architecture, Space

Verb = TypeVar("Verb", bound=Callable[..., Any])
Command = TypeVar("Command", bound=click.Command)


def json_option(verb: Verb) -> Verb:
    """`--json`: one object on stdout and nothing else there."""
    text = "Print one JSON object on stdout, and nothing else there."
    return click.option("--json", "as_json", is_flag=True, help=text)(verb)


def space_option(verb: Verb) -> Verb:
    text = "The space that a file for `space any` is bound to."
    return click.option("--space", "space_name", metavar="NAME", help=text)(verb)


def metric_option(verb: Verb) -> Verb:
    text = "What to read of a table that holds several metrics; larger counts as better."
    return click.option("--metric", default="", metavar="NAME", help=text)(verb)


def content_option(command: Command) -> Command:
    """`--content FOLDER`: the only way, beside LAPT_PATH, that a user's own content is used."""

    def use(ctx: click.Context, param: click.Parameter, folders: tuple[Path, ...]) -> None:
        from lapt_rules import content

        for folder in reversed(folders):
            content.use(folder)

    return click.option(
        "--content", multiple=True, metavar="FOLDER", expose_value=False, is_eager=True,
        callback=use, type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Your own spaces/ and models/, which come before those that ship.  [LAPT_PATH]",
    )(command)  # fmt: skip


def file_argument(verb: Verb) -> Verb:
    return click.argument("file", metavar="FILE")(verb)


def answer(as_json: bool, value: dict[str, Any], text: str) -> None:
    """Print the answer of a verb, for a program or for a person."""
    show(json.dumps(value) if as_json else text)


def note(text: str) -> None:
    """Tell a person on stderr something that stays to be read."""
    status("")
    tell(text)


@contextmanager
def torch_needed() -> Iterator[None]:
    """Say what to install where PyTorch, or what else a training needs, is missing."""
    try:
        yield
    except ImportError as error:
        message = f"training needs {error.name}, which is not installed"
        raise LaptError(message, "pip install 'lapt-rules[train]'") from error


@contextmanager
def recorded_in(folder: RunFolder, replays: bool) -> Iterator[None]:
    """Where a run fails or is stopped, say what is recorded of it, and how to go on."""
    try:
        with stoppable():
            yield
    except (LaptError, Stopped) as error:
        error.add_note(folder.so_far())
        if isinstance(error, Stopped) and folder.path.exists():
            if replays:
                replay = f"the same with --author replay:{folder.path}, and a new --out or none"
                error.add_note(f"to repeat the run up to here: {replay}")
            error.add_note("to start anew: the same command, with a new --out or none")
        raise


@contextmanager
def kept_in(cache: Path, trains: bool) -> Iterator[None]:
    """Where a job with trainings is stopped, say that they are not lost."""
    try:
        with stoppable():
            yield
    except Stopped as stopped:
        if trains:
            stopped.add_note(f"trainings are kept in {cache}: the same command goes on with them")
        raise


def leave(code: int) -> NoReturn:
    """End with an exit code: 0 for yes, 1 for a finding."""
    sys.exit(code)


def read_file(path: str) -> str:
    """The text of a principle file; `-` is standard input."""
    from lapt_rules.language.parser import read_stream, read_text

    return read_stream(_standard_input(), "<stdin>") if path == "-" else read_text(path)


def read_lines() -> list[str]:
    """The lines of standard input; LaptError where they are no UTF-8 text."""
    try:
        return _standard_input().read().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        message = f"<stdin>: not a text: byte {error.start} is not UTF-8"
        raise LaptError(message, "write one architecture a line") from error


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise LaptError("standard input is closed", "name a file in place of `-`")
    return sys.stdin.buffer


def read_principles(path: str, space_name: str | None = None) -> PrincipleSet:
    """The principle file at a path, parsed and bound; PrincipleError if something is wrong."""
    from lapt_rules.gate import space_of
    from lapt_rules.language.parser import parse
    from lapt_rules.logic.binding import bind
    from lapt_rules.space import load_space

    tree = parse(read_file(path), "<stdin>" if path == "-" else path)
    return bind(tree, space_of(tree, load_space(space_name) if space_name else None))


def read_architecture(space: Space, text: str) -> Architecture:
    """An arch string, or a list `[op, op, ...]`, as a well-formed architecture of the space."""
    from lapt_rules.logic.plain import is_well_formed

    architecture = space.parse(text)
    if not is_well_formed(architecture):
        raise ArchitectureError(
            f"{architecture} is not well-formed in {space.name}",
            f"`lapt show {space.name}` lists the invariants of the space",
        )
    return architecture


def percent(part: int, whole: int) -> str:
    """A share as people read it: two digits that count, and 100 only for all.

    >>> percent(378, 15625), percent(1, 10**9), percent(999, 1000), percent(5, 5)
    ('2.4 %', '1e-07 %', '>99 %', '100 %')
    """
    share = 100 * part / whole if whole else 0.0
    if part == whole or share < 10:
        return f"{share:.3g} %" if part == whole else f"{share:.2g} %"
    return ">99 %" if share >= 99.5 else f"{share:.0f} %"


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
