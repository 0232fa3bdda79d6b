"""The principle file in what a model wrote: it is found, tidied, and never run.

A model may wrap the file in a fence or in prose, forget the `space` line or use a typographer's
quotes. What remains wrong is for the gate to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lapt_rules.language.parser import with_line_feeds

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL)
_FENCE = re.compile(r"`{3,}|~{3,}")
_BEGINS = re.compile(
    r"^[ \t]*(space[ \t]+\w+[ \t]*$|principle[ \t]+\w+|(?:region|define)[ \t]+\w+[ \t]*=)",
    re.MULTILINE,
)
_TYPESET = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u2264": "<=", "\u2265": ">=", "\u00a0": " "}
)
_STATEMENT = re.compile(
    r"^[ \t]*(space|region|define|principle|expect|require|forbid|prefer|accept|reject|rank)\b",
    re.MULTILINE,
)


def principle_file(answer: str, space: str) -> str | None:
    """The last principle file in an answer, or None where there is nothing like one.

    >>> print(principle_file("Here:\\n```lapt\\nprinciple p\\n  require connected\\n```", "nas201"))
    space nas201
    <BLANKLINE>
    principle p
      require connected
    <BLANKLINE>
    """
    said = _THOUGHT.sub("", with_line_feeds(answer)).translate(_TYPESET)
    fenced = [block for block in _fenced(said) if _BEGINS.search(block)]
    if fenced:
        text = fenced[-1]
        begins = _BEGINS.search(text)
        assert begins is not None
        text = text if _is_comment(text[: begins.start()]) else text[begins.start() :]
    else:
        begins = _BEGINS.search(said)
        if begins is None:
            return None
        text = _without_prose(said[begins.start() :])
    text = text.strip("\n")
    if not re.search(r"^[ \t]*space[ \t]+\w", text, re.MULTILINE):
        text = f"space {space}\n\n{text}"
    return f"{text}\n"


def _fenced(text: str) -> Iterator[str]:
    """What stands in each fence, also in a last one that is never closed."""
    mark = ""
    inside: list[str] = []
    for line in text.split("\n"):
        bare = line.strip(" \t")
        if not mark:
            opened = _FENCE.match(bare)
            mark, inside = opened[0] if opened else "", []
        elif bare.startswith(mark) and not bare.strip(mark[0]):
            yield "\n".join(inside)
            mark = ""
        else:
            inside.append(line)
    if mark:
        yield "\n".join(inside)


def _is_comment(lines: str) -> bool:
    return all(not line.strip() or line.strip().startswith("#") for line in lines.split("\n"))


def _without_prose(text: str) -> str:
    """The text less the paragraphs after the file: those in which no line begins a statement."""
    paragraphs = re.split(r"\n[ \t]*\n", text)
    while len(paragraphs) > 1 and not _STATEMENT.search(paragraphs[-1]):
        paragraphs.pop()
    return "\n\n".join(paragraphs)
