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
from dataclasses import dataclass, replace
from typing import Literal

from lapt_rules.authors.author import Author, Brief
from lapt_rules.errors import PrincipleError, RunError
from lapt_rules.evaluate.evaluator import Archive, Evaluator
from lapt_rules.gate import examine
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.network import isomorphism_key
from lapt_rules.search.searcher import Searcher, SearchState, Trial
from lapt_rules.space import Settings, Space
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
    principles: str | None = None,
    path: str = "",
    seed: int = 0,
    twins: bool = False,
    journal: Journal | None = None,
) -> Result:
    """Run Algorithm 1 on `space`: principles from `source`, evaluations on `target`.

    `principles` is the text of a file to start from instead of what the author learns, `path` the
    name to call it by in messages. `twins` allows evaluations of architectures that compute the
    same as one already paid for. Ends early where the subspaces hold nothing more to evaluate.

    Raises RunError for a budget below one, PrincipleError where the gate refuses the principles.
    """
    settings = settings or space.settings
    journal = journal or Journal()
    if settings.budget < 1:
        raise RunError(f"the budget is {settings.budget}", "allow at least one evaluation")
    brief = Brief(space, source, settings.top, settings.population)
    step: Step = "learn" if principles is None else "given"
    text = author.learn(brief) if principles is None else principles
    trials: list[Trial] = []
    revisions: list[Revision] = []
    base = -math.inf
    for iteration in range(1, min(settings.iterations, settings.budget) + 1):
        name = path if step == "given" else f"{step} {iteration}"
        bound, subspace = admit(text, name, space)
        brief = replace(brief, principles=bound)
        revision = Revision(iteration, step, text, subspace.count())
        revisions.append(revision)
        journal.revised(revision)
        share = _share_of_budget(settings, iteration)
        found = search(
            subspace, target, searcher, share, trials, iteration, seed, twins, journal.tried
        )
        trials += found
        if iteration == settings.iterations or not found:
            continue
        best = max(trial.value for trial in found)
        brief = replace(brief, trials=tuple(trials))
        if base <= best:
            step, text = "update", author.update(brief)
            base = best
        else:
            step, text = "explore", author.explore(brief)
    if not trials:
        raise RunError("nothing was evaluated: every architecture of the subspace is taken")
    return Result(space, tuple(trials), tuple(revisions))


def search(
    subspace: Subspace,
    target: Evaluator,
    searcher: Searcher,
    budget: int,
    before: Sequence[Trial] = (),
    iteration: int = 1,
    seed: int = 0,
    twins: bool = False,
    tell: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Spend up to `budget` evaluations of `target` inside one subspace.

    `before` are trials of earlier searches: neither they nor, unless `twins`, architectures that
    compute the same are paid for again.
    """
    taken = frozenset(isomorphism_key(trial.architecture) for trial in before)
    state = SearchState(subspace, (), None if twins else taken, (seed, iteration))
    while len(state.trials) < budget:
        candidate = searcher.ask(state)
        if candidate is None:
            break
        trial = Trial(candidate, target.evaluate(candidate), iteration)
        tell(trial)
        if state.taken is not None:
            state = replace(state, taken=state.taken | {isomorphism_key(candidate)})
        state = replace(state, trials=(*state.trials, trial))
    return list(state.trials)


def admit(text: str, path: str, space: Space) -> tuple[PrincipleSet, Subspace]:
    """Pass a principle file through the gate; PrincipleError where no search may start from it."""
    report = examine(text, path, space)
    if not report.admitted or report.principles is None or report.subspace is None:
        raise PrincipleError(report.errors or report.diagnostics)
    return report.principles, report.subspace


def _share_of_budget(settings: Settings, iteration: int) -> int:
    """The budget in equal shares, the first ones larger by one where it does not divide."""
    share, rest = divmod(settings.budget, settings.iterations)
    return share + (iteration <= rest)
