"""Reads a `space.toml` and refuses, with the place and the fix, what does not describe a space."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from lapt_rules.errors import SpaceError, did_you_mean, listed
from lapt_rules.language.syntax import WORDS
from lapt_rules.notation import Notation
from lapt_rules.space import (
    STANDARD_CLASSES,
    STANDARD_REGIONS,
    Cell,
    Cost,
    Function,
    Layer,
    Operator,
    Settings,
    Space,
)

MAX_CHOICES = 100
"""The most values that one variable has: operators of a space, sources of a layer."""

MAX_LAYERS = 256

_Strings = Annotated[list[str], Meta(min_length=1, max_length=MAX_LAYERS)]
_Sources = Annotated[list[str], Meta(min_length=1, max_length=MAX_CHOICES)]
_Amount = Annotated[int, Meta(ge=0, le=10**12)]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class _Strict(Struct, forbid_unknown_fields=True):
    """A table of the file; a key it does not know is an error."""


class _Notation(_Strict):
    template: str
    operators: dict[str, str] = {}
    sources: dict[str, str] = {}


class _Cell(_Strict):
    inputs: _Strings
    outputs: _Strings
    strided: list[str] = []


class _Layer(_Strict, rename={"sources": "from", "target": "to"}):
    name: str
    cell: str
    sources: _Sources
    target: str


class _Operator(_Strict, rename={"classes": "class"}):
    classes: str | _Strings
    function: Function
    costs: dict[str, _Amount | dict[str, _Amount]] = {}
    strided_costs: dict[str, _Amount | dict[str, _Amount]] = {}


class _Cost(_Strict):
    unit: str
    origin: str


class _File(_Strict):
    name: str
    title: str
    source: str
    notations: Annotated[list[_Notation], Meta(min_length=1)]
    cells: dict[str, _Cell]
    layers: Annotated[list[_Layer], Meta(min_length=1, max_length=MAX_LAYERS)]
    operators: Annotated[dict[str, _Operator], Meta(min_length=1, max_length=MAX_CHOICES)]
    costs: dict[str, _Cost] = {}
    regions: dict[str, _Strings] = {}
    unordered: list[tuple[str, str]] = []
    invariants: str = ""
    settings: Settings = Settings()


def read_space(folder: Path) -> Space:
    """The space that `folder/space.toml` declares; SpaceError says what in it is wrong."""
    path = folder / "space.toml"
    try:
        declared = msgspec.toml.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise SpaceError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpaceError(f"{path}: {error}", "see spaces/nas201/space.toml for the form") from error

    def refuse(where: str, message: str, fix: str = "") -> SpaceError:
        return SpaceError(f"{path}: {where}: {message}", fix)

    return _Reader(declared, folder, refuse).space()


class _Reader:
    """Checks one declaration against itself and builds the space."""

    def __init__(self, declared: _File, folder: Path, refuse: Callable[..., SpaceError]) -> None:
        self.declared = declared
        self.folder = folder
        self.refuse = refuse
        self.layer_names = [layer.name for layer in declared.layers]

    def space(self) -> Space:
        declared = self.declared
        self._check_names()
        cells = self._cells()
        classes = {
            name: [operator.classes] if isinstance(operator.classes, str) else operator.classes
            for name, operator in declared.operators.items()
        }
        for name, operator in declared.operators.items():
            for key in ("costs", "strided_costs"):
                amounts = getattr(operator, key)
                self._known(amounts, declared.costs, f"operators.{name}.{key}", "cost")
                for cost, amount in amounts.items():
                    where = f"operators.{name}.{key}.{cost}"
                    self._known(amount if isinstance(amount, dict) else (), cells, where, "cell")
        costs = {
            name: {cost: self._by_cell(operator.costs.get(cost, 0)) for cost in declared.costs}
            for name, operator in declared.operators.items()
        }
        for first, second in declared.unordered:
            self._known([first, second], self.layer_names, "unordered", "layer")
        return Space(
            name=declared.name,
            title=declared.title,
            source=declared.source,
            cells=tuple(cells.values()),
            layers=tuple(
                Layer(layer.name, list(cells).index(layer.cell), tuple(layer.sources), layer.target)
                for layer in declared.layers
            ),
            operators=tuple(
                Operator(
                    name,
                    tuple(classes[name]),
                    operator.function,
                    costs[name],
                    {
                        cost: self._by_cell(operator.strided_costs[cost])
                        if cost in operator.strided_costs
                        else costs[name][cost]
                        for cost in declared.costs
                    },
                )
                for name, operator in declared.operators.items()
            ),
            costs=tuple(Cost(name, c.unit, c.origin) for name, c in declared.costs.items()),
            regions=self._regions(),
            unordered=tuple(
                (self.layer_names.index(a), self.layer_names.index(b))
                for a, b in declared.unordered
            ),
            notations=tuple(self._notation(i, n) for i, n in enumerate(declared.notations)),
            invariants=declared.invariants,
            settings=declared.settings,
            folder=self.folder,
        )

    def _by_cell(self, amount: int | dict[str, int]) -> tuple[int, ...]:
        """A cost in each cell: one number for all, or a table with 0 for cells not named."""
        if isinstance(amount, int):
            return (amount,) * len(self.declared.cells)
        return tuple(amount.get(cell, 0) for cell in self.declared.cells)

    def _check_names(self) -> None:
        declared = self.declared
        if declared.name != self.folder.name:
            fix = f"rename the folder, or write name = {self.folder.name!r}"
            raise self.refuse("name", f"`{declared.name}` is not the name of its folder", fix)
        classes = [
            name
            for operator in declared.operators.values()
            for name in (
                [operator.classes] if isinstance(operator.classes, str) else operator.classes
            )
        ]
        groups: dict[str, Iterable[str]] = {
            "layers": self.layer_names,
            "operators": declared.operators,
            "classes": dict.fromkeys([*STANDARD_CLASSES, *classes]),
            "regions": ["all", *declared.regions],
            "costs": declared.costs,
        }
        nodes = [node for cell in declared.cells.values() for node in cell.inputs]
        nodes += [layer.target for layer in declared.layers]
        groups["nodes"] = dict.fromkeys(nodes)
        owner: dict[str, str] = {}
        for group, names in groups.items():
            for name in names:
                if not _NAME.fullmatch(name) or name in WORDS:
                    raise self.refuse(
                        group,
                        f"`{name}` cannot be a name in the principle language",
                        "use letters, digits and _, and no word of the language",
                    )
                if name in owner:
                    raise self.refuse(
                        group, f"`{name}` is taken: it stands in {owner[name]} too", "rename one"
                    )
                owner[name] = group

    def _known(self, names: Iterable[str], known: Iterable[str], where: str, kind: str) -> None:
        known = list(known)
        for name in names:
            if name not in known:
                near = did_you_mean(name, known)
                fix = f"did you mean `{near}`?" if near else f"use one of {listed(known)}"
                raise self.refuse(where, f"there is no {kind} `{name}`", fix)

    def _cells(self) -> dict[str, Cell]:
        cells = {}
        for index, layer in enumerate(self.declared.layers):
            self._known([layer.cell], self.declared.cells, f"layers[{index}].cell", "cell")
        for name, cell in self.declared.cells.items():
            layers = [layer for layer in self.declared.layers if layer.cell == name]
            nodes = [*cell.inputs, *dict.fromkeys(layer.target for layer in layers)]
            for index, layer in enumerate(self.declared.layers):
                if layer.cell == name:
                    self._known(layer.sources, nodes, f"layers[{index}].from", "node")
            self._known(cell.outputs, nodes, f"cells.{name}.outputs", "node")
            for node in cell.outputs:
                if node in cell.inputs:
                    fix = "an output is a node that layers lead to"
                    raise self.refuse(f"cells.{name}.outputs", f"`{node}` is an input", fix)
            self._known(cell.strided, nodes, f"cells.{name}.strided", "node")
            order = self._topological(name, cell, layers)
            outputs, strided = tuple(cell.outputs), frozenset(cell.strided)
            cells[name] = Cell(name, order, tuple(cell.inputs), outputs, strided)
        return cells

    def _topological(self, name: str, cell: _Cell, layers: list[_Layer]) -> tuple[str, ...]:
        readers: Mapping[str, set[str]] = {node: set() for node in cell.inputs}
        sorter = TopologicalSorter(dict(readers))
        for layer in layers:
            if layer.target in cell.inputs:
                fix = "a layer leads to a node that is no input"
                raise self.refuse(f"cells.{name}", f"layer `{layer.name}` leads to an input", fix)
            sorter.add(layer.target, *layer.sources)
        try:
            inner = [node for node in sorter.static_order() if node not in cell.inputs]
        except CycleError as error:
            cycle = " -> ".join(error.args[1])
            fix = "turn one layer around"
            raise self.refuse(f"cells.{name}", f"the layers form a cycle: {cycle}", fix) from error
        declared = list(dict.fromkeys(layer.target for layer in layers))
        position = {node: i for i, node in enumerate(declared)}
        in_order = all(
            position.get(source, -1) < position[layer.target]
            for layer in layers
            for source in layer.sources
        )
        return (*cell.inputs, *(declared if in_order else inner))

    def _regions(self) -> dict[str, tuple[int, ...]]:
        regions = {"all": tuple(range(len(self.layer_names)))}
        for name in STANDARD_REGIONS[1:]:
            if name not in self.declared.regions:
                fix = "principles for `space any` speak of it: name some layers"
                raise self.refuse("regions", f"the region `{name}` is missing", fix)
        for name, members in self.declared.regions.items():
            self._known(members, self.layer_names, f"regions.{name}", "layer")
            regions[name] = tuple(sorted({self.layer_names.index(member) for member in members}))
        return regions

    def _notation(self, index: int, declared: _Notation) -> Notation:
        where = f"notations[{index}]"
        notation = Notation(
            declared.template, tuple(self.layer_names), declared.operators, declared.sources
        )
        self._known(declared.operators, self.declared.operators, f"{where}.operators", "operator")
        for codes in (declared.operators, declared.sources):
            for code in codes.values():
                if not re.fullmatch(r"\w+", code) or list(codes.values()).count(code) > 1:
                    fix = "use letters and digits, and another code for each name"
                    raise self.refuse(where, f"the code {code!r} cannot be read back", fix)
        self._known((name for name, _ in notation.placeholders), self.layer_names, where, "layer")
        for layer in self.declared.layers:
            wanted = [(layer.name, False)] + [(layer.name, True)] * (len(layer.sources) > 1)
            for placeholder in wanted:
                if notation.placeholders.count(placeholder) != 1:
                    text = "{" + layer.name + (".source}" if placeholder[1] else "}")
                    fix = "name every operator and every choice of a source once"
                    raise self.refuse(where, f"the template must hold {text} once", fix)
        for operator in self.declared.operators:
            for last in (False, True):
                operators = [operator] * len(self.layer_names)
                sources = [layer.sources[-last] for layer in self.declared.layers]
                written = notation.write(operators, sources)
                read = notation.read(written)
                if read is None or read[0] != operators:
                    fix = "set the placeholders apart, or give codes of one length"
                    raise self.refuse(where, f"{written!r} cannot be read back", fix)
        return notation
