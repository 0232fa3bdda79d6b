"""`lapt prompt`: what a language model would be asked, before any model is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lapt_rules.cli import shell
from lapt_rules.cli.author_options import AuthorWanted, author_options

if TYPE_CHECKING:
    from lapt_rules.authors.author import Brief
    from lapt_rules.authors.backend import Backend
    from lapt_rules.authors.measuring import Step

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
    step: Step,
    template: bool,
    of_values: bool,
    grammar: bool,
    wanted: AuthorWanted,
    metric: str,
    as_json: bool,
) -> None:
    """Print the prompt that a language model would be sent, and count its tokens.

    Tokens are counted by the model of `--author hf:...`; for others they are estimated. No server
    is asked. With --run the prompt to adapt the principles of that run, once its trials are over.
    """
    from lapt_rules.audit.recorded import recorded_brief
    from lapt_rules.authors.author import Brief
    from lapt_rules.authors.backend import Unasked
    from lapt_rules.authors.template import VALUES, Prompts
    from lapt_rules.errors import RunError
    from lapt_rules.evaluate.table import load_table
    from lapt_rules.space import load_space

    if template:
        text = (wanted.own_prompts() or Prompts.read(wanted.manner(Unasked()).template)).text
        shell.answer(as_json, {"template": text}, text.rstrip("\n"))
    elif of_values:
        shell.answer(as_json, {"values": VALUES}, _values_text(VALUES))
    elif run_folder is not None:
        if step == "learn":
            raise RunError("a run has learned already", "give --step update, or --step explore")
        _prompt(step, recorded_brief(run_folder), wanted, as_json)
    elif space_name is None:
        raise RunError("there is nothing to ask about", "give --space and --source, or --run")
    elif grammar:
        from lapt_rules.authors.emission import emission_grammar

        text = emission_grammar(load_space(space_name))
        shell.answer(as_json, {"grammar": text}, text.rstrip("\n"))
    elif source is None or step != "learn":
        fix = "give --source TABLE, or --run FOLDER to adapt what a run has learned"
        raise RunError("there is nothing to learn from", fix)
    else:
        space = load_space(space_name)
        settings = space.settings
        archive = load_table(source, space, metric=metric).archive(archive_size)
        _prompt(step, Brief(space, archive, settings.top, settings.population), wanted, as_json)


def _values_text(values: Mapping[str, Mapping[str, str]]) -> str:
    """Each value, what it stands for, and in which sections."""
    where: dict[str, list[str]] = {}
    meaning: dict[str, str] = {}
    for section, names in values.items():
        for name in names:
            where.setdefault(name, []).append(section)
            meaning.setdefault(name, names[name])
    lines = []
    for name, sections in where.items():
        stands = "all" if len(sections) == len(values) else ", ".join(sections)
        lines.append(f"{'${' + name + '}':<18} {meaning[name]}  [{stands}]")
    return "\n".join(lines)


def _prompt(step: Step, brief: Brief, wanted: AuthorWanted, as_json: bool) -> None:
    """Print the first messages of a dialogue and how many tokens they are."""
    from lapt_rules.authors.backend import Unasked
    from lapt_rules.authors.dialogue import LanguageModel

    backend: Backend = Unasked(calls_tools=wanted.author.startswith("api:"))
    if wanted.author.startswith("hf:") or wanted.author == "smollm2":
        backend = wanted.open() or backend
    author = LanguageModel(backend, wanted.own_prompts(), wanted.manner(backend))
    messages = author.messages(step, brief)
    counted = backend.count(messages)
    characters = sum(len(message.text) for message in messages)
    tokens = counted or round(characters / _CHARACTERS_A_TOKEN)
    value = {
        "messages": [{"role": message.role, "text": message.text} for message in messages],
        "tokens": tokens,
        "tokens_are": "counted" if counted else "estimated",
    }
    shell.answer(as_json, value, "\n\n".join(message.text for message in messages))
    about = "" if counted else "about "
    note = f"{about}{tokens:,} tokens, {characters:,} characters"
    window = f"; the model's window is {backend.window:,}" if backend.window else ""
    shell.tell(f"{note}{window}")
