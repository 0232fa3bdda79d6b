"""Spaces and architectures: what `space.toml` declares, and how an ARCH is read and written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, table

from lapt_rules import content
from lapt_rules.errors import ArchitectureError, LaptError, ModelError, PrincipleError, SpaceError
from lapt_rules.logic.plain import is_well_formed
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import moves, whole


def test_the_spaces_have_their_published_sizes(nas201: Space, trans101: Space) -> None:
    assert whole(nas201).count() == 5**6 == 15_625
    assert whole(trans101).count() == 4**6 == 4_096


def test_darts_has_the_names_that_are_fixed(darts: Space) -> None:
    layers = [f"{cell}_{k}{x}" for cell in ("normal", "reduce") for k in range(1, 5) for x in "ab"]
    assert list(darts.layer_index) == layers
    assert darts.node_names == ("input0", "input1", "stage1", "stage2", "stage3", "stage4")
    assert darts.regions["normal_2"] == (2, 3)
    assert len(darts.operators) == 8


@pytest.mark.parametrize("name", ["nas201", "trans101", "darts"])
def test_every_space_has_the_standard_classes_and_regions(name: str) -> None:
    space = load_space(name)
    assert set(space.classes) == {"conv", "pool", "identity", "zero"}
    assert {"all", "early", "late"} <= set(space.regions)
    early, late = set(space.regions["early"]), set(space.regions["late"])
    assert not early & late
    assert early | late == set(space.regions["all"])


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_reading_what_is_written_gives_the_architecture_back(name: str) -> None:
    space = load_space(name)
    for architecture in whole(space).sample(200, seed=3):
        assert space.parse(str(architecture)) == architecture
        for notation in space.notations:
            written = notation.write(architecture.operators, architecture.sources)
            assert space.parse(written) == architecture


def test_the_layers_follow_the_arch_string(nas201: Space) -> None:
    text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|nor_conv_3x3~1|skip_connect~2|"
    assert nas201.parse(text).operators == (
        "avg_pool_3x3", "nor_conv_1x1", "skip_connect", "none", "nor_conv_3x3", "skip_connect",
    )  # fmt: skip


def test_transnas_digits_are_operators(trans101: Space) -> None:
    assert trans101.parse("64-41414-0_12_332").operators == (
        "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "nor_conv_3x3", "nor_conv_1x1",
    )  # fmt: skip


def test_a_darts_pair_is_unordered(darts: Space) -> None:
    one = darts.architecture(["sep_conv_3x3", "max_pool_3x3"] * 8, ["input0", "input1"] * 8)
    other = darts.architecture(["max_pool_3x3", "sep_conv_3x3"] * 8, ["input1", "input0"] * 8)
    assert one == other
    assert darts.parse(str(other)) == one


def test_published_darts_architectures_are_read(darts: Space) -> None:
    cells = json.loads(table("darts/nb301_predicted_cifar10.json").read_text())["architectures"]
    nodes = darts.cells[0].nodes
    for entry in cells[:50]:
        pairs = entry["normal"] + entry["reduce"]
        architecture = darts.architecture([op for op, _ in pairs], [nodes[i] for _, i in pairs])
        assert is_well_formed(architecture)
        assert darts.parse(str(architecture)) == architecture


def test_two_equal_sources_are_not_well_formed(darts: Space) -> None:
    architecture = darts.architecture(["none"] * 16, ["input0"] * 16)
    assert not is_well_formed(architecture)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3_33_333", "it is one of trans101"),
        ("|nor_conv3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|", "did you mean `nor_conv_3x3`"),
        ("", "write it like"),
        ("x" * 5000, "write it like"),
    ],
)
def test_a_text_that_is_no_architecture_is_answered_with_the_fix(
    nas201: Space, text: str, message: str
) -> None:
    with pytest.raises(ArchitectureError, match="nas201") as caught:
        nas201.parse(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_source_must_be_given_where_there_is_a_choice(darts: Space) -> None:
    with pytest.raises(ArchitectureError, match="source is missing"):
        darts.architecture(["none"] * 16)


# ----------------------------------------------------------------------------- a user's own space

OWN = """\
name = "own"
title = "A chain of two layers"
source = "a test"

[[notations]]
template = "{first}-{second}"

[cells.cell]
inputs = ["start"]
outputs = ["end"]

