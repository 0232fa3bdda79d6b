"""The options that say who writes principles, for every verb that has an author."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from lapt_rules.authors.backend import Progress
from lapt_rules.cli import shell

if TYPE_CHECKING:
    from lapt_rules.authors.author import Author
    from lapt_rules.authors.backend import Backend
    from lapt_rules.authors.manner import Form, Manner
    from lapt_rules.authors.template import Prompts

Verb = TypeVar("Verb", bound=Callable[..., Any])

_ATLEAST1 = click.IntRange(min=1)


def _prices(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, float] | None:
    """`READ,WRITTEN` as two numbers."""
    if value is None:
        return None
    try:
        read, written = (float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not two numbers, READ,WRITTEN") from error
    if not (0 <= read < 1e6 and 0 <= written < 1e6):
        raise click.BadParameter(f"{value!r}: a price is from 0 to a million dollars")
    return read, written


def _no_key(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The value, which is shown and recorded; AuthorError where a key of a server stands in it."""
    from lapt_rules.authors.api.secret import KEY_VARIABLES, refuse_key

    known = [os.environ.get(variable, "") for variable in KEY_VARIABLES]
    refuse_key(value or "", param.opts[0], known)
    return value


_OPTIONS = [
    click.option(
        "--author", default="miner", show_default=True, metavar="AUTHOR", callback=_no_key,
        help="Who writes principles: miner, smollm2, hf:PATH_OR_ID, api:MODEL or replay:FOLDER.",
    ),
    click.option("--prompts", metavar="FILE", type=click.Path(path_type=Path),
                 help="Prompts of your own (`lapt prompt --template` prints those that ship)."),
    click.option("--form", type=click.Choice(["auto", "full", "short"]), default="auto",
                 show_default=True,
                 help="How much it is asked: in full or, for a small model, in short."),
    click.option("--reason-tokens", type=click.IntRange(min=0), metavar="N",
                 help="Most tokens of reasoning, 0 for none.  [by its size: 4096, 1024 or 0]"),
    click.option("--repairs", type=click.IntRange(min=0), metavar="N",
                 help="How often it may correct a file that is refused.  [3; short form: 0]"),
    click.option("--revisions", type=click.IntRange(min=0), metavar="N",
                 help="How often it may revise one that passed.  [2; short form: 0]"),
    click.option("--if-refused", type=click.Choice(["keep", "stop"]), default="keep",
                 show_default=True,
                 help="After the last repair: keep the principles that pass, or stop."),
    click.option("--support", type=click.FloatRange(0, 1), default=0.6, show_default=True,
                 metavar="SHARE", help="The share of the archive that it must keep as it learns."),
    click.option("--reply-tokens", type=_ATLEAST1, metavar="N",
                 help="Most tokens of any other reply.  [4096; short form: 256]"),
    click.option("--calls", type=click.IntRange(min=0), default=8, show_default=True, metavar="N",
                 help="Questions to the engine while it thinks, for a server with tools."),
    click.option("--temperature", type=click.FloatRange(0, 5), default=0.7, show_default=True),
    click.option("--device", default="cpu", show_default=True, help="Where torch computes."),
    click.option("--dtype", default="auto", show_default=True, metavar="TYPE",
                 help="Numbers of an hf: model: auto, float32, bfloat16, float16."),
    click.option("--base-url", metavar="URL", callback=_no_key,
                 help="The server of an api: model.  [LAPT_API_URL, OPENAI_BASE_URL, OpenAI's]"),
    click.option("--grammar-field", default="auto", show_default=True, metavar="KIND",
                 help="How it takes a grammar: auto, none, vllm, llamacpp, sglang, openai; for "
                 "a local model auto or none."),
    click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=600.0,
                 show_default=True, metavar="SECONDS", help="For one reply of that server."),
    click.option("--token-budget", type=_ATLEAST1, metavar="N",
                 help="Tokens that it may read and write in all; never exceeded."),
    click.option("--cost-budget", type=click.FloatRange(min=0, min_open=True), metavar="DOLLARS",
                 help="The same in US dollars; needs --prices."),
    click.option("--prices", callback=_prices, metavar="READ,WRITTEN",
                 help="US dollars for a million tokens."),
]  # fmt: skip


