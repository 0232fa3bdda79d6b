"""A search space as its `space.toml` declares it, and the architectures in it.

An architecture is one operator a layer and, where the layer has a choice, one information source
(LAPT, Sec. 3: Ω = { A | l_i in C_i, s_i in S_i }). Inside the program both are *variables* with
small integer values; names live at the edges: arch strings, principle files, messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lapt_rules import content
from lapt_rules.errors import ArchitectureError, LaptError, did_you_mean, listed, shortened

if TYPE_CHECKING:
    from lapt_rules.language.syntax import File
    from lapt_rules.notation import Notation
    from lapt_rules.subspace import Subspace

Function = Literal["zero", "identity", "linear", "fixed", "weighted"]
"""What an operator computes, as far as telling architectures apart needs it.

`zero` passes nothing and cuts a path; `identity` passes its input; `linear` is parameter-free and
adds up over a sum; `fixed` is parameter-free; `weighted` has weights of its own.
"""


STANDARD_CLASSES = ("conv", "pool", "identity", "zero")
STANDARD_REGIONS = ("all", "early", "late")
"""What every space has, so that a file for `space any` may name it."""


@dataclass(frozen=True)
class Operator:
    """What a layer may compute.

    `costs` are what it adds to the whole network in each of the space's cells, `strided_costs` the
    same where the layer reads a `strided` node.
    """

    name: str
    classes: tuple[str, ...]
    function: Function
    costs: Mapping[str, tuple[int, ...]] = field(hash=False)
    strided_costs: Mapping[str, tuple[int, ...]] = field(hash=False)


@dataclass(frozen=True)
class Cost:
    """A cost that operators have, in a stated unit; `origin` says how its values came about."""

    name: str
    unit: str
    origin: str


@dataclass(frozen=True)
class Cell:
    """A directed acyclic graph of nodes; `nodes` are in topological order, the inputs first.

    A layer that reads a node in `strided` changes the resolution in some of the network's cells,
    where an identity has weights.
    """

    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    strided: frozenset[str]


@dataclass(frozen=True)
class Layer:
    """One place for an operator, from one of `sources` to the node `target` of its cell."""

    name: str
    cell: int
    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class Variable:
    """One decision: the operator of a layer, or its source; `values` are the names to choose."""

    layer: int
    kind: Literal["operator", "source"]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """What LAPT uses on this space (its Table 1); each can be overridden for a run."""

    archive: int = 50
    top: int = 5
    iterations: int = 3
    population: int = 10
    tournament: int = 2
    budget: int = 50


@dataclass(frozen=True, eq=False, repr=False)
class Space:
    """A search space. Load one with `load_space`; two spaces are equal only if the same object."""

    name: str
    title: str
    source: str
    cells: tuple[Cell, ...]
    layers: tuple[Layer, ...]
    operators: tuple[Operator, ...]
    costs: tuple[Cost, ...]
    regions: Mapping[str, tuple[int, ...]]
    unordered: tuple[tuple[int, int], ...]
    notations: tuple[Notation, ...]
    invariants: str
    settings: Settings
    folder: Path

    def __repr__(self) -> str:
        return f"<Space {self.name}>"

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Every decision, those of one node together, sources before operators."""
        variables: list[Variable] = []
        names = tuple(operator.name for operator in self.operators)
        groups: dict[tuple[int, str], list[int]] = {}
        for index, layer in enumerate(self.layers):
            groups.setdefault((layer.cell, layer.target), []).append(index)
        for members in groups.values():
            for index in members:
                if len(self.layers[index].sources) > 1:
                    variables.append(Variable(index, "source", self.layers[index].sources))
            variables += [Variable(index, "operator", names) for index in members]
        return tuple(variables)

    @cached_property
    def operator_variable(self) -> tuple[int, ...]:
        """For each layer, the index of the variable that holds its operator."""
        found = {v.layer: i for i, v in enumerate(self.variables) if v.kind == "operator"}
        return tuple(found[layer] for layer in range(len(self.layers)))

    @cached_property
    def source_variable(self) -> tuple[int | None, ...]:
        """For each layer, the index of the variable that holds its source; None where fixed."""
        found = {v.layer: i for i, v in enumerate(self.variables) if v.kind == "source"}
        return tuple(found.get(layer) for layer in range(len(self.layers)))

    @cached_property
    def flow_order(self) -> tuple[tuple[int, ...], ...]:
        """For each cell its layers, those into earlier nodes first: the way data flows."""
        position = [{node: i for i, node in enumerate(cell.nodes)} for cell in self.cells]
        members: list[list[int]] = [[] for _ in self.cells]
        for index, layer in enumerate(self.layers):
            members[layer.cell].append(index)
        return tuple(
            tuple(sorted(layers, key=lambda i: position[cell][self.layers[i].target]))
            for cell, layers in enumerate(members)
        )

    @cached_property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Each operator class and its members; the standard classes are there even if empty."""
        members: dict[str, list[str]] = {name: [] for name in STANDARD_CLASSES}
        for operator in self.operators:
            for name in operator.classes:
                members.setdefault(name, []).append(operator.name)
        return {name: tuple(operators) for name, operators in members.items()}

    def operator_costs(self, cost: str, layer: int, source: str) -> tuple[int, ...]:
        """What each operator costs on a layer that reads the node `source`."""
        cell = self.layers[layer].cell
        if source in self.cells[cell].strided:
            return tuple(operator.strided_costs[cost][cell] for operator in self.operators)
        return tuple(operator.costs[cost][cell] for operator in self.operators)

    @cached_property
    def layer_index(self) -> dict[str, int]:
        return {layer.name: index for index, layer in enumerate(self.layers)}

    @cached_property
    def operator_index(self) -> dict[str, int]:
        return {operator.name: index for index, operator in enumerate(self.operators)}

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of all nodes, each once."""
        return tuple(dict.fromkeys(node for cell in self.cells for node in cell.nodes))

    def architecture(
        self, operators: Sequence[str], sources: Sequence[str | None] | None = None
    ) -> Architecture:
        """The architecture with these operators, one a layer, and sources where there is a choice.

        An unordered pair of layers is brought into the space's own order. Raises
        ArchitectureError for a wrong number of layers or a name the space does not have.

        >>> space = load_space("trans101")
        >>> str(space.architecture(["nor_conv_3x3"] * 6))
        '64-41414-3_33_333'
        """
        chosen = list(sources) if sources is not None else [None] * len(self.layers)
        if len(operators) != len(self.layers) or len(chosen) != len(self.layers):
            raise ArchitectureError(
                f"{self.name} has {len(self.layers)} layers, this architecture "
                f"names {len(operators)}",
                f"list one operator for each of {listed(self.layer_index)}",
            )
        picks: list[tuple[int, int | None]] = []
        for layer, operator, source in zip(self.layers, operators, chosen, strict=True):
            picks.append((self._operator_number(layer, operator), _source_number(layer, source)))
        for a, b in self.unordered:
            (_, source_a), (_, source_b) = picks[a], picks[b]
            if source_a is not None and source_b is not None and source_a > source_b:
                picks[a], picks[b] = picks[b], picks[a]
        values = [0] * len(self.variables)
        for layer_number, (operator_number, source_number) in enumerate(picks):
            values[self.operator_variable[layer_number]] = operator_number
            variable = self.source_variable[layer_number]
            if variable is not None and source_number is not None:
                values[variable] = source_number
        return Architecture(self, tuple(values))

    def _operator_number(self, layer: Layer, operator: str) -> int:
        number = self.operator_index.get(operator)
        if number is None:
            near = did_you_mean(operator, self.operator_index)
            raise ArchitectureError(
                f"{layer.name}: {self.name} has no operator `{shortened(operator)}`",
                f"did you mean `{near}`?" if near else f"use one of {listed(self.operator_index)}",
            )
        return number

    def parse(self, text: str) -> Architecture:
        """The architecture that an arch string names, in any of the space's notations, or a list.

        White space does not matter. Raises ArchitectureError, which names the space the text
        does belong to, if there is one.

        >>> load_space("trans101").parse("3_33_331").operators[-1]
        'skip_connect'
        >>> str(load_space("trans101").parse("[none, none, none, none, none, nor_conv_3x3]"))
        '64-41414-0_00_003'
        """
        if _is_list(text):
            entries = [entry.split(" from ") for entry in text.strip()[1:-1].split(",")]
            operators = [entry[0].strip() for entry in entries]
            sources = [entry[1].strip() if len(entry) > 1 else None for entry in entries]
            return self.architecture(operators, sources)
        for notation in self.notations:
            read = notation.read(text)
            if read is not None:
                return self.architecture(*read)
        other = self.elsewhere(text)
        example = self._shown_example
        raise ArchitectureError(
            f"`{shortened(text)}` is not an architecture of {self.name}",
            f"it is one of {other}; {self.name} writes {example}"
            if other
            else f"write it like {example}, or as a list [OP, OP, ...]",
        )

    def recognizes(self, text: str) -> bool:
        """Whether a text has the form of an architecture; a name in it may still be wrong.

        >>> space = load_space("trans101")
        >>> space.recognizes("3_33_339"), space.recognizes("jigsaw")
        (True, False)
        """
        return _is_list(text) or any(notation.read(text) for notation in self.notations)

    def elsewhere(self, text: str) -> str | None:
        """The name of another known space in whose notation a text is written, if there is one.

        >>> load_space("nas201").elsewhere("3_33_333")
        'trans101'
        """
        for name, folder in content.space_folders().items():
            notations = () if folder.resolve() == self.folder else _notations(folder.resolve())
            if any(notation.read(text) for notation in notations):
                return name
        return None

    @cached_property
    def example(self) -> Architecture:
        """An architecture to show: the operators in turn, each pair on its first two sources."""
        second = {b for _, b in self.unordered}
        sources = [
            layer.sources[min(1, len(layer.sources) - 1) if index in second else 0]
            for index, layer in enumerate(self.layers)
        ]
        names = [operator.name for operator in self.operators]
        return self.architecture([names[i % len(names)] for i in range(len(self.layers))], sources)

    @property
    def _shown_example(self) -> str:
        text = str(self.example)
        return text if len(text) <= 120 else f"{text[:60]}… (`lapt show {self.name}` has it whole)"

    def refine(self, principles: File | str) -> Subspace:
        """The exact set that principles keep: see `lapt_rules.subspace.refine`."""
        from lapt_rules.analysis import refine

        return refine(self, principles)


