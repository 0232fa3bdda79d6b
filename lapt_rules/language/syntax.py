"""The syntax tree of a principle file.

Each class is named like the form it stands for and keeps where it stood. Positions and comments
take no part in equality: `parse(print_file(tree)) == tree` is the law of parser and printer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

WORDS = frozenset(
    [
        "space",
        "region",
        "define",
        "principle",
        "expect",
        "require",
        "forbid",
        "prefer",
        "accept",
        "reject",
        "rank",
        "unless",
        "when",
        "weight",
        "more",
        "above",
        "if",
        "then",
        "each",
        "some",
        "at",
        "least",
        "of",
        "in",
        "is",
        "not",
        "and",
        "or",
        "from",
        "live",
        "dead",
        "same",
        "connected",
        "count",
        "sum",
        "longest",
        "shortest",
    ]
)
"""The words of the language; nothing else may be called by one of them."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text: 1-based lines and columns, the end exclusive."""

    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    @classmethod
    def at(cls, text: str, offset: int, length: int = 1) -> Span:
        """The span of some characters of one line, by their offset in the text."""
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        return cls(line, column, line, column + length)


NOWHERE = Span()


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of a statement: whole lines above it ("" is a blank line), one at its end."""

    above: tuple[str, ...] = ()
    beside: str = ""


@dataclass(frozen=True, kw_only=True)
class Node:
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Name(Node):
    """One name as written: of a layer, operator, class, region, node, cost or definition."""

    text: str


@dataclass(frozen=True)
class Names(Node):
    """`X`, or `{X, Y}`: wherever one name stands, a set of them may."""

    names: tuple[Name, ...]


# ---------------------------------------------------------------------------------- expressions


@dataclass(frozen=True)
class Integer(Node):
    value: int


@dataclass(frozen=True)
class Count(Node):
    """`count(X in R)`: how many layers of R have X; without R, of all layers."""

    operators: Names
    region: Names | None = None


@dataclass(frozen=True)
class CountEach(Node):
    """`count(l in R: F)`: for how many layers l of R does F hold."""

    variable: Name
    region: Names
    body: Formula


@dataclass(frozen=True)
class Total(Node):
    """`sum(COST in R)`: the total of a per-operator cost over the layers of R."""

    cost: Name
    region: Names | None = None


@dataclass(frozen=True)
class PathLength(Node):
    """`longest(X in R)` or `shortest(X in R)`: X-layers of R on one live path, input to output."""

    extreme: Literal["longest", "shortest"]
    operators: Names
    region: Names | None = None


@dataclass(frozen=True)
class Sum(Node):
    """`a + b - c`: two or more signed terms, the first with the sign `+`."""

    terms: tuple[tuple[Literal["+", "-"], Expression], ...]


Expression = Integer | Count | CountEach | Total | PathLength | Sum

# ------------------------------------------------------------------------------------- formulas


@dataclass(frozen=True)
class Reference(Node):
    """The name of a `define`."""

    name: Name


@dataclass(frozen=True)
class OperatorIs(Node):
    """`LAYER is X`, `LAYER in {X, Y}`, and with `not`."""

    layer: Name
    operators: Names
    negated: bool = False


@dataclass(frozen=True)
class SourceIs(Node):
    """`LAYER from N`, `LAYER from {N, M}`."""

    layer: Name
    sources: Names


@dataclass(frozen=True)
class Liveness(Node):
    """`LAYER is live`, `LAYER is dead`."""

    layer: Name
    live: bool


@dataclass(frozen=True)
class Same(Node):
    """`same(LAYER, LAYER)`: both have the same operator."""

    left: Name
    right: Name


@dataclass(frozen=True)
class Connected(Node):
    """`connected`: some live path exists."""


@dataclass(frozen=True)
class AtLeast(Node):
    """`at least K of (F, G, ...)`."""

    minimum: Integer
    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Comparison(Node):
    left: Expression
    relation: Literal["<=", ">=", "==", "!=", "<", ">"]
    right: Expression


@dataclass(frozen=True)
class Negation(Node):
    part: Formula


@dataclass(frozen=True)
class Conjunction(Node):
    """Two or more formulas joined by `and`."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Disjunction(Node):
    """Two or more formulas joined by `or`."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Implication(Node):
    """`if F then G`."""

    condition: Formula
    consequence: Formula


@dataclass(frozen=True)
class Quantified(Node):
    """`each l in R: F` or `some l in R: F`."""

    quantifier: Literal["each", "some"]
    variable: Name
    region: Names
    body: Formula


Formula = (
    Reference
    | OperatorIs
    | SourceIs
    | Liveness
    | Same
    | Connected
    | AtLeast
    | Comparison
    | Negation
    | Conjunction
    | Disjunction
    | Implication
    | Quantified
)

# ----------------------------------------------------------------------------------- statements


@dataclass(frozen=True, kw_only=True)
class Statement(Node):
    comments: Comments = field(default=Comments(), compare=False, repr=False)


@dataclass(frozen=True)
class Notation(Node):
    """An architecture as its arch string."""

    text: str


@dataclass(frozen=True)
class Entry(Node):
    """One layer of a listing: its operator and, where the space has a choice, its source."""

    operator: Name
    source: Name | None = None


@dataclass(frozen=True)
class Listing(Node):
    """An architecture as `[op, op, ...]`, in the order of the space's layers."""

    entries: tuple[Entry, ...]


Arch = Notation | Listing


@dataclass(frozen=True)
class Accept(Statement):
    architecture: Arch


@dataclass(frozen=True)
class Reject(Statement):
    architecture: Arch


@dataclass(frozen=True)
class Rank(Statement):
    """`rank A above B`: the `prefer` weights order A before B."""

    better: Arch
    worse: Arch


@dataclass(frozen=True)
class Hard(Statement):
    """`require F` or `forbid F`, either with `unless G`."""

    kind: Literal["require", "forbid"]
    formula: Formula
    unless: Formula | None = None


@dataclass(frozen=True)
class Prefer(Statement):
    """`prefer F when G weight W`, or with `more`, of an expression in place of a formula."""

    target: Formula | Expression
    weight: float
    when: Formula | None = None


@dataclass(frozen=True)
class SpaceLine(Statement):
    name: Name


@dataclass(frozen=True)
class Region(Statement):
    name: Name
    layers: Names


@dataclass(frozen=True)
class Define(Statement):
    name: Name
    formula: Formula


@dataclass(frozen=True)
class Expect(Statement):
    """`expect N..M`: the file keeps at least N and at most M architectures."""

    minimum: int
    maximum: int


@dataclass(frozen=True)
class Principle(Statement):
    """A named rule with its reason; its span is that of the heading, `principle NAME "why"`."""

    name: Name
    why: str
    clauses: tuple[Clause, ...]


Test = Accept | Reject | Rank
Clause = Hard | Prefer | Test
Block = SpaceLine | Region | Define | Expect | Principle | Test


@dataclass(frozen=True)
class File(Node):
    """A principle file: its statements in order, and the comments after the last of them."""

    blocks: tuple[Block, ...]
    closing: tuple[str, ...] = field(default=(), compare=False)
    path: str = field(default="<text>", compare=False)
    text: str = field(default="", compare=False, repr=False)

    @property
    def principles(self) -> tuple[Principle, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Principle))

    @property
    def space(self) -> Name | None:
        """The name in the file's `space` line, or None where it has none."""
        return next((block.name for block in self.blocks if isinstance(block, SpaceLine)), None)
