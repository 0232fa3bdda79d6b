"""What is wrong with a principle file, shown where it stands.

A diagnostic renders itself: the line, a caret under the very words, and the nearest fix. People
and language models are shown the same text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lapt_rules.characters import visible
from lapt_rules.language.syntax import NOWHERE, Span

LONGEST_LINE_SHOWN = 160

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Source:
    """The text that spans point into, and the name to call it by."""

    path: str = "<text>"
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class Diagnostic:
    """One finding in a principle file.

    `code` is a stable name for the kind of finding (`unknown-name`, `syntax`, `redundant`, ...);
    `message` says what is wrong, `fix` the nearest way out.

    >>> source = Source("mine.lapt", "space nas201\\nregion r = {layr1}\\n")
    >>> print(Diagnostic("unknown-name", "there is no layer `layr1`", source,
    ...                  Span(2, 13, 2, 18), fix="did you mean `layer1`?"))
    error: there is no layer `layr1` [unknown-name]
      --> mine.lapt:2:13
      |
    2 | region r = {layr1}
      |             ^^^^^
      = did you mean `layer1`?
    """

    code: str
    message: str
    source: Source
    span: Span = NOWHERE
    fix: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        parts = [f"{self.severity}: {self.message} [{self.code}]", *self._excerpt()]
        margin = " " * len(str(self.span.line or 0))
        if self.fix:
            parts.append(f"{margin} = {self.fix}")
        return "\n".join(parts)

    def _excerpt(self) -> list[str]:
        span = self.span
        if not span.line:
            return [f"  --> {self.source.path}"]
        head = f"  --> {self.source.path}:{span.line}:{span.column}"
        lines = self.source.text.split("\n")
        if span.line > len(lines):
            return [head]
        written = lines[span.line - 1]
        if not written.strip():
            return [head]
        end = span.end_column if span.end_line == span.line else len(written) + 1
        line = visible(written)
        start = len(visible(written[: span.column - 1]))
        width = max(1, len(visible(written[span.column - 1 : end - 1])))
        if len(line) > LONGEST_LINE_SHOWN:  # a window around the place, not a wall of text
            first = max(0, start - LONGEST_LINE_SHOWN // 4)
            line = ("…" if first else "") + line[first : first + LONGEST_LINE_SHOWN] + "…"
            start = start - first + (1 if first else 0)
            width = max(1, min(width, len(line) - start))
        margin = " " * len(str(span.line))
        # A tab before the place stays a tab, so that the caret stands under it in any terminal.
        pad = "".join("\t" if char == "\t" else " " for char in line[:start]).ljust(start)
        return [
            head,
            f"{margin} |",
            f"{span.line} | {line}",
            f"{margin} | {pad}{'^' * width}",
        ]

    def as_json(self) -> dict[str, object]:
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "fix": self.fix,
            "file": self.source.path,
            "line": self.span.line,
            "column": self.span.column,
            "end_line": self.span.end_line,
            "end_column": self.span.end_column,
        }
