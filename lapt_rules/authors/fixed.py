"""A person as the author: the principles they gave stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

from lapt_rules.authors.author import Brief


@dataclass(frozen=True)
class FixedPrinciples:
    """Answers every question with the text of one principle file."""

    text: str
    name: str = "person"

    def learn(self, brief: Brief) -> str:
        return self.text

    update = explore = learn
