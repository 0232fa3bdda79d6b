"""Why a statement does not parse, in the words of the language.

The parser knows which terminals it could have gone on with; this module turns them into names a
person uses, and recognises the mistakes that people and language models make most.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lapt_rules.errors import did_you_mean
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.language.syntax import WORDS, Span

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedInput

_STATEMENTS = {"SPACE", "REGION", "DEFINE", "PRINCIPLE", "EXPECT"}
_CLAUSES = {"REQUIRE", "FORBID", "PREFER"}
_TESTS = {"ACCEPT", "REJECT", "RANK"}
_PUNCTUATION = {
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "TO": "`..`",
    "NAME": "a name",
    "INT": "a whole number",
    "STRING": 'a text in "quotes"',
    "DECIMAL": "a number such as 0.5",
    "RELATION": "a comparison (`<=`, `>=`, `==`, `!=`, `<`, `>`)",
    "SIGN": "`+` or `-`",
}

_TYPICAL: tuple[tuple[str, str], ...] = (
    (r"&&?|\band\s+and\b", "write `and`"),
    (r"\|\|?", "write `or`"),
    (r"=>|->|→", "write `if F then G`, or `>=` between two measures"),
    (r"!(?!=)", "write `not`"),
    (r"≤|=<", "write `<=`"),
    (r"≥", "write `>=`"),
    (r"≠", "write `!=`"),
    (r"=(?!=)", "compare with `==`, and a layer with `is`"),
    (r"'", 'names stand without quotes; a reason or an arch string stands in "double quotes"'),
    (r'"', "names of layers and operators stand without quotes"),
    (r"\.\d", "write the digit before the point: 0.5"),
    (r"\d+\.\d", "counts and costs are whole numbers"),
    (r"//|/\*", "a comment starts with `#`"),
    (r"[*/%]", "expressions know `+` and `-` only"),
    (r";", "statements need no separator"),
    (r"else\b", "there is no `else`; write a second `if F then G`"),
    (r"implies\b", "write `if F then G`"),
)


def explain(error: UnexpectedInput, source: Source, text: str) -> tuple[Diagnostic, bool]:
    """A diagnostic for one syntax error, and whether the statement *before* it is the broken one.

    `text` is what was parsed: the source with statements already reported blanked out.
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if isinstance(error, UnexpectedCharacters):
        span = Span(error.line, error.column, error.line, error.column + 1)
        rest = text[error.pos_in_stream or 0 :]
        message = f"`{_shown(rest)}` is not understood here"
        if rest.startswith('"'):
            message = "this text has no closing quote on its line, or is over 2,000 characters"
            fix = 'end it with `"` on the same line'
            return Diagnostic("syntax", message, source, span, fix), False
        before = text[: error.pos_in_stream or 0]
        fix = _in_context(rest, set(error.allowed or ()), before) or _typical(rest)
        fix = fix or f"expected {_expected(set(error.allowed or ()))}"
        return Diagnostic("syntax", message, source, span, fix), False
    assert isinstance(error, UnexpectedToken)
    token, expected = error.token, set(error.accepts or error.expected)
    at_end = token.type == "$END"
    ends_early = at_end or (str(token) in WORDS and token.type in _STATEMENTS | _CLAUSES | _TESTS)
    ends_early = ends_early and "$END" not in expected
    if ends_early:
        previous = _last_word(text if at_end else text[: error.pos_in_stream])
        message = f"the statement ends too early, after `{_shown(previous[1])}`"
        return Diagnostic("syntax", message, source, previous[0], _fix_for_end(expected)), True
    span = Span(token.line or 1, token.column or 1, token.end_line or 1, token.end_column or 2)
    rest = text[error.pos_in_stream or 0 :]
    message, fix = _unexpected(str(token), token.type, expected, rest, text[: error.pos_in_stream])
    return Diagnostic("syntax", message, source, span, fix), False


def _unexpected(
    word: str, kind: str, expected: set[str], rest: str, before: str
) -> tuple[str, str]:
    message = f"`{_shortened(word)}` cannot stand here"
    if kind in _CLAUSES and "PRINCIPLE" in expected and not expected & _CLAUSES:
        return (
            f"`{word}` stands outside a principle",
            "write `principle NAME` above it and indent it",
        )
    if kind == "RELATION" and "RELATION" not in expected and re.search(r"[<>=]", before[-80:]):
        return "comparisons do not chain", "write `A <= B and B <= C`"
    if word.lower() in WORDS and word not in WORDS:
        return message, f"words of the language are lower case: `{word.lower()}`"
    if kind == "COLON" and expected & (_CLAUSES | {"STRING"}):
        return message, "no colon here: `principle NAME` stands alone, its clauses below it"
    if "RELATION" in expected and kind in {"WEIGHT", "WHEN"}:
        return (
            "a measure is not a condition",
            "write `prefer more MEASURE weight W`, or compare it: `count(conv) >= 2`",
        )
    typical = _in_context(rest, expected, before) or _typical(rest)
    if typical:
        return message, typical
    if kind == "NAME":
        candidates = {name.lower() for name in expected} & WORDS
        if not before.rpartition("\n")[2].strip():  # the first word of a line starts a statement
            candidates |= {name.lower() for name in _STATEMENTS | _CLAUSES | _TESTS}
        near = did_you_mean(word, sorted(candidates))
        if near:
            return message, f"did you mean `{near}`?"
    if word in WORDS and "NAME" in expected:
        return message, f"`{word}` is a word of the language; expected {_expected(expected)}"
    return message, f"expected {_expected(expected)}"


