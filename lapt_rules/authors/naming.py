"""Authors by name: `miner`, `hf:PATH_OR_ID`, `api:MODEL`, `replay:FOLDER`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lapt_rules.authors.author import Author
from lapt_rules.authors.backend import AuthorError, Backend, Told
from lapt_rules.authors.dialogue import LanguageModel, Manner
from lapt_rules.authors.miner import Miner
from lapt_rules.authors.record import Recorder, Replay
from lapt_rules.authors.template import Prompts
from lapt_rules.errors import did_you_mean


@dataclass(frozen=True)
class BackendSetting:
    """What is said of a back-end beside its name; each kind reads what concerns it.

    For `hf:` `device` and `dtype`. For `api:` the rest: `lapt_rules.authors.api.server` tells what
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


def backend_named(name: str, setting: BackendSetting | None = None) -> Backend | None:
    """The language model that a user means by `name`; None for the miner, who is none.

    Raises AuthorError where there is no such author, or it cannot be opened.
    """
    setting = setting or BackendSetting()
    kind, _, rest = name.partition(":")
    if name == "miner":
        return None
    if kind == "hf" and rest:
        from lapt_rules.authors.local.model import open_local

        return open_local(rest, device=setting.device, dtype=setting.dtype)
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
    known = {"miner": "miner", "hf": "hf:PATH_OR_ID", "api": "api:MODEL", "replay": "replay:FOLDER"}
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
    told: Told | None = None,
) -> Author:
    """The author that a back-end makes, every exchange recorded in `record`; the miner for None."""
    if backend is None:
        return Miner()
    recorded = backend if record is None else Recorder(backend, record)
    return LanguageModel(recorded, prompts, manner, seed=seed, told=told)
