"""The command's entry point: finds the verb, and turns a user's mistake into a message."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn

import click

from lapt_rules.cli import shell, terminal
from lapt_rules.cli.stopping import Stopped, stoppable
from lapt_rules.errors import LaptError, PrincipleError

VERBS = {
    "run": "Search a target task from the principles of a source task (the main job).",
    "learn": "Write a principle file from the best architectures of a source table.",
    "prompt": "Print what a language model would be asked to write principles from.",
    "check": "Pass a principle file through the gate, and say what each principle does.",
    "fmt": "Lay principle files out in their canonical form.",
    "test": "Run the tests inside a principle file.",
    "count": "Count the architectures that a principle file keeps, exactly.",
    "list": "List the architectures that a principle file keeps.",
    "sample": "Draw architectures uniformly from those that a principle file keeps.",
    "why": "Say why an architecture is kept or rejected.",
    "diff": "Count what one principle file gains and loses against another.",
    "show": "Show a space: layers, operators, classes, regions, costs, notation.",
    "costs": "Count what each operator costs in the network itself; compare with space.toml.",
    "agree": "Say how well two ratings of the same architectures agree.",
    "spaces": "List the spaces that are known.",
    "bench": "Measure the exact engine beside its peers, and how its cost grows.",
}
"""Every verb and its one line of help; the verb itself is loaded only when it is called."""


_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""How click says since 8.2 that a group was called without a verb; before, it printed help."""


class _Verbs(click.Group):
    """A group whose commands are modules of this package, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _verb(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from lapt_rules.errors import did_you_mean

        near = None if args[0] in VERBS else did_you_mean(args[0], VERBS)
        if near:
            ctx.fail(f"there is no verb {args[0]!r}; did you mean {near!r}?")
        return super().resolve_command(ctx, args)


@cache
def _verb(name: str) -> click.Command:
    """A verb, before or after which `--content` may stand."""
    module = importlib.import_module(f"lapt_rules.cli.{name}_verb")
    command: click.Command = shell.content_option(module.command)
    return command


@shell.content_option
@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`lapt VERB --help` tells more. Exit codes: 0 yes, 1 a finding, 2 wrong use; 130 "
    "stopped by Ctrl-C, 143 by SIGTERM.",
)
@click.version_option(package_name="lapt-rules")
def cli() -> None:
    """Design principles as code, for neural architecture search."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command; ends with SystemExit of 0, 1 or 2, or of 130 or 143 where it is stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(_run(arguments))
    except Stopped as stopped:
        _fail(arguments, stopped, "stopped", {"message": "stopped", "fix": ""}, stopped.code)
    except LaptError as error:
        message = str(error) if isinstance(error, PrincipleError) else f"error: {error}"
        _fail(arguments, error, message, _as_json(error))
    except _NO_ARGUMENTS as error:
        terminal.show(error.ctx.get_help())
        sys.exit(0)
    except click.UsageError as error:
        usage = error.ctx.get_usage() + "\n" if error.ctx else ""
        message = error.format_message()
        fix = f"see `{error.ctx.command_path} --help`" if error.ctx else "see `lapt --help`"
        shown = f"{usage}error: {message}\n  fix: {fix}"
        _fail(arguments, error, shown, {"message": message, "fix": fix})
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}"
        _fail(arguments, error, f"error: {message}", {"message": message, "fix": ""})


def _run(arguments: list[str]) -> int:
    """Find the verb and call it; click's own `main` would end at a closed pipe with 1."""
    if "_LAPT_COMPLETE" in os.environ:
        cli.main(prog_name="lapt")  # the shell asks for completions
    try:
        with stoppable(), cli.make_context("lapt", list(arguments)) as context:
            cli.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except OSError:
        terminal.show("", end="")  # LaptError where it was of help, which click prints itself
        raise
    return 0


def _fail(
    arguments: list[str],
    error: BaseException,
    message: str,
    as_json: dict[str, Any],
    code: int = 2,
) -> NoReturn:
    """Tell why there is no answer, to a person on stderr and to a program on stdout."""
    notes = getattr(error, "__notes__", [])
    found = json.dumps({"error": {**as_json, "notes": notes} if notes else as_json})
    with suppress(LaptError):  # where stdout is what fails
        terminal.show(f"{found}\n" if "--json" in arguments else "", end="")
    terminal.tell("\n".join([message, *(f"  {note}" for note in notes)]))
    sys.exit(code)


def _as_json(error: LaptError) -> dict[str, Any]:
    found: dict[str, Any] = {"message": error.message, "fix": error.fix}
    if isinstance(error, PrincipleError):
        found = {
            "message": error.diagnostics[0].message,
            "diagnostics": [diagnostic.as_json() for diagnostic in error.diagnostics],
        }
    return found
