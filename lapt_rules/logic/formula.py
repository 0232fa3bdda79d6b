"""The small language of formulas that every engine understands.

Binding has resolved all names: what is left speaks of variables and their values by number, of
layers and of cells. `plain` is the reference meaning, on one architecture at a time; `arrays` is
the same on many at once, `compiling` makes diagrams of it, `smt` hands it to Z3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lapt_rules.space import Space

Relation = Literal["<=", ">=", "==", "!=", "<", ">"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Σ over variables of the weight of the value it takes: counts and costs."""

    weights: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class PathLength:
    """The most, or fewest, counted layers on one live path of a cell; then over `cells`.

    `counted` are pairs of a layer and the operators with which it counts.
    """

    extreme: Literal["longest", "shortest"]
    cells: tuple[int, ...]
    counted: tuple[tuple[int, frozenset[int]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """How many of `parts` hold."""

    parts: tuple[Formula, ...]


Measure = Tally | PathLength | Holding


@dataclass(frozen=True, slots=True, eq=False)
class Amount:
    """constant + Σ coefficient · measure."""

    constant: int
    terms: tuple[tuple[int, Measure], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The variable takes one of `values`."""

    variable: int
    values: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """The layer lies on a live path: no `zero` operator on it, from an input to an output."""

    layer: int


@dataclass(frozen=True, slots=True, eq=False)
class Connected:
    """Some live path exists in the cell."""

    cell: int


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """`amount RELATION 0`."""

    amount: Amount
    relation: Relation


@dataclass(frozen=True, slots=True, eq=False)
class Not:
    part: Formula


@dataclass(frozen=True, slots=True, eq=False)
class And:
    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Or:
    parts: tuple[Formula, ...]


Formula = Constant | Choice | Live | Connected | Compare | Not | And | Or

TRUE = Constant(True)
FALSE = Constant(False)


def related(left: int, relation: Relation, right: int = 0) -> bool:
    match relation:
        case "<=":
            return left <= right
        case ">=":
            return left >= right
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right


def zero_operators(space: Space) -> frozenset[int]:
    """The operators that cut a path."""
    return frozenset(i for i, o in enumerate(space.operators) if o.function == "zero")
