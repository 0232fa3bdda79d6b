"""Text and syntax tree: parsing, printing, comments, and every error of a file in one pass."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark.exceptions import UnexpectedInput
from trees import principle_files

from lapt_rules import content
from lapt_rules.characters import visible
from lapt_rules.errors import PrincipleError
from lapt_rules.language import parser
from lapt_rules.language import syntax as ast
from lapt_rules.language.mistakes import _in_context
from lapt_rules.language.parser import (
    MAX_CHARACTERS,
    MAX_NESTING,
    parse,
    parse_tolerant,
)
from lapt_rules.language.printer import print_file
from lapt_rules.space import load_space

SPACES = [load_space(name) for name in ("nas201", "trans101", "darts")]

EXAMPLE = """\
# Learned from the 50 best ImageNet16-120 cells.
space nas201

region side = {layer1, layer4}
define shortcut = layer3 is skip_connect

principle convolve_the_input
  "Layers that read the cell's input extract features, so they convolve."
  require layer0 is conv
  require layer1 in {conv, none} unless shortcut

principle deep_enough
  require longest(conv) >= 2
  require if layer0 is skip_connect then each l in late: l is conv
  require at least 2 of (shortcut, layer2 is nor_conv_3x3, count(conv in side) == 2)
  prefer more count(nor_conv_3x3) weight 0.3
  prefer layer4 is nor_conv_3x3 when shortcut weight 0.6

expect 20..100
accept [nor_conv_3x3, none, nor_conv_3x3, skip_connect, nor_conv_3x3, nor_conv_1x1]
"""


def codes(text: str) -> list[tuple[str, int]]:
    """The code and line of every diagnostic of a text."""
    _, diagnostics = parse_tolerant(text)
    return [(diagnostic.code, diagnostic.span.line) for diagnostic in diagnostics]


def test_the_canonical_layout_of_a_canonical_file_is_the_file() -> None:
    assert print_file(parse(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@given(data=st.data())
def test_parsing_what_is_printed_gives_the_tree_back(space: object, data: st.DataObject) -> None:
    tree = data.draw(principle_files(space))  # type: ignore[arg-type]
    text = print_file(tree)
    assert parse(text) == tree
    assert print_file(parse(text)) == text


def test_white_space_does_not_matter() -> None:
    assert parse(" ".join(EXAMPLE.split("\n")[1:-2])) == parse("\n".join(EXAMPLE.split("\n")[1:-2]))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("layer0 in {conv}", "layer0 is conv"),
        ("layer0 is {conv, none}", "layer0 in {conv, none}"),
        ("layer0 is not live", "layer0 is dead"),
        ("((layer0 is conv))", "layer0 is conv"),
        ("(connected or connected) and connected", "(connected or connected) and connected"),
        ("not (not connected)", "not not connected"),
        ("(each l in all: l is conv) or connected", "(each l in all: l is conv) or connected"),
        ("connected or (some l in all: l is live)", "connected or (some l in all: l is live)"),
        ("count(conv)-(1+2)>=0", "count(conv) - (1 + 2) >= 0"),
    ],
)  # fmt: skip
def test_formulas_have_one_canonical_form(written: str, canonical: str) -> None:
    tree = parse(f"principle p require {written}")
    assert print_file(tree) == f"principle p\n  require {canonical}\n"
    assert parse(print_file(tree)) == tree


def test_a_quantifier_or_if_reaches_as_far_right_as_it_can() -> None:
    text = "principle p require connected and each l in all: l is conv or connected"
    formula = parse(text).principles[0].clauses[0].formula  # type: ignore[union-attr]
    assert isinstance(formula, ast.Conjunction)
    assert isinstance(formula.parts[1], ast.Quantified)
    assert isinstance(formula.parts[1].body, ast.Disjunction)


def test_a_test_belongs_to_the_principle_only_if_it_is_indented_under_it() -> None:
    arch = '"3_33_333"'
    tree = parse(f"principle p\n  require connected\n  accept {arch}\nreject {arch}\n")
    assert [type(clause) for clause in tree.principles[0].clauses] == [ast.Hard, ast.Accept]
    assert isinstance(tree.blocks[-1], ast.Reject)
    assert codes(f"principle p\n  require connected\naccept {arch}\n  require connected\n") == [
        ("misplaced", 4)
    ]


# ------------------------------------------------------------------------------------ line ends


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [*EXAMPLE.split("\n"), "  # c", "  require layer0 = conv", '  accept "', "\xa0"]
            ),
            st.sampled_from(["\r\n", "\r"]),
        ),
        max_size=30,
    )
)
def test_every_line_end_means_the_same_and_is_counted_the_same(
    lines: list[tuple[str, str]],
) -> None:
    tree, diagnostics = parse_tolerant("".join(f"{line}\n" for line, _ in lines))
    for text in (
        "".join(f"{line}\r\n" for line, _ in lines),
        "".join(f"{line}\r" for line, _ in lines),
        "".join(line + end for line, end in lines),
    ):
        other, found = parse_tolerant(text)
        assert (other, found) == (tree, diagnostics)
        if tree and other:
            assert print_file(other) == print_file(tree)


def test_a_comment_ends_with_its_line_whatever_ends_the_line() -> None:
    file = parse("principle p\r  require connected # c\r  require layer1 is conv\r")
    assert len(file.principles[0].clauses) == 2
    assert print_file(file).count("\n") == 3


@pytest.mark.parametrize("separator", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
def test_no_other_line_separator_hides_code_in_a_comment(separator: str) -> None:
    text = f"principle p\n  require connected # c{separator}  require layer1 is conv"
    assert codes(text) == [("control-character", 2)]
    _, (diagnostic,) = parse_tolerant(text)
    assert separator not in str(diagnostic)


# ------------------------------------------------------------------------------------- comments

COMMENTED = """\
# heading

