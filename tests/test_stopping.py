"""A command that is stopped ends in order, and says what is kept and how to go on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import lapt
from servers import Handler, Server, raw, stream
from terminals import COMMAND, ENVIRONMENT, Terminal

SOURCE = ("--space", "digits", "--source", "digits:jigsaw")
FILE = "space digits\n\nprinciple convolve\n  require count(conv) >= 2\n"
STALLING = raw([b'data: {"choices": [{"delta": {"content": "Ah"}}]}\n\n'], stall=True)


@pytest.fixture
def slow() -> Iterator[Server]:
    """A server that answers once, and then begins to answer and goes no further."""
    with Server(stream("Hm."), STALLING) as server:
        yield server


def environment(server: Server) -> dict[str, str]:
    return {"LAPT_API_URL": server.url, "no_proxy": "127.0.0.1"}


def stopped(
    *arguments: str | Path, server: Server, number: int = signal.SIGTERM
) -> tuple[int, str, str]:
    """The exit code, the answer and the messages of a command stopped at the second question."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], env=ENVIRONMENT | environment(server), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while len(server.bodies) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    out, messages = process.communicate(timeout=60)
    assert "Traceback" not in messages
    return process.returncode, out, messages


@pytest.mark.parametrize("verb", [("run", "--budget", "5"), ("learn", *SOURCE)])
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    verb: tuple[str, ...], slow: Server, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = (*verb, "--author", "api:toy", "--out", run)
    terminal = Terminal(*arguments, **environment(slow))
    terminal.wait_for("Ah")
    terminal.type("\x03")
    assert terminal.end() == 130
    shown = terminal.text.rpartition("\x1b[2K")[2].splitlines()
    assert shown == [
        "stopped",
        f"  the run so far is in {run} "
        "(revisions of the principles: 0, evaluations: 0, the dialogue)",
        f"  to repeat the run up to here: the same with --author replay:{run}, "
        "and a new --out or none",
        "  to start anew: the same command, with a new --out or none",
    ]
    again = lapt(*verb, "--author", f"replay:{run}", "--out", tmp_path / "again")
    assert again.returncode == 2
    assert "the record has 1 exchanges, this is one more" in again.stderr
    for file in (run / "dialogue").iterdir():
        again_there = (tmp_path / "again" / "dialogue" / file.name).read_bytes()
        assert again_there.startswith(file.read_bytes())


def test_sigterm_is_answered_likewise_and_in_json_too(slow: Server, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ("run", "--author", "api:toy", "--out", run, "--json")
    code, out, messages = stopped(*arguments, server=slow)
    assert code == 143
    found = json.loads(out)["error"]
    assert found["message"] == "stopped"
    assert str(run) in found["notes"][0]
    assert messages.splitlines() == ["stopped", *(f"  {note}" for note in found["notes"])]


@pytest.mark.slow
def test_a_stopped_training_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    terminal = Terminal("run", *SOURCE, "--evaluator", "train", "--epochs", "500", cwd=tmp_path)
    terminal.wait_for("epoch 3 of 500")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "stopped\n  the run so far is in runs/digits-500-epochs-seed0" in terminal.text
    assert "trainings are kept in runs/trained: the same command goes on with them" in terminal.text
    terminal = Terminal("run", *SOURCE, "--evaluator", "train", "--epochs", "500", cwd=tmp_path)
    terminal.wait_for("epoch ")
    terminal.type("\x03")
    terminal.end()
    assert "epoch 1 of 500" not in terminal.text


def test_a_run_folder_that_is_removed_is_said_to_be_gone(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def remove(handler: Handler) -> None:
        shutil.rmtree(run)
        stream(FILE)(handler)

    with Server(stream("Hm."), remove, stream("keep")) as server:
        found = subprocess.run(
            [*COMMAND, "run", "--author", "api:toy", "--out", run], capture_output=True, text=True,
            env=ENVIRONMENT | environment(server), timeout=60,
        )  # fmt: skip
    assert found.returncode == 2
    assert f"cannot be written: there is no folder {run}/dialogue" in found.stderr
    assert f"the run folder {run} is gone, and what was recorded with it" in found.stderr
    assert not run.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("later", [1, 5, 20, 60, 120, 200])
def test_the_command_is_stopped_in_order_while_it_imports(
    number: int, later: int, tmp_path: Path
) -> None:
    """Python tells of each module that it has imported; we stop it so many modules `later`."""
    (tmp_path / "a.lapt").write_text("space digits principle p require layer0 is conv")
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "lapt_rules", "check", "a.lapt"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=tmp_path,
    )  # fmt: skip
    assert process.stderr is not None
    heeding = False
    while later > 0:
        line = process.stderr.readline()
        assert line
        heeding = heeding or line.endswith("lapt_rules.cli.terminal\n")
        later -= heeding
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert "Traceback" not in messages
    assert "Exception ignored" not in messages
    assert process.returncode == 128 + number


def child(code: str, *numbers: int) -> tuple[int, str]:
    """The exit code and output of Python code that heeds signals and is sent some when it asks."""
    prelude = (
        "import os, signal, sys, time; from lapt_rules.cli.stopping import *; heed_signals()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + code], env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    for number in numbers:
        assert process.stdout.readline() == "now\n"
        process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def test_a_second_signal_ends_the_process_at_once() -> None:
    code = """
try:
    print("now", flush=True)
    time.sleep(60)
finally:
    print("now", flush=True)
    time.sleep(60)
"""
    assert child(code, signal.SIGINT, signal.SIGINT) == (-signal.SIGINT, "")
    assert child(code, signal.SIGINT, signal.SIGTERM) == (-signal.SIGTERM, "")


def test_what_a_library_makes_of_a_signal_is_still_a_stop() -> None:
    code = """
with stoppable():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        raise ImportError("a module could not be initialized") from error
"""
    assert child(code) == (130, "")
    swallowed = code.replace(
        'raise ImportError("a module could not be initialized") from error', "pass"
    )
    assert child(swallowed) == (130, "")
    dropped = """
class Dropping:
    def __del__(self): os.kill(os.getpid(), signal.SIGTERM)
del Dropping
"""
    assert child(dropped.replace("del Dropping", "Dropping()")) == (143, "")


def test_a_signal_that_is_ignored_from_the_start_stays_ignored() -> None:
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nheed_signals()\n"
    assert child(f"{ignoring}os.kill(os.getpid(), signal.SIGINT); print('on')") == (0, "on\n")
