"""A principle file is found in whatever a model wrote around it, in bounded time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import examples

from lapt_rules.authors.reading import principle_file
from lapt_rules.language.parser import parse, parse_tolerant

FILE = 'space nas201\n\nprinciple p\n  "why"\n  require layer0 is conv\n'


@pytest.mark.parametrize(
    "answer",
    [
        FILE,
        f"```\n{FILE}```",
        f"Here is the file:\n\n```lapt\n{FILE}```\nI hope that helps!",
        f"~~~\n{FILE}~~~",
        f"1. First:\n   ```lapt\n{FILE}   ```",
        f"```lapt\n{FILE}",
        f"Sure.\n\n{FILE}\nThis keeps what matters.\nIt is short.",
        f"```python\nprint('no')\n```\nand\n```lapt\n{FILE}```",
        f"```lapt\nspace nas201\nprinciple old require connected\n```\nBetter:\n```lapt\n{FILE}```",
        f"<think>principle q forbid connected</think>{FILE}",
        f"<think>space nas201 principle q\n```lapt\nspace nas201\n```</think>\n```\n{FILE}```",
        FILE.replace("\n", "\r\n"),
        FILE.replace("\n", "\r"),
        f"Here:\n```lapt\n{FILE}```".replace("\n", "\r"),
        FILE.replace('"', "\u201c", 1).replace('"', "\u201d", 1),
        FILE.replace("space nas201\n\n", ""),
    ],
)
def test_the_file_is_found(answer: str) -> None:
    found = principle_file(answer, "nas201")
    assert found is not None
    assert parse(found) == parse(FILE)


def test_comments_above_the_file_stay() -> None:
    assert principle_file(f"```\n# mine\n{FILE}```", "nas201") == f"# mine\n{FILE}"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "keep",
        "I'm sorry, but I can't help with that.",
        "The space of cells has principles.",
        "```",
    ],
)
def test_where_there_is_none_nothing_is_found(answer: str) -> None:
    assert principle_file(answer, "nas201") is None


def test_a_mistake_in_a_file_without_a_fence_is_not_cut_off() -> None:
    broken = f"{FILE}\nprinciple q\n  requires connected\n\nprinciple r\n  require connected\n"
    found = principle_file(f"Sure.\n\n{broken}\nI hope that helps.", "nas201")
    assert found == broken


def test_a_broken_file_is_left_for_the_gate_to_tell() -> None:
    found = principle_file("principle p\n  require layer0 is is conv", "nas201")
    assert found is not None
    assert parse_tolerant(found)[1]


@examples(200)
@given(
    st.text(
        st.sampled_from("`~<>think/pace nas201\nprinciple require \"'#{}\r\t\u2028"), max_size=400
    )
)
def test_any_text_is_read(answer: str) -> None:
    found = principle_file(answer, "nas201")
    assert found is None or (found.endswith("\n") and "space" in found and "\r" not in found)


HOSTILE = 1 << 20
"""Characters of a hostile answer; where time grew with their square this would take an hour."""


@pytest.mark.parametrize(
    "piece", ["`", "~", "```\n", "~~~~\n```\n", "<think>", " ", "\n", "\t`", "x"]
)
def test_hostile_text_holds_no_file(piece: str) -> None:
    assert principle_file(piece * (HOSTILE // len(piece)), "nas201") is None


@pytest.mark.parametrize("before", ["`", "```\n", "<think></think>", " ", "\n", "x"])
def test_a_file_after_hostile_text_is_found(before: str) -> None:
    hostile = before * (HOSTILE // len(before))
    found = principle_file(f"{hostile}\n{FILE}", "nas201")
    assert found is not None
    assert parse(found) == parse(FILE)


def test_a_fence_ends_with_as_many_marks_of_its_own_kind() -> None:
    inside = f"# ~~~\n# ```\n{FILE}"
    assert principle_file(f"~~~~\n~~~\n```\n{inside}~~~~\nand ```", "nas201") == FILE
    assert principle_file(f"````\n{FILE}```\n`````\nno more", "nas201") == f"{FILE}```\n"