[[layers]]
name = "first"
cell = "cell"
from = ["start"]
to = "middle"

[[layers]]
name = "second"
cell = "cell"
from = ["start", "middle"]
to = "end"

[operators.nothing]
class = "zero"
function = "zero"

[operators.dense]
class = ["conv", "mixing"]
function = "weighted"
costs = { params = 10 }

[costs.params]
unit = "parameters"
origin = "counted"

[regions]
early = ["first"]
late = ["second"]
"""


def own_space(folder: Path, text: str) -> Path:
    place = folder / "spaces" / "own"
    place.mkdir(parents=True)
    (place / "space.toml").write_text(text)
    return place


def test_a_users_own_space_works_by_the_same_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = OWN.replace("{first}-{second}", "{first}-{second}@{second.source}")
    own_space(tmp_path, text)
    monkeypatch.setenv("LAPT_PATH", str(tmp_path))
    assert "own" in content.space_folders()
    space = load_space(Path(tmp_path / "spaces" / "own"))
    assert whole(space).count() == 2 * 2 * 2
    kept = space.refine("space own principle p require second from middle and longest(conv) == 2")
    assert [str(one) for one in kept] == ["dense-dense@middle"]


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user's own with the space `own` and a model; it is the current folder."""
    own_space(tmp_path, OWN.replace("{first}-{second}", "{first}-{second}@{second.source}"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "nas201.py").write_text("raise AssertionError('this ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAPT_PATH", "")
    return tmp_path


def test_content_in_the_current_folder_is_used_only_where_it_is_asked_for(own_folder: Path) -> None:
    assert content.model_file("nas201") == content.shipped() / "models" / "nas201.py"
    assert content.own_files("nas201") == {}
    with pytest.raises(SpaceError, match=r"--content \.` to use \./spaces/own/space\.toml"):
        load_space("own")
    (own_folder / "models" / "own.py").touch()
    with pytest.raises(ModelError, match=r"--content \.` to use \./models/own\.py"):
        content.model_file("own")
    content.use(Path())
    assert load_space("own").folder == own_folder / "spaces" / "own"
    assert content.model_file("nas201") == own_folder / "models" / "nas201.py"
    assert content.own_files("nas201").keys() == {"models/nas201.py"}


def test_content_of_a_users_own_is_said_once(
    own_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content.use(own_folder)
    for _ in range(2):
        load_space("nas201")
        load_space("own")
        content.model_file("nas201")
    assert caplog.messages == [
        f"using spaces/own from {own_folder}",
        f"using models/nas201.py from {own_folder}",
    ]


def test_processes_that_are_started_use_the_same_content(own_folder: Path) -> None:
    content.use(own_folder)
    code = "from lapt_rules.space import load_space; print(load_space('own').title)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "A chain of two layers\n"


def test_a_folder_without_content_is_refused(own_folder: Path) -> None:
    with pytest.raises(LaptError, match="neither spaces/ nor models/"):
        content.use(own_folder / "spaces")


def test_the_hint_for_a_wrong_text_reads_no_invariants_of_other_spaces(
    own_folder: Path, nas201: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    content.use(own_folder)
    monkeypatch.setattr("lapt_rules.logic.binding.invariants", pytest.fail)
    with pytest.raises(ArchitectureError, match="it is one of own; nas201 writes"):
        nas201.parse("dense-dense@start")
    with pytest.raises(ArchitectureError, match="write it like"):
        nas201.parse("dense")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('to = "end"', 'to = "ende"'), "no node `end`"),
        (('class = "zero"', "klass = 1"), "klass"),
        (('from = ["start"]\n', 'from = ["end"]\n'), "cycle"),
        (('name = "first"', 'name = "count"'), "cannot be a name"),
        (('name = "first"', 'name = "dense"'), "is taken"),
        (('early = ["first"]', 'early = ["frist"]'), "did you mean `first`"),
        (("params = 10", "parms = 10"), "did you mean `params`"),
        (("{first}-", ""), "must hold {first} once"),
        (("\nlate = ", "\nlater = "), "`late` is missing"),
        (('name = "own"', 'name = "other"'), "name of its folder"),
        (('function = "weighted"', 'function = "heavy"'), "heavy"),
        (("[operators.nothing]", "[operators.nothing"), "line"),
        (
            ('name = "own"', 'name = "own"\ninvariants = "principle p\\n  require frist is dense"'),
            "did you mean `first`",
        ),
        (
            ('name = "own"', 'name = "own"\ninvariants = "principle p prefer connected weight 1"'),
            "an invariant is a `require` or a `forbid`",
        ),
        (
            ('{second.source}"', '{second.source}"\noperators = { dense = "1", nothing = "1" }'),
            "cannot be read back",
        ),
        (
            ('{second.source}"', '{second.source}"\noperators = { dense = "-" }'),
            "cannot be read back",
        ),
    ],
)
def test_a_wrong_space_file_is_refused_with_the_place(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    text = OWN.replace("{first}-{second}", "{first}-{second}@{second.source}")
    assert change[0] in text
    folder = own_space(tmp_path, text.replace(*change, 1))
    with pytest.raises((SpaceError, PrincipleError)) as caught:
        load_space(folder)
    assert message in str(caught.value)
    assert str(folder / "space.toml") in str(caught.value)


def test_a_wrong_invariant_is_told_at_its_line(tmp_path: Path) -> None:
    text = OWN.replace("{first}-{second}", "{first}-{second}@{second.source}")
    block = "invariants = '''\nprinciple p\n  require first is dnese\n'''\n"
    folder = own_space(tmp_path, text.replace("[[notations]]", block + "\n[[notations]]", 1))
    line = (folder / "space.toml").read_text().split("\n").index("  require first is dnese") + 1
    with pytest.raises(PrincipleError, match=f"space.toml:{line}:20"):
        load_space(folder)


def test_a_space_with_too_many_operators_is_refused(tmp_path: Path) -> None:
    text = OWN.replace("{first}-{second}", "{first}-{second}@{second.source}")
    more = "".join(f'[operators.op{i}]\nclass = "conv"\nfunction = "fixed"\n' for i in range(200))
    with pytest.raises(SpaceError, match="<= 100"):
        load_space(own_space(tmp_path, text + more))


def test_the_same_folder_is_the_same_space(nas201: Space) -> None:
    assert load_space(nas201.folder) is nas201


def test_an_unknown_space_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpaceError, match="did you mean `nas201`"):
        load_space("nas-201")


