"""Files are whole or not there, whatever the disk, the links and the user do in the meantime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from lapt_rules.errors import LaptError
from lapt_rules.writing import append_line, read_ordinary, write_whole


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def filled(file: Path, line: str) -> LaptError:
    """What is said once a disk is full."""
    try:
        for _ in range(1000):
            append_line(file, line)
    except LaptError as error:
        return error
    raise AssertionError("it is not full")


def test_a_full_disk_leaves_whole_lines(disk: Path) -> None:
    line = "x" * 999
    error = filled(disk / "lines", line)
    assert "No space left on device" in error.message
    assert "make room" in error.fix
    written = (disk / "lines").read_text()
    assert set(written.splitlines()) == {line}
    assert written.endswith("\n")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(disk: Path) -> None:
    write_whole(disk / "file", "old")
    with pytest.raises(LaptError, match="make room"):
        write_whole(disk / "file", "x" * 100_000)
    assert (disk / "file").read_text() == "old"
    assert [path.name for path in disk.iterdir()] == ["file"]


def test_a_line_that_does_not_fit_is_not_there(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from lapt_rules.errors import LaptError\n"
        "from lapt_rules.writing import append_line\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    while True: append_line(Path(sys.argv[1]), 'x' * 299)\n"
        "except LaptError as error: print(error.fix)\n"
    )
    file = tmp_path / "lines"
    command = [sys.executable, "-c", code, str(file)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert found.stdout.startswith("make room"), found.stderr
    assert file.read_text() == ("x" * 299 + "\n") * 3


def test_a_write_that_is_stopped_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", "text")
    assert not list(tmp_path.iterdir())


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    for text in ("new", "newer"):
        write_whole(tmp_path / "link", text)
        assert (tmp_path / "target").read_text() == text
    assert (tmp_path / "link").is_symlink()


def test_a_link_to_itself_is_no_place_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(LaptError, match="cannot be written: Too many levels of symbolic links"):
        write_whole(tmp_path / "a", "text")
    assert (tmp_path / "a").is_symlink()


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    for write in (write_whole, append_line):
        with pytest.raises(LaptError, match=f"cannot be written: there is no folder {tmp_path}/no"):
            write(tmp_path / "no" / "file", "text")


def test_only_an_ordinary_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    assert read_ordinary(tmp_path / "file") == b"text"
    for name in ("link", "endless", "pipe", "."):
        with pytest.raises(OSError, match="no ordinary file"):
            read_ordinary(tmp_path / name)
