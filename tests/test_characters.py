"""Unseen characters are shown as escapes, and the characters of every language as they are."""

from __future__ import annotations

import re
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lapt_rules.characters import UNSEEN, one_line, visible

JOINERS = "\u200c\u200d"
"""Persian, Hindi and emoji are written with them."""

ANY = st.text(st.characters(exclude_categories=()))


def is_unseen(character: str) -> bool:
    return re.fullmatch(UNSEEN, character) is not None


def test_every_control_and_format_character_is_unseen_but_those_that_have_a_shape() -> None:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    characters = [chr(n) for n in range(sys.maxunicode + 1)]
    shown = [c for c in characters if unicodedata.category(c) in kinds and not is_unseen(c)]
    shaped = [c for c in shown if c not in "\n\t" + JOINERS]
    names = {unicodedata.name(c).split()[0] for c in shaped}
    assert names == {"ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN"}
    assert not any(is_unseen(c) for c in characters if unicodedata.category(c)[0] in "LMNPS")


@given(ANY)
def test_what_is_shown_holds_nothing_unseen_and_can_be_encoded(text: str) -> None:
    assert not re.search(UNSEEN, visible(text))
    assert visible(text).encode().decode() == visible(text)
    assert "\n" not in one_line(text)
    assert "\t" not in one_line(text)


@given(ANY, ANY)
def test_a_text_is_shown_in_pieces_as_it_is_as_a_whole(one: str, other: str) -> None:
    assert visible(one) + visible(other) == visible(one + other)
    assert visible(visible(one)) == visible(one)
