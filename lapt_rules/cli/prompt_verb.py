"""`lapt prompt`: what a language model would be asked, before any model is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lapt_rules.cli import shell
from lapt_rules.cli.author_options import AuthorWanted, author_options

if TYPE_CHECKING:
    pass

_CHARACTERS_A_TOKEN = 3.5


@click.command("prompt")
@click.option("--space", "space_name", metavar="NAME", help="The search space.")
@click.option("--source", metavar="PATH[:TASK]", help="The source table.")
@click.option(
    "--archive-size", type=click.IntRange(min=1), metavar="N", help="How many to learn from."
)
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), metavar="FOLDER",
    help="In place of a table: a run, whose principles would be adapted next.",
)  # fmt: skip
@click.option(
    "--step", type=click.Choice(["learn", "update", "explore"]), default="learn", show_default=True
)
@click.option("--template", is_flag=True, help="Print the template that is filled in.")
@click.option(
    "--values", "of_values", is_flag=True, help="Print what a template may have filled in."
)
@click.option("--grammar", is_flag=True, help="Print the grammar that replies are held to.")
@author_options
@shell.metric_option
@shell.json_option
def command(
    space_name: str | None,
    source: str | None,
    archive_size: int | None,
    run_folder: Path | None,
    step: str,
    template: bool,
    of_values: bool,
    grammar: bool,
    wanted: AuthorWanted,
    metric: str,
    as_json: bool,
) -> None:
    """Print the prompt that a language model would be sent, and count its tokens.

    Tokens are counted by the model of `--author hf:...`; for others they are estimated. Nothing is
    sent. With --run the prompt to adapt the principles of that run, once its trials are over.
    """
    from lapt_rules.authors.emission import emission_grammar
    from lapt_rules.authors.prompt import VALUES
    from lapt_rules.errors import RunError
    from lapt_rules.space import load_space

    prompts = wanted.template()
    if template:
        shell.answer(as_json, {"template": prompts.text}, prompts.text.rstrip("\n"))
        return
    if of_values:
        text = "\n".join(f"${{{name}}}".ljust(20) + meaning for name, meaning in VALUES.items())
        shell.answer(as_json, {"values": VALUES}, text)
        return
    if space_name is None and run_folder is None:
        raise RunError("there is nothing to ask about", "give --space and --source, or --run")
    if grammar and space_name is not None:
        text = emission_grammar(load_space(space_name))
        shell.answer(as_json, {"grammar": text}, text.rstrip("\n"))
        return
