"""Text to syntax tree, and every syntax error of a file in one pass.

Where a statement is broken it is blanked out and the rest is parsed again, so that one mistake
does not hide the next and positions stay true. Every line end (LF, CR LF or CR) is read as LF, and
a text with any other line separator is refused, so that a comment ends where an editor shows its
end. Limits keep hostile input cheap: a file is at most `MAX_CHARACTERS` long and formulas nest at
most `MAX_NESTING` deep; the terminals of the grammar bound names, numbers and strings.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lapt_rules import content
from lapt_rules.characters import UNSEEN
from lapt_rules.errors import LaptError, PrincipleError
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.language.syntax import File, Span

if TYPE_CHECKING:
    from lark import Lark, Tree

_IN_PRINCIPLE = {"require", "forbid", "prefer", "accept", "reject", "rank"}

MAX_CHARACTERS = 64 * 1024
MAX_NESTING = 64
MAX_COMMENT = 2_000
MAX_ERRORS = 20

_HEADING = re.compile(r"principle\s+[A-Za-z_]\w{0,63}\b")
_UNSEEN = re.compile(rf"(?!\r){UNSEEN}")
_STATEMENT = re.compile(
    r'#[^\n]*|"[^"\n]*"|'
    r"\b(space|region|define|principle|expect|require|forbid|prefer|accept|reject|rank)\b"
)


def parse(text: str, path: str = "<text>") -> File:
    """The syntax tree of a principle file.

    Raises PrincipleError with every syntax error found, at most `MAX_ERRORS`.

    >>> parse("principle p require layer0 is conv").principles[0].name.text
    'p'
    """
    tree, diagnostics = parse_tolerant(text, path)
    if diagnostics:
        raise PrincipleError(diagnostics)
    assert tree is not None
    return tree


def parse_file(path: str | Path) -> File:
    """The syntax tree of the file at `path`; LaptError where it cannot be read as text."""
    return parse(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """The text of a principle file; LaptError where it is no UTF-8 text, or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return read_stream(file, str(path))
    except OSError as error:
        raise LaptError(
            f"{path}: cannot be read: {error.strerror or error}",
            "name a principle file, such as one written by `lapt learn`",
        ) from error


