"""Principles bound to a space: what binding makes of a file, and what everything later reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from lapt_rules.language import syntax as ast
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.logic.formula import TRUE, Amount, And, Formula
from lapt_rules.space import Architecture, Space


@dataclass(frozen=True)
class Clause:
    """One `require` or `forbid`; `keeps` holds for the architectures that it keeps."""

    keeps: Formula
    syntax: ast.Hard


@dataclass(frozen=True)
class Preference:
    """One `prefer`: adds `weight` times `what` (1 or 0 for a formula) where `when` holds."""

    what: Formula | Amount
    when: Formula
    weight: float
    syntax: ast.Prefer


@dataclass(frozen=True)
class Example:
    """One test: `accept`/`reject` the first architecture, or `rank` the first above the second."""

    kind: Literal["accept", "reject", "rank"]
    architectures: tuple[Architecture, ...]
    syntax: ast.Test


@dataclass(frozen=True)
class Principle:
    name: str
    why: str
    clauses: tuple[Clause, ...]
    preferences: tuple[Preference, ...]
    examples: tuple[Example, ...]
    syntax: ast.Principle

    @cached_property
    def keeps(self) -> Formula:
        """What an architecture must satisfy for this principle to keep it."""
        parts = tuple(clause.keeps for clause in self.clauses)
        return parts[0] if len(parts) == 1 else And(parts) if parts else TRUE


@dataclass(frozen=True)
class PrincipleSet:
    """A principle file bound to a space."""

    space: Space
    principles: tuple[Principle, ...]
    examples: tuple[Example, ...]
    expectations: tuple[ast.Expect, ...]
    warnings: tuple[Diagnostic, ...] = field(repr=False)
    file: ast.File = field(repr=False)

    @cached_property
    def keeps(self) -> Formula:
        """What every kept architecture satisfies, the space's own invariants not counted."""
        return And(tuple(principle.keeps for principle in self.principles))

    @property
    def preferences(self) -> tuple[Preference, ...]:
        return tuple(p for principle in self.principles for p in principle.preferences)

    @property
    def source(self) -> Source:
        return Source(self.file.path, self.file.text)
