"""How a dialogue with a language model is led: in full or, for a small model, in short."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lapt_rules.authors.backend import Backend
from lapt_rules.authors.emission import PRINCIPLES
from lapt_rules.authors.prompt import FULL_DETAILS, SHORT_DETAILS, Detail
from lapt_rules.authors.template import SHIPPED, SHIPPED_SHORT

Form = Literal["full", "short"]

SMALL = 1_000_000_000
"""A model of fewer parameters is asked in the short form: it reads slowly and reasons little."""

LARGE = 3_000_000_000
"""A model of so many parameters may reason for as long as a reply may be."""

SMALL_WINDOW = 6_000
"""A window of fewer tokens does not hold the full form beside two replies."""


@dataclass(frozen=True)
class Manner:
    """How a dialogue is led; `manner_for` chooses one by the size of a model.

    `prompt_tokens` is how long a prompt may be if less detail makes it shorter, None for as long as
    the window allows. A file that is written under a grammar has up to so many `principles`.
    `repairs` is how often a refused file is answered, `revisions` how often one that passed.
    After the last repair the run goes on with the principles that pass, or stops (`keep_passing`).
    `support` is the share of the archive that a file must keep or, once a search has begun, of the
    best found: adapted principles may leave the archive behind. `reason_tokens` bounds
    the reasoning before a file is written, 0 leaves it out; `reply_tokens` bounds each other reply,
    `calls` the tool calls of one revision.
    """

    form: Form = "full"
    prompt_tokens: int | None = None
    principles: int = PRINCIPLES
    repairs: int = 3
    revisions: int = 2
    keep_passing: bool = True
    support: float = 0.6
    reason_tokens: int = 4_096
    reply_tokens: int = 4_096
    calls: int = 8
    temperature: float = 0.7

    @property
    def template(self) -> Path:
        """The prompts that ship for this form."""
        return SHIPPED if self.form == "full" else SHIPPED_SHORT

    @property
    def details(self) -> tuple[Detail, ...]:
        """How much a prompt of this form shows, from the most to the least."""
        return FULL_DETAILS if self.form == "full" else SHORT_DETAILS


SHORT = Manner(
    "short",
    prompt_tokens=2_000,
    principles=3,
    repairs=0,
    revisions=0,
    reason_tokens=0,
    reply_tokens=256,
)


def manner_for(backend: Backend, form: Form | Literal["auto"] = "auto", **given: Any) -> Manner:
    """The manner for a model; what is given and not None stands, whatever the model is.

    >>> from lapt_rules.authors.backend import Unasked
    >>> manner_for(Unasked()).form, manner_for(Unasked(), "short", repairs=2).repairs
    ('full', 2)
    """
    size, window = backend.parameters, backend.window
    if form == "auto":
        is_small = size is not None and size < SMALL
        is_narrow = window is not None and window < SMALL_WINDOW
        form = "short" if is_small or is_narrow else "full"
    manner = SHORT if form == "short" else Manner()
    if form == "full" and size is not None and size < LARGE:
        manner = replace(manner, reason_tokens=1_024)
    return replace(manner, **{name: value for name, value in given.items() if value is not None})
