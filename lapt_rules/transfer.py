"""LAPT's Algorithms 1 and 2: search a new task from the principles of an old one, and adapt them.

    Algorithm 1 (G iterations)                       Algorithm 2 (adaptation)
      Ω_r ← the subspace of the principles             if Base ≤ Best:
      search Ω_r, a share of the budget                    update the principles from the top r
      adapt the principles                                 Base ← Best
                                                       else:
                                                           explore what they leave out

Best is the best value of the iteration just searched, Base the best of those before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, SupportsFloat

from lapt_rules import gate
from lapt_rules.authors.author import Author, Brief
from lapt_rules.errors import PrincipleError, RunError, shortened
from lapt_rules.evaluate.evaluator import Archive, Evaluator
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.network import isomorphism_key
from lapt_rules.search.searcher import Searcher, SearchState, Trial
from lapt_rules.space import Architecture, Settings, Space
from lapt_rules.subspace import Subspace

Step = Literal["learn", "given", "update", "explore"]


@dataclass(frozen=True)
class Revision:
    """Principles as they were in force during one iteration, and where they came from."""

    iteration: int
    step: Step
    text: str
    subspace_size: int


@dataclass(frozen=True)
class Result:
    """What a run found: every trial in the order it was paid for, every revision."""

    space: Space
    trials: tuple[Trial, ...]
    revisions: tuple[Revision, ...]

    @property
    def best(self) -> Trial:
        """The first trial with the highest value."""
        return max(self.trials, key=lambda trial: trial.value)


class Journal:
    """Told of everything as it happens; this one keeps nothing. See `lapt_rules.audit.journal`."""

    def revised(self, revision: Revision) -> None: ...

    def tried(self, trial: Trial) -> None: ...


def transfer(
    space: Space,
    source: Archive,
    target: Evaluator,
    author: Author,
    searcher: Searcher,
    settings: Settings | None = None,
    *,
    budget: int | None = None,
    principles: str | None = None,
    path: str = "",
    seed: int = 0,
    twins: bool = False,
    journal: Journal | None = None,
) -> Result:
    """Run Algorithm 1 on `space`: principles from `source`, evaluations on `target`.

    `budget` overrides that of the settings. `principles` is the text of a file to start from
    instead of what the author learns, `path` the name to call it by in messages. `twins` allows
    evaluations of architectures that compute the same as one already paid for. What an iteration
    cannot spend, because its subspace holds nothing more, goes to the later ones.

    Raises RunError for a budget below one and for a target that is the source itself,
    PrincipleError where the gate refuses the principles.
    """
    settings = settings or space.settings
    settings = settings if budget is None else replace(settings, budget=budget)
    journal = journal or Journal()
    check(source, target, settings)
    last = min(settings.iterations, settings.budget)
    share = _share(settings, 0, last)
    brief = Brief(
        space, source, settings.top, settings.population, left=settings.budget, round=share
    )
    step: Step = "learn" if principles is None else "given"
    text = author.learn(brief) if principles is None else principles
    trials: list[Trial] = []
    revisions: list[Revision] = []
    base = -math.inf
    for iteration in range(1, last + 1):
        bound, subspace = admit(text, path if step == "given" else f"{step} {iteration}", brief)
        revision = Revision(iteration, step, text, subspace.count())
        revisions.append(revision)
        journal.revised(revision)
        state = SearchState(
            subspace,
            seed=(seed, iteration),
            key=str if twins else isomorphism_key,
        )
        found = search(state, searcher, target, share, trials, iteration, journal.tried)
        trials += found
        if iteration == last:
            break
        best = max((trial.value for trial in found), default=-math.inf)
        share = _share(settings, len(trials), last - iteration)
        left = settings.budget - len(trials)
        brief = replace(
            brief,
            principles=bound,
            trials=tuple(trials),
            rounds=iteration,
            left=left,
            round=share,
        )
        if found and base <= best:
            step, text = "update", author.update(brief)
            base = best
        else:
            step, text = "explore", author.explore(brief)
    return Result(space, tuple(trials), tuple(revisions))


def _share(settings: Settings, spent: int, rounds: int) -> int:
    """The evaluations of the next of so many rounds."""
    return math.ceil((settings.budget - spent) / rounds)


def search(
    state: SearchState,
    searcher: Searcher,
    target: Evaluator,
    budget: int,
    before: Sequence[Trial] = (),
    iteration: int = 1,
    tell: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """Spend up to `budget` evaluations of `target` inside one subspace.

    `before` are trials of earlier searches, which are not paid for again. Raises RunError for a
    value that is no finite number.
    """
    state = replace(state, taken=frozenset(state.key(trial.architecture) for trial in before))
    while len(state.trials) < budget:
        candidate = searcher.ask(state)
        if candidate is None:
            break
        trial = Trial(candidate, _value(target, candidate), iteration)
        if tell is not None:
            tell(trial)
        taken = state.taken | {state.key(candidate)}
        state = replace(state, trials=(*state.trials, trial), taken=taken)
    return list(state.trials)


def _value(target: Evaluator, candidate: Architecture) -> float:
    """What the target answers, which must be a finite number: nothing else can be compared."""
    answer: object = target.evaluate(candidate)
    value = math.nan
    if isinstance(answer, SupportsFloat):
        with suppress(TypeError, ValueError, OverflowError):  # an array, an integer too large
            value = float(answer)
    if not math.isfinite(value):
        raise RunError(
            f"{target.name}: the value of {candidate} is {shortened(repr(answer))}",
            "return a finite number, larger is better",
        )
    return value


def admit(text: str, path: str, brief: Brief) -> tuple[PrincipleSet, Subspace]:
    """Pass a principle file through the gate; PrincipleError where no search may start from it."""
    report = gate.admit(text, path, brief.space, population=brief.population)
    if report.principles is None or report.subspace is None or report.errors:
        raise PrincipleError(report.errors or report.diagnostics)
    return report.principles, report.subspace


def check(source: Archive, target: Evaluator, settings: Settings) -> None:
    """Raise RunError for a run that must not start: no budget, or a target that is the source."""
    if settings.budget < 1:
        raise RunError(f"the budget is {settings.budget}", "allow at least one evaluation")
    if source.fingerprint and source.fingerprint == getattr(target, "fingerprint", ""):
        raise RunError(
            f"source and target order all architectures alike: {source.origin}, {target.name}",
            "a search must not learn from its own answers: take another task as the source",
        )