def read_stream(stream: BinaryIO, name: str) -> str:
    """The text of an open file, no more of it than tells that it is too long."""
    data = stream.read(4 * MAX_CHARACTERS + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start > MAX_CHARACTERS:  # cut in the middle of a character: too long anyway
            return data[: error.start].decode("utf-8-sig")
        raise LaptError(
            f"{name}: not a text file: byte {error.start} is not UTF-8",
            "a principle file is plain UTF-8 text",
        ) from error


def parse_tolerant(text: str, path: str = "<text>") -> tuple[File | None, list[Diagnostic]]:
    """What could be parsed, and what could not.

    The tree leaves out the broken statements. It is None where the text is beyond a limit, and
    where a broken `space`, `region` or `define` would make good statements look wrong.
    """
    from lapt_rules.language.tree import TreeBuilder

    text = with_line_feeds(text)
    source = Source(path, text)
    if len(text) > MAX_CHARACTERS:
        message = f"the file is too long: {len(text):,} characters, the limit is {MAX_CHARACTERS:,}"
        fix = "split the principles over several files"
        return None, [Diagnostic("limit", message, source, Span(1, 1, 1, 2), fix)]
    refused = _unseen_character(source) or _comment_too_long(source)
    if refused:
        return None, [refused]
    parsed, diagnostics, tainted = _parse_statements(source)
    if parsed is None:
        return None, diagnostics
    too_deep = _nested_too_deep(parsed, source)
    if too_deep:
        return None, [*diagnostics, too_deep]
    builder = TreeBuilder(source)
    file = builder.build(parsed)
    diagnostics += builder.diagnostics
    diagnostics.sort(key=lambda diagnostic: (diagnostic.span.line, diagnostic.span.column))
    return (None if tainted else file), diagnostics


def with_line_feeds(text: str) -> str:
    """The text with LF for every CR LF and every CR alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@cache
def _lark() -> Lark:
    from lark import Lark

    return Lark(content.grammar(), parser="lalr", lexer="basic", propagate_positions=True)


def _parse_statements(source: Source) -> tuple[Tree[Any] | None, list[Diagnostic], bool]:
    """Parse, blanking one broken statement a round; also tells whether a declaration is broken.

    Of a principle's heading `principle NAME` stays, so that its clauses are read as well; without
    a name they go with it. A heading whose clauses are gone goes too: it is not wrong in itself.
    A round goes on from the last broken statement, so that all rounds together read a text once;
    what is left in the end is parsed as a whole.
    """
    from lark.exceptions import UnexpectedInput

    from lapt_rules.language.mistakes import explain

    text = source.text
    starts = [(match.start(), match[1]) for match in _STATEMENT.finditer(text) if match[1]]
    bounds = [0, *(start for start, _ in starts), len(text)]
    words = ["", *(word for _, word in starts)]
    blanked: set[int] = set()
    diagnostics: list[Diagnostic] = []
    tainted = False
    resumed = 0  # the statements before this one are good, or blanked
    while True:
        try:
            parsed = _lark().parse(_resumed(text, resumed, bounds, words, blanked))
            if not resumed:
                return parsed, diagnostics, tainted
            resumed = 0
            continue
        except UnexpectedInput as error:
            offset = error.pos_in_stream
            offset = len(text) if offset is None or offset < 0 else offset
            diagnostic, at_previous = explain(error, source, text)
            if at_previous:  # the statement before this one ended too early
                offset = len(text[:offset].rstrip()) - 1
        chunk = max(0, bisect_right(bounds, offset, hi=len(bounds) - 1) - 1)
        if not (words[chunk] == "principle" and chunk + 1 in blanked):
            diagnostics.append(diagnostic)
        if chunk in blanked or len(diagnostics) >= MAX_ERRORS:
            return None, diagnostics, True
        resumed = chunk
        start, last = bounds[chunk], chunk + 1
        end = bounds[last]
        named = _HEADING.match(text, start, end)
        if named and text[named.end() : end].strip():
            text = text[: named.end()] + _blank(text[named.end() : end]) + text[end:]
            continue
        while words[chunk] == "principle" and last < len(words) and words[last] in _IN_PRINCIPLE:
            last += 1
        blanked.update(range(chunk, last))
        tainted = tainted or words[chunk] in {"space", "region", "define"}
        end = bounds[last]
        text = text[:start] + _blank(text[start:end]) + text[end:]


def _resumed(
    text: str, resumed: int, bounds: list[int], words: list[str], blanked: set[int]
) -> str:
    """The text from a statement on, and before it only what the parser must have seen there.

    That is the statement before it and, where that is a clause or test, the heading above it.
    """
    before = [chunk for chunk in range(resumed) if chunk not in blanked]
    headings = [chunk for chunk in before if words[chunk] not in _IN_PRINCIPLE]
    seen = sorted({*headings[-1:], *before[-1:]})
    pieces, end = [], 0
    for chunk in seen:
        pieces += [_blank(text[end : bounds[chunk]]), text[bounds[chunk] : bounds[chunk + 1]]]
        end = bounds[chunk + 1]
    return "".join([*pieces, _blank(text[end : bounds[resumed]]), text[bounds[resumed] :]])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]+", lambda match: " " * len(match[0]), text)


def _unseen_character(source: Source) -> Diagnostic | None:
    """A diagnostic for a character that could deceive whoever reads the file."""
    match = _UNSEEN.search(source.text)
    if match is None:
        return None
    message = f"a control character or an invisible one, U+{ord(match[0]):04X}"
    span = Span.at(source.text, match.start())
    return Diagnostic("control-character", message, source, span, "remove it")


def _comment_too_long(source: Source) -> Diagnostic | None:
    """A diagnostic for a comment that the grammar would cut off, reading its rest as code."""
    for match in _STATEMENT.finditer(source.text):
        if match[0].startswith("#") and len(match[0]) > MAX_COMMENT:
            message = f"a comment is at most {MAX_COMMENT:,} characters long"
            span = Span.at(source.text, match.start())
            return Diagnostic("limit", message, source, span, "break it over several lines")
    return None


def _nested_too_deep(tree: Tree[Any], source: Source) -> Diagnostic | None:
    """A diagnostic where formulas nest too deep, found without recursion."""
    from lark import Tree

    level: list[tuple[Tree[Any], int]] = [(tree, -3)]  # start, block and clause do not count
    while level:
        node, depth = level.pop()
        if depth > MAX_NESTING:
            span = Span(node.meta.line, node.meta.column, node.meta.end_line, node.meta.end_column)
            return Diagnostic(
                "limit",
                f"formulas nest deeper than {MAX_NESTING} levels here",
                source,
                span,
                "give parts of it a name with `define`",
            )
        level += [(child, depth + 1) for child in node.children if isinstance(child, Tree)]
    return None