@dataclass(frozen=True, slots=True)
class Architecture:
    """One point of a space: a value for each of its variables, in their order."""

    space: Space = field(repr=False)
    values: tuple[int, ...]

    @property
    def operators(self) -> tuple[str, ...]:
        """The operator of each layer."""
        space = self.space
        return tuple(space.operators[self.values[v]].name for v in space.operator_variable)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source node of each layer, chosen or fixed."""
        choices = zip(self.space.layers, self.space.source_variable, strict=True)
        return tuple(
            layer.sources[0 if variable is None else self.values[variable]]
            for layer, variable in choices
        )

    @property
    def listing(self) -> str:
        """As a list: its operators in the order of the layers, with sources where they differ.

        >>> load_space("trans101").parse("3_33_331").listing[-15:]
        ', skip_connect]'
        """
        chosen = zip(self.operators, self.sources, self.space.source_variable, strict=True)
        entries = (o if variable is None else f"{o} from {s}" for o, s, variable in chosen)
        return f"[{', '.join(entries)}]"

    def __str__(self) -> str:
        return self.space.notations[0].write(self.operators, self.sources)


def load_space(name: str | Path) -> Space:
    """The space called `name`, or the one in the folder `name` (a Path) that holds a `space.toml`.

    The same folder gives the same object. Raises SpaceError where there is no such space, and
    SpaceError or PrincipleError where its file does not describe one.

    >>> len(load_space("nas201").layers)
    6
    """
    folder = name if isinstance(name, Path) else content.space_folder(name)
    return _load(folder.resolve())


@cache
def _load(folder: Path) -> Space:
    from lapt_rules.logic.binding import invariants
    from lapt_rules.space_file import read_space

    space = read_space(folder)
    invariants(space)  # a broken one is told now, not at the first use
    return space


@cache
def _notations(folder: Path) -> tuple[Notation, ...]:
    """How a space writes its architectures, without its invariants, which take long to read."""
    from lapt_rules.space_file import read_space

    try:
        return read_space(folder).notations
    except LaptError:
        return ()


def _is_list(text: str) -> bool:
    """Whether a text is written as a list of operators."""
    written = text.strip()
    return written.startswith("[") and written.endswith("]")


def _source_number(layer: Layer, source: str | None) -> int | None:
    if len(layer.sources) == 1 and source in (None, layer.sources[0]):
        return None
    if source is None:
        raise ArchitectureError(
            f"{layer.name}: the source is missing",
            f"write `OPERATOR from NODE`, with one of {listed(layer.sources)}",
        )
    if source not in layer.sources:
        raise ArchitectureError(
            f"{layer.name}: `{shortened(source)}` is not one of its sources",
            f"use one of {listed(layer.sources)}",
        )
    return layer.sources.index(source)
