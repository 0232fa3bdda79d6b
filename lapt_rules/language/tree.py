"""From Lark's parse tree to the syntax tree, with positions and comments."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal, cast

from lark import Token, Transformer, Tree, v_args
from lark.tree import Meta

from lapt_rules.language import syntax as ast
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.language.syntax import Comments, Span

MAX_WEIGHT = 10**6

_COMMENT = re.compile(r'"[^"\n]*"|(#[^\n]*)')


class TreeBuilder:
    """Builds the syntax tree of one file; what only the tree can tell is left in `diagnostics`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []

    def build(self, parsed: Tree[Any]) -> ast.File:
        blocks: list[ast.Block] = []
        for item in _Nodes().transform(parsed):
            for block in item if isinstance(item, tuple) else (item,):
                blocks += self._outdent(block)
        for block in blocks:
            for clause in block.clauses if isinstance(block, ast.Principle) else ():
                if isinstance(clause, ast.Prefer) and abs(clause.weight) > MAX_WEIGHT:
                    fix = "a weight is a natural log-odds, which seldom passes 10"
                    message = f"a weight is at most {MAX_WEIGHT:,} either way"
                    self._report("limit", message, clause.span, fix)
        placed, closing = _attach_comments(blocks, self.source.text)
        return ast.File(tuple(placed), closing, path=self.source.path, text=self.source.text)

    def _outdent(self, block: ast.Block) -> list[ast.Block]:
        """Give the file its own tests back: those that are not indented under the principle."""
        if not isinstance(block, ast.Principle):
            return [block]
        inside: list[ast.Clause] = []
        outside: list[ast.Block] = []
        for clause in block.clauses:
            is_test = isinstance(clause, ast.Test)
            own_line = clause.span.line > block.span.line
            if is_test and own_line and clause.span.column <= block.span.column:
                outside.append(cast("ast.Test", clause))
            elif not outside:
                inside.append(clause)
            else:
                self._report(
                    "misplaced",
                    "this clause stands after a test of the whole file, outside any principle",
                    clause.span,
                    "indent the test above it under its principle, or move it to the end",
                )
        if not inside:
            self._report(
                "syntax",
                f"principle `{block.name.text}` says nothing",
                block.name.span,
                "indent a `require`, `forbid`, `prefer` or a test under it",
            )
        return [replace(block, clauses=tuple(inside)), *outside]

    def _report(self, code: str, message: str, span: Span, fix: str) -> None:
        self.diagnostics.append(Diagnostic(code, message, self.source, span, fix))


def _span(meta: Meta) -> Span:
    if meta.empty:
        return ast.NOWHERE
    return Span(meta.line, meta.column, meta.end_line, meta.end_column)


def _name(token: Token) -> ast.Name:
    span = Span(token.line or 0, token.column or 0, token.end_line or 0, token.end_column or 0)
    return ast.Name(str(token), span=span)


def _one(token: Token) -> ast.Names:
    name = _name(token)
    return ast.Names((name,), span=name.span)


