"""An architecture as a network: its graph, its live part, and whether two compute the same.

Two architectures are *twins* when they are equal after these steps. Each leaves the function as it
is, up to naming the weights, so twins compute the same:

- a layer off every live path is removed;
- an identity is replaced by its source, and a sum is the multiset of its terms;
- a linear operator (parameter-free) is taken term by term: avg(x + y) = avg(x) + avg(y);
- a fixed operator (parameter-free) on equal inputs has equal outputs;
- weighted operators keep their identity: two convolutions of one input are two, and one
  convolution that is used twice is one;
- the names of nodes and layers, and the order of a cell's outputs, do not matter.

A weighted operator that reads nothing is dead and removed too: its normalisation could only add a
constant. By this NAS-Bench-201 has 5,044 different functions and TransNAS-Bench-101 (micro) 1,376.
The 6,466 "unique" cells that NAS-Bench-201's authors count rest on another equivalence, a text of
each cell in which zeros stay visible (which parts more) and two convolutions of one input are
equal (which merges more).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from lapt_rules.logic.formula import Live
from lapt_rules.logic.plain import Plain
from lapt_rules.space import Architecture

if TYPE_CHECKING:
    import networkx as nx

Term: TypeAlias = "str | tuple[str, Value]"
"""An input node `<n>`, an instance of a weighted operator `#i`, or an operator on a sum."""

Value: TypeAlias = "tuple[tuple[Term, int], ...]"
"""A sum: its terms, each with how often it occurs."""


def live_layers(architecture: Architecture) -> frozenset[int]:
    """The layers on some path from an input to an output that no `zero` operator cuts."""
    plain = Plain(architecture.space, architecture.values)
    layers = range(len(architecture.space.layers))
    return frozenset(layer for layer in layers if plain.holds(Live(layer)))


def dead_layers(architecture: Architecture) -> tuple[str, ...]:
    """The names of the layers that change nothing, in order."""
    live = live_layers(architecture)
    layers = enumerate(architecture.space.layers)
    return tuple(layer.name for index, layer in layers if index not in live)


def graph(architecture: Architecture, pruned: bool = False) -> nx.DiGraph[tuple[str, str]]:
    """The architecture as a directed acyclic graph: nodes sum, and each layer is a node of its own.

    Nodes are `(cell, node)` with the attributes `kind` = "input", "sum" or "output", and
    `(cell, layer)` with `kind` = "layer" and `operator`. Every edge carries one tensor. `pruned`
    leaves out dead layers and the nodes that nothing reads or feeds.

    >>> from lapt_rules.space import load_space
    >>> cell = load_space("nas201").architecture(["nor_conv_3x3"] + ["none"] * 5)
    >>> sorted(name for _, name in graph(cell, pruned=True))
    []
    """
    import networkx as nx

    space = architecture.space
    found: nx.DiGraph[tuple[str, str]] = nx.DiGraph()
    live = live_layers(architecture)
    for cell in space.cells:
        for node in cell.nodes:
            is_output = node in cell.outputs
            kind = "output" if is_output else "input" if node in cell.inputs else "sum"
            found.add_node((cell.name, node), kind=kind)
    choices = zip(space.layers, architecture.operators, architecture.sources, strict=True)
    for index, (layer, operator, source) in enumerate(choices):
        if pruned and index not in live:
            continue
        name = space.cells[layer.cell].name
        found.add_node((name, layer.name), kind="layer", operator=operator, live=index in live)
        found.add_edge((name, source), (name, layer.name))
        found.add_edge((name, layer.name), (name, layer.target))
    if pruned:
        found.remove_nodes_from(list(nx.isolates(found)))
    return found


def every_cell_lives(architecture: Architecture) -> bool:
    """Whether in every cell some live path leads from an input to an output."""
    live = live_layers(architecture)
    cells = {architecture.space.layers[layer].cell for layer in live}
    return len(cells) == len(architecture.space.cells)


@lru_cache(maxsize=1 << 16)
def isomorphism_key(architecture: Architecture) -> str:
    """A text that two architectures of a space share if and only if they are twins (see above).

    >>> from lapt_rules.space import load_space
    >>> space = load_space("nas201")
    >>> a = space.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")
    >>> b = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    >>> isomorphism_key(a) == isomorphism_key(b)
    True
    """
    live = live_layers(architecture)
    cells = range(len(architecture.space.cells))
    return " | ".join(_CellFunction(architecture, cell, live).key() for cell in cells)


class _CellFunction:
    """What one cell computes, and a canonical text for it.

    `instances` are the weighted operators in use: for each, its operator and the sum it reads.
    """

    def __init__(self, architecture: Architecture, index: int, live: frozenset[int]) -> None:
        space = architecture.space
        cell = space.cells[index]
        self.instances: dict[str, tuple[str, Value]] = {}
        sums: dict[str, Counter[Term]] = {node: Counter() for node in cell.nodes}
        for node in cell.inputs:
            sums[node][f"<{node}>"] = 1
        operators, sources = architecture.operators, architecture.sources
        for layer in space.flow_order[index]:
            if layer not in live:
                continue
            source, operator = sources[layer], operators[layer]
            received, target = sums[source], sums[space.layers[layer].target]
            function = space.operators[space.operator_index[operator]].function
            if function == "identity" and source in cell.strided:
                function = "weighted"
            match function:
                case "identity":
                    target.update(received)
                case "linear":
                    target.update({(operator, ((term, 1),)): n for term, n in received.items()})
                case "fixed":
                    target[(operator, _value(received))] += 1
                case "weighted":
                    self.instances[f"#{layer}"] = operator, _value(received)
                    target[f"#{layer}"] += 1
        self.outputs = [_value(sums[node]) for node in cell.outputs]

    def key(self) -> str:
        """The least text over all ways to number the instances that refinement leaves open."""
        return min(self._texts(dict.fromkeys(self.instances, "0")))

    def _texts(self, colours: dict[str, str]) -> Iterator[str]:
        colours = self._refined(colours)
        classes: dict[str, list[str]] = {}
        for name, colour in colours.items():
            classes.setdefault(colour, []).append(name)
        open_classes = [members for _, members in sorted(classes.items()) if len(members) > 1]
        if not open_classes:
            yield self._text(colours)
            return
        tried: list[str] = []
        for name in open_classes[0]:
            if not any(self._interchangeable(name, other) for other in tried):
                tried.append(name)
                yield from self._texts({**colours, name: colours[name] + "*"})

    def _refined(self, colours: dict[str, str]) -> dict[str, str]:
        """Split colours until instances of one colour read, and are read by, the same colours."""
        while True:
            views = {name: self._view(name, colours) for name in self.instances}
            order = {view: f"{i:03d}" for i, view in enumerate(sorted(set(views.values())))}
            split = {name: order[view] for name, view in views.items()}
            if len(order) == len(set(colours.values())):
                return split
            colours = split

    def _view(self, name: str, colours: dict[str, str]) -> str:
        """An instance as its surroundings show it, the others known by their colours alone."""
        operator, value = self.instances[name]
        marked = {**colours, name: "!"}
        readers = sorted(
            f"{colours[other]}={_written(used, marked)}"
            for other, (_, used) in self.instances.items()
            if name in _mentioned(used)
        )
        ends = sorted(_written(end, marked) for end in self.outputs if name in _mentioned(end))
        return f"{colours[name]} {operator}({_written(value, colours)}) {readers} {ends}"

    def _interchangeable(self, one: str, other: str) -> bool:
        """Whether exchanging two instances leaves the cell as it is."""
        same = {name: name for name in self.instances}
        swap = {**same, one: other, other: one}
        return self._text(same) == self._text(swap)

    def _text(self, names: dict[str, str]) -> str:
        parts = sorted(
            f"{names[name]}={operator}({_written(value, names)})"
            for name, (operator, value) in self.instances.items()
        )
        ends = sorted(_written(output, names) for output in self.outputs)
        return "; ".join([*parts, f"-> {', '.join(ends)}"])


def _value(terms: Counter[Term]) -> Value:
    return tuple(sorted(terms.items(), key=repr))


def _written(value: Value, names: dict[str, str]) -> str:
    """A sum as text, with the given names for the instances in it."""
    terms = []
    for term, number in value:
        if isinstance(term, str):
            text = names.get(term, term)
        else:
            text = f"{term[0]}({_written(term[1], names)})"
        terms.append(text if number == 1 else f"{number} {text}")
    return " + ".join(sorted(terms))


def _mentioned(value: Value) -> set[str]:
    """The instances in a sum."""
    found: set[str] = set()
    for term, _ in value:
        found |= {term} if isinstance(term, str) else _mentioned(term[1])
    return found
