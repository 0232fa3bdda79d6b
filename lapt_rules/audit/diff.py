"""What a change of principles changes: architectures gained and lost, exactly, with witnesses."""

from __future__ import annotations

from dataclasses import dataclass

from lapt_rules.errors import LaptError
from lapt_rules.logic.compiling import Compiler
from lapt_rules.logic.formula import And, Formula, Not
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.space import Architecture
from lapt_rules.subspace import Subspace


@dataclass(frozen=True)
class Difference:
    """From the first principle set to the second, on one space."""

    both: int
    lost: Subspace
    gained: Subspace

    def witnesses(self, side: Subspace, number: int) -> list[Architecture]:
        """The first few architectures of one side, in the order of the space."""
        return [side.unrank(i) for i in range(min(number, side.count()))]


def difference(before: PrincipleSet, after: PrincipleSet) -> Difference:
    """What `after` keeps and `before` does not, and the reverse; both bound to one space."""
    space = before.space
    if after.space is not space:
        raise LaptError(
            f"{before.file.path} is for {space.name}, {after.file.path} for {after.space.name}",
            "compare two files for one space",
        )
    compiler = Compiler(space)

    def kept(formula: Formula) -> Subspace:
        return Subspace(space, formula, compiler=compiler)

    return Difference(
        both=kept(And((before.keeps, after.keeps))).count(),
        lost=kept(And((before.keeps, Not(after.keeps)))),
        gained=kept(And((after.keeps, Not(before.keeps)))),
    )
