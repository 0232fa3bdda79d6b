"""From a syntax tree to the formulas it means on one space."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

from lapt_rules.errors import ArchitectureError, PrincipleError
from lapt_rules.language import syntax as ast
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.language.parser import parse
from lapt_rules.logic.formula import TRUE, Formula, Not, Or
from lapt_rules.logic.meaning import MAX_DEPTH, MAX_PARTS, Meanings, TooLargeError
from lapt_rules.logic.names import Names
from lapt_rules.logic.principles import Clause, Example, Preference, Principle, PrincipleSet
from lapt_rules.space import Architecture, Space

MAX_PRINCIPLES = 256


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


class _Binder:
    def __init__(self, file: ast.File, space: Space) -> None:
        self.file = file
        self.space = space
        self.names = Names(file, space)
        self.meanings = Meanings(self.names)

    def bind(self) -> PrincipleSet:
        is_meant_for_it = self._check_space()
        principles: list[Principle] = []
        examples: list[Example] = []
        expectations: list[ast.Expect] = []
        for block in self.file.blocks if is_meant_for_it else ():
            self.meanings.deepest = 0
            try:
                match block:
                    case ast.SpaceLine():
                        pass
                    case ast.Region(name=name, layers=layers):
                        members = self.names.region(layers)
                        if self.names.is_new(name):
                            self.names.regions[name.text] = members
                    case ast.Define(name=name, formula=formula):
                        self.meanings.define(name, formula)
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
            except TooLargeError:
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
        keeps = self.meanings.formula(clause.formula)
        if clause.kind == "forbid":
            keeps = Not(keeps)
        return keeps if clause.unless is None else Or((keeps, self.meanings.formula(clause.unless)))

    def _preference(self, clause: ast.Prefer) -> Preference:
        when = TRUE if clause.when is None else self.meanings.formula(clause.when)
        if isinstance(clause.target, ast.Expression):
            return Preference(self.meanings.amount(clause.target), when, clause.weight, clause)
        return Preference(self.meanings.formula(clause.target), when, clause.weight, clause)

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
