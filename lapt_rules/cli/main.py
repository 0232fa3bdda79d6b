"""The command's entry point: finds the verb, and turns a user's mistake into a message."""

from __future__ import annotations

import importlib
import json
import os
import sys
from functools import cache
from typing import Any, NoReturn

import click

from lapt_rules.cli import shell
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
    epilog="`lapt VERB --help` tells more. Exit codes: 0 yes, 1 a finding, 2 wrong use.",
)
@click.version_option(package_name="lapt-rules")
def cli() -> None:
    """Design principles as code, for neural architecture search."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command; ends the process with exit code 0, 1 or 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(arguments, prog_name="lapt", standalone_mode=False)
        sys.stdout.flush()
    except LaptError as error:
        message = str(error) if isinstance(error, PrincipleError) else f"error: {error}"
        _fail(arguments, message, _as_json(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        sys.exit(0)
    except click.UsageError as error:
        usage = error.ctx.get_usage() + "\n" if error.ctx else ""
        message = error.format_message()
        fix = f"see `{error.ctx.command_path} --help`" if error.ctx else "see `lapt --help`"
        _fail(arguments, f"{usage}error: {message}\n  fix: {fix}", {"message": message, "fix": fix})
    except click.exceptions.Abort:
        _fail(arguments, "stopped", {"message": "stopped", "fix": ""})
    except BrokenPipeError:  # whoever read the answer has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"error: the answer cannot be written: {error.strerror}", err=True)
        sys.exit(2)
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _fail(arguments: list[str], message: str, as_json: dict[str, Any]) -> NoReturn:
    """Tell of a mistake, to a person on stderr and to a program on stdout; exit code 2."""
    if "--json" in arguments:
        click.echo(json.dumps({"error": as_json}))
    click.echo(message, err=True)
    sys.exit(2)


def _as_json(error: LaptError) -> dict[str, Any]:
    found: dict[str, Any] = {"message": error.message, "fix": error.fix}
    if isinstance(error, PrincipleError):
        found = {
            "message": error.diagnostics[0].message,
            "diagnostics": [diagnostic.as_json() for diagnostic in error.diagnostics],
        }
    return found
