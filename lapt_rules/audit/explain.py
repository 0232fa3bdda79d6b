"""Why an architecture is kept or thrown away: by which clause, of which principle, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapt_rules.errors import SpaceError
from lapt_rules.gate import space_of
from lapt_rules.language.parser import parse
from lapt_rules.language.printer import print_clause
from lapt_rules.language.syntax import File
from lapt_rules.logic.arrays import Arrays, Mask, Rows
from lapt_rules.logic.binding import bind
from lapt_rules.logic.plain import is_well_formed, rejecters, score
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.network import dead_layers
from lapt_rules.space import Architecture


@dataclass(frozen=True)
class Rejection:
    """One clause that rejects the architecture; `line` is where it stands in the file."""

    principle: str
    why: str
    clause: str
    line: int


@dataclass(frozen=True)
class Explanation:
    """The answer for one architecture: kept iff it is well-formed and nothing rejects it."""

    architecture: Architecture
    well_formed: bool
    rejections: tuple[Rejection, ...]
    score: float
    dead_layers: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return self.well_formed and not self.rejections


def explain(principles: PrincipleSet | File | str, architecture: Architecture | str) -> Explanation:
    """Whether principles keep an architecture, and every clause that rejects it.

    An architecture given as text is read in the space that the principles name.

    >>> found = explain("space trans101 principle p require layer0 is conv", "0_33_333")
    >>> found.kept, found.rejections[0].clause
    (False, 'require layer0 is conv')
    """
    if isinstance(principles, str):
        principles = parse(principles)
    if isinstance(architecture, str):
        space = principles.space if isinstance(principles, PrincipleSet) else space_of(principles)
        architecture = space.parse(architecture)
    space = architecture.space
    bound = principles if isinstance(principles, PrincipleSet) else bind(principles, space)
    if bound.space is not space:
        raise SpaceError(f"these principles are bound to {bound.space.name}, not to {space.name}")
    rejections = tuple(
        Rejection(principle.name, principle.why, print_clause(clause), clause.span.line)
        for principle, clause in rejecters(bound.principles, architecture)
    )
    return Explanation(
        architecture,
        is_well_formed(architecture),
        rejections,
        score(bound.preferences, architecture),
        dead_layers(architecture),
    )


def rejections(principles: PrincipleSet, rows: Rows | Sequence[Architecture]) -> Mask:
    """For many architectures at once, which principles reject each.

    `rows` are rows of variable values, or architectures of the principles' space. Shape of the
    answer: architectures x principles.

    >>> from lapt_rules.space import load_space
    >>> space = load_space("trans101")
    >>> text = "space trans101 principle p require layer0 is conv principle q require connected"
    >>> rejections(bind(text, space), [space.parse("0_33_333"), space.parse("0_00_000")]).tolist()
    [[True, False], [True, True]]
    """
    if not isinstance(rows, np.ndarray):
        rows = np.array([architecture.values for architecture in rows], np.int8)
    points = Arrays(principles.space, rows.reshape(-1, len(principles.space.variables)))
    columns = [~points.holds(principle.keeps) for principle in principles.principles]
    if not columns:
        return np.zeros((len(points.rows), 0), np.bool_)
    return np.stack(columns, axis=1)
