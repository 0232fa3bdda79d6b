"""Benchmark tables: the forms they come in, what is refused, and who may see what."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import table
from hypothesis import given
from hypothesis import strategies as st

from lapt_rules.errors import ArchitectureError, TableError, did_you_mean
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.evaluate.table import Table, TargetTable, load_table, table_from_api
from lapt_rules.evaluate.table_file import _keys
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import whole


def made_up(space: Space) -> dict[str, float]:
    """A value for every architecture: its position in the space."""
    return {str(one): float(i) for i, one in enumerate(whole(space))}


def written(folder: Path, content: Any, name: str = "table.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_published_tables_are_read(nas201: Space, trans101: Space, darts: Space) -> None:
    cifar = load_table(table("nas201/nasbench201_cifar10.json"), nas201)
    assert len(cifar.values) == 15_625
    assert cifar.archive(1).members[0].value == pytest.approx(91.60667, abs=1e-5)
    scene = load_table(table("trans101/micro_final_valid.json"), trans101, "class_scene")
    assert str(scene.archive(1).members[0].architecture) == "64-41414-3_32_132"
    predicted = load_table(table("darts/nb301_predicted_cifar10.json"), darts)
    assert len(predicted.values) == 725


def test_a_metric_can_be_named(nas201: Space) -> None:
    path = table("nas201/nasbench201_cifar10.json")
    test_accuracy = load_table(path, nas201, metric="test_acc_200")
    assert test_accuracy.archive(1).members[0].value > 94
    with pytest.raises(TableError, match="val_acc_200"):
        load_table(path, nas201, metric="accuracy")


@pytest.mark.parametrize("form", ["arch", "metrics", "tasks"])
def test_every_json_form_says_the_same(tmp_path: Path, trans101: Space, form: str) -> None:
    values = made_up(trans101)
    content: Any = {
        "arch": values,
        "metrics": {arch: {"valid_top1": value} for arch, value in values.items()},
        "tasks": {"jigsaw": values, "other": {}},
    }[form]
    read = load_table(written(tmp_path, content), trans101, "jigsaw" if form == "tasks" else "")
    assert dict(read.values) == {one.values: float(i) for i, one in enumerate(whole(trans101))}


def test_a_table_is_named_as_on_the_command_line(tmp_path: Path, trans101: Space) -> None:
    digits = load_space("digits")
    shipped = load_table(digits.folder / "table.npz", digits, "jigsaw")
    for named in (
        load_table("digits:jigsaw"),
        load_table("digits:jigsaw", "digits"),
        load_table("digits", digits, "jigsaw"),
        load_table(f"{digits.folder}/table.npz:jigsaw", digits),
    ):
        assert (named.name, named.values) == (shipped.name, shipped.values)
    path = written(tmp_path, {"a": made_up(trans101), "b": {"0_00_000": 7.0}})
    for name in (f"{path}:b", Path(f"{path}:b")):
        assert load_table(name, trans101).values == {(0,) * 6: 7.0}
    with pytest.raises(TableError, match="for which space"):
        load_table(f"{path}:b")
    with pytest.raises(TableError, match="no path before the colon"):
        load_table(":b", trans101)


def test_an_archive_has_the_size_of_the_settings(tmp_path: Path, trans101: Space) -> None:
    read = load_table(written(tmp_path, made_up(trans101)), trans101)
    assert read.archive() == read.archive(trans101.settings.archive)


def test_an_archive_is_made_of_rated_architectures(trans101: Space, nas201: Space) -> None:
    rated = [Rated(one, float(i)) for i, one in enumerate(whole(trans101).sample(9, seed=0))]
    archive = Archive.of(rated, "by hand")
    assert archive.members == tuple(reversed(rated))
    assert (archive.space, archive.origin) == (trans101, "by hand")
    with pytest.raises(ArchitectureError, match="of one space; these are of nas201, trans101"):
        Archive.of([*rated, Rated(nas201.example, 1.0)])
    with pytest.raises(ArchitectureError, match="of none"):
        Archive.of([])
    with pytest.raises(TableError, match=r"64-41414-.*: the value is nan"):
        Archive.of([*rated, Rated(trans101.example, math.nan)])


# ------------------------------------------------------------------------------------- .pth files


def published_form(space: Space) -> dict[str, Any]:
    micro = {}
    for arch, value in made_up(space).items():
        metrics = {"train_loss": [9.0, 9.0], "valid_top1": [value - 1, value, value - 2]}
        micro[arch] = {"jigsaw": {"metrics": metrics, "model_info": {"params": 1.0}}}
    return {"macro": {"64-1234-basic": {}}, "micro": micro}


def test_the_published_pth_form_is_read_at_its_best_epoch(tmp_path: Path, trans101: Space) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "transnas.pth"
    torch.save(published_form(trans101), path)
    read = load_table(path, trans101, "jigsaw")
    assert dict(read.values) == {one.values: float(i) for i, one in enumerate(whole(trans101))}


def test_numpy_numbers_in_a_pth_are_read(tmp_path: Path, trans101: Space) -> None:
    torch = pytest.importorskip("torch")
    import numpy as np

    form = published_form(trans101)
    for entry in form["micro"].values():
        metrics = entry["jigsaw"]["metrics"]
        metrics["valid_top1"] = [np.float64(value) for value in metrics["valid_top1"]]
    path = tmp_path / "transnas.pth"
    torch.save(form, path)
    assert len(load_table(path, trans101, "jigsaw").values) == 4_096


class Harmful:
    """An object that would create a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("plain_pickle", [False, True])