# about the space
space nas201  # beside the space

# above p
principle p
  "why"  # beside the heading
  # above the clause
  require layer0 is conv  # beside the clause

  # set apart
  forbid connected
# at the end
"""


def test_formatting_keeps_every_comment() -> None:
    printed = print_file(parse(COMMENTED))
    kept = [line.partition("#")[2] for line in printed.split("\n") if "#" in line]
    assert kept == [line.partition("#")[2] for line in COMMENTED.split("\n") if "#" in line]
    assert print_file(parse(printed)) == printed


@given(st.lists(st.sampled_from([*EXAMPLE.split("\n"), "", "# a", "  # b", "\t# c"]), max_size=30))
def test_formatting_is_idempotent_and_loses_no_comment(lines: list[str]) -> None:
    text = "\n".join(lines)
    tree, diagnostics = parse_tolerant(text)
    if tree is None or diagnostics:
        return
    once = print_file(tree)
    assert print_file(parse(once)) == once
    assert parse(once) == tree
    assert once.count("#") == text.count("#")


def test_a_number_sign_inside_a_text_is_no_comment() -> None:
    assert parse('principle p "see #3" require connected').principles[0].why == "see #3"


# --------------------------------------------------------------------------------------- errors


def test_every_error_of_a_file_is_found_in_one_pass() -> None:
    text = """\
space nas201
principle a:
  require layer0 is conv
principle b
  require layer0 is
  require layer0 = conv
  forbid layer1 is conv
principle c
  require 1 <= count(conv) <= 3
  prefer count(conv) weight 0.3
