"""`lapt.run`: a search from Python, where everything but the space and the target has a default."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lapt_rules.authors.author import Author
from lapt_rules.authors.fixed import FixedPrinciples
from lapt_rules.authors.miner import Miner
from lapt_rules.errors import RunError, shortened
from lapt_rules.evaluate.evaluator import Archive, Evaluator, Objective, Rated
from lapt_rules.evaluate.table import Table, TargetTable
from lapt_rules.search.evolution import RegularizedEvolution
from lapt_rules.search.searcher import Searcher
from lapt_rules.space import Architecture, Settings, Space, load_space
from lapt_rules.transfer import Journal, Result, transfer

Source = Archive | Table | Iterable[Rated]
Target = Evaluator | Table | Callable[[Architecture], float]


def run(
    space: Space | str,
    source: Source | None = None,
    target: Target | None = None,
    author: Author | None = None,
    searcher: Searcher | None = None,
    settings: Settings | None = None,
    *,
    budget: int | None = None,
    principles: str | None = None,
    path: str = "",
    seed: int = 0,
    twins: bool = False,
    journal: Journal | None = None,
) -> Result:
    """Search `target` for good architectures of `space`, from what is learned of `source`.

    The target is a function of an architecture, larger is better, an Evaluator, or a Table. The
    source is an Archive, a Table, the best of which are taken, or a list of `Rated` architectures.
    The author is the miner by default, the searcher regularized evolution with the numbers of the
    settings, and the settings are those of the space. `principles` is the text of a file to start
    from. Without a source these, or the whole space, stay as they are, unless an author is given
    who adapts them. The rest is as in `lapt_rules.transfer.transfer`.

    An exception of a target's own passes unchanged. Raises RunError for a value that is no finite
    number, for a run without a target, and for what `transfer` refuses.

    >>> def convolutions(architecture):
    ...     return architecture.operators.count("nor_conv_3x3")
    >>> result = run("trans101", target=convolutions)
    >>> len(result.trials), result.best.value > 3
    (50, True)

    With principles that are learned from one task and adapted to another:

    >>> from lapt_rules.evaluate.table import load_table
    >>> source, target = load_table("digits:jigsaw"), load_table("digits:class")
    >>> run("digits", source, target, budget=10).best.value > 0.67
    True
    """
    space = load_space(space) if isinstance(space, str) else space
    settings = settings or space.settings
    archive = _archive(space, source, settings)
    if not len(archive):
        principles = f"space {space.name}" if principles is None else principles
        author = author or FixedPrinciples(principles)
    return transfer(
        space,
        archive,
        _evaluator(target),
        author or Miner(),
        searcher or RegularizedEvolution(settings.population, settings.tournament),
        settings,
        budget=budget,
        principles=principles,
        path=path,
        seed=seed,
        twins=twins,
        journal=journal,
    )


def _archive(space: Space, source: Source | None, settings: Settings) -> Archive:
    if source is None:
        return Archive.empty(space)
    if isinstance(source, Table):
        source = source.archive(settings.archive)
    archive = source if isinstance(source, Archive) else Archive.of(source)
    if archive.space is not space:
        message = f"the source is of {archive.space.name}, the search of {space.name}"
        raise RunError(message, f"learn from architectures of {space.name}")
    return archive


def _evaluator(target: Target | None) -> Evaluator:
    if isinstance(target, Table):
        return TargetTable(target)
    if isinstance(target, Evaluator):
        return target
    if callable(target):
        return Objective(target)
    fix = "give target=FUNCTION, a Table or an Evaluator"
    if target is None:
        raise RunError("there is no task to search", fix)
    raise RunError(f"the target rates nothing: {shortened(repr(target))}", fix)