def test_code_in_a_pth_never_runs(tmp_path: Path, trans101: Space, plain_pickle: bool) -> None:
    torch = pytest.importorskip("torch")
    path, touched = tmp_path / "evil.pth", tmp_path / "touched"
    if plain_pickle:
        path.write_bytes(pickle.dumps(Harmful(touched), protocol=2))
    else:
        torch.save({"micro": Harmful(touched)}, path)
    with pytest.raises(TableError, match="loaded safely"):
        load_table(path, trans101, "jigsaw")
    assert not touched.exists()


def test_an_opened_api_is_a_table(nas201: Space) -> None:
    """NATS-Bench's own class, on the real form of its data."""
    pytest.importorskip("torch")
    nats_bench = pytest.importorskip("nats_bench")
    cells = [str(one) for one in whole(nas201).sample(5, seed=0)]
    api = nats_bench.api_topology.NATStopology(_nats_data(cells), fast_mode=False, verbose=False)
    read = table_from_api(api, nas201, "cifar10-valid")
    assert read.values == {
        nas201.parse(cell).values: pytest.approx(50.0 + i) for i, cell in enumerate(cells)
    }
    with pytest.raises(TableError, match="valid-accuracy"):
        table_from_api(api, nas201, "cifar10-valid", "best-accuracy")


def _nats_data(cells: list[str]) -> dict[str, Any]:
    """What a NATS-Bench file holds, for a few cells: one seed, 200 epochs, CIFAR-10."""
    epochs = 200
    infos = {}
    for index, cell in enumerate(cells):
        marks = [f"x-valid@{epoch}" for epoch in range(epochs)]
        accuracy = dict.fromkeys(marks, 50.0 + index)
        losses = times = dict.fromkeys(marks, 1.0)
        result = {
            "name": "cifar10-valid",
            "net_state_dict": None,
            "train_acc1es": dict.fromkeys(range(epochs), 99.0),
            "train_acc5es": None,
            "train_losses": dict.fromkeys(range(epochs), 0.1),
            "train_times": dict.fromkeys(range(epochs), 1.0),
            "eval_acc1es": accuracy,
            "eval_times": times,
            "eval_losses": losses,
            "optimizer_state_dict": None,
            "latency": [0.1],
            "arch_config": {"name": "infer.tiny", "arch_str": cell},
            "params": 1.0,
            "flop": 1.0,
            "seed": 777,
            "epochs": epochs,
        }
        info = {
            "arch_index": index,
            "arch_str": cell,
            "all_results": {("cifar10-valid", 777): result},
            "dataset_seed": {"cifar10-valid": [777]},
            "clear_net_done": True,
        }
        infos[index] = {"12": info, "200": info}
    return {
        "meta_archs": cells,
        "arch2infos": infos,
        "evaluated_indexes": set(range(len(cells))),
    }


