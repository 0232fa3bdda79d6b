"""Why an architecture is kept or thrown away: by which clause, of which principle, and why."""

from __future__ import annotations

from dataclasses import dataclass

from lapt_rules.errors import SpaceError
from lapt_rules.gate import space_of
from lapt_rules.language.parser import parse
from lapt_rules.language.printer import print_clause
from lapt_rules.language.syntax import File
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
