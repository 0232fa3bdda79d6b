"""What is shown steers no terminal, and reaches whoever reads it, or ends in order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, lapt
from terminals import COMMAND, ENVIRONMENT, Terminal

from lapt_rules.characters import UNSEEN
from lapt_rules.space import load_space
from lapt_rules.subspace import whole

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
SHOWN = r"\x1b[2J\x1b]0;owned\x07"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything that can be named has a hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    architectures = [str(one) for one in whole(load_space("trans101"))]
    values = {one: float(n % 7) for n, one in enumerate(architectures)}
    other = {one: float(n % 11) for n, one in enumerate(architectures)}
    tables = {
        "tasks.json": {HOSTILE: values, f"{HOSTILE}\nerror: other": other},
        "surrogate.json": {"\ud800": other},
        "metrics.json": {one: {HOSTILE: value} for one, value in values.items()},
        "keys.json": {**values, HOSTILE: 1.0},
    }
    for name, table in tables.items():
        (folder / name).write_text(json.dumps(table))
    (folder / "good.lapt").write_text("space trans101 principle p require layer0 is conv")
    (folder / "why.lapt").write_text(f'space trans101 principle p "{HOSTILE}" require connected')
    (folder / f"{HOSTILE}.lapt").write_text("space trans101 principle p require layer9 is conv")
    (folder / "spaces" / "mine").mkdir(parents=True)
    declared = (ROOT / "spaces" / "trans101" / "space.toml").read_text()
    title = json.dumps(HOSTILE)[1:-1]
    declared = declared.replace('name = "trans101"', 'name = "mine"')
    declared = re.sub(r'title = "', rf'title = "{title}'.replace("\\", r"\\"), declared)
    (folder / "spaces" / "mine" / "space.toml").write_text(declared)
    return folder


LEARN = ["learn", "--space", "trans101", "--source"]


@pytest.mark.parametrize(
    "arguments",
    [
        [*LEARN, f"tasks.json:{HOSTILE}"],
        [*LEARN, "tasks.json"],
        [*LEARN, f"metrics.json:{HOSTILE}"],
        [*LEARN, "metrics.json"],
        [*LEARN, "metrics.json", "--metric", HOSTILE],
        [*LEARN, "keys.json"],
        [*LEARN, f"tasks.json:{HOSTILE}", "--author", HOSTILE],
        ["agree", f"tasks.json:{HOSTILE}", f"tasks.json:{HOSTILE}", "--space", "trans101"],
        ["run", "--space", "trans101", "--source", f"tasks.json:{HOSTILE}",
         "--target", f"tasks.json:{HOSTILE}\nerror: other", "--budget", "2", "--out", "OUT"],
        ["prompt", "--space", "trans101", "--source", f"tasks.json:{HOSTILE}"],
        ["count", "why.lapt"],
        ["count", f"{HOSTILE}.lapt"],
        ["why", "good.lapt", HOSTILE],
        ["show", "mine"],
        ["spaces"],
        [HOSTILE],
        ["count", f"--{HOSTILE}"],
    ],
)  # fmt: skip
def test_nothing_that_is_read_steers_a_terminal(
    arguments: list[str], folder: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "run")
    arguments = [out if part == "OUT" else part for part in arguments]
    terminal = Terminal(*arguments, cwd=folder, LAPT_PATH=str(folder))
    terminal.end()
    found = terminal.text.replace("\r\x1b[2K", "")
    assert SHOWN in found
    assert not re.search(UNSEEN, found)
    for file in tmp_path.rglob("*.*"):
        assert not re.search(UNSEEN, file.read_text()), file


def test_a_task_may_have_any_name(folder: Path, tmp_path: Path) -> None:
    source = f"{folder}/tasks.json:{HOSTILE}"
    target = folder / "surrogate.json"
    arguments = ["run", "--space", "trans101", "--budget", "3", "--source", source, "--target"]
    found = lapt(*arguments, target, cwd=tmp_path)
    assert found.returncode == 0
    assert r"surrogate.json:\ud800" in found.stdout
    names = [path.name for path in (tmp_path / "runs").iterdir()]
    assert names == ["trans101-surrogate.json--ud800-seed0"]


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `lapt` is the command."""
    command = " ".join(COMMAND)
    found = subprocess.run(
        ["bash", "-c", f"set -o pipefail; lapt() {{ {command} \"$@\"; }}; {line}"],
        capture_output=True, text=True, cwd=folder, env=ENVIRONMENT | environment, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in found.stderr
    assert "Exception ignored" not in found.stderr
    return found


@pytest.mark.parametrize("line", ["lapt list good.lapt | head -1", "lapt list good.lapt | true"])
def test_a_reader_that_has_enough_ends_the_command_in_order(line: str, folder: Path) -> None:
    found = shell(line, folder)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("verb", ["--help", "run --help", "--version", "count good.lapt"])
def test_a_reader_that_is_gone_is_no_failure(verb: str, folder: Path) -> None:
    assert shell(f"(sleep 0.2; lapt {verb}) | true", folder).returncode == 0


def test_a_reader_that_is_gone_does_not_change_the_finding(folder: Path) -> None:
    found = shell(
        "(sleep 0.2; lapt why good.lapt '[none, none, none, none, none, none]') | true", folder
    )
    assert found.returncode == 1


@pytest.mark.parametrize("where", [">&-", "> /dev/full"])
@pytest.mark.parametrize("verb", ["count good.lapt", "count good.lapt --json", "--help"])
def test_an_answer_that_cannot_be_written_is_an_error(verb: str, where: str, folder: Path) -> None:
    found = shell(f"lapt {verb} {where}", folder)
    assert found.returncode == 2
    assert "error: the answer cannot be written" in found.stderr


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full", "2> >(true)"])
def test_a_message_that_nobody_reads_is_dropped(where: str, folder: Path) -> None:
    found = shell(f"lapt list good.lapt --limit 2 {where}", folder)
    assert found.returncode == 0
    assert len(found.stdout.splitlines()) == 2


def test_no_file_takes_the_place_of_a_closed_stream(folder: Path) -> None:
    code = (
        "import os; from lapt_rules.cli import terminal; terminal.prepare()\n"
        "handle = os.open('good.lapt', os.O_RDONLY); os.write(7, str(handle > 2).encode())"
    )
    command = f"'{sys.executable}' -c \"{code}\" 7>&1 <&- >&- 2>&-"
    assert shell(command, folder).stdout == "True"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lapt count - <&-", "standard input is closed"),
        (r"printf '\xff' | lapt why good.lapt -", "byte 0 is not UTF-8"),
        (f"lapt show {'x' * 5000}", "File name too long"),
    ],
)
def test_an_input_that_cannot_be_read_is_an_error(line: str, message: str, folder: Path) -> None:
    found = shell(line, folder)
    assert found.returncode == 2
    assert message in found.stderr


@pytest.mark.parametrize(
    ("encoding", "reason"), [("cp1252", "é\\u6f22"), ("ascii", "\\xe9\\u6f22"), ("utf-8", "é漢")]
)
def test_what_an_encoding_lacks_is_shown_as_an_escape(
    encoding: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.lapt").write_text('space trans101 principle p "é漢" require connected')
    environment = ENVIRONMENT | {"PYTHONIOENCODING": encoding}
    command = [*COMMAND, "show", "a.lapt"]
    found = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, timeout=60)
    assert found.returncode == 0
    assert reason in found.stdout.decode(encoding)


def test_an_answer_in_json_is_the_same_for_every_encoding(folder: Path) -> None:
    found = [
        shell("lapt spaces --json", folder, PYTHONIOENCODING=encoding, LAPT_PATH=".").stdout
        for encoding in ("ascii", "utf-8")
    ]
    assert found[0] == found[1]
    assert HOSTILE in json.loads(found[0])["spaces"][2]["title"]


def test_the_shell_is_told_how_to_complete(folder: Path) -> None:
    found = shell(
        "lapt", folder, _LAPT_COMPLETE="bash_complete", COMP_WORDS="lapt cou", COMP_CWORD="1"
    )
    assert "count" in found.stdout