# --------------------------------------------------------------------------------------- bad tables


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update({next(iter(v)): math.nan}), "the value is nan"),
        (lambda v: v.update({next(iter(v)): None}), "the value is missing"),
        (lambda v: v.update({next(iter(v)): "97"}), "the value is missing"),
        (lambda v: v.update({next(iter(v)): True}), "the value is missing"),
        (lambda v: v.update({"0_00_000": 1.0}), "stands in the table twice"),
        (lambda v: v.update({"4_00_000": 1.0}), "trans101 has no operator `4`"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, trans101: Space, change: Any, message: str) -> None:
    values: dict[str, Any] = made_up(trans101)
    change(values)
    path = written(tmp_path, values)
    with pytest.raises(TableError) as caught:
        load_table(path, trans101)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"64-41414-0_00_000": 1.0, "64-4', "cut off"),
        ("", "not valid JSON"),
        ("[1, 2]", "not a table"),
        ("{}", "not a table"),
        ('{"hello": 1}', "no key of it is an architecture of trans101"),
        ("[" * 100_000, "nested too deeply"),
        ('{"64-41414-0_00_000": 1, "64-41414-0_00_000": 2}', "stands in the table twice"),
        ('{"64-41414-0_00_000": ' + "9" * 400 + "}", "the value is inf"),
        ('{"64-41414-0_00_000": ' + "9" * 5000 + "}", "too long"),
        ('{"64-41414-0_00_000": {"metrics": 5}}', "no value that is known"),
        ('{"micro": {"64-41414-0_00_000": {"a": 1}, "64-41414-0_00_001": null}}', "is missing"),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, trans101: Space, content: str, message: str
) -> None:
    with pytest.raises(TableError) as caught:
        load_table(written(tmp_path, content), trans101)
    assert message in str(caught.value)


FOREIGN = {f"key{number}": {"value": 1.0} for number in range(5_000)}
"""10,000 keys, none of which is an architecture."""


def test_a_json_of_something_else_is_refused_before_it_is_parsed(
    tmp_path: Path, nas201: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "loads", pytest.fail)
    for content in (FOREIGN, {"task": dict.fromkeys(map(str, range(9_999)))}):
        with pytest.raises(TableError) as caught:
            load_table(written(tmp_path, content), nas201)
        assert "none of its first 10,000 keys is an architecture of nas201" in str(caught.value)
        assert "nas201 writes |" in caught.value.fix


