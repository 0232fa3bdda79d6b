"""The principle sets that are measured: files in `spaces/NAME/bench/`, and the same changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lapt_rules import content
from lapt_rules.errors import LaptError, did_you_mean, listed
from lapt_rules.language.parser import parse, read_text
from lapt_rules.logic.binding import bind
from lapt_rules.logic.principles import PrincipleSet
from lapt_rules.space import Space, load_space

SPACES = ("nas201", "darts")
QUICK = ("nas201/c", "darts/b")


@dataclass(frozen=True)
class Case:
    """One principle file on one space; `name` is `SPACE/FILE` without its ending."""

    name: str
    space: Path
    file: Path

    @property
    def title(self) -> str:
        """What the first line of the file says that it is."""
        first = read_text(self.file).partition("\n")[0]
        return first.removeprefix("#").strip() if first.startswith("#") else self.name

    def load(self) -> PrincipleSet:
        """The file, bound to its space anew."""
        return bound(read_text(self.file), load_space(self.space))


def bound(text: str, space: Space) -> PrincipleSet:
    return bind(parse(text), space)


def shipped_cases() -> list[Case]:
    """Every measured set, by space and letter."""
    found = []
    for space in SPACES:
        folder = content.shipped() / "spaces" / space
        files = sorted((folder / "bench").glob("*.lapt"))
        found += [Case(f"{space}/{file.stem}", folder, file) for file in files]
    return found


def chosen_cases(names: tuple[str, ...]) -> list[Case]:
    """The sets with these names; all of them for none. LaptError for a name that is none."""
    known = {case.name: case for case in shipped_cases()}
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            fix = f"did you mean `{near}`?" if near else f"use one of {listed(known, 20)}"
            raise LaptError(f"there is no measured set `{name}`", fix)
    return [known[name] for name in names or known]


_TEXT = r'"[^"\n]*"|#[^\n]*'
_BOUND = re.compile(rf"{_TEXT}|(<=|>=|<|>|\bat least)(\s*)(\d+)\b")


def with_other_numbers(text: str) -> str:
    """A principle file with every bound moved by one: where none is negated it keeps no less.

    >>> with_other_numbers("require count(conv) >= 4 and sum(params) <= 90 # at least 3")
    'require count(conv) >= 3 and sum(params) <= 91 # at least 3'
    """

    def changed(match: re.Match[str]) -> str:
        relation, blank, number = match.groups()
        if relation is None:
            return match[0]
        lower = relation in (">=", ">", "at least") and int(number) > 0
        return f"{relation}{blank}{int(number) + (-1 if lower else 1)}"

    return _BOUND.sub(changed, text)
