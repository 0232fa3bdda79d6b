"""The emission grammar: whatever it lets through parses and binds, and it lets through enough."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark
from lark.grammar import Symbol
from test_reference import CANONICAL
from trees import examples

from lapt_rules import content
from lapt_rules.authors.backend import AuthorError
from lapt_rules.authors.emission import KEEP, PRINCIPLES, emission_grammar
from lapt_rules.language import syntax as ast
from lapt_rules.language.parser import MAX_CHARACTERS, parse
from lapt_rules.language.printer import print_clause, print_file
from lapt_rules.logic.binding import bind_tolerant
from lapt_rules.space import Space, load_space

llguidance = pytest.importorskip("llguidance")
SPACES = [load_space(name) for name in ("nas201", "trans101", "darts", "digits")]
NAS201, _, DARTS, _ = SPACES
each_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)

END = 256


class Bytes:
    """One token a byte, and one that ends the text, as llguidance wants a tokenizer described."""

    eos_token_id = END
    bos_token_id = None
    tokens = (*(bytes([byte]) for byte in range(256)), b"<end>")
    special_token_ids = (END,)

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


BYTES = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()))


@cache
def compiled(space: Space, may_keep: bool = False) -> Any:
    grammar = llguidance.grammar_from("lark", emission_grammar(space, may_keep))
    return llguidance.LLMatcher(BYTES, grammar)


def refused_after(text: str, space: Space, may_keep: bool = False) -> str | None:
    """What of a text the grammar takes, where it does not take all of it; None where it does."""
    matcher = compiled(space, may_keep).deep_copy()
    taken = matcher.try_consume_tokens(list(text.encode()))
    if taken == len(text.encode()) and matcher.is_accepting():
        return None
    return text.encode()[:taken].decode(errors="replace")


def check(text: str, space: Space) -> None:
    """A sentence parses, binds without an error or a warning, and lies as `lapt fmt` writes it."""
    tree = parse(text)
    bound, errors = bind_tolerant(tree, space)
    assert not errors
    assert not bound.warnings
    unbroken = re.sub(r"\n {6}(?=\S)", " ", print_file(tree))
    assert unbroken == text


# ------------------------------------------------------------------------------ the three readers


@each_space
@pytest.mark.parametrize("may_keep", [False, True])
def test_llguidance_xgrammar_and_lark_accept_it(space: Space, may_keep: bool) -> None:
    xgrammar = pytest.importorskip("xgrammar")
    text = emission_grammar(space, may_keep)
    assert llguidance.LLMatcher.validate_grammar(llguidance.grammar_from("lark", text)) == ""
    assert "clause ::=" in str(xgrammar.Grammar.from_lark(text))
    Lark(text, parser="earley", lexer="dynamic")
    assert f"principle_{PRINCIPLES}:" in text


# -------------------------------------------------------------------------------------- sentences


@cache
def expansions(space: Space) -> tuple[dict[str, list[list[Symbol]]], dict[str, Any]]:
    lark = Lark(emission_grammar(space), parser="earley", lexer="dynamic")
    rules: dict[str, list[list[Symbol]]] = {}
    for rule in lark.rules:
        rules.setdefault(rule.origin.name, []).append(rule.expansion)
    return rules, {terminal.name: terminal.pattern for terminal in lark.terminals}


@st.composite
def sentences(draw: st.DrawFn, space: Space) -> str:
    """Any sentence of the grammar, by its own rules."""
    rules, terminals = expansions(space)

    def expand(name: str) -> str:
        if name in rules:
            chosen = draw(st.sampled_from(rules[name]))
            return "".join(expand(symbol.name) for symbol in chosen)
        if terminals[name].type == "str":
            return str(terminals[name].value)
        return draw(st.from_regex(terminals[name].to_regexp(), fullmatch=True))

    return expand("start")


@each_space
@given(data=st.data())
@examples(150)
def test_every_sentence_parses_and_binds_and_llguidance_takes_it(
    space: Space, data: st.DataObject
) -> None:
    text = data.draw(sentences(space))
    check(text, space)
    assert refused_after(text, space) is None


def walk(space: Space, seed: int) -> str:
    """A text drawn under llguidance's own masks, its reasons ended sooner than by chance."""
    rng = random.Random(seed)  # noqa: S311 - it draws no secret
    matcher = compiled(space).deep_copy()
    written = bytearray()
    while True:
        mask = matcher.compute_bitmask()
        allowed = [token for token in range(257) if mask[token >> 3] >> (token & 7) & 1]
        if ord('"') in allowed:
            allowed += 5 * [ord('"')]
        token = rng.choice(allowed)
        if token == END:
            return written.decode()
        assert matcher.consume_token(token), matcher.get_error()
        written.append(token)
        if matcher.is_stopped():
            return written.decode()


@each_space
@pytest.mark.parametrize("start", range(0, 200, 50))
def test_every_text_drawn_under_the_masks_parses_and_binds(space: Space, start: int) -> None:
    for seed in range(start, start + 50):
        check(walk(space, seed), space)