@dataclass(frozen=True)
class AuthorWanted:
    """The options of a verb that say who writes; see `lapt learn --help`."""

    author: str
    prompts: Path | None
    form: Form | Literal["auto"]
    reason_tokens: int | None
    repairs: int | None
    revisions: int | None
    if_refused: str
    support: float
    reply_tokens: int | None
    calls: int
    temperature: float
    device: str
    dtype: str
    base_url: str | None
    grammar_field: str
    timeout: float
    token_budget: int | None
    cost_budget: float | None
    prices: tuple[float, float] | None

    def open(self) -> Backend | None:
        """The language model; None for the miner."""
        from lapt_rules.authors.naming import BackendSetting, backend_named

        if self.prompts is not None:
            self.own_prompts()  # a mistake in it is told before a model is loaded or a folder made
        names = BackendSetting.__dataclass_fields__
        setting = BackendSetting(**{name: getattr(self, name) for name in names})
        shell.status(f"opening {self.author}")
        backend = backend_named(self.author, setting, shell.note)
        shell.status("")
        return backend

    def own_prompts(self) -> Prompts | None:
        """The prompts that a user gave; None for those that ship."""
        from lapt_rules.authors.template import Prompts

        return None if self.prompts is None else Prompts.read(self.prompts)

    def manner(self, backend: Backend) -> Manner:
        """How the dialogue with a back-end is led."""
        from lapt_rules.authors.manner import manner_for

        return manner_for(
            backend,
            self.form,
            reason_tokens=self.reason_tokens,
            repairs=self.repairs,
            revisions=self.revisions,
            keep_passing=self.if_refused == "keep",
            support=self.support,
            reply_tokens=self.reply_tokens,
            calls=self.calls,
            temperature=self.temperature,
        )

    def writer(self, backend: Backend | None, run_folder: Path, seed: int) -> Author:
        """The author, whose dialogue is recorded in the run folder."""
        from lapt_rules.authors.naming import author_of
        from lapt_rules.authors.record import FOLDER

        if backend is None:
            return author_of(None)
        manner = self.manner(backend)
        return author_of(
            backend, run_folder / FOLDER, self.own_prompts(), manner, seed=seed, progress=_Shown()
        )

    def request(self, backend: Backend | None) -> dict[str, object]:
        """What a run folder says of the author."""
        if backend is None:
            return {"author": "miner"}
        prompts = str(self.prompts) if self.prompts else None
        manner = asdict(self.manner(backend))
        return {"author": backend.name, "dialogue": {"prompts": prompts, **manner}}


def spent(author: Author) -> dict[str, object] | None:
    """What a language model was asked and took; None for an author that is none."""
    from lapt_rules.authors.dialogue import LanguageModel

    if not isinstance(author, LanguageModel):
        return None
    usage = author.usage
    return {
        "questions": author.asked,
        "tokens_read": usage.read,
        "tokens_written": usage.written,
        "dollars": usage.cost,
        "claims_dropped": author.dropped,
        "weights_bounded": author.bounded,
    }


def spent_text(spent: dict[str, Any]) -> str:
    tokens = f"{spent['tokens_read']:,} tokens read, {spent['tokens_written']:,} written"
    cost = "" if spent["dollars"] is None else f", ${spent['dollars']:.4f}"
    text = f"{shell.plural(spent['questions'], 'question')}, {tokens}{cost}"
    dropped, bounded = spent["claims_dropped"], spent["weights_bounded"]
    done = [f"dropped {shell.plural(dropped, 'claim')}"] * bool(dropped)
    done += [f"bounded {shell.plural(bounded, 'weight')}"] * bool(bounded)
    said = f"; the engine {' and '.join(done)}, as principles/ says" if done else ""
    return f"{text}{said}"


def author_options(verb: Verb) -> Verb:
    """Give a verb the options of an author, as one parameter `wanted`."""

    @functools.wraps(verb)
    def with_author(**given: Any) -> Any:
        names = AuthorWanted.__dataclass_fields__
        wanted = AuthorWanted(**{name: given.pop(name) for name in names})
        return verb(wanted=wanted, **given)

    decorated: Any = with_author
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    verb_with: Verb = decorated
    return verb_with


class _Shown(Progress):
    """Shows a person how a reply comes in: the step, tokens and their speed, the last words."""

    def __init__(self) -> None:
        self._step = ""
        self._started = 0.0
        self._known: int | None = None  # tokens of a prompt that were read before
        self._characters = 0
        self._tail = ""

    def asking(self, step: str) -> None:
        self._step = step
        self._known = None
        self._characters, self._tail = 0, ""
        shell.status(f"{step} ...")

    def reading(self, tokens: int, of: int) -> None:
        if self._known is None:
            self._known, self._started = tokens, time.monotonic()
        speed = self._speed(tokens - self._known)
        shell.status(f"{self._step}: read {tokens:,} of {of:,} tokens{speed}")

    def writing(self, piece: str, tokens: int | None = None) -> None:
        if not self._characters:
            self._started = time.monotonic()
        self._characters += len(piece)
        self._tail = (self._tail + piece.replace("\n", " "))[-60:]
        if tokens is None:
            length = shell.plural(self._characters, "character")
        else:
            length = f"{shell.plural(tokens, 'token')}{self._speed(tokens)}"
        shell.status(f"{self._step}: {length}  {self._tail}")

    def _speed(self, tokens: int) -> str:
        """Tokens a second since the reading, or the writing, began."""
        seconds = time.monotonic() - self._started
        return f", {tokens / seconds:.0f} a second" if tokens and seconds > 0.5 else ""
