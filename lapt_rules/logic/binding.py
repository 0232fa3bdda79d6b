"""From a syntax tree to the formulas it means on one space."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal, TypeVar

from lapt_rules.errors import ArchitectureError, PrincipleError
from lapt_rules.language import syntax as ast
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.language.parser import parse
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
from lapt_rules.logic.principles import Clause, Example, Preference, Principle, PrincipleSet
from lapt_rules.space import Architecture, Space

MAX_PARTS = 20_000
"""Limit on the size of a bound file: quantifiers multiply, and nothing may exhaust memory."""

MAX_PRINCIPLES = 256

MAX_DEPTH = 200
"""Limit on nesting once definitions are put in their places."""

MAX_INTEGER = 10**15

Part = TypeVar("Part", Formula, Measure)


def bind(file: ast.File | str, space: Space) -> PrincipleSet:
    """The meaning of a principle file on `space`.

    Raises PrincipleError with every name or type that is wrong, in one pass.

    >>> from lapt_rules.space import load_space
    >>> bound = bind("space nas201 principle p require layer0 is conv", load_space("nas201"))
    >>> bound.principles[0].name
    'p'
    """
    bound, diagnostics = bind_tolerant(parse(file) if isinstance(file, str) else file, space)
    if diagnostics:
        raise PrincipleError(diagnostics)
    return bound


def bind_tolerant(file: ast.File, space: Space) -> tuple[PrincipleSet, list[Diagnostic]]:
    """The meaning of what is right in a file, and the errors in the rest."""
    binder = _Binder(file, space)
    bound = binder.bind()
    return bound, binder.names.errors


@cache
def invariants(space: Space) -> Formula:
    """The space's own well-formedness, which every one of its architectures satisfies.

    Raises PrincipleError, with the line in `space.toml`, for invariants that are wrong, or hold
    anything but `require` and `forbid`.
    """
    if not space.invariants.strip():
        return TRUE
    path = space.folder / "space.toml"
    before = path.read_text(encoding="utf-8").partition(space.invariants)[0].count("\n")
    tree = parse("\n" * before + space.invariants, str(path))
    space_line = ast.SpaceLine(ast.Name(space.name))
    bound, errors = bind_tolerant(replace(tree, blocks=(space_line, *tree.blocks)), space)
    for principle in bound.principles:
        for clause in principle.syntax.clauses:
            if not isinstance(clause, ast.Hard):
                message = "an invariant is a `require` or a `forbid`"
                source = Source(tree.path, tree.text)
                errors.append(Diagnostic("misplaced", message, source, clause.span, "remove this"))
    if errors:
        raise PrincipleError(errors)
    return bound.keeps


class _TooLargeError(Exception):
    """The file has more than MAX_PARTS parts."""


class _Binder:
    def __init__(self, file: ast.File, space: Space) -> None:
        self.file = file
        self.space = space
        self.names = Names(file, space)
        self.parts = 0
        self.depth = 0
        self.deepest = 0  # in the statement being bound, definitions included
        self.definition_depth: dict[str, int] = {}
        self.scope: tuple[tuple[str, int], ...] = ()  # what each quantified name stands for
        self.bound: dict[tuple[ast.Formula, tuple[tuple[str, int], ...]], Formula] = {}

    def bind(self) -> PrincipleSet:
        is_meant_for_it = self._check_space()
        principles: list[Principle] = []
        examples: list[Example] = []
        expectations: list[ast.Expect] = []
        for block in self.file.blocks if is_meant_for_it else ():
            self.deepest = 0
            try:
                match block:
                    case ast.SpaceLine():
                        pass
                    case ast.Region(name=name, layers=layers):
                        members = self.names.region(layers)
                        if self.names.is_new(name):
                            self.names.regions[name.text] = members
                    case ast.Define(name=name, formula=formula):
                        bound = self._formula(formula)
                        if self.names.is_new(name):
                            self.names.definitions[name.text] = bound
                            self.definition_depth[name.text] = self.deepest
                    case ast.Principle(name=name):
                        if any(p.name == name.text for p in principles):
                            message = f"there are two principles `{name.text}`"
                            fix = "give every principle a name of its own"
                            self.names.error("duplicate-name", message, name.span, fix)
                        if len(principles) == MAX_PRINCIPLES:
                            message = f"a file has at most {MAX_PRINCIPLES} principles"
                            fix = "put rules that belong together into one principle"
                            self.names.error("limit", message, name.span, fix)
                            break
                        principles.append(self._principle(block))
                    case ast.Expect():
                        expectations.append(self._expect(block))
                    case ast.Accept() | ast.Reject() | ast.Rank():
                        examples += self._example(block)
            except _TooLargeError:
                message = (
                    f"the formulas of this file expand into more than {MAX_PARTS:,} parts, "
                    f"or nest deeper than {MAX_DEPTH} levels"
                )
                fix = "nest fewer quantifiers, and fewer definitions in one another"
                self.names.error("limit", message, block.span, fix)
                break
        return PrincipleSet(
            self.space,
            tuple(principles),
            tuple(examples),
            tuple(expectations),
            tuple(self.names.warnings),
            self.file,
        )

    def _check_space(self) -> bool:
        """Whether the names in the file are those of the space; else the rest says nothing."""
        lines = [block for block in self.file.blocks if isinstance(block, ast.SpaceLine)]
        for extra in lines[1:]:
            fix = "keep one `space` line"
            self.names.error("duplicate-name", "the space is named twice", extra.span, fix)
        if not lines:
            message = "the file does not say for which space it is"
            fix = f"begin it with `space {self.space.name}`, or `space any`"
            self.names.error("no-space", message, ast.Span(1, 1, 1, 2), fix)
        elif lines[0].name.text not in (self.space.name, "any"):
            written = lines[0].name
            message = f"this file is for the space `{written.text}`, not for {self.space.name}"
            fix = "use it on that space; a file for `space any` binds to every one"
            self.names.error("other-space", message, written.span, fix)
            return False
        return True

    def _expect(self, block: ast.Expect) -> ast.Expect:
        if block.minimum > block.maximum:
            message = f"no number lies in {block.minimum}..{block.maximum}"
            fix = f"write `expect {block.maximum}..{block.minimum}`"
            self.names.error("empty-range", message, block.span, fix)
        return block

    # ------------------------------------------------------------------------------ principles

    def _principle(self, block: ast.Principle) -> Principle:
        clauses: list[Clause] = []
        preferences: list[Preference] = []
        examples: list[Example] = []
        for clause in block.clauses:
            match clause:
                case ast.Hard():
                    clauses.append(Clause(self._hard(clause), clause))
                case ast.Prefer():
                    preferences.append(self._preference(clause))
                case ast.Accept() | ast.Reject() | ast.Rank():
                    examples += self._example(clause)
        name, why = block.name.text, block.why
        return Principle(name, why, tuple(clauses), tuple(preferences), tuple(examples), block)

    def _hard(self, clause: ast.Hard) -> Formula:
        keeps = self._formula(clause.formula)
        if clause.kind == "forbid":
            keeps = self._grown(Not(keeps))
        return keeps if clause.unless is None else Or((keeps, self._formula(clause.unless)))

    def _preference(self, clause: ast.Prefer) -> Preference:
        when = TRUE if clause.when is None else self._formula(clause.when)
        if isinstance(clause.target, ast.Expression):
            return Preference(self._amount(clause.target), when, clause.weight, clause)
        return Preference(self._formula(clause.target), when, clause.weight, clause)

    def _example(self, test: ast.Test) -> list[Example]:
        kind: Literal["accept", "reject", "rank"]
        match test:
            case ast.Accept(architecture=one):
                kind, written = "accept", [one]
            case ast.Reject(architecture=one):
                kind, written = "reject", [one]
            case ast.Rank(better=better, worse=worse):
                kind, written = "rank", [better, worse]
        read = [self._architecture(one) for one in written]
        architectures = tuple(architecture for architecture in read if architecture)
        return [Example(kind, architectures, test)] if len(architectures) == len(read) else []

    def _architecture(self, written: ast.Arch) -> Architecture | None:
        try:
            if self.names.portable:
                raise ArchitectureError(
                    "an architecture belongs to one space, and this file is for any",
                    f"write `space {self.space.name}`",
                )
            if isinstance(written, ast.Notation):
                return self.space.parse(written.text)
            operators = [entry.operator.text for entry in written.entries]
            sources = [entry.source.text if entry.source else None for entry in written.entries]
            return self.space.architecture(operators, sources)
        except ArchitectureError as error:
            self.names.error("not-an-architecture", error.message, written.span, error.fix)
            return None

    # -------------------------------------------------------------------------------- formulas

    def _grown(self, part: Part) -> Part:
        """Count one more part against the limit."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise _TooLargeError
        return part

    def _formulas(self, written: tuple[ast.Formula, ...]) -> tuple[Formula, ...]:
        return tuple(self._formula(part) for part in written)

    def _formula(self, written: ast.Formula) -> Formula:
        """The meaning of a formula; one that stands twice in the file is one and the same."""
        self._deepen(1)
        key = (written, self.scope)
        formula = self.bound.get(key)
        if formula is None:
            errors = len(self.names.errors)
            formula = self._formula_within(written)
            if len(self.names.errors) == errors:  # a mistake is told wherever it stands
                self.bound[key] = formula
        self.depth -= 1
        return formula

    def _deepen(self, levels: int) -> None:
        self.depth += levels
        self.deepest = max(self.deepest, self.depth)
        if self.deepest > MAX_DEPTH:
            raise _TooLargeError

    def _formula_within(self, written: ast.Formula) -> Formula:
        match written:
            case ast.Reference(name=name):
                levels = self.definition_depth.get(name.text, 0)
                self._deepen(levels)
                self.depth -= levels
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
                return Or(tuple(self._grown(Connected(cell)) for cell in cells))
            case ast.AtLeast(minimum=minimum, parts=parts):
                holding = self._grown(Holding(self._formulas(parts)))
                return Compare(Amount(-self._integer(minimum), ((1, holding),)), ">=")
            case ast.Comparison(left=left, relation=relation, right=right):
                return self._grown(Compare(self._difference(left, right), relation))
            case ast.Negation(part=part):
                return self._grown(Not(self._formula(part)))
            case ast.Conjunction(parts=parts):
                return self._grown(And(self._formulas(parts)))
            case ast.Disjunction(parts=parts):
                return self._grown(Or(self._formulas(parts)))
            case ast.Implication(condition=condition, consequence=consequence):
                not_so = self._grown(Not(self._formula(condition)))
                return self._grown(Or((not_so, self._formula(consequence))))
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
        both = [
            And((self._operator_is(left, only), self._operator_is(right, only)))
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
            outer, self.scope = self.scope, (*self.scope, (name.text, layer))
            with self.names.standing_for(name, layer):
                parts.append(self._formula(body))
            self.scope = outer
        return tuple(parts)

    # ----------------------------------------------------------------------------- expressions

    def _integer(self, written: ast.Integer) -> int:
        if written.value > MAX_INTEGER:
            message = f"numbers in a measure are at most {MAX_INTEGER:,}"
            self.names.error("limit", message, written.span, "compare with a smaller number")
            return 0
        return written.value

    def _difference(self, left: ast.Expression, right: ast.Expression) -> Amount:
        a, b = self._amount(left), self._amount(right)
        negative = tuple((-coefficient, measure) for coefficient, measure in b.terms)
        return Amount(a.constant - b.constant, a.terms + negative)

    def _amount(self, written: ast.Expression) -> Amount:
        match written:
            case ast.Integer():
                return Amount(self._integer(written), ())
            case ast.Sum(terms=terms):
                constant = 0
                measures: list[tuple[int, Measure]] = []
                for sign, term in terms:
                    factor = 1 if sign == "+" else -1
                    amount = self._amount(term)
                    constant += factor * amount.constant
                    measures += [(factor * c, measure) for c, measure in amount.terms]
                return Amount(constant, tuple(measures))
            case _:
                return Amount(0, ((1, self._grown(self._measure(written))),))

    def _measure(self, written: ast.Count | ast.CountEach | ast.Total | ast.PathLength) -> Measure:
        match written:
            case ast.Count(operators=operators, region=region):
                chosen = self.names.operator_set(operators)
                weight = tuple(int(o in chosen) for o in range(len(self.space.operators)))
                return self._tally(region, weight)
            case ast.Total(cost=cost, region=region):
                name = self.names.cost(cost)
                weight = tuple(operator.costs.get(name, 0) for operator in self.space.operators)
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
