"""What it costs a local model to write under a grammar, and whether all that it writes is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import Any

from lapt_rules.authors.backend import AuthorError, Message, Request
from lapt_rules.authors.emission import emission_grammar
from lapt_rules.authors.local import checkpoint
from lapt_rules.authors.local.gguf import smollm2_file
from lapt_rules.authors.local.model import Local
from lapt_rules.errors import PrincipleError
from lapt_rules.language.parser import parse
from lapt_rules.logic.binding import bind
from lapt_rules.space import Space, load_space

SPACES = ("nas201", "trans101", "darts", "digits")

_TIMED_TOKENS = 256
_ROUNDS = 15


@dataclass(frozen=True)
class Cost:
    """Median seconds for each token written, all of a reply counted but compiling the grammar.

    `forced` is what `lapt` does: what the grammar leaves no choice about is not asked of the
    model. `masked` asks the model for every token, so that only the masks are added to `free`.
    """

    free: float
    masked: float
    forced: float
    compiling: float
    rounds: int

    @property
    def ratios(self) -> tuple[float, float]:
        """`masked` and `forced`, each against `free`."""
        return self.masked / self.free, self.forced / self.free


@dataclass(frozen=True)
class Files:
    """The files written for one space: how many of them parse, bind, and had to be cut back."""

    space: str
    written: int
    parse: int
    bind: int
    cut: int
    tokens: float
    characters: float


@dataclass(frozen=True)
class Decoding:
    """The whole report."""

    model: str
    parameters: int
    vocabulary: int
    threads: int
    cost: Cost
    files: tuple[Files, ...]

    @property
    def wrong(self) -> int:
        """How many files do not bind."""
        return sum(one.written - one.bind for one in self.files)

    def as_json(self) -> dict[str, Any]:
        value = asdict(self)
        masked, forced = self.cost.ratios
        value["cost"] |= {"masked_ratio": masked, "forced_ratio": forced}
        return value


def measure(
    model_name: str,
    files: int,
    spaces: Sequence[str],
    most_tokens: int,
    told: Callable[[str], None],
) -> Decoding:
    """Time a model with and without a grammar, then let it write files with the seeds from 0 on.

    The model is `smollm2`, a folder, a GGUF file or a name on the hub. A file that is cut off after
    `most_tokens` is cut back to what is whole. Raises AuthorError where the model cannot be loaded,
    or llguidance is missing.
    """
    import torch

    loaded = [load_space(name) for name in spaces or SPACES]
    where = str(smollm2_file()) if model_name == "smollm2" else model_name
    model, tokenizer = checkpoint.load(where)
    local = Local(model_name, model, tokenizer)
    if not local.constrains:
        message = f"{local.name} cannot be held to a grammar"
        raise AuthorError(message, f"{checkpoint.INSTALL}, and use a model with a fast tokenizer")
    asking = Local(local.name, model, tokenizer, forces=False)
    cost = _cost(local, asking, loaded[0], told)
    return Decoding(
        model_name,
        local.parameters,
        len(tokenizer),
        torch.get_num_threads(),
        cost,
        tuple(
            _files(local, space, range(turn, files, len(loaded)), most_tokens, told)
            for turn, space in enumerate(loaded)
        ),
    )


def request(space: Space, seed: int, most_tokens: int, grammar: str) -> Request:
    """A short question, the same for free text and for a text under a grammar."""
    text = f"Write design principles for the search space {space.name}."
    return Request((Message("user", text),), most_tokens, grammar, seed=seed)


def _cost(local: Local, asking: Local, space: Space, told: Callable[[str], None]) -> Cost:
    """The three ways in turn, each with as many tokens as the one before it came to."""
    grammar = emission_grammar(space)
    free: list[float] = []
    masked: list[float] = []
    forced: list[float] = []
    started = time.perf_counter()
    asking.reply(request(space, 0, 1, grammar))
    compiling = time.perf_counter() - started
    for seed in range(_ROUNDS + 1):  # the first round only warms up
        told(f"timing {seed} of {_ROUNDS}")
        each, tokens = _timed(asking, request(space, seed, _TIMED_TOKENS, grammar))
        masked.append(each)
        free.append(_timed(local, request(space, seed, tokens, ""))[0])
        forced.append(_timed(local, request(space, seed, _TIMED_TOKENS, grammar))[0])
    found = [median(seconds[1:]) for seconds in (free, masked, forced)]
    return Cost(found[0], found[1], found[2], compiling, _ROUNDS)


def _timed(local: Local, asked: Request) -> tuple[float, int]:
    """Seconds for each token of a reply, and how many tokens it has."""
    started = time.perf_counter()
    written = local.reply(asked).usage.written
    return (time.perf_counter() - started) / max(written, 1), written


def _files(
    local: Local, space: Space, seeds: range, most_tokens: int, told: Callable[[str], None]
) -> Files:
    grammar = emission_grammar(space)
    parsed = bound = cut = 0
    tokens, characters = [], []
    for seed in seeds:
        told(f"{space.name}, seed {seed}")
        reply = local.reply(request(space, seed, most_tokens, grammar))
        tokens.append(reply.usage.written)
        characters.append(len(reply.text))
        cut += reply.finish != "stop"
        try:
            tree = parse(reply.text)
            parsed += 1
            bind(tree, space)
            bound += 1
        except PrincipleError:
            continue
    words, letters = mean(tokens or [0]), mean(characters or [0])
    return Files(space.name, len(seeds), parsed, bound, cut, words, letters)