def _in_context(rest: str, expected: set[str], before: str) -> str:
    """The fix for a mistake that only what stands around it gives away."""
    last = (before.rsplit(maxsplit=1) or [""])[-1]
    touching = bool(before) and not before[-1].isspace() and before[-1].isalnum()
    if touching and re.match(r"_\d", rest) and last[-1].isdigit():
        return "write numbers without separators"
    if touching and re.match(r"\w", rest):
        return "too long: names have at most 64 characters, numbers 40 digits and 6 decimals"
    if re.match(r"==|!=", rest) and "RELATION" not in expected:
        return "say what a layer is with `is`, and that two are alike with `same(A, B)`"
    if last in {"all", "every", "any", "exists", "forall"} and "COLON" not in expected:
        return "write `each l in R: F` or `some l in R: F`"
    if before.rstrip().endswith("at") and rest.startswith("most"):
        return "write `not at least K of (...)` with K one higher"
    if last == "exactly" or rest.startswith("exactly"):
        return "write `at least K of (...) and not at least K+1 of (...)`"
    if rest.startswith("|") and last in {"accept", "reject", "above", "rank"}:
        return 'an arch string stands in "double quotes"'
    if rest.startswith('"') and "REQUIRE" in expected:
        return "a principle has one reason, right after its name"
    if rest.startswith("-") and "INT" in expected:
        return "numbers are never negative: bring it to the other side of the comparison"
    if rest.startswith(":") and "THEN" in expected:
        return "write `if F then G`"
    return ""


def _fix_for_end(expected: set[str]) -> str:
    if "DECIMAL" in expected:
        return "end it with a number: `weight 0.5`"
    if "WEIGHT" in expected:
        return "end it with `weight W`"
    if "RELATION" in expected:
        return "compare the measure with a number: `<= 2`"
    return f"expected {_expected(expected)}"


def _typical(rest: str) -> str:
    for pattern, fix in _TYPICAL:
        if re.match(pattern, rest):
            return fix
    return ""


def _expected(terminals: set[str]) -> str:
    """The terminals in the words of the language, grouped so that the list stays short."""
    terminals = terminals - {"COMMENT", "WHITESPACE"}
    words: list[str] = []
    groups = [
        ({"NOT", "IF", "CONNECTED"}, {"LPAR", "INT", "NAME", "IF", "NOT", "EACH", "SOME", "AT",
          "SAME", "CONNECTED", "COUNT", "SUM", "LONGEST", "SHORTEST", "MORE"},
         "a formula such as `layer0 is conv`"),
        ({"LSQB", "STRING"}, {"LSQB", "STRING"},
         'an architecture: an arch string in "quotes" or a list `[OP, OP, ...]`'),
        ({"COUNT", "SUM"}, {"COUNT", "SUM", "LONGEST", "SHORTEST", "INT", "LPAR"},
         "a number or a measure such as `count(conv)`"),
        (_CLAUSES, _CLAUSES | _TESTS, "a clause (`require`, `forbid`, `prefer`)"),
        (_STATEMENTS, _STATEMENTS | _TESTS | {"$END"},
         "a statement (`space`, `region`, `define`, `principle`)"),
    ]  # fmt: skip
    for needed, members, name in groups:
        if needed <= terminals:
            words.append(name)
            terminals = terminals - members
    terminals = terminals - {"$END"}
    words += sorted(_PUNCTUATION.get(name, f"`{name.lower()}`") for name in terminals)
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _last_word(text: str) -> tuple[Span, str]:
    """The last token before the end of `text`, and where it stands."""
    code = re.sub(r'"[^"\n]*"|#[^\n]*', _blank_comment, text).rstrip()
    match = re.search(r'("[^"\n]*"|\w+|\S)$', code)
    start = match.start() if match else 0
    return Span.at(code, start, max(1, len(code) - start)), code[start:]


def _blank_comment(match: re.Match[str]) -> str:
    return " " * len(match[0]) if match[0].startswith("#") else match[0]


def _shown(text: str) -> str:
    """The first word of a text, short enough for a message."""
    match = re.match(r'"[^"\n]*"|\w+|\S', text.lstrip())
    return _shortened(match[0] if match else "end of file")


def _shortened(word: str) -> str:
    return word if len(word) <= 40 else word[:37] + "..."
