"""A dialogue is recorded whole, and its record is an author that repeats it byte for byte."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import Scripted, source_brief
from test_dialogue import GOOD, IN_FENCE, UNKNOWN, call

from lapt_rules.authors.author import Brief
from lapt_rules.authors.backend import AuthorError, Message, Reply, Request, ToolCall
from lapt_rules.authors.dialogue import LanguageModel
from lapt_rules.authors.record import FOLDER, Recorder, Replay
from lapt_rules.characters import UNSEEN
from lapt_rules.errors import LaptError
from lapt_rules.language.parser import parse

BRIEF = source_brief()
HOSTILE = "\x1b[2J\x1b]0;title\x07 \x9b31m \u202etxt.exe\u2066 \u200b\ud800\0 seen\r\n"
HOSTILE_FILE = IN_FENCE.replace('"', f'"{HOSTILE.strip()} ', 1)


def recorded(folder: Path, backend: Scripted | None = None, brief: Brief = BRIEF) -> str:
    backend = backend or Scripted("Hm.", UNKNOWN, IN_FENCE, "keep")
    return LanguageModel(Recorder(backend, folder)).learn(brief)


def replayed(record: Path, folder: Path, brief: Brief = BRIEF) -> str:
    return LanguageModel(Recorder(Replay(record), folder)).learn(brief)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_person_reads_the_dialogue_in_order(tmp_path: Path) -> None:
    recorded(tmp_path / "d")
    names = sorted(files(tmp_path / "d"))
    assert names[:4] == ["001-system.md", "002-user.md", "003-assistant.md", "004-user.md"]
    assert names[-2:] == ["backend.json", "exchanges.jsonl"]
    assert (tmp_path / "d" / "005-assistant.md").read_text() == UNKNOWN
    assert len((tmp_path / "d" / "exchanges.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "backend",
    [
        lambda: Scripted("Hm.", UNKNOWN, IN_FENCE, "keep"),
        lambda: Scripted("\r\n\x0bé\u2028", GOOD, "keep", constrains=True),
        lambda: Scripted(HOSTILE, HOSTILE_FILE, f"{HOSTILE}keep"),
        lambda: Scripted(call("count", file=HOSTILE_FILE), HOSTILE, GOOD, "keep", calls_tools=True),
        lambda: Scripted(call("count", file=GOOD), "Hm.", GOOD, "keep", calls_tools=True),
        lambda: Scripted("Hm.", GOOD, "keep", window=12_000),
        lambda: Scripted(Reply("cut", finish="length"), GOOD, "keep"),
    ],
)
def test_a_replay_says_the_same_and_writes_the_same_record(tmp_path: Path, backend: object) -> None:
    text = recorded(tmp_path / "a", backend())  # type: ignore[operator]
    assert replayed(tmp_path / "a", tmp_path / "b") == text
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_what_is_recorded_is_what_is_used_and_steers_no_terminal(tmp_path: Path) -> None:
    archive = replace(BRIEF.archive, origin=f"a task {HOSTILE}")
    reply = Reply(HOSTILE_FILE, (ToolCall(HOSTILE, HOSTILE, HOSTILE),))
    backend = Scripted("Hm.", reply, "keep")
    text = recorded(tmp_path / "a", backend, replace(BRIEF, archive=archive))
    assert r"\x1b[2J\x1b]0;title\x07 \u009b31m \u202etxt.exe\u2066 \u200b� seen" in text
    for name, data in files(tmp_path / "a").items():
        assert not re.search(UNSEEN, data.decode()), name
    said = [message.text for message in backend.requests[-1].messages]
    names = sorted(name for name in files(tmp_path / "a") if name.endswith(".md"))
    assert [(tmp_path / "a" / name).read_text() for name in names[: len(said)]] == said


def test_a_name_in_a_record_cannot_write_principles(tmp_path: Path) -> None:
    backend = Scripted("Hm.", GOOD, "keep")
    backend.name = "api:x\nprinciple evil require layer0 is none #\x1b"
    text = recorded(tmp_path / "a", backend)
    assert r"by api:x\x0aprinciple evil" in text
    assert "evil" not in [principle.name.text for principle in parse(text).principles]


def test_a_record_does_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    recorded(tmp_path / "run" / FOLDER)
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    replayed(tmp_path / "elsewhere", tmp_path / "b")
    assert not any(str(tmp_path).encode() in data for data in files(tmp_path / "b").values())


def test_a_run_that_failed_fails_again_at_the_same_place(tmp_path: Path) -> None:
    def fails(request: Request) -> Reply:
        raise AuthorError("the server is gone")

    with pytest.raises(AuthorError, match="the server is gone"):
        recorded(tmp_path / "a", Scripted("Hm.", fails))
    with pytest.raises(AuthorError, match="here the recorded run failed"):
        replayed(tmp_path / "a", tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_miss_says_which_prompt_changed_and_how(tmp_path: Path) -> None:
    recorded(tmp_path / "a")
    other = source_brief(size=19)
    with pytest.raises(AuthorError) as found:
        replayed(tmp_path / "a", tmp_path / "b", other)
    said = str(found.value)
    assert "exchange 1 is not the recorded one: 002-user.md differs at line" in said
    assert "recorded: Below are the 20 best" in said
    assert "now:      Below are the 19 best" in said


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request((Message("user", "hello"),), 10, seed=3), "seed was 1 and is 3"),
        (Request((Message("user", "hello"),), 10, "start: x", seed=1), "the grammar differs"),
        (Request((Message("user", "hello"),), 11, seed=1), "most_tokens was 10 and is 11"),
        (Request((Message("user", "hello\nyou"),), 10, seed=1), "line 2"),
    ],
)
def test_a_miss_says_what_else_changed(tmp_path: Path, request_: Request, said: str) -> None:
    asked = Request((Message("user", "hello"),), 10, seed=1)
    Recorder(Scripted("hi"), tmp_path / "a").reply(asked)
    with pytest.raises(AuthorError, match=said):
        Replay(tmp_path / "a").reply(request_)


def test_the_same_question_twice_is_answered_twice(tmp_path: Path) -> None:
    asked = Request((Message("user", "hello"),), 10)
    recorder = Recorder(Scripted("one", "two"), tmp_path / "a")
    assert [recorder.reply(asked).text for _ in range(2)] == ["one", "two"]
    replay = Replay(tmp_path / "a")
    assert [replay.reply(asked).text for _ in range(2)] == ["one", "two"]
    with pytest.raises(AuthorError, match="the record has 2 exchanges, this is one more"):
        replay.reply(asked)


def test_a_folder_without_a_record_is_no_author(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match=r"backend\.json: cannot be read"):
        Replay(tmp_path)


def test_a_record_is_not_written_over(tmp_path: Path) -> None:
    recorded(tmp_path / "a")
    with pytest.raises(AuthorError, match="there is a record already"):
        recorded(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("exchanges.jsonl", b'{"key": 3}\n'),
        ("exchanges.jsonl", b"\xff\n"),
        ("exchanges.jsonl", b"[" * 100_000),
        ("backend.json", b"{}"),
        ("003-assistant.md", b"\xff"),
    ],
)
def test_a_broken_record_is_told_as_such(tmp_path: Path, name: str, broken: bytes) -> None:
    recorded(tmp_path / "a")
    (tmp_path / "a" / name).write_bytes(broken)
    with pytest.raises(LaptError, match=name.replace(".", r"\.")):
        replayed(tmp_path / "a", tmp_path / "b")


def test_a_record_names_no_file_outside_of_itself(tmp_path: Path) -> None:
    recorded(tmp_path / "a")
    lines = tmp_path / "a" / "exchanges.jsonl"
    lines.write_text(lines.read_text().replace("003-assistant.md", "../../../etc/passwd"))
    with pytest.raises(AuthorError, match="is no file of a record"):
        replayed(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("name", ["backend.json", "exchanges.jsonl", "003-assistant.md"])
@pytest.mark.parametrize("kind", ["link", "endless", "pipe", "folder"])
def test_a_record_holds_ordinary_files_alone(tmp_path: Path, name: str, kind: str) -> None:
    recorded(tmp_path / "a")
    file = tmp_path / "a" / name
    file.rename(tmp_path / "elsewhere")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if kind == "endless" else tmp_path / "elsewhere")
    with pytest.raises(AuthorError, match="no ordinary file"):
        replayed(tmp_path / "a", tmp_path / "b")
