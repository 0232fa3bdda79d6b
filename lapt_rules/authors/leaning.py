"""Leanings: how much each choice of each layer is preferred, measured and not guessed.

Of the archive it is the natural log-odds of a choice being in it against being anywhere in the
space, with one pseudo-observation of the space, so that 0 says nothing. Of the search so far it is
the log-odds of being among the best found (r of them, but no more than half) against being
evaluated at all; the two are added. A file carries them as one principle a layer of `prefer`
clauses, which are known by their reason and measured anew at each revision.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lapt_rules.authors.author import Brief
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import parse
from lapt_rules.language.printer import print_file
from lapt_rules.logic.binding import bind
from lapt_rules.logic.principles import Preference
from lapt_rules.search.searcher import Trial
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import whole

Weights = dict[tuple[int, int], float]
"""A weight for each variable of a space and each of its values that some architecture has."""

_PRIOR = 2.0
"""Evaluations without any leaning that each choice is credited with: a few trials tell little."""

_OF_ARCHIVE = "ln(share in the archive / share in the space)"
_OF_SEARCH = f"{_OF_ARCHIVE} + ln(share of the best found / share of all evaluated)"


def leanings(brief: Brief) -> Weights:
    """The leanings of the archive and, once there are trials, of the search.

    >>> from lapt_rules.evaluate.evaluator import Archive, Rated
    >>> from lapt_rules.space import load_space
    >>> space = load_space("trans101")
    >>> members = tuple(Rated(space.parse(f"{i}_33_333"), 1.0) for i in (3, 3, 3, 2))
    >>> brief = Brief(space, Archive(space, members, "a task"), top=1, population=1)
    >>> [round(weight, 2) for (layer, _), weight in leanings(brief).items() if layer == 0]
    [-1.61, -1.61, 0.0, 0.96]
    """
    weights = archive_leanings(brief.space, brief.archive.architectures)
    found = [trial.architecture for trial in best_found(brief)]
    tried = [trial.architecture for trial in brief.trials]
    for variable in range(len(brief.space.variables)) if tried else ():
        among = Counter(a.values[variable] for a in found)
        against = Counter(a.values[variable] for a in tried)
        for value, number in against.items():
            expected = number * len(found) / len(tried)
            prior = _PRIOR * len(found) / len(tried)
            weights[variable, value] += math.log((among[value] + prior) / (expected + prior))
    return weights


def archive_leanings(space: Space, architectures: Sequence[Architecture]) -> Weights:
    """For each variable and value: ln of its share in the archive over its share in the space."""
    weights = {}
    everything = whole(space)
    for index, counts in enumerate(everything.value_counts()):
        seen = Counter(a.values[index] for a in architectures)
        for value, count in enumerate(counts):
            share = count / everything.count()
            if share:
                odds = (seen[value] + share) / (len(architectures) + 1) / share
                weights[index, value] = math.log(odds)
    return weights


def leaning_preferences(space: Space, weights: Weights) -> Sequence[Preference]:
    """The weights as the `prefer` clauses that a file would carry them in."""
    text = "\n".join(_principles(space, weights, _OF_ARCHIVE, ()))
    return bind(f"space {space.name}\n{text}", space).preferences


def best_found(brief: Brief) -> Sequence[Trial]:
    """The best trials that count as good: r of them, but no more than half."""
    return brief.found[: math.ceil(len(brief.trials) / 2)]


def with_leanings(file: ast.File, brief: Brief, weights: Weights, *notes: str) -> str:
    """The file with its leanings replaced by `weights`, or added, and notes above its `space`.

    It is bound to the space of the brief, whose names the leanings use.
    """
    space = brief.space
    kept: list[ast.Block] = []
    for block in without_leanings(file).blocks:
        if isinstance(block, ast.SpaceLine):
            comments = replace(block.comments, above=(*block.comments.above, *notes))
            block = replace(block, name=ast.Name(space.name), comments=comments)
        kept.append(block)
    taken = {block.name.text for block in kept if isinstance(block, ast.Principle)}
    why = _OF_SEARCH if brief.trials else _OF_ARCHIVE
    text = print_file(ast.File(tuple(kept), file.closing))
    return print_file(parse("\n".join([text, *_principles(space, weights, why, taken)])))


def without_leanings(file: ast.File) -> ast.File:
    """The file as its author wrote it."""
    return replace(file, blocks=tuple(block for block in file.blocks if not is_leaning(block)))


def is_leaning(block: ast.Block) -> bool:
    """Whether a principle has the reason of a leaning, and says no more than one does."""
    return (
        isinstance(block, ast.Principle)
        and block.why in (_OF_ARCHIVE, _OF_SEARCH)
        and all(
            isinstance(clause, ast.Prefer)
            and isinstance(clause.target, ast.OperatorIs | ast.SourceIs)
            and clause.when is None
            for clause in block.clauses
        )
    )


def _principles(
    space: Space, weights: Mapping[tuple[int, int], float], why: str, taken: Collection[str]
) -> list[str]:
    """One principle a layer, its operators and sources by falling weight."""
    lines = []
    for layer_number, layer in enumerate(space.layers):
        clauses = []
        for (index, value), weight in sorted(weights.items(), key=lambda item: -item[1]):
            variable = space.variables[index]
            if variable.layer == layer_number:
                word = "is" if variable.kind == "operator" else "from"
                clauses.append(
                    f"prefer {layer.name} {word} {variable.values[value]} weight {weight:.2f}"
                )
        name = f"{layer.name}_leaning"
        while name in taken:
            name += "_"
        lines.append(f'principle {name} "{why}" ' + " ".join(clauses))
    return lines
