"""Authors by name: `miner`, `smollm2`, `hf:PATH_OR_ID`, `api:MODEL`, `replay:FOLDER`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lapt_rules.authors.author import Author
from lapt_rules.authors.backend import AuthorError, Backend, Progress
from lapt_rules.authors.dialogue import LanguageModel
from lapt_rules.authors.manner import Manner
from lapt_rules.authors.miner import Miner
from lapt_rules.authors.record import Recorder, Replay
from lapt_rules.authors.template import Prompts
from lapt_rules.errors import did_you_mean


@dataclass(frozen=True)
class BackendSetting:
    """What is said of a back-end beside its name; each kind reads what concerns it.

    For `smollm2` and `hf:` `device` and `dtype`, and `grammar_field` where it is `none`: then no
    grammar is used. For `api:` all but these two: `lapt_rules.authors.api.server` tells what
    they mean. Prices are US dollars for a million tokens read and written.
    """

    device: str = "cpu"
    dtype: str = "auto"
    base_url: str | None = None
    timeout: float = 600.0
    prices: tuple[float, float] | None = None
    token_budget: int | None = None
    cost_budget: float | None = None
    grammar_field: str = "auto"


def backend_named(
    name: str,
    setting: BackendSetting | None = None,
    note: Callable[[str], None] | None = None,
) -> Backend | None:
    """The language model that a user means by `name`; None for the miner, who is none.

    `note` is told what takes long, such as converting a GGUF file, and where its outcome is kept.
    Raises AuthorError where there is no such author, or it cannot be opened.
    """
    setting = setting or BackendSetting()
    kind, _, rest = name.partition(":")
    if name == "miner":
        return None
    if name == "smollm2":
        from lapt_rules.authors.local import open_smollm2

        return open_smollm2(setting.device, setting.dtype, note)
    if kind == "hf" and rest:
        from lapt_rules.authors.local import open_local

        may_constrain = setting.grammar_field != "none"
        return open_local(
            rest, setting.device, setting.dtype, may_constrain=may_constrain, note=note
        )
    if kind == "api" and rest:
        from lapt_rules.authors.api.server import open_api
        from lapt_rules.authors.api.spending import Prices

        return open_api(
            rest,
            base_url=setting.base_url,
            timeout=setting.timeout,
            prices=None if setting.prices is None else Prices(*setting.prices),
            token_budget=setting.token_budget,
            cost_budget=setting.cost_budget,
            grammar_field=setting.grammar_field,
        )
    if kind == "replay" and rest:
        return Replay(Path(rest))
    known = {
        "miner": "miner",
        "smollm2": "smollm2",
        "hf": "hf:PATH_OR_ID",
        "api": "api:MODEL",
        "replay": "replay:FOLDER",
    }
    near = did_you_mean(kind, known)
    fix = f"did you mean `{known[near]}`?" if near else f"use one of {', '.join(known.values())}"
    raise AuthorError(f"there is no author `{name}`", fix)


def author_of(
    backend: Backend | None,
    record: Path | None = None,
    prompts: Prompts | None = None,
    manner: Manner | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Author:
    """The author that a back-end makes, every exchange recorded in `record`; the miner for None."""
    if backend is None:
        return Miner()
    recorded = backend if record is None else Recorder(backend, record)
    return LanguageModel(recorded, prompts, manner, seed=seed, progress=progress)
