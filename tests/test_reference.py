"""Every example of the language reference, `grammar/README.md`, does what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from lapt_rules.gate import examine, space_of
from lapt_rules.language.parser import MAX_CHARACTERS, MAX_ERRORS, MAX_NESTING, parse
from lapt_rules.language.printer import print_clause, print_file
from lapt_rules.language.syntax import WORDS
from lapt_rules.language.tree import MAX_WEIGHT
from lapt_rules.logic.binding import bind
from lapt_rules.logic.budget import MAX_NODES, MAX_RESOURCES, MAX_STEPS
from lapt_rules.logic.examples import run_tests
from lapt_rules.logic.meaning import MAX_INTEGER, MAX_PARTS
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import Subspace

REFERENCE = Path(__file__).resolve().parent.parent / "grammar" / "README.md"

_BLOCK = re.compile(r"^```(\S+)(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the line of its fence, its language, the options after it, its text."""

    line: int
    language: str
    options: frozenset[str]
    text: str

    def value(self, option: str) -> str | None:
        """The value of `option=value`, or None where the block does not give it."""
        given = [o.partition("=")[2] for o in self.options if o.startswith(f"{option}=")]
        return given[0] if given else None

    @property
    def space(self) -> Space | None:
        """The space that the block is to be read on; None where the file says it itself."""
        name = self.value("space")
        return load_space(name) if name else None


def read_blocks() -> list[Block]:
    text = REFERENCE.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, m.start()) + 1, m[1], frozenset(m[2].split()), m[3])
        for m in _BLOCK.finditer(text)
    ]


def named(block: Block) -> str:
    return f"line{block.line}"


BLOCKS = read_blocks()
FILES = [block for block in BLOCKS if block.language == "lapt"]
GOOD = [block for block in FILES if "error" not in block.options]
CANONICAL = [block for block in GOOD if "loose" not in block.options]
COUNTED = [block for block in GOOD if block.value("keeps")]
BROKEN = [
    pytest.param(block, after, id=named(block))
    for block, after in zip(BLOCKS, [*BLOCKS[1:], None], strict=True)
    if block in FILES and block not in GOOD
]


def test_every_fence_is_read_and_every_option_is_known() -> None:
    assert REFERENCE.read_text(encoding="utf-8").count("```") == 2 * len(BLOCKS)
    assert {block.language for block in BLOCKS} == {"lapt", "text", "ebnf"}
    known = re.compile(r"error|loose|space=\w+|keeps=\d+")
    assert [o for block in BLOCKS for o in block.options if not known.fullmatch(o)] == []


@pytest.mark.parametrize("block", COUNTED, ids=named)
def test_an_example_keeps_exactly_what_it_says(block: Block) -> None:
    file = parse(block.text)
    space = space_of(file, block.space)
    assert str(Subspace(space, bind(file, space).keeps).count()) == block.value("keeps")


@pytest.mark.parametrize("block", GOOD, ids=named)
def test_an_example_parses_binds_and_passes_its_own_tests(block: Block) -> None:
    file = parse(block.text)
    space = space_of(file, block.space)
    principles = bind(file, space)
    count = Subspace(space, principles.keeps).count() if principles.expectations else 0
    outcomes = run_tests(principles, count)
    assert [print_clause(outcome.test) for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("block", CANONICAL, ids=named)
def test_an_example_is_in_canonical_layout(block: Block) -> None:
    assert print_file(parse(block.text)) == block.text


@pytest.mark.parametrize(("block", "after"), BROKEN)
def test_a_mistake_gives_exactly_the_message_shown(block: Block, after: Block | None) -> None:
    assert after is not None
    assert after.language == "text"
    found = examine(block.text, "<text>", block.space).errors
    assert "\n\n".join(map(str, found)) + "\n" == after.text


def test_every_word_of_the_language_occurs_in_an_example() -> None:
    texts = (re.sub(r'"[^"\n]*"|#.*', "", block.text) for block in GOOD)
    used = {word for text in texts for word in re.findall(r"\w+", text)}
    assert set(WORDS) - used == set()


def test_the_reference_lists_exactly_the_reserved_words() -> None:
    quote = re.findall(r"^> .*$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(quote))) == WORDS


def test_the_stated_limits_are_those_in_force() -> None:
    section = REFERENCE.read_text(encoding="utf-8").partition("## Limits\n")[2].partition("## ")[0]
    limits = [MAX_CHARACTERS, MAX_NESTING, MAX_PARTS, MAX_INTEGER, MAX_WEIGHT, MAX_ERRORS]
    limits += [MAX_NODES, MAX_STEPS, MAX_RESOURCES]
    stated = re.findall(r"[\d,]*\d", section)
    assert [limit for limit in limits if f"{limit:,}" not in stated] == []