@v_args(meta=True)
class _Nodes(Transformer[Token, Any]):
    """One method a rule or alias of the grammar; `c` are the children, already built."""

    def start(self, meta: Meta, c: list[Any]) -> list[Any]:
        return c

    def declaration(self, meta: Meta, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def space(self, meta: Meta, c: list[Any]) -> ast.SpaceLine:
        return ast.SpaceLine(_name(c[0]), span=_span(meta))

    def region(self, meta: Meta, c: list[Any]) -> ast.Region:
        return ast.Region(_name(c[0]), c[1], span=_span(meta))

    def define(self, meta: Meta, c: list[Any]) -> ast.Define:
        return ast.Define(_name(c[0]), c[1], span=_span(meta))

    def expect(self, meta: Meta, c: list[Any]) -> ast.Expect:
        return ast.Expect(int(c[0]), int(c[-1]), span=_span(meta))

    def principle(self, meta: Meta, c: list[Any]) -> ast.Principle:
        why, clauses = (str(c[1])[1:-1], c[2:]) if isinstance(c[1], Token) else ("", c[1:])
        heading = _name(c[1] if isinstance(c[1], Token) else c[0]).span
        span = replace(_span(meta), end_line=heading.end_line, end_column=heading.end_column)
        return ast.Principle(_name(c[0]), why, tuple(clauses), span=span)

    # clauses

    def require(self, meta: Meta, c: list[Any]) -> ast.Hard:
        return self._hard("require", meta, c)

    def forbid(self, meta: Meta, c: list[Any]) -> ast.Hard:
        return self._hard("forbid", meta, c)

    def _hard(self, kind: Literal["require", "forbid"], meta: Meta, c: list[Any]) -> ast.Hard:
        return ast.Hard(kind, c[0], c[1] if len(c) > 1 else None, span=_span(meta))

    def unless(self, meta: Meta, c: list[Any]) -> Any:
        return c[0]

    def when(self, meta: Meta, c: list[Any]) -> Any:
        return c[0]

    def prefer(self, meta: Meta, c: list[Any]) -> ast.Prefer:
        when = c[1] if len(c) > 2 else None
        return ast.Prefer(c[0], c[-1], when, span=_span(meta))

    prefer_more = prefer

    def weight(self, meta: Meta, c: list[Any]) -> float:
        return float("".join(c))

    def accept(self, meta: Meta, c: list[Any]) -> ast.Accept:
        return ast.Accept(c[0], span=_span(meta))

    def reject(self, meta: Meta, c: list[Any]) -> ast.Reject:
        return ast.Reject(c[0], span=_span(meta))

    def rank(self, meta: Meta, c: list[Any]) -> ast.Rank:
        return ast.Rank(c[0], c[1], span=_span(meta))

    def notation(self, meta: Meta, c: list[Any]) -> ast.Notation:
        return ast.Notation(str(c[0])[1:-1], span=_span(meta))

    def listing(self, meta: Meta, c: list[Any]) -> ast.Listing:
        return ast.Listing(tuple(c), span=_span(meta))

    def entry(self, meta: Meta, c: list[Any]) -> ast.Entry:
        return ast.Entry(_name(c[0]), _name(c[1]) if len(c) > 1 else None, span=_span(meta))

    # formulas

    def group(self, meta: Meta, c: list[Any]) -> Any:
        return c[0]

    def disjunction(self, meta: Meta, c: list[Any]) -> ast.Disjunction:
        return ast.Disjunction(tuple(c), span=_span(meta))

    def conjunction(self, meta: Meta, c: list[Any]) -> ast.Conjunction:
        return ast.Conjunction(tuple(c), span=_span(meta))

    def negation(self, meta: Meta, c: list[Any]) -> ast.Negation:
        return ast.Negation(c[0], span=_span(meta))

    def implication(self, meta: Meta, c: list[Any]) -> ast.Implication:
        return ast.Implication(c[0], c[1], span=_span(meta))

    def each(self, meta: Meta, c: list[Any]) -> ast.Quantified:
        return ast.Quantified("each", _name(c[0]), c[1], c[2], span=_span(meta))

    def some(self, meta: Meta, c: list[Any]) -> ast.Quantified:
        return ast.Quantified("some", _name(c[0]), c[1], c[2], span=_span(meta))

    def reference(self, meta: Meta, c: list[Any]) -> ast.Reference:
        return ast.Reference(_name(c[0]), span=_span(meta))

    def operator(self, meta: Meta, c: list[Any]) -> ast.OperatorIs:
        return ast.OperatorIs(_name(c[0]), c[1], span=_span(meta))

    def not_operator(self, meta: Meta, c: list[Any]) -> ast.OperatorIs:
        return ast.OperatorIs(_name(c[0]), c[1], negated=True, span=_span(meta))

    def source(self, meta: Meta, c: list[Any]) -> ast.SourceIs:
        return ast.SourceIs(_name(c[0]), c[1], span=_span(meta))

    def live(self, meta: Meta, c: list[Any]) -> ast.Liveness:
        return ast.Liveness(_name(c[0]), live=True, span=_span(meta))

    def dead(self, meta: Meta, c: list[Any]) -> ast.Liveness:
        return ast.Liveness(_name(c[0]), live=False, span=_span(meta))

    def same(self, meta: Meta, c: list[Any]) -> ast.Same:
        return ast.Same(_name(c[0]), _name(c[1]), span=_span(meta))

    def connected(self, meta: Meta, c: list[Any]) -> ast.Connected:
        return ast.Connected(span=_span(meta))

    def at_least(self, meta: Meta, c: list[Any]) -> ast.AtLeast:
        number = _name(c[0])
        minimum = ast.Integer(int(number.text), span=number.span)
        return ast.AtLeast(minimum, tuple(c[1:]), span=_span(meta))

    def comparison(self, meta: Meta, c: list[Any]) -> ast.Comparison:
        return ast.Comparison(c[0], cast("Any", str(c[1])), c[2], span=_span(meta))

    # expressions

    def expression(self, meta: Meta, c: list[Any]) -> ast.Sum:
        signs = ["+", *(str(sign) for sign in c[1::2])]
        terms = cast("Any", tuple(zip(signs, c[0::2], strict=True)))
        return ast.Sum(terms, span=_span(meta))

    def integer(self, meta: Meta, c: list[Any]) -> ast.Integer:
        return ast.Integer(int(c[0]), span=_span(meta))

    def count(self, meta: Meta, c: list[Any]) -> ast.Count:
        operators = _one(c[0]) if isinstance(c[0], Token) else c[0]
        return ast.Count(operators, c[1] if len(c) > 1 else None, span=_span(meta))

    def count_each(self, meta: Meta, c: list[Any]) -> ast.CountEach:
        return ast.CountEach(_name(c[0]), c[1], c[2], span=_span(meta))

    def total(self, meta: Meta, c: list[Any]) -> ast.Total:
        return ast.Total(_name(c[0]), c[1] if len(c) > 1 else None, span=_span(meta))

    def longest(self, meta: Meta, c: list[Any]) -> ast.PathLength:
        return self._path("longest", meta, c)

    def shortest(self, meta: Meta, c: list[Any]) -> ast.PathLength:
        return self._path("shortest", meta, c)

    def _path(
        self, extreme: Literal["longest", "shortest"], meta: Meta, c: list[Any]
    ) -> ast.PathLength:
        return ast.PathLength(extreme, c[0], c[1] if len(c) > 1 else None, span=_span(meta))

    def names(self, meta: Meta, c: list[Any]) -> ast.Names:
        return ast.Names(tuple(_name(token) for token in c), span=_span(meta))

    braces = names


# -------------------------------------------------------------------------------------- comments


def _attach_comments(blocks: list[ast.Block], text: str) -> tuple[list[ast.Block], tuple[str, ...]]:
    """Give every comment to the statement it stands above, or beside; the rest close the file."""
    comments = _comments(text)
    placed: list[ast.Block] = []
    for block in blocks:
        if isinstance(block, ast.Principle):
            own = _take(comments, block.span)
            clauses = [
                replace(clause, comments=_take(comments, clause.span)) for clause in block.clauses
            ]
            placed.append(replace(block, comments=own, clauses=tuple(clauses)))
        else:
            placed.append(replace(block, comments=_take(comments, block.span)))
    return placed, _trimmed([comment for _, comment in comments])


def _comments(text: str) -> list[tuple[int, str]]:
    """(line, comment) in order; a blank line between two comments counts as an empty comment."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        marks = [match[1] for match in _COMMENT.finditer(line) if match[1]]
        if marks:
            found.append((number, marks[0].rstrip()))
        elif not line.strip():
            found.append((number, ""))
    return found


def _take(comments: list[tuple[int, str]], span: Span) -> Comments:
    """Remove the comments up to the end of a statement from the list, and return them."""
    taken = []
    while comments and comments[0][0] <= span.end_line:
        taken.append(comments.pop(0))
    beside = ""
    if taken and taken[-1][0] == span.end_line and taken[-1][1]:
        beside = taken.pop()[1]
    return Comments(_trimmed([comment for _, comment in taken]), beside)


def _trimmed(comments: list[str]) -> tuple[str, ...]:
    """Comments with single blank lines between them, none at the start.

    A blank line at the end is kept: it sets a file's heading apart from its first statement.
    """
    kept: list[str] = []
    for comment in comments:
        if comment or (kept and kept[-1]):
            kept.append(comment)
    return tuple(kept) if any(kept) else ()