# ----------------------------------------------------------------------------------------- bounds


@each_space
def test_the_largest_files_stay_within_the_limits(space: Space) -> None:
    """Of each rule the longest way, and of each the one that binds to the most parts."""
    rules, terminals = expansions(space)

    @cache
    def longest(name: str) -> str:
        if name in rules:
            ways = ("".join(longest(symbol.name) for symbol in way) for way in rules[name])
            return max(ways, key=len)
        pattern = terminals[name]
        if pattern.type == "str":
            return str(pattern.value)
        if name == "WHY":
            return '"' + "W" * (pattern.max_width - 2) + '"'
        return {"NAME": "n" * 40, "WEIGHT": "-9.99"}.get(name, "1" + "0" * (pattern.max_width - 1))

    text = longest("start")
    assert len(text) <= MAX_CHARACTERS
    check(text, space)
    layers = list(space.layer_index)
    lines = []
    for number in range(PRINCIPLES * 4):
        a, b = layers[number % len(layers)], layers[number // len(layers)]
        heavy = f"each l in {{all, {a}}}: if l not in {{none, zero}} then not same(l, {b})"
        joined = f"not same({a}, {b}) or not same({b}, {a})"
        lines.append(f"  require if {joined} then {heavy} unless {joined}\n")
    heads = (f'\nprinciple p{n}_parts\n  "Many parts."\n' for n in range(1, PRINCIPLES + 1))
    parts = "".join(head + "".join(lines[4 * i : 4 * i + 4]) for i, head in enumerate(heads))
    check(f"space {space.name}\n{parts}", space)
    assert refused_after(f"space {space.name}\n{parts}", space) is None


def wide(times: int) -> Space:
    """NAS-Bench-201 with its layers so many times over."""
    layers = tuple(
        replace(layer, name=f"{layer.name}_{turn}")
        for turn in range(times)
        for layer in NAS201.layers
    )
    regions = {name: tuple(range(len(layers))) for name in NAS201.regions}
    return replace(NAS201, layers=layers, regions=regions)


def test_a_larger_space_gets_fewer_principles_or_none() -> None:
    numbers = [emission_grammar(wide(times)).count("\nprinciple_") for times in (6, 20)]
    assert PRINCIPLES > numbers[0] > numbers[1] >= 1
    with pytest.raises(AuthorError, match="too large for a grammar"):
        emission_grammar(wide(200))


def test_the_variable_takes_no_name_of_the_space() -> None:
    renamed = replace(NAS201, regions={**NAS201.regions, "l": (0, 1), "m": (2,)})
    text = 'space nas201\n\nprinciple p1_abc\n  "Each of them."\n  require each n in l: n is conv\n'
    check(text, renamed)
    assert refused_after(text, renamed) is None


def test_a_class_without_members_and_a_source_that_is_no_choice_have_no_place() -> None:
    grammar = emission_grammar(load_space("trans101"))
    assert '"pool"' not in grammar
    assert "from" not in grammar
    assert '"pool"' in emission_grammar(NAS201)
    assert '" from "' in emission_grammar(DARTS)


# ------------------------------------------------------------------------------------ what it lets


def file_of(clauses: list[str], space: Space = NAS201) -> str:
    lines = "".join(f"  {clause}\n" for clause in clauses)
    return f'space {space.name}\n\nprinciple p1_wanted\n  "Why it is wanted."\n{lines}'


REALISTIC = [
    "require layer0 is conv",
    "require layer1 in {conv, none} unless layer3 is skip_connect",
    "require layer3 in {skip_connect, nor_conv_1x1}",
    "require count(skip_connect) <= 2",
    "forbid count(none) >= 3",
    "require longest(conv) >= 2",
    "require at least 2 of (layer3 is skip_connect, count(conv in {layer1, layer4}) == 2)",
    "require not at least 3 of (layer0 is pool, layer1 is pool, layer2 is pool)",
    "prefer more count(nor_conv_3x3) weight 0.3",
    "prefer more longest(conv) - count(pool) when connected weight 0.1",
    "prefer layer4 is nor_conv_3x3 when layer3 is skip_connect weight 0.6",
    "prefer layer5 is pool when layer4 is pool weight -1.25",
    "prefer more sum(params in late) weight -2",
    "prefer more count(l in all: l is conv and l is live) weight 0.05",
    "require connected",
    "require count({none, pool} in early) <= 1",
    "require each l in all: if l is conv then l is live",
    "require each l in late: l is not none",
    "require some l in {early, layer5}: l is conv",
    "require not (some l in late: l is none)",
    "require (each l in all: l is conv) or connected",
    "require if layer0 is skip_connect then each l in late: l is conv",
    "require (if layer0 is conv then layer4 is conv) and (if layer4 is conv then layer0 is conv)",
    "require (layer0 is conv or layer1 is conv) and layer2 is conv",
    "require layer0 is conv or layer1 is conv and not layer2 is none",
    "require not (layer4 is none or layer5 is none)",
    "forbid layer4 is pool and layer5 is pool",
    "forbid layer5 is none unless layer3 is conv or layer4 is conv",
    "require count(conv) >= count(pool) + count(none)",
    "require sum(params) <= 600000",
    "require sum(params in early) <= sum(params in late)",
    "require shortest({conv, pool}) >= 1",
    "require count(l in late: l is conv and l is live) >= 1",
    "require same(layer3, layer5)",
    "require each l in early: same(l, layer0)",
    "require layer2 is dead",
    "require layer0 not in {none, avg_pool_3x3} and layer3 is live",
]  # fmt: skip


@pytest.mark.parametrize("clause", REALISTIC)
def test_what_an_author_would_say_can_be_said(clause: str) -> None:
    assert refused_after(file_of([clause]), NAS201) is None
    check(file_of([clause]), NAS201)


def test_sources_can_be_said_where_there_is_a_choice() -> None:
    text = file_of(
        [
            "require normal_2b from stage1",
            "require normal_4a from {input0, input1} and normal_4b from stage3",
            "require count(l in normal: l from {input0, input1}) <= 5",
            "forbid each l in reduce: if l is conv then not l from input0",
        ],
        DARTS,
    )
    assert refused_after(text, DARTS) is None
    check(text, DARTS)
    assert refused_after(text.replace("from stage1", "from stage2"), DARTS) is not None


OUT_OF_REACH = [
    # a name that the file declares
    "require layer1 in {conv, none} unless shortcut",
    "require at least 2 of (shortcut, layer2 is nor_conv_3x3, count(conv in side) == 2)",
    "require each l in side: l is conv",
    "require count(none in outer) <= 1",
    "require residual or count(conv) >= 4",
    # a quantifier in another
    "forbid each l in all: each m in all: same(l, m)",
    # a number within a sum, or first
    "require count(conv in early) - (count(pool) + 1) <= 1",
    "forbid longest(conv) < shortest(conv) + 1",
    "require 1 <= count(skip_connect) and count(skip_connect) <= 2",
]


def reference_clauses() -> list[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}
    for block in CANONICAL:
        tree = parse(block.text)
        if tree.space is None or tree.space.text == "any":
            continue
        for principle in tree.principles:
            for clause in principle.clauses:
                if isinstance(clause, ast.Hard | ast.Prefer):
                    found[tree.space.text, print_clause(clause)] = None
    return list(found)


def test_nearly_every_clause_of_the_reference_can_be_said() -> None:
    missing = []
    for name, clause in reference_clauses():
        space = load_space(name)
        if refused_after(file_of([clause], space), space) is not None:
            missing.append(clause)
    assert missing == OUT_OF_REACH


def test_several_principles_are_numbered_so_that_no_two_have_one_name() -> None:
    second = (
        '\nprinciple p2_wanted\n  "Why this is, too — ça va, почему, 原因."\n  forbid connected\n'
    )
    text = file_of(["require connected", "prefer connected weight 1"]) + second
    assert refused_after(text, NAS201) is None
    check(text, NAS201)
    assert refused_after(text.replace("p2_", "p1_"), NAS201) is not None


@pytest.mark.parametrize(
    "clause",
    [
        "require layer9 is conv",
        "require count(conv) >= 7",
        "require at least 3 of (connected, layer0 is conv)",
        "require sum(params) <= 99999999",
        "prefer connected weight 10",
        "require layer0 from node0",
        "require each l in all: each l in all: l is conv",
        "accept [none, none, none, none, none, none]",
    ],
)
def test_what_makes_no_sense_cannot_be_said(clause: str) -> None:
    assert refused_after(file_of([clause]), NAS201) is not None


def test_keep_is_an_answer_only_where_it_is_asked_for() -> None:
    text = file_of(["require connected"])
    assert refused_after(KEEP, NAS201, may_keep=True) is None
    assert refused_after(text, NAS201, may_keep=True) is None
    assert refused_after(KEEP, NAS201) is not None


LEFT_OUT = {
    "region", "define", "expect", "accept", "reject", "rank", "notation", "listing", "entry",
    "reference",
}  # fmt: skip
"""Forms of the language that no constrained model uses."""


def test_each_form_of_the_language_can_be_said_or_is_left_out_on_purpose() -> None:
    language = Lark(content.grammar(), parser="lalr", lexer="basic")
    texts = [file_of([clause]) for clause in REALISTIC]
    texts.append(file_of(["require normal_2b from stage1"], DARTS))
    trees = [tree for text in texts for tree in language.parse(text).iter_subtrees()]
    said = {str(tree.data) for tree in trees}
    own = [rule for rule in language.rules if rule.alias or not rule.options.expand1]
    forms = {str(rule.alias or rule.origin.name) for rule in own}
    forms = {form for form in forms if not form.startswith("__")}
    assert forms - said == LEFT_OUT
