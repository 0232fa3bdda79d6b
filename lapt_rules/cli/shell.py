"""What the verbs share: options, the way files and architectures are read, and how to answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from lapt_rules.errors import ArchitectureError, LaptError

if TYPE_CHECKING:
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
    click.echo(json.dumps(value) if as_json else text)


def status(text: str) -> None:
    """Show on stderr what a long job is doing, in place of what stood there; only to a person."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[2K{text}", nl=False, err=True)


@contextmanager
def torch_needed() -> Iterator[None]:
    """Say what to install where PyTorch, or what else a training needs, is missing."""
    try:
        yield
    except ImportError as error:
        message = f"training needs {error.name}, which is not installed"
        raise LaptError(message, "pip install 'lapt-rules[train]'") from error


@contextmanager
def recorded_in(folder: Path) -> Iterator[None]:
    """Where a run fails, say where to read how it came to that."""
    try:
        yield
    except LaptError:
        status("")
        click.echo(f"the run so far is in {folder}", err=True)
        raise


def leave(code: int) -> NoReturn:
    """End with an exit code: 0 for yes, 1 for a finding."""
    sys.exit(code)


def read_file(path: str) -> str:
    """The text of a principle file; `-` is standard input."""
    from lapt_rules.language.parser import read_stream, read_text

    return read_stream(sys.stdin.buffer, "<stdin>") if path == "-" else read_text(path)


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
