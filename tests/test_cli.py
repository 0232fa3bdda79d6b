"""The command, as a user meets it: real processes, exit codes, JSON, and no traceback."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, answer, lapt, table

from lapt_rules.cli.main import VERBS
from lapt_rules.space import load_space
from lapt_rules.subspace import whole

GOOD = """\
space nas201

principle convolve
  "the input is worth a look"
  require layer0 is conv
  prefer layer3 is skip_connect weight 1.5

principle deep
  require longest(conv) >= 2
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.lapt"
    path.write_text(GOOD)
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two made-up tables on trans101, tasks a and b in one file."""
    folder = tmp_path_factory.mktemp("tables")
    space = load_space("trans101")
    tasks: dict[str, dict[str, float]] = {"a": {}, "b": {}}
    for one in whole(space):
        convolutions = sum(operator.startswith("nor_conv") for operator in one.operators)
        tasks["a"][str(one)] = convolutions + (one.operators[3] == "skip_connect")
        tasks["b"][str(one)] = convolutions + 2.0 * (one.operators[3] == "nor_conv_1x1")
    (folder / "tables.json").write_text(json.dumps(tasks))
    return folder / "tables.json"


# ------------------------------------------------------------------------------------------ help


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from lapt_rules.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'z3', 'numpy', 'networkx', 'lark'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    assert all(verb in found.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(verb: str) -> None:
    found = lapt(verb, "--help")
    assert found.returncode == 0
    assert "--json" in found.stdout


def test_wrong_use_is_an_object_under_json() -> None:
    for arguments in (["count"], ["count", "x", "--bogus"], ["nope"], ["run", "--seed", "-1"]):
        found = lapt(*arguments, "--json")
        assert found.returncode == 2
        assert json.loads(found.stdout)["error"]["message"]


def test_a_misspelt_verb_is_answered_with_the_nearest() -> None:
    found = lapt("cuont")
    assert found.returncode == 2
    assert "did you mean 'count'" in found.stderr


# ----------------------------------------------------------------------------------- the questions


def test_count(good: Path) -> None:
    value = answer("count", good)
    assert value["total"] == 15_625
    assert value["count"] == whole(load_space("nas201")).space.refine(GOOD).count()


def test_count_by_layer_says_what_is_gone_and_what_is_forced(tmp_path: Path) -> None:
    path = tmp_path / "darts.lapt"
    path.write_text(
        "space darts principle p require normal_1a is skip_connect require normal_2b from stage1"
    )
    value = answer("count", path, "--layers")
    by_choice = {(one["layer"], one["choice"]): one["values"] for one in value["layers"]}
    operators = by_choice["normal_1a", "operator"]
    assert operators["skip_connect"]["after"] == value["count"]
    assert {name for name, number in operators.items() if number["after"]} == {"skip_connect"}
    assert by_choice["normal_2a", "source"]["input0"]["before"] == value["total"] * 2 // 3
    assert by_choice["normal_2a", "source"]["input0"]["after"] == value["count"] // 2
    text = lapt("count", path, "--layers").stdout
    assert "skip_connect" in text
    assert "forced" in text
    assert "gone" in text


def test_count_of_a_contradiction_is_zero(tmp_path: Path) -> None:
    path = tmp_path / "none.lapt"
    path.write_text("space nas201 principle p require connected principle q forbid connected")
    assert answer("count", path)["count"] == 0


def test_a_file_for_any_space_is_counted_on_the_one_given(tmp_path: Path) -> None:
    path = tmp_path / "any.lapt"
    path.write_text("space any principle p require count(conv) == 6")
    assert answer("count", path, "--space", "nas201")["count"] == 64
    assert answer("count", path, "--space", "trans101")["count"] == 64
    found = lapt("count", path)
    assert found.returncode == 2
    assert "--space" in found.stderr


def test_principles_may_come_on_standard_input() -> None:
    found = lapt("count", "-", "--json", stdin=GOOD)
    assert json.loads(found.stdout)["total"] == 15_625


def test_list_and_sample(good: Path) -> None:
    listed = answer("list", good)
    assert listed["count"] == len(listed["architectures"]) == len(set(listed["architectures"]))
    best = answer("list", good, "--best", "--limit", "4")["architectures"]
    assert all("skip_connect~0|nor" in one or "|+|skip_connect~0|" in one for one in best)
    drawn = answer("sample", good, "-n", "5", "--seed", "3")["architectures"]
    assert drawn == answer("sample", good, "-n", "5", "--seed", "3")["architectures"]
    assert set(drawn) <= set(listed["architectures"])


def test_why(good: Path) -> None:
    arch = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    found = lapt("why", good, arch)
    assert found.returncode == 1
    assert "rejected by `convolve`" in found.stdout
    assert "the input is worth a look" in found.stdout
    assert f"{good}:5: require layer0 is conv" in found.stdout
    value = answer("why", good, arch)
    assert value["kept"] is False
    assert [r["principle"] for r in value["rejected_by"]] == ["convolve", "deep"]
    kept = "[nor_conv_3x3, none, nor_conv_3x3, none, none, nor_conv_1x1]"
    assert lapt("why", good, kept).returncode == 0


def test_why_of_many_reads_them_from_a_pipe(good: Path) -> None:
    listed = lapt("sample", good, "-n", "5").stdout
    assert lapt("why", good, "-", stdin=listed).returncode == 0
    wrong = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    found = lapt("why", good, "-", stdin=f"{listed}\n{wrong}\n")
    assert found.returncode == 1
    assert f"{wrong}  rejected by convolve, deep\n5 of 6 architectures kept" in found.stdout
    value = json.loads(lapt("why", good, "-", "--json", stdin=wrong).stdout)
    assert value["rejected"] == 1
    assert value["architectures"][0]["rejected_by"] == ["convolve", "deep"]


def test_diff(good: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.lapt"
    other.write_text(GOOD.replace("layer0 is conv", "layer0 is nor_conv_3x3"))
    value = answer("diff", good, other)
    assert value["gained"] == 0
    assert value["lost"] > 0
    assert value["lost"] + value["both"] == answer("count", good)["count"]
    assert all("|nor_conv_1x1~0|+" in one for one in value["lost_witnesses"])
    assert lapt("diff", good, other).returncode == 1
    assert lapt("diff", good, good).returncode == 0


def test_test(good: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests.lapt"
    accepted = "[nor_conv_3x3, none, nor_conv_3x3, none, none, nor_conv_1x1]"
    tests.write_text(
        GOOD + f"  accept {accepted}\n\nexpect 1..15625\nreject {accepted}\n"
        "rank [nor_conv_3x3, none, none, skip_connect, none, none]\n"
        "above [none, none, none, none, none, none]\n"
    )
    value = answer("test", tests)
    assert [test["passed"] for test in value["tests"]] == [True, False, True, True]
    assert "it is kept" in lapt("test", tests).stdout
    assert lapt("test", tests).returncode == 1
    assert lapt("test", good).returncode == 0


def test_check(good: Path, tables: Path, tmp_path: Path) -> None:
    value = answer("check", good)
    assert value["admitted"]
    assert [p["name"] for p in value["principles"]] == ["convolve", "deep"]
    mine = tmp_path / "trans.lapt"
    mine.write_text("space trans101 principle p require layer3 is skip_connect")
    found = lapt("check", mine, "--archive", f"{tables}:a", "--archive-size", "30")
    assert found.returncode == 0
    assert "in the archive (lift" in found.stdout
    mine.write_text("space trans101 principle p require count(conv) == 0")
    found = lapt("check", mine, "--archive", f"{tables}:a", "--support", "0.5")
    assert found.returncode == 1
    assert "at least 50% are wanted" in found.stderr
    bad = tmp_path / "bad.lapt"
    bad.write_text("space nas201 principle p require connected principle q forbid connected")
    assert lapt("check", bad).returncode == 1
    assert "`q` conflicts with `p` (line 1)" in lapt("check", bad).stderr


def test_show_and_spaces() -> None:
    shown = lapt("show", "darts").stdout
    assert "normal_2 = {normal_2a, normal_2b}" in shown
    assert "multiply-adds" in shown
    assert "Genotype(normal=" in shown
    assert "2 = stage1" in shown
    value = answer("show", "darts")
    assert load_space("darts").parse(value["example"])
    assert {space["name"] for space in answer("spaces")["spaces"]} >= {
        "nas201",
        "trans101",
        "darts",
    }


def test_show_of_a_file_tells_what_it_does(good: Path) -> None:
    shown = lapt("show", good).stdout
    assert "the input is worth a look" in shown
    assert "    require layer0 is conv" in shown
    assert "rejects alone of all" in shown
    assert "gone" in shown
    value, checked = answer("show", good), answer("check", good)
    assert value["count"] == checked["count"]
    assert [p["margin"] for p in value["principles"]] == [
        p["margin"] for p in checked["principles"]
    ]
    assert value["layers"] == answer("count", good, "--layers")["layers"]


# --------------------------------------------------------------------------------------------- fmt


def test_fmt_writes_the_canonical_layout_once(tmp_path: Path) -> None:
    path = tmp_path / "loose.lapt"
    path.write_text("space nas201  # for cells\nprinciple p require (layer0 in {conv})\n")
    assert lapt("fmt", "--check", path).returncode == 1
    assert lapt("fmt", path).returncode == 0
    assert (
        path.read_text() == "space nas201  # for cells\n\nprinciple p\n  require layer0 is conv\n"
    )
    assert lapt("fmt", "--check", path).returncode == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["loose.lapt"]
    assert lapt("fmt", "-", stdin="space any").stdout == "space any\n"


def test_fmt_writes_line_feeds_whatever_ends_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "mac.lapt"
    path.write_bytes(b"space nas201\r\nprinciple p\r  # c\r  require layer0 is conv\r")
    assert lapt("fmt", path).returncode == 0
    written = b"space nas201\n\nprinciple p\n  # c\n  require layer0 is conv\n"
    assert path.read_bytes() == written


def test_fmt_leaves_a_broken_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "broken.lapt"
    path.write_text("principle p require")
    assert lapt("fmt", path).returncode == 2
    assert path.read_text() == "principle p require"


# -------------------------------------------------------------------------------------- learn, run


def test_learn_writes_a_file_that_counts(tables: Path, tmp_path: Path) -> None:
    path = tmp_path / "mined.lapt"
    found = lapt("learn", "--space", "trans101", "--source", f"{tables}:a", "-o", path)
    assert found.returncode == 0
    assert answer("count", path)["count"] == answer("check", path)["count"] > 0
    assert lapt("fmt", "--check", path).returncode == 0


def run_arguments(tables: Path, *more: str | Path) -> list[str | Path]:
    tasks = ["--source", f"{tables}:a", "--target", f"{tables}:b"]
    return ["run", "--space", "trans101", *tasks, "--budget", "12", *more]


def test_run_prints_one_object_and_writes_a_run_folder(tables: Path, tmp_path: Path) -> None:
    value = answer(*run_arguments(tables, "--out", tmp_path / "out"))
    assert value["evaluations"] == len(value["trajectory"]) == 12
    best = max(value["trajectory"], key=lambda trial: trial["value"])
    assert value["best"]["architecture"] == best["architecture"]
    assert value["best"]["of"] == 4_096
    trials = (tmp_path / "out" / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in trials] == value["trajectory"]
    for iteration in value["iterations"]:
        path = tmp_path / "out" / iteration["principles"]
        assert answer("count", path)["count"] == iteration["subspace_size"]
    archive = (tmp_path / "out" / "archive.jsonl").read_text().splitlines()
    assert len(archive) == 50
    saved = json.loads((tmp_path / "out" / "result.json").read_text())
    assert saved["best"] == value["best"]


def test_run_tells_what_it_found(tables: Path, tmp_path: Path) -> None:
    found = lapt(*run_arguments(tables), cwd=tmp_path)
    last = found.stdout.strip().split("\n")[-5:]
    heads = ["best architecture", "value", "evaluations", "subspace", "run folder"]
    assert all(line.startswith(head) for line, head in zip(last, heads, strict=True))
    assert "rank" in last[1]


def test_the_same_run_writes_the_same_bytes(tables: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        lapt(*run_arguments(tables, "--seed", "5", "--out", tmp_path / name))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) >= 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_two_runs_do_not_share_a_folder(tables: Path, tmp_path: Path) -> None:
    for _ in range(2):
        lapt(*run_arguments(tables), cwd=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_portable_file_can_be_run_and_adapted(tables: Path, tmp_path: Path) -> None:
    mine = tmp_path / "any.lapt"
    mine.write_text("space any principle p require count(conv in late) >= 1")
    value = answer(*run_arguments(tables, "--principles", mine, "--out", tmp_path / "out"))
    assert value["evaluations"] == 12


def test_a_metric_can_be_named(tmp_path: Path) -> None:
    source, target = (table(f"nas201/nasbench201_{name}.json") for name in ("imagenet", "cifar10"))
    value = answer(
        "run", "--space", "nas201", "--source", source, "--target", target, "--budget", "5",
        "--metric", "test_acc_200", cwd=tmp_path,
    )  # fmt: skip
    assert value["best"]["value"] > 93


def test_a_broken_space_of_ones_own_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "spaces" / "mine").mkdir(parents=True)
    (tmp_path / "spaces" / "mine" / "space.toml").write_text("name = 1")
    found = lapt("spaces", "--content", tmp_path)
    assert found.returncode == 0
    assert "cannot be used" in found.stdout
    assert "9,119,789,245,425,254,400" in found.stdout


def test_run_from_a_persons_principles(tables: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.lapt"
    mine.write_text("space trans101 principle p require layer3 is nor_conv_1x1")
    arguments = ["run", "--space", "trans101", "--target", f"{tables}:b", "--principles", mine]
    value = answer(*arguments, "--budget", "9", "--out", tmp_path / "out")
    assert {iteration["subspace_size"] for iteration in value["iterations"]} == {1024}
    assert all(trial["architecture"][-3] == "2" for trial in value["trajectory"])


def test_the_judged_command_on_the_real_tables(tmp_path: Path) -> None:
    source, target = (table(f"nas201/nasbench201_{name}.json") for name in ("imagenet", "cifar10"))
    value = answer(
        "run", "--space", "nas201", "--source", source, "--target", target, "--budget", "20",
        "--seed", "1", cwd=tmp_path,
    )  # fmt: skip
    assert value["evaluations"] == 20
    assert value["best"]["value"] > 91.42


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["count", "missing.lapt"], "missing.lapt: cannot be read"),
        (["count", "."], "cannot be read"),
        (["count", "binary.lapt"], "not a text file"),
        (["count", "huge.lapt"], "too long"),
        (["count", "broken.lapt"], "broken.lapt:1:13"),
        (["count", "empty.lapt"], "for which space"),
        (["count", "good.lapt", "--space", "nas20"], "did you mean `nas201`"),
        (["why", "good.lapt", "3_33_333"], "it is one of trans101"),
        (["why", "good.lapt", "[none, none]"], "6 layers"),
        (["sample", "clash.lapt"], "no architecture satisfies"),
        (["diff", "good.lapt", "other.lapt"], "other.lapt"),
        (["show", "drats"], "did you mean `darts`"),
        (["learn", "--space", "trans101", "--source", "tables.json"], "several tasks"),
        (["learn", "--space", "trans101", "--source", "tables.json:c"], "no task `c`"),
        (["learn", "--space", "trans101", "--source", "cut.json"], "cut off"),
        (["count", "good.lapt", "--space", "trans101"], "for the space `nas201`"),
        (["learn", "--space", "trans101", "--source", "tables.json:a", "-o", "/dev/null"],
         "no ordinary file"),
        (["learn", "--space", "trans101", "--source", "tables.json:a", "--author", "oracle"],
         "no author `oracle`"),
        (["learn", "--space", "trans101", "--source", "tables.json:a", "-o", "no/such/x.lapt"],
         "cannot be written"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_message_and_exit_code_2(
    arguments: list[str], message: str, good: Path, tables: Path
) -> None:
    folder = good.parent
    (folder / "binary.lapt").write_bytes(b"space nas201\xff\xfe\x00")
    (folder / "huge.lapt").write_text("# long\n" * 100_000)
    (folder / "broken.lapt").write_text("principle p require ")
    (folder / "empty.lapt").write_text("")
    (folder / "clash.lapt").write_text(
        "space nas201 principle p require connected principle q forbid connected"
    )
    (folder / "other.lapt").write_text("space trans101")
    (folder / "tables.json").write_text(tables.read_text())
    (folder / "cut.json").write_text(tables.read_text()[:5000])
    before = sorted(folder.iterdir())
    found = lapt(*arguments, cwd=folder)
    assert found.returncode == 2
    assert message in found.stderr
    assert sorted(folder.iterdir()) == before
    as_json = json.loads(lapt(*arguments, "--json", cwd=folder).stdout)
    assert as_json["error"]["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--budget", "0"], "budget is 0"),
        (["--budget", "-3"], "budget is -3"),
        (["--target", "TABLES:a"], "learn from its own answers"),
        (["--out", "/proc/nothing"], "cannot be made"),
        (["--out", "TABLES"], "cannot be made"),
        (["--principles", "clash.lapt"], "conflict"),
        (["--iterations", "0"], "--iterations"),
        (["--archive-size", "100000"], "an archive of 100000"),
        (["--target", "partial.json"], "missing, the first is"),
        (["--target", "nan.json"], "nan"),
    ],
)
def test_a_run_that_cannot_start_writes_nothing(
    change: list[str], message: str, tables: Path, tmp_path: Path
) -> None:
    content = json.loads(tables.read_text())["b"]
    first = next(iter(content))
    (tmp_path / "nan.json").write_text(json.dumps({**content, first: float("nan")}))
    (tmp_path / "partial.json").write_text(
        json.dumps({arch: value for arch, value in content.items() if arch != first})
    )
    (tmp_path / "clash.lapt").write_text(
        "space trans101 principle p require connected principle q forbid connected"
    )
    arguments = [part.replace("TABLES", str(tables)) for part in change]
    found = lapt(*run_arguments(tables, *arguments), cwd=tmp_path)
    assert found.returncode == 2
    assert message in found.stderr
    assert not (tmp_path / "runs").exists()


# ----------------------------------------------------------------------------------------- costs


def test_costs_of_the_network_against_those_of_the_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    found = lapt("costs", "nas201", "--check")
    assert found.returncode == 0
    assert "73,306 parameters" in found.stdout
    assert found.stdout.endswith("space.toml says the same\n")

    folder = tmp_path / "spaces" / "nas201"
    folder.mkdir(parents=True)
    text = (ROOT / "spaces" / "nas201" / "space.toml").read_text()
    (folder / "space.toml").write_text(text.replace("params = 28_000", "params = 28_001"))
    monkeypatch.setenv("LAPT_PATH", str(tmp_path))
    found = lapt("costs", "nas201", "--check", "--json")
    assert found.returncode == 1
    wrong = json.loads(found.stdout)["disagreements"]
    assert [one["layer"] for one in wrong] == [f"layer{i}" for i in range(6)]
    assert {(one["operator"], one["declared"], one["derived"]) for one in wrong} == {
        ("nor_conv_1x1", 28_001, 28_000)
    }
    assert "space.toml says params 28,001" in lapt("costs", "nas201").stdout


def test_costs_of_a_space_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = tmp_path / "spaces" / "mine"
    folder.mkdir(parents=True)
    text = (ROOT / "spaces" / "nas201" / "space.toml").read_text()
    (folder / "space.toml").write_text(text.replace('name = "nas201"', 'name = "mine"'))
    found = lapt("costs", "mine", "--content", tmp_path)
    assert found.returncode == 2
    assert "models/mine.py" in found.stderr


# --------------------------------------------------------------------------------- a user's content


def test_content_of_ones_own_may_stand_before_and_after_the_verb(tmp_path: Path) -> None:
    folder = tmp_path / "spaces" / "mine"
    folder.mkdir(parents=True)
    text = (ROOT / "spaces" / "nas201" / "space.toml").read_text()
    (folder / "space.toml").write_text(text.replace('name = "nas201"', 'name = "mine"'))
    for arguments in (("--content", ".", "show", "mine"), ("show", "mine", "--content", ".")):
        found = lapt(*arguments, cwd=tmp_path)
        assert found.stdout.startswith("mine: NAS-Bench-201")
        assert found.stderr == f"using spaces/mine from {tmp_path}\n"
    found = lapt("show", "mine", cwd=tmp_path)
    assert found.returncode == 2
    assert "--content ." in found.stderr


def test_a_run_records_the_content_of_ones_own(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "trans101.py").write_text("never read\n")
    lapt(*run_arguments(tables, "--content", tmp_path, "--out", tmp_path / "out"))
    recorded = json.loads((tmp_path / "out" / "run.json").read_text())["content"]
    assert recorded == {"models/trans101.py": hashlib.sha256(b"never read\n").hexdigest()}
