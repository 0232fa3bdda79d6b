"""What a formula or expression of the language means on one space, once its names are known."""

from __future__ import annotations

from typing import Any, TypeVar

from lapt_rules.language import syntax as ast
from lapt_rules.logic.formula import (
    FALSE,
    TRUE,
    Amount,
    And,
    Choice,
    Compare,
    Connected,
    Constant,
    Formula,
    Holding,
    Live,
    Measure,
    Not,
    Or,
    PathLength,
    Tally,
)
from lapt_rules.logic.names import Names

MAX_PARTS = 20_000
"""Limit on the size of a bound file: quantifiers multiply, and nothing may exhaust memory."""

MAX_DEPTH = 200
"""Limit on nesting once definitions are put in their places."""

MAX_INTEGER = 10**15

Part = TypeVar("Part", bound=Formula | Measure | Amount)


_Place = tuple[ast.Formula, tuple[tuple[str, int], ...]]
"""A formula as written, and what each quantified name stands for there."""


class TooLargeError(Exception):
    """The file has more than MAX_PARTS parts, or nests deeper than MAX_DEPTH."""


class Meanings:
    """Gives formulas their meaning, within the limits that one file has.

    `deepest` is how deep the statement under way nests, the definitions in it included; whoever
    binds a statement sets it to 0 before.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.space = names.space
        self.deepest = 0
        self._parts = 0
        self._depth = 0
        self._definition_depth: dict[str, int] = {}
        self._scope: tuple[tuple[str, int], ...] = ()
        self._bound: dict[_Place, tuple[Formula, int]] = {}  # and how many levels it nests
        self._made: dict[tuple[object, ...], Any] = {}

    def define(self, name: ast.Name, written: ast.Formula) -> None:
        """Bind the formula of a `define` and give it its name, if that is free."""
        bound = self.formula(written)
        if self.names.is_new(name):
            self.names.definitions[name.text] = bound
            self._definition_depth[name.text] = self.deepest

    # -------------------------------------------------------------------------------- formulas

    def _grown(self, part: Part) -> Part:
        """Count one more part against the limit."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLargeError
        return self._shared(part)

    def _shared(self, part: Part) -> Part:
        """The part, or the one that was made like it before, so that the engines work it out once.

        All parts within it are shared ones, so it is enough to look at which these are.
        """
        like = (type(part), *(getattr(part, name) for name in part.__slots__))
        shared: Part = self._made.setdefault(like, part)
        return shared

    def _formulas(self, written: tuple[ast.Formula, ...]) -> tuple[Formula, ...]:
        return tuple(self.formula(part) for part in written)

    def formula(self, written: ast.Formula) -> Formula:
        """The meaning of a formula; one that stands twice in the file is one and the same."""
        key = (written, self._scope)
        if key in self._bound:
            formula, levels = self._bound[key]
            self._reach(self._depth + levels)
            return formula
        errors, outer = len(self.names.errors), self.deepest
        self._depth += 1
        self.deepest = 0
        self._reach(self._depth)
        formula = self._formula_within(written)
        self._depth -= 1
        if len(self.names.errors) == errors:  # a mistake is told wherever it stands
            self._bound[key] = formula, self.deepest - self._depth
        self.deepest = max(self.deepest, outer)
        return formula

    def _reach(self, depth: int) -> None:
        self.deepest = max(self.deepest, depth)
        if depth > MAX_DEPTH:
            raise TooLargeError

    def _formula_within(self, written: ast.Formula) -> Formula:
        match written:
            case ast.Reference(name=name):
                self._reach(self._depth + self._definition_depth.get(name.text, 0))
                return self.names.definition(name, TRUE)
            case ast.OperatorIs(layer=layer, operators=operators, negated=negated):
                choice = self._operator_is(
                    self.names.layer(layer), self.names.operator_set(operators)
                )
                return self._grown(Not(choice)) if negated else choice
            case ast.SourceIs():
                return self._source_is(written)
            case ast.Liveness(layer=layer, live=live):
                alive = self._grown(Live(self.names.layer(layer)))
                return alive if live else self._grown(Not(alive))
            case ast.Same(left=left, right=right):
                return self._same(self.names.layer(left), self.names.layer(right))
            case ast.Connected():
                cells = range(len(self.space.cells))
                return self._shared(Or(tuple(self._grown(Connected(cell)) for cell in cells)))
            case ast.AtLeast(minimum=minimum, parts=parts):
                holding = self._grown(Holding(self._formulas(parts)))
                amount = self._shared(Amount(-self._integer(minimum), ((1, holding),)))
                return self._shared(Compare(amount, ">="))
            case ast.Comparison(left=left, relation=relation, right=right):
                return self._grown(Compare(self._difference(left, right), relation))
            case ast.Negation(part=part):
                return self._grown(Not(self.formula(part)))
            case ast.Conjunction(parts=parts):
                return self._grown(And(self._formulas(parts)))
            case ast.Disjunction(parts=parts):
                return self._grown(Or(self._formulas(parts)))
            case ast.Implication(condition=condition, consequence=consequence):
                not_so = self._grown(Not(self.formula(condition)))
                return self._grown(Or((not_so, self.formula(consequence))))
            case ast.Quantified(quantifier=quantifier, variable=name, region=region, body=body):
                bodies = self._each(name, region, body)
                return self._grown(And(bodies) if quantifier == "each" else Or(bodies))

    def _operator_is(self, layer: int, operators: frozenset[int]) -> Formula:
        return self._grown(Choice(self.space.operator_variable[layer], operators))

    def _source_is(self, written: ast.SourceIs) -> Formula:
        index = self.names.layer(written.layer)
        layer = self.space.layers[index]
        quantified = layer.name != written.layer.text
        nodes = [self.names.node(name) for name in written.sources.names]
        for name, node in zip(written.sources.names, nodes, strict=True):
            if node and node not in layer.sources and not quantified:
                fix = f"use one of {', '.join(layer.sources)}"
                message = f"`{node}` is not a source of {layer.name}"
                self.names.error("wrong-source", message, name.span, fix)
        chosen = frozenset(layer.sources.index(node) for node in nodes if node in layer.sources)
        variable = self.space.source_variable[index]
        if variable is None:
            if not quantified:
                message = f"{layer.name} always reads {layer.sources[0]}"
                fix = "this says nothing that the space does not"
                self.names.warn("fixed-source", message, written.span, fix)
            return self._grown(Constant(bool(chosen)))
        return self._grown(Choice(variable, chosen))

    def _same(self, left: int, right: int) -> Formula:
        left, right = sorted((left, right))
        both = [
            self._shared(And((self._operator_is(left, only), self._operator_is(right, only))))
            for only in (frozenset({o}) for o in range(len(self.space.operators)))
        ]
        return self._grown(Or(tuple(both)))

    def _each(self, name: ast.Name, region: ast.Names, body: ast.Formula) -> tuple[Formula, ...]:
        """The body once for each layer of the region."""
        layers = self.names.region(region)
        fix = "choose another name, or close the quantifier before it with parentheses"
        if not self.names.is_new(name, fix):
            return (FALSE,)
        parts = []
        for layer in layers:
            outer, self._scope = self._scope, (*self._scope, (name.text, layer))
            with self.names.standing_for(name, layer):
                parts.append(self.formula(body))
            self._scope = outer
        return tuple(parts)

    # ----------------------------------------------------------------------------- expressions

    def _integer(self, written: ast.Integer) -> int:
        if written.value > MAX_INTEGER:
            message = f"numbers in a measure are at most {MAX_INTEGER:,}"
            self.names.error("limit", message, written.span, "compare with a smaller number")
            return 0
        return written.value

    def _difference(self, left: ast.Expression, right: ast.Expression) -> Amount:
        a, b = self.amount(left), self.amount(right)
        negative = tuple((-coefficient, measure) for coefficient, measure in b.terms)
        return self._shared(Amount(a.constant - b.constant, a.terms + negative))

    def amount(self, written: ast.Expression) -> Amount:
        match written:
            case ast.Integer():
                return Amount(self._integer(written), ())
            case ast.Sum(terms=terms):
                constant = 0
                measures: list[tuple[int, Measure]] = []
                for sign, term in terms:
                    factor = 1 if sign == "+" else -1
                    amount = self.amount(term)
                    constant += factor * amount.constant
                    measures += [(factor * c, measure) for c, measure in amount.terms]
                return Amount(constant, tuple(measures))
            case ast.Total():
                return self._total(written)
            case _:
                return Amount(0, ((1, self._grown(self._measure(written))),))

    def _total(self, written: ast.Total) -> Amount:
        """The costs of operators, and apart what a strided source adds to them."""
        cost = self.names.cost(written.cost)
        if not cost:
            return Amount(0, ())  # told as an error
        weights: list[tuple[int, tuple[int, ...]]] = []
        more: dict[int, list[Formula]] = {}
        for index in self.names.region(written.region):
            layer, variable = self.space.layers[index], self.space.operator_variable[index]
            source_variable = self.space.source_variable[index]
            by_source = [self.space.operator_costs(cost, index, node) for node in layer.sources]
            usual = by_source[-1]
            weights.append((variable, usual))
            if source_variable is None:
                continue
            for operator, amount in enumerate(usual):
                for extra in sorted({costs[operator] - amount for costs in by_source} - {0}):
                    sources = (s for s, c in enumerate(by_source) if c[operator] - amount == extra)
                    reads = Choice(source_variable, frozenset(sources))
                    both = self._shared(And((reads, Choice(variable, frozenset({operator})))))
                    more.setdefault(extra, []).append(self._grown(both))
        terms: list[tuple[int, Measure]] = [(1, self._grown(Tally(tuple(weights))))]
        terms += [(extra, Holding(tuple(parts))) for extra, parts in more.items()]
        return Amount(0, tuple(terms))

    def _measure(self, written: ast.Count | ast.CountEach | ast.PathLength) -> Measure:
        match written:
            case ast.Count(operators=operators, region=region):
                chosen = self.names.operator_set(operators)
                weight = tuple(int(o in chosen) for o in range(len(self.space.operators)))
                return self._tally(region, weight)
            case ast.CountEach(variable=variable, region=region, body=body):
                return Holding(self._each(variable, region, body))
            case ast.PathLength(extreme=extreme, operators=operators, region=region):
                chosen = self.names.operator_set(operators)
                layers = self.names.region(region)
                cells = sorted({self.space.layers[layer].cell for layer in layers})
                counted = tuple((layer, chosen) for layer in layers)
                return PathLength(extreme, tuple(cells), counted)

    def _tally(self, region: ast.Names | None, weight: tuple[int, ...]) -> Tally:
        variables = (self.space.operator_variable[layer] for layer in self.names.region(region))
        return Tally(tuple((variable, weight) for variable in variables))
