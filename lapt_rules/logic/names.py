"""What each name in a principle file stands for, with its kind.

A name is looked up where its kind is known, so that an operator where a layer is meant is an error
that says so, and a misspelt name is answered with the nearest one of the kind that is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from lapt_rules.errors import SHOWN_AT_ONCE, did_you_mean, listed
from lapt_rules.language import syntax as ast
from lapt_rules.language.diagnostics import Diagnostic, Source
from lapt_rules.logic.formula import Formula
from lapt_rules.space import STANDARD_CLASSES, STANDARD_REGIONS, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = TypeVar("Value")


class Names:
    """The names in force while a file is bound, and the diagnostics found with them.

    In a file for `space any` only what every space has is visible.
    """

    def __init__(self, file: ast.File, space: Space) -> None:
        self.space = space
        self.portable = file.space is not None and file.space.text == "any"
        self.source = Source(file.path, file.text)
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self._told: set[Diagnostic] = set()
        self.layers: dict[str, int] = {}
        self.operators: Mapping[str, int] = {}
        self.nodes: tuple[str, ...] = ()
        self.classes: Mapping[str, tuple[str, ...]] = space.classes
        self.regions: dict[str, tuple[int, ...]] = dict(space.regions)
        self.costs = [cost.name for cost in space.costs]
        self.definitions: dict[str, Formula] = {}
        if self.portable:
            self.classes = {name: space.classes[name] for name in STANDARD_CLASSES}
            self.regions = {name: space.regions[name] for name in STANDARD_REGIONS}
        else:
            self.layers = dict(space.layer_index)
            self.operators = space.operator_index
            self.nodes = space.node_names

    # ------------------------------------------------------------------------------- look-up

    def layer(self, name: ast.Name) -> int:
        """The layer that a name stands for; layer 0 after an error."""
        advice = f"write `each l in {name.text}: l ...`" if name.text in self.regions else ""
        return self._look_up(name, self.layers, "a layer", advice, 0)

    def operator_set(self, names: ast.Names) -> frozenset[int]:
        """The operators that a name or set of names stands for, classes taken apart."""
        found: set[int] = set()
        for name in names.names:
            if name.text in self.classes:
                members = self.classes[name.text]
                found.update(self.space.operator_index[member] for member in members)
                if not members:
                    message = f"{self.space.name} has no operator of class `{name.text}`"
                    self.warn("empty-class", message, name.span, "this part holds for no layer")
                continue
            choices = {**dict.fromkeys(self.classes, 0), **self.operators}
            found.add(self._look_up(name, choices, "an operator or class", "", 0))
        return frozenset(found)

    def region(self, names: ast.Names | None) -> tuple[int, ...]:
        """The layers of a region, or of a set of layers and regions; all of them for None."""
        if names is None:
            return self.regions["all"]
        found: set[int] = set()
        for name in names.names:
            if name.text in self.regions:
                found.update(self.regions[name.text])
                continue
            choices = {**dict.fromkeys(self.regions, 0), **self.layers}
            found.add(self._look_up(name, choices, "a region or layer", "", 0))
        return tuple(sorted(found))

    def node(self, name: ast.Name) -> str:
        return self._look_up(name, {node: node for node in self.nodes}, "a node", "", "")

    def cost(self, name: ast.Name) -> str:
        return self._look_up(name, {cost: cost for cost in self.costs}, "a cost", "", "")

    def definition(self, name: ast.Name, otherwise: Formula) -> Formula:
        """The formula that a `define` above gave this name."""
        advice = f"say what `{name.text}` is: `{name.text} is conv`" if self.kind(name.text) else ""
        return self._look_up(name, self.definitions, "a definition", advice, otherwise)

    def _look_up(
        self, name: ast.Name, known: Mapping[str, Value], kind: str, advice: str, otherwise: Value
    ) -> Value:
        if name.text in known:
            return known[name.text]
        self._unknown(name, kind, known, advice)
        return otherwise

    # --------------------------------------------------------------------------- declaration

    def is_new(self, name: ast.Name, fix: str = "choose another name") -> bool:
        """Whether a name is free to be given; reports it where it is not."""
        kind = self.kind(name.text)
        if kind:
            self.error("duplicate-name", f"`{name.text}` is already {kind}", name.span, fix)
        return not kind

    @contextmanager
    def standing_for(self, name: ast.Name, layer: int) -> Iterator[None]:
        """Within a quantifier, let `name` stand for one layer."""
        self.layers[name.text] = layer
        try:
            yield
        finally:
            del self.layers[name.text]

    # ----------------------------------------------------------------------------- reporting

    def error(self, code: str, message: str, span: ast.Span, fix: str) -> None:
        self._tell(self.errors, Diagnostic(code, message, self.source, span, fix))

    def warn(self, code: str, message: str, span: ast.Span, fix: str) -> None:
        self._tell(self.warnings, Diagnostic(code, message, self.source, span, fix, "warning"))

    def _tell(self, found: list[Diagnostic], diagnostic: Diagnostic) -> None:
        if diagnostic not in self._told:  # a quantifier binds its body once for each layer
            self._told.add(diagnostic)
            found.append(diagnostic)

    def kind(self, name: str) -> str:
        """What a name is in this file, such as "a layer"; "" where it is nothing."""
        kinds: tuple[tuple[Collection[str], str], ...] = (
            (self.layers, "a layer"),
            (self.operators, "an operator"),
            (self.classes, "a class of operators"),
            (self.regions, "a region"),
            (self.definitions, "a definition"),
            (self.costs, "a cost"),
            (self.nodes, "a node"),
        )
        return next((kind for names, kind in kinds if name in names), "")

    def _unknown(self, name: ast.Name, kind: str, candidates: Collection[str], advice: str) -> None:
        other = self.kind(name.text)
        space = self.space
        # To find the nearest of many names takes long, and only so many errors are shown.
        near = did_you_mean(name.text, candidates) if len(self.errors) < SHOWN_AT_ONCE else None
        choice = f"use one of {listed(candidates)}" if candidates else ""
        own = (space.layer_index, space.operator_index, space.classes, space.regions)
        if other:
            message = f"`{name.text}` is {other}; {kind} is meant here"
            self.error("wrong-kind", message, name.span, advice or choice)
        elif self.portable and any(name.text in names for names in (*own, space.node_names)):
            message = f"`{name.text}` belongs to {space.name}, and this file is for any space"
            fix = (
                f"use classes ({listed(self.classes)}), regions ({listed(STANDARD_REGIONS)}) "
                f"and measures, or write `space {space.name}`"
            )
            self.error("not-portable", message, name.span, fix)
        else:
            noun = kind.split(" ", 1)[1]
            here = "a file for any space" if self.portable else space.name
            here = "this file" if kind == "a definition" else here
            fix = f"did you mean `{near}`?" if near else choice or "declare it above with `define`"
            self.error("unknown-name", f"{here} has no {noun} `{name.text}`", name.span, fix)