# -------------------------------------------------------------------------------------------- moves


def test_a_move_changes_one_operator_of_a_table_space(nas201: Space) -> None:
    start = whole(nas201).unrank(4711)
    reached = moves(start.space, np.array([start.values], np.int8))[0]
    assert len(reached) == 6 * 4
    assert all((row != start.values).sum() == 1 for row in reached)


def test_a_darts_move_carries_the_operators_along_with_their_sources(darts: Space) -> None:
    operators = ["sep_conv_3x3", "max_pool_3x3"] * 8
    start = darts.architecture(operators, ["input0", "input1"] * 8)
    target = list(start.sources)
    target[2] = "stage1"  # normal_2a, input0 -> stage1: now later than normal_2b's input1
    wanted = darts.architecture(operators, target)
    assert wanted.operators[2:4] == ("max_pool_3x3", "sep_conv_3x3")
    assert list(wanted.values) in moves(start.space, np.array([start.values], np.int8))[0].tolist()


def test_costs_differ_by_cell_and_where_a_layer_reads_a_strided_node(darts: Space) -> None:
    skip = darts.operator_index["skip_connect"]
    separable = darts.operator_index["sep_conv_3x3"]
    normal, reduce = darts.layer_index["normal_2a"], darts.layer_index["reduce_2a"]
    assert darts.operator_costs("params", reduce, "input1")[skip] == 26_352
    assert darts.operator_costs("params", reduce, "stage1")[skip] == 0
    assert darts.operator_costs("params", normal, "input1")[skip] == 0
    assert darts.operator_costs("params", normal, "stage1")[separable] == 359_856
    assert darts.operator_costs("params", reduce, "stage1")[separable] == 56_592
    some = "principle p require sum(params in {normal_2a, reduce_2b}) == 386208"
    kept = darts.refine(f"space darts {some}")  # 359,856 + 26,352
    total = whole(darts).count()
    # A dil_conv has half the weights of a sep_conv, so that only this pair of operators fits.
    assert kept.count() == total // 64 // 3  # reduce_2b reads input1 or, twice as often, stage1