"""
    assert codes(text) == [
        ("syntax", 2),
        ("syntax", 5),
        ("syntax", 6),
        ("syntax", 9),
        ("syntax", 10),
    ]


@given(
    st.lists(
        st.lists(
            st.sampled_from(["require connected", "forbid layer0 is", "prefer (", '"']), max_size=3
        ),
        max_size=4,
    )
)
def test_the_errors_of_a_file_are_those_of_its_principles(blocks: list[list[str]]) -> None:
    texts = ["\n  ".join([f"principle p{i}", *block]) for i, block in enumerate(blocks)]
    alone = []
    for i, text in enumerate(texts):
        above = sum(one.count("\n") + 1 for one in texts[:i])
        alone += [(d.code, d.message, d.span.line + above) for d in parse_tolerant(text)[1]]
    _, found = parse_tolerant("\n".join(texts))
    assert [(d.code, d.message, d.span.line) for d in found] == alone


def test_however_many_errors_a_file_has_it_is_read_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []

    class Counting:
        def parse(self, text: str) -> object:
            try:
                parsed = lark.parse(text)
            except UnexpectedInput as error:
                read.append(len(text[: error.pos_in_stream].split()))
                raise
            read.append(len(text.split()))
            return parsed

    lark = parser._lark()
    monkeypatch.setattr(parser, "_lark", Counting)
    good, bad = "  require layer0 is conv\n", "  require layer0 = conv\n"
    text = "principle p\n" + 300 * good + 5 * (bad + 10 * good)
    assert len(codes(text)) == 5
    assert sum(read) < 3 * len(text.split())


def test_a_statement_with_a_hard_space_is_told_once_and_does_not_hide_the_next() -> None:
    text = "principle p\n  require layer0\xa0is conv\n  require connected\n  forbid layer0 is\n"
    assert codes(text) == [("syntax", 2), ("syntax", 4)]


def test_a_mistake_after_a_long_run_is_explained_in_time_proportional_to_it() -> None:
    before = "(" * (1 << 22) + " layer0 "  # where time grew with the square this would take days
    assert "with `is`" in _in_context("== conv", set(), before)


@pytest.mark.parametrize(
    ("clause", "fix"),
    [
        ("require layer0 = conv", "compare with `==`"),
        ("require layer0 is conv && connected", "write `and`"),
        ("require layer0 is conv || connected", "write `or`"),
        ("require !connected", "write `not`"),
        ("require connected -> connected", "write `if F then G`"),
        ('require layer0 is "conv"', "without quotes"),
        ("require 1 <= count(conv) <= 3", "write `A <= B and B <= C`"),
        ("require count(conv)", "compare the measure"),
        ("prefer count(conv) weight 1", "prefer more MEASURE"),
        ("prefer connected weight .5", "0.5"),
        ("prefer connected", "weight W"),
        ("require count(conv) >= 1.5", "whole numbers"),
        ("REQUIRE connected", "lower case"),
        ("require connected;", "no separator"),
        ("require (connected", "`)`"),
        ("require each l in all l is conv", "`:`"),
        ("require count(conv) => 2", "`>=`"),
        ("require layer0 == conv", "with `is`"),
        ("require all l in late: l is conv", "`each l in R: F`"),
        ("require at most 2 of (connected, connected)", "`not at least K of (...)`"),
        ("require connected // why", "a comment starts with `#`"),
        ("accept |none~0|", '"double quotes"'),
        ("require sum(params) <= 1_000_000", "without separators"),
        ("prefer connected weight 0.1234567", "6 decimals"),
        ("require -1 <= count(conv)", "never negative"),
        ("require if connected: connected", "write `if F then G`"),
        ("requre connected", "did you mean `require`?"),
        ('require connected accept "unclosed', "closing quote"),
    ],
)
def test_a_typical_mistake_is_answered_with_its_fix(clause: str, fix: str) -> None:
    _, diagnostics = parse_tolerant(f"space nas201\nprinciple p\n  {clause}\n")
    assert diagnostics
    assert any(fix in f"{d.message} {d.fix}" for d in diagnostics), [str(d) for d in diagnostics]


def test_a_message_shows_the_place() -> None:
    with pytest.raises(PrincipleError) as caught:
        parse("space nas201\nprinciple p\n\trequire layer0 = conv\n", "mine.lapt")
    assert str(caught.value) == (
        "error: `=` cannot stand here [syntax]\n"
        "  --> mine.lapt:3:17\n"
        "  |\n"
        "3 | \trequire layer0 = conv\n"
        "  | \t               ^\n"
        "  = compare with `==`, and a layer with `is`"
    )


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_raise_anything_else(text: str) -> None:
    parse_tolerant(text)


@given(
    st.lists(st.sampled_from([*EXAMPLE.split(), "(", ")", "{", "}", '"', "#", "\n"]), max_size=60)
)
def test_no_jumble_of_words_makes_the_parser_raise_anything_else(words: list[str]) -> None:
    parse_tolerant(" ".join(words))


def test_what_follows_from_one_mistake_is_not_told_again() -> None:
    clauses = "  forbid a\n" * 5_000
    assert codes(f"principle 1bad\n{clauses}principle good require connected\n") == [("syntax", 1)]


# --------------------------------------------------------------------------------------- limits


def test_a_weight_that_could_not_be_written_back_is_refused() -> None:
    assert codes("principle p prefer connected weight " + "9" * 40) == [("limit", 1)]


def test_a_character_that_steers_a_terminal_is_refused() -> None:
    assert codes('principle p "\x1b]0;x\x07" require connected') == [("control-character", 1)]
    assert codes('principle p "naïve – ok 👩\u200d🔬" require connected') == []


@pytest.mark.parametrize("unseen", ["\u202e", "\u200e", "\u200b", "\ufeff", "\x85", "\ud800"])
def test_a_character_that_no_reader_sees_is_refused_and_shown(unseen: str) -> None:
    assert codes(f'principle p "a{unseen}b" require connected') == [("control-character", 1)]
    with pytest.raises(PrincipleError) as found:
        parse(f'principle p "a{unseen}b" require connected')
    *_, line, caret, fix = str(found.value).split("\n")
    escape = visible(unseen)
    assert line == f'1 | principle p "a{escape}b" require connected'
    assert caret == f"  | {' ' * 14}{'^' * len(escape)}"
    assert fix == "  = remove it"


def test_a_line_may_end_as_on_windows() -> None:
    assert codes("principle p\r\n  require connected\r\n") == []


def test_a_comment_is_never_read_as_code() -> None:
    hidden = "#" + "x" * 2_000 + " principle hidden require connected"
    assert codes(hidden) == [("limit", 1)]


def test_a_file_that_is_too_long_is_refused() -> None:
    assert codes("#" * (MAX_CHARACTERS + 1)) == [("limit", 1)]


@pytest.mark.parametrize(
    "formula",
    [
        "(" * 10_000 + "connected" + ")" * 10_000,
        "not " * 10_000 + "connected",
        "if connected then " * 3_000 + "connected",
        "count(conv) >= " + "(" * 10_000 + "1" + ")" * 10_000,
    ],
)
def test_nesting_has_a_limit(formula: str) -> None:
    assert codes(f"principle p require {formula}") == [("limit", 1)]


def test_nesting_up_to_the_limit_is_allowed() -> None:
    depth = MAX_NESTING - 2
    tree = parse("principle p require " + "not " * depth + "connected")
    assert parse(print_file(tree)) == tree


# -------------------------------------------------------------------------------------- grammar


def test_the_grammar_is_lalr_without_a_conflict(caplog: pytest.LogCaptureFixture) -> None:
    import lark

    caplog.set_level(logging.DEBUG, logger=lark.logger.name)
    lark.logger.propagate = True
    lark.Lark(content.grammar(), parser="lalr", lexer="basic", debug=True)
    assert not [record for record in caplog.records if "conflict" in record.getMessage().lower()]


def test_llguidance_accepts_the_grammar() -> None:
    llguidance = pytest.importorskip("llguidance")
    grammar = llguidance.grammar_from("lark", content.grammar())
    assert llguidance.LLMatcher.validate_grammar(grammar) == ""


def test_xgrammar_accepts_the_grammar() -> None:
    xgrammar = pytest.importorskip("xgrammar")
    assert "principle ::=" in str(xgrammar.Grammar.from_lark(content.grammar()))


def test_the_words_of_the_language_are_those_of_the_grammar() -> None:
    import re

    grammar = re.sub(r"//[^\n]*|%import[^\n]*", "", content.grammar())
    assert set(re.findall(r'"([a-z]+)"', grammar)) == ast.WORDS