def test_a_json_of_something_else_is_compared_with_no_name(
    tmp_path: Path, nas201: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lapt_rules.evaluate.table_file.did_you_mean", pytest.fail)
    some = dict(list(FOREIGN.items())[:100])
    for task in ("", ":value"):
        with pytest.raises(TableError, match="no key of it is an architecture of nas201"):
            load_table(f"{written(tmp_path, some)}{task}", nas201)


@pytest.mark.parametrize("number", [10, 4_096])
def test_a_table_of_another_space_is_told(
    tmp_path: Path, trans101: Space, nas201: Space, number: int
) -> None:
    entries = dict(list(made_up(trans101).items())[:number])
    content = {arch: {"a": value, "b": value, "c": value} for arch, value in entries.items()}
    with pytest.raises(TableError, match="it is a table of trans101; nas201 writes"):
        load_table(written(tmp_path, content), nas201)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace('"64-', r'"\u0036\u0034-'),
        lambda text: "\ufeff" + text.replace(":", " \n: "),
    ],
)
def test_a_table_may_hold_much_beside_its_architectures(
    tmp_path: Path,
    trans101: Space,
    change: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As TransNAS's own data: the other space, which comes first, has 3,256 architectures."""
    monkeypatch.setattr("lapt_rules.evaluate.table_file.MAX_FOREIGN", 3_300)
    other = {f"64-{number}-basic": {"jigsaw": {}} for number in range(3_256)}
    micro = {arch: {"jigsaw": {"metrics": {"a": v}}} for arch, v in made_up(trans101).items()}
    path = written(tmp_path, change(json.dumps({"macro": other, "micro": micro})))
    assert len(load_table(path, trans101, metric="a").values) == 4_096


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def outer_keys(value: Any, depth: int = 1) -> list[str]:
    """The keys of a value and of what is right inside it, in the order in which it is written."""
    found = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found += [key] if isinstance(value, dict) else []
        if depth == 1 and isinstance(inner, dict | list):
            found += outer_keys(inner, depth + 1)
    return found


@given(st.dictionaries(st.text(), JSON), st.booleans(), st.sampled_from([None, 1]))
def test_the_keys_that_are_looked_at_are_those_of_the_parser(
    value: dict[str, Any], escaped: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)
    assert [json.loads(b'"%s"' % key) for key in _keys(text.encode())] == outer_keys(value)


def test_a_json_that_is_too_large_is_not_read(
    tmp_path: Path, trans101: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, made_up(trans101))
    monkeypatch.setattr("lapt_rules.evaluate.table_file.MAX_BYTES", path.stat().st_size)
    assert len(load_table(path, trans101).values) == 4_096
    monkeypatch.setattr("lapt_rules.evaluate.table_file.MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(TableError, match="larger than"):
        load_table(path, trans101)


def test_a_misspelt_name_is_compared_with_a_thousand_at_most() -> None:
    names = iter(f"task{number}" for number in range(2_000))
    assert did_you_mean("tusk7", names) == "task7"
    assert next(names) == "task1000"
    assert did_you_mean("t" * 1_000, ["t" * 1_000]) is None


def test_a_task_of_a_table_without_tasks_is_refused(tmp_path: Path, trans101: Space) -> None:
    path = written(tmp_path, made_up(trans101))
    with pytest.raises(TableError, match="it has no tasks"):
        load_table(path, trans101, "jigsaw")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (["none", 9], "not a darts cell"),
        ([None, 0], "no operator `None`"),
        ([["none"], 0], "no operator"),
        (["none", 1], "not well-formed"),
    ],
)
def test_a_bad_darts_cell_is_named(
    tmp_path: Path, darts: Space, pair: list[Any], message: str
) -> None:
    cell = [["none", 0], ["none", 1]] * 4
    entry = {"normal": [pair, *cell[1:]], "reduce": cell, "val_accuracy": 90.0}
    with pytest.raises(TableError) as caught:
        load_table(written(tmp_path, {"architectures": [entry]}), darts)
    assert message in str(caught.value)


def test_a_missing_entry_makes_a_bad_target_but_a_good_source(
    tmp_path: Path, trans101: Space
) -> None:
    values = made_up(trans101)
    del values["64-41414-1_23_012"]
    partial = load_table(written(tmp_path, values), trans101)
    assert len(partial.archive(50)) == 50
    with pytest.raises(
        TableError, match=r"1 of the trans101 .* missing, the first is 64-41414-1_23"
    ):
        TargetTable(partial)


def test_an_archive_larger_than_the_table_is_refused(trans101: Space) -> None:
    small = Table(trans101, "small", {(0, 0, 0, 0, 0, 0): 1.0})
    with pytest.raises(TableError, match="an archive of 2"):
        small.archive(2)


def test_a_target_gives_one_value_at_a_time_and_no_more(tmp_path: Path, trans101: Space) -> None:
    target = TargetTable(load_table(written(tmp_path, made_up(trans101)), trans101))
    assert target.evaluate(trans101.parse("0_00_001")) == 1.0
    assert target.rank(4094.0) == (2, 4096)
    assert not hasattr(target, "archive")
    public = {name for name in vars(target) if not name.startswith("_")}
    assert public == {"fingerprint", "name", "space"}
