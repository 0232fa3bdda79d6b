"""Networks: graphs, dead layers, and which architectures compute the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import networkx as nx
import pytest

from lapt_rules.network import dead_layers, every_cell_lives, graph, isomorphism_key
from lapt_rules.space import Architecture, Space
from lapt_rules.subspace import whole


def same(space: Space, one: str, other: str) -> bool:
    return isomorphism_key(space.parse(one)) == isomorphism_key(space.parse(other))


def published_string(architecture: Architecture) -> str:
    """NAS-Bench-201's own text of a cell, in which an operator of equal inputs is equal."""
    text = {"node0": "0"}
    layers = list(zip(architecture.space.layers, architecture.operators, strict=True))
    for node in ("node1", "node2", "node3"):
        terms = []
        for layer, operator in layers:
            if layer.target == node:
                source = text[layer.sources[0]]
                zero = operator == "none" or source == "#"
                identity = operator == "skip_connect"
                terms.append("#" if zero else source if identity else f"({source})@{operator}")
        text[node] = "+".join(sorted(terms))
    return text["node3"]


@pytest.mark.slow
def test_the_number_of_unique_cells_under_each_equivalence(nas201: Space, trans101: Space) -> None:
    cells = list(whole(nas201))
    assert len({published_string(cell) for cell in cells}) == 6_466  # their paper's count
    assert len({isomorphism_key(cell) for cell in cells}) == 5_044  # by function: ours
    assert len({isomorphism_key(cell) for cell in whole(trans101)}) == 1_376


def test_without_strided_cells_transnas_has_1011_functions(trans101: Space) -> None:
    cells = (replace(trans101.cells[0], strided=frozenset()),)
    plain = replace(trans101, cells=cells)
    assert len({isomorphism_key(cell) for cell in whole(plain)}) == 1_011


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        # an identity is its source; where it leads does not matter
        ("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
         "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|", True),
        # the order of two parallel branches does not matter
        ("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|skip_connect~2|",
         "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|", True),
        # one convolution used twice is not two convolutions
        ("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|",
         "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|", False),
        # average pooling is linear: avg(x) + avg(y) = avg(x + y)
        ("|nor_conv_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
         "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|avg_pool_3x3~1|none~2|", True),
        # x and 2x differ
        ("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|",
         "|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", False),
        # dead layers do not matter
        ("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
         "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", True),
        # the kind of convolution does
        ("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
         "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|", False),
    ],
)  # fmt: skip
def test_twins_compute_the_same(nas201: Space, one: str, other: str, equal: bool) -> None:
    assert same(nas201, one, other) is equal


def test_a_strided_identity_has_weights(trans101: Space) -> None:
    # In a reduction cell skip(conv's input) is a convolution of its own, so these two differ.
    assert not same(trans101, "1_00_030", "0_00_300")
    assert same(trans101, "3_01_001", "3_00_010")


def test_keys_refine_the_published_merging_of_zeros_and_identities(nas201: Space) -> None:
    """Where the key tells two live cells apart, so does training: their operators differ."""
    classes = defaultdict(set)
    for cell in whole(nas201).sample(2_000, seed=0):
        live = graph(cell, pruned=True)
        operators = sorted(
            data["operator"]
            for _, data in live.nodes(data=True)
            if data["kind"] == "layer" and data["operator"].startswith("nor_conv")
        )
        classes[isomorphism_key(cell)].add(tuple(operators))
    assert all(len(kinds) == 1 for kinds in classes.values())


def test_the_graph_is_acyclic_and_names_its_layers(darts: Space) -> None:
    cell = darts.architecture(["sep_conv_3x3", "none"] * 8, ["input0", "input1"] * 8)
    found = graph(cell)
    assert nx.is_directed_acyclic_graph(found)
    layers = [name for (_, name), data in found.nodes(data=True) if data["kind"] == "layer"]
    assert sorted(layers) == sorted(darts.layer_index)


def test_pruning_leaves_what_is_live(nas201: Space) -> None:
    cell = nas201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")
    assert dead_layers(cell) == ("layer0", "layer1", "layer2", "layer4", "layer5")
    assert {name for _, name in graph(cell, pruned=True)} == {"node0", "layer3", "node3"}


def test_a_network_lives_if_every_cell_does(darts: Space) -> None:
    sources = ["input0", "input1"] * 8
    normal_only = darts.architecture(["sep_conv_3x3"] * 8 + ["none"] * 8, sources)
    assert not every_cell_lives(normal_only)
    assert every_cell_lives(darts.architecture(["skip_connect"] * 16, sources))
