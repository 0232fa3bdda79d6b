"""The template of the prompts: one file of named sections, which a user can read and replace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from lapt_rules.authors.backend import AuthorError
from lapt_rules.errors import did_you_mean, listed

SHIPPED = Path(__file__).with_name("prompts.md")
SHIPPED_SHORT = Path(__file__).with_name("prompts_short.md")
SECTIONS = (
    "system",
    "learn",
    "update",
    "explore",
    "tools",
    "reason",
    "write",
    "write_constrained",
    "missing",
    "refused",
    "passed",
)
"""The sections that a template must have; it may have more, for these to use."""

_SPACE = {
    "name": "the space",
    "title": "its title",
    "total": "how many architectures it has",
    "model": "the code of models/NAME.py",
    "layers": "the layers, with the nodes that they read and write",
    "operators": "the operators, with their class and costs",
    "operator_names": "the operators",
    "classes": "the classes with their members",
    "regions": "the regions with their members",
    "costs": "the costs with their units",
    "with_sources": "where layers choose what they read: words that say so, else nothing",
    "and_source": "the same, shorter",
    "from_forms": "the same: a line on `L from N`",
    "first": "the first layer",
    "last": "the last layer",
    "wanted": "how small a subspace may be",
    "origin": "the source task",
    "shown": "the architectures that rules should keep: the source's, or the best found",
    "left": "how many evaluations the budget still holds",
    "round": "how many of them the next round of search spends",
}
_SOURCE = {
    "archive_total": "how many architectures of the source are learned from",
    "archive_size": "how many of them are shown",
    "archive": "these, as lists, best first, with their values on the source task",
    "facts": "what the engine counted in them",
    "rules": "formulas that nine tenths of them keep, with the highest lift first",
    "first_rule": "the first of these",
    "second_rule": "the second of these",
}
_SEARCH = {
    "principles": "the file in force",
    "effects": "what each principle keeps and rejects",
    "trials_count": "how many evaluations of the target were paid for",
    "found_count": "how many of them are shown as the best",
    "found": "these, with their values on the target",
    "rest": "the other evaluations",
    "changes": "what it did to the value on the target to change one choice and nothing else",
    "weights": "the measured weight of every choice of every layer, and how often it was tried",
    "progress": "how the last round of search compares with those before it",
    "left_out": "what the principles leave out, layer by layer",
    "agreement": "how far the order of a file agrees with what was found",
}
_FIRST = {"first": "the section `reason`, or `write` where the file is written at once"}
_REFUSED = {
    "diagnostics": "what is wrong with a file, as a person is told",
    "effects": "what each principle keeps and rejects",
}
_PASSED = {
    "count": "how many architectures a file keeps",
    "share": "the same as a share of the space",
    "archive_kept": "how many of the archive it keeps",
    "effects": "what each principle keeps and rejects",
    "lost": "the architectures of the archive, or the best found, that it loses",
    "dropped": "the claims of a file that the evidence contradicts, or that it makes twice",
    "bounded": "the weights that are larger than the evidence supports",
    "first_tried": "which architectures the search would try first",
    "agreement": "how far the order of a file agrees with what was found",
}
VALUES = {
    **dict.fromkeys(SECTIONS, _SPACE),
    "learn": {**_SPACE, **_FIRST, **_SOURCE},
    "update": {**_SPACE, **_FIRST, **_SOURCE, **_SEARCH},
    "explore": {**_SPACE, **_FIRST, **_SOURCE, **_SEARCH},
    "refused": {**_SPACE, **_REFUSED},
    "passed": {**_SPACE, **_PASSED},
}
"""For each section what it may have filled in, and what that stands for."""

_HEADING = re.compile(r"^=== (\w+) ===$", re.MULTILINE)


class Prompts:
    """The sections of a template file.

    >>> Prompts.read().fill("missing", {"name": "nas201"}).splitlines()[-1]
    'begins with `space nas201`.'
    """

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.text = text
        self.sections: dict[str, str] = {}
        self._starts: dict[str, int] = {}
        headings = list(_HEADING.finditer(text))
        ends = [*(heading.start() for heading in headings[1:]), len(text)]
        for heading, end in zip(headings, ends, strict=True):
            if heading[1] in self.sections:
                where = f"{path}:{self._line(heading.start())}"
                raise AuthorError(f"{where}: there are two sections `{heading[1]}`", "keep one")
            self.sections[heading[1]] = text[heading.end() : end]
            self._starts[heading[1]] = heading.end()
        self._check()

    @classmethod
    def read(cls, path: Path | None = None) -> Prompts:
        """The template at `path`, or the one that ships; AuthorError where it is not sound."""
        path = path or SHIPPED
        try:
            return cls(path.read_text(encoding="utf-8-sig"), path)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            fix = "`lapt prompt --template` prints one to start from"
            raise AuthorError(f"{path}: the prompts cannot be read: {reason}", fix) from error

    def fill(self, section: str, values: Mapping[str, str]) -> str:
        """A section with everything put in; what is put in is not looked through again."""

        class Known(dict[str, str]):
            def __missing__(known, name: str) -> str:  # noqa: N805
                return self.fill(name, values)

        return Template(self.sections[section]).substitute(Known(values)).strip("\n")

    def _check(self) -> None:
        missing = [name for name in SECTIONS if name not in self.sections]
        if missing:
            fix = "`lapt prompt --template` prints a file that has them all"
            raise AuthorError(f"{self.path}: there is no section {listed(missing)}", fix)
        for section in SECTIONS:
            self._check_section(section, section, ())

    def _check_section(self, section: str, of: str, above: tuple[str, ...]) -> None:
        """That all which stands in a section has a value where it is used, in the section `of`."""
        if section in above:
            circle = " in ".join([section, *reversed(above[above.index(section) :])])
            raise AuthorError(f"{self.path}: a section stands in itself: {circle}", "take it out")
        known = [*VALUES[of], *self.sections]
        for match in Template.pattern.finditer(self.sections[section]):
            name = match["named"] or match["braced"]
            if match["escaped"] is not None or name in VALUES[of]:
                continue
            if name in self.sections:
                self._check_section(name, of, (*above, section))
                continue
            where = f"{self.path}:{self._line(self._starts[section] + match.start())}"
            elsewhere = [other for other in SECTIONS if name in VALUES[other]]
            if elsewhere:
                message = f"`{match[0]}` has no value in the section `{of}`"
                raise AuthorError(f"{where}: {message}", f"it has one in {listed(elsewhere)}")
            near = did_you_mean(name or "", known)
            fix = f"did you mean `${{{near}}}`?" if near else "write a dollar sign as `$$`"
            raise AuthorError(f"{where}: `{match[0]}` stands for nothing", fix)

    def _line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1
