"""A local model end to end: loaded from a folder, asked, held to a grammar, cut off."""

from __future__ import annotations

import ast
import json
import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT, lapt
from tiny_model import SPECIAL, WITHOUT_SYSTEM, save_tiny_model

# ruff: noqa: E402  (what is imported below needs these)
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("llguidance")
torch.set_num_threads(1)  # networks are small and tests run side by side

from lapt_rules.authors.backend import AuthorError, Backend, Message, Progress, Request, sound
from lapt_rules.authors.emission import KEEP, emission_grammar
from lapt_rules.authors.local import generation, open_local
from lapt_rules.authors.local.generation import CHUNK
from lapt_rules.authors.local.model import Local
from lapt_rules.authors.naming import BackendSetting, backend_named
from lapt_rules.cli.main import cli
from lapt_rules.language.parser import parse
from lapt_rules.logic.binding import bind
from lapt_rules.space import load_space

SPACES = ("nas201", "trans101", "darts")
ASKED = (Message("system", "You write principles."), Message("user", "Write one, please."))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with 2,000 tokens learned from text."""
    return save_tiny_model(tmp_path_factory.mktemp("words") / "model", layers=2)


@pytest.fixture(scope="session")
def words(words_folder: Path) -> Local:
    return open_local(str(words_folder))


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Local:
    """A model with one token a byte."""
    folder = tmp_path_factory.mktemp("letters") / "model"
    return open_local(str(save_tiny_model(folder, tokens=260, layers=2)))


def unforced(local: Local) -> Local:
    return Local(local.name, local._generator.model, local._tokenizer, forces=False)


def ask(space: str = "", seed: int = 0, most: int = 100, keep: bool = False) -> Request:
    grammar = emission_grammar(load_space(space), keep) if space else ""
    return Request(ASKED, most, grammar, seed=seed)


# ----------------------------------------------------------------------------------------- loading


def test_it_is_a_backend_that_says_what_it_can(words: Local, words_folder: Path) -> None:
    backend: Backend = words
    assert backend.name == f"hf:{words_folder}"
    assert backend.constrains
    assert not backend.calls_tools
    assert backend.window == 4096
    assert backend.count(ASKED) == backend.reply(ask(most=1)).usage.read


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for text in (str(tmp_path / "none"), "./none", "~/none/x", "a/b/c"):
        with pytest.raises(AuthorError, match="no such folder") as found:
            open_local(text)
        assert f"hf download ORG/NAME --local-dir {text}" in found.value.fix


def test_what_a_folder_lacks_is_named(words_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match=r"no config.json, no tokenizer .*, no \*.safetensors"):
        open_local(str(tmp_path))
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(words_folder / name, tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(AuthorError, match=r"has no \*.safetensors \(other weights are not read"):
        open_local(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(AuthorError, match="cannot be loaded"):
        open_local(str(tmp_path))


def test_a_name_that_cannot_be_reached_says_how_to_bring_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(AuthorError, match="cannot be loaded") as found:
        open_local("nobody/no-such-model")
    assert "hf download nobody/no-such-model --local-dir no-such-model" in found.value.fix
    with pytest.raises(AuthorError, match="no such folder"):
        open_local("not a name")


def test_weights_that_do_not_fit_into_memory_are_told_before_they_are_loaded(
    words_folder: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(words_folder / name, tmp_path)
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(2**42)  # it takes no room on the disk
    with pytest.raises(AuthorError, match=r"its weights take 4398\.0 GB, \d+\.\d GB are free"):
        open_local(str(tmp_path))


def test_a_model_may_be_asked_without_a_grammar(words_folder: Path) -> None:
    backend = backend_named(f"hf:{words_folder}", BackendSetting(grammar_field="none"))
    assert backend is not None
    assert not backend.constrains
    assert not backend.reply(ask("nas201", most=5)).constrained


def test_a_vocabulary_that_llguidance_refuses_is_told(
    words: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):
        """As the Rust library raises it."""

    def refuse(*_: object, **__: object) -> None:
        raise PanicException("token 7 is not UTF-8")

    monkeypatch.setattr("llguidance.hf.from_tokenizer", refuse)
    local = Local("hf:odd", words._generator.model, words._tokenizer)
    with pytest.raises(AuthorError, match="llguidance broke down: token 7") as found:
        local.reply(ask("nas201", most=5))
    assert "--grammar-field none" in found.value.fix


def test_a_device_that_is_not_there_is_an_error_of_the_user(words_folder: Path) -> None:
    with pytest.raises(AuthorError, match="cannot be loaded"):
        open_local(str(words_folder), device="cuda:99")


def test_missing_packages_are_named(words_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(AuthorError, match="needs transformers") as found:
        open_local(str(words_folder))
    assert found.value.fix == "pip install 'lapt-rules[local]'"


# ------------------------------------------------------------------------------------------- turns


def test_a_template_without_a_system_role_gets_it_in_the_first_turn(tmp_path: Path) -> None:
    plain = open_local(str(save_tiny_model(tmp_path / "a", layers=1)))
    strict = open_local(str(save_tiny_model(tmp_path / "b", layers=1, template=WITHOUT_SYSTEM)))
    merged = (Message("user", f"{ASKED[0].text}\n\n{ASKED[1].text}"),)
    assert strict._prompt(ASKED) == plain._prompt(merged)
    assert strict.count(ASKED) == plain.count(merged)


def test_a_model_without_a_template_is_asked_in_plain_text(tmp_path: Path) -> None:
    local = open_local(str(save_tiny_model(tmp_path, layers=1, template=None)))
    shown = local._tokenizer.decode(local._prompt(ASKED))
    assert shown == f"SYSTEM:\n{ASKED[0].text}\n\nUSER:\n{ASKED[1].text}\n\nASSISTANT:\n"


def test_a_template_that_refuses_everything_is_told(tmp_path: Path) -> None:
    template = "{{ raise_exception('never') }}"
    local = open_local(str(save_tiny_model(tmp_path, layers=1, template=template)))
    for messages in (ASKED, ASKED[1:]):
        with pytest.raises(AuthorError, match="refuses the messages: never"):
            local.count(messages)


# ------------------------------------------------------------------------------------------ replies


@pytest.mark.parametrize("space", ["", "nas201"])
def test_the_same_request_gives_the_same_bytes_and_another_seed_others(
    words: Local, space: str
) -> None:
    first = words.reply(ask(space, 1, 300))
    assert words.reply(ask(space, 1, 300)) == first
    assert words.reply(ask(space, 2, 300)).text != first.text
    greedy = [replace(ask(space, seed, 50), temperature=0.0) for seed in (1, 2)]
    assert words.reply(greedy[0]) == words.reply(greedy[1])


@pytest.mark.parametrize("space", ["", "nas201"])
def test_what_was_read_before_changes_no_reply(words: Local, space: str) -> None:
    long = Message("user", "See nor_conv_3x3 at layer0, then skip_connect. " * 60)
    talks = [(long,), (long, ASKED[1]), (ASKED[0], long), (long, ASKED[0]), ASKED]
    requests = [replace(ask(space, most=40), messages=messages) for messages in talks]
    words._generator.forget()
    in_turn = [words.reply(request) for request in requests]
    for request, reply in zip(requests, in_turn, strict=True):
        words._generator.forget()
        assert words.reply(request) == reply


class Heard(Progress):
    """Collects how much of each prompt is read."""

    def __init__(self) -> None:
        self.read: list[tuple[int, int]] = []
        self.pieces: list[str] = []

    def reading(self, tokens: int, of: int) -> None:
        self.read.append((tokens, of))

    def writing(self, piece: str, tokens: int | None = None) -> None:
        self.pieces.append(piece)


def test_what_two_prompts_share_is_read_once(words: Local) -> None:
    def first_read(*texts: str) -> int:
        """How much of a prompt is known when its reading begins."""
        heard = Heard()
        messages = tuple(Message("user", text) for text in texts)
        words.reply(replace(ask(most=5), messages=messages), heard)
        assert [tokens % CHUNK for tokens, _ in heard.read] == [0] * len(heard.read)
        assert heard.read[-1][0] > heard.read[-1][1] - CHUNK - 1
        return heard.read[0][0]

    shared = "See nor_conv_3x3 at layer0, then skip_connect. " * 60
    words._generator.forget()
    assert first_read(f"{shared}a") == 0
    assert first_read(f"{shared}a", "and more") >= 2 * CHUNK  # the dialogue goes on
    assert first_read(f"{shared}{'b' * 3000}") >= 2 * CHUNK  # another one begins alike
    assert first_read("another beginning") == 0


def test_a_model_that_takes_no_cache_reads_each_prompt_anew(
    words_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = open_local(str(words_folder))
    monkeypatch.setattr(generation, "_CACHE_ARGUMENTS", ("no_argument_of_generate",))
    plain = open_local(str(words_folder))
    assert plain._generator._argument is None
    check(plain, "nas201", range(2))
    assert kept._generator._argument is not None


def test_nothing_is_named_of_the_forward_of_a_model() -> None:
    """transformers renames what `forward` takes; `generate` is what it documents."""
    names = {"past_key_values", "logits_to_keep", "num_logits_to_keep", "position_ids"}
    for path in (ROOT / "lapt_rules" / "authors" / "local").glob("*.py"):
        tree = ast.parse(path.read_text())
        keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
        assert not keywords & (names | {"use_cache", "cache"}), path
        called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not [f for f in called if isinstance(f, ast.Attribute) and f.attr == "forward"]


def test_a_reply_is_told_as_it_comes_and_in_whole_characters(letters: Local) -> None:
    for request in (ask(seed=3, most=300), ask("nas201", seed=3, most=5000)):
        heard = Heard()
        reply = letters.reply(request, heard)
        assert sound("".join(heard.pieces)).startswith(reply.text)
    assert len(heard.pieces) > 20


def test_a_reply_ends_at_its_most_tokens(words: Local) -> None:
    reply = words.reply(ask(most=17))
    assert (reply.usage.written, reply.finish, reply.constrained) == (17, "length", False)


def test_a_text_that_repeats_itself_is_stopped_and_the_first_is_kept(words: Local) -> None:
    """At temperature 0 a random model soon repeats one run of tokens for ever."""
    reply = words.reply(Request(ASKED, 2_000, temperature=0.0))
    assert reply.finish == "repeat"
    assert reply.usage.written < 1_000
    longer = words.reply(Request(ASKED, 2_000, temperature=0.0, seed=1))
    assert longer == reply


def test_no_special_token_shows_in_a_text(words: Local) -> None:
    texts = [words.reply(ask(seed=seed, most=400)).text for seed in range(5)]
    assert not [text for text in texts for special in SPECIAL if special in text]


def test_a_model_may_end_its_text(words: Local) -> None:
    ended = [words.reply(ask("nas201", seed, 6000)).finish for seed in range(3)]
    assert ended == ["stop"] * 3


def test_too_much_for_a_model_with_places_for_its_window_only(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = save_tiny_model(tmp_path, layers=1)
    (folder / "model.safetensors").unlink()
    config = GPT2Config(vocab_size=2012, n_positions=64, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    local = open_local(str(folder))
    assert local.window == 64
    with pytest.raises(AuthorError, match=r"100 written, but its window is 64 tokens"):
        local.reply(ask())
    assert local.reply(ask(most=10)).usage.written == 10


def test_out_of_memory_is_told_and_nothing_is_kept_of_it(
    words: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(words._generator.model, "forward", full)
        with pytest.raises(AuthorError, match="out of memory, with"):
            words.reply(ask())
    assert words._generator.read_tokens == []


# -------------------------------------------------------------------------------- under a grammar


def check(local: Local, space: str, seeds: range, most: int = 3000) -> None:
    for seed in seeds:
        reply = local.reply(ask(space, seed, most))
        assert reply.constrained
        assert len(bind(reply.text, load_space(space)).principles) >= 1


@pytest.mark.parametrize("space", SPACES)
def test_every_file_written_under_the_grammar_parses_and_binds(words: Local, space: str) -> None:
    check(words, space, range(10))


@pytest.mark.parametrize("spare", [-3, 0, 500])
def test_there_may_be_more_or_fewer_logits_than_tokens(tmp_path: Path, spare: int) -> None:
    local = open_local(str(save_tiny_model(tmp_path, layers=1, spare=spare)))
    check(local, "nas201", range(3))
    assert local.reply(ask(most=50)).usage.written == 50


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_many_more_files_parse_and_bind(words: Local, letters: Local, space: str) -> None:
    check(words, space, range(10, 60))
    check(letters, space, range(20), most=8000)


@pytest.mark.parametrize("most", [1, 5, 40, 90, 150, 300])
def test_a_file_that_is_cut_off_is_cut_back_to_what_is_whole(words: Local, most: int) -> None:
    for seed in range(3):
        reply = words.reply(ask("nas201", seed, most))
        bound = bind(reply.text, load_space("nas201"))
        assert reply.text.endswith("\n")
        assert reply.usage.written <= most
        assert all(principle.why and principle.syntax.clauses for principle in bound.principles)
        if most < 10:
            assert (reply.text, reply.finish) == ("space nas201\n", "length")


def test_what_was_cut_off_lost_only_what_was_not_whole(words: Local) -> None:
    whole = words.reply(ask("darts", 4, 6000)).text
    cut = [words.reply(ask("darts", 4, most)).text for most in range(100, 400, 60)]
    assert len(parse(whole).principles) > 0
    for text in cut[1:]:
        if text.count("\n") > 1:
            assert whole.startswith(text)


def test_forced_tokens_are_ones_that_the_masks_allow(words: Local) -> None:
    grammar = emission_grammar(load_space("nas201"))
    reply = words.reply(ask("nas201", 5, 4000))
    constraint = words._constraint(grammar)
    assert constraint is not None
    tokens: list[int] = []
    forced = list(constraint.forced())
    assert words._tokenizer.decode(forced).startswith("space nas201\n\nprinciple p1")
    by_mask = unforced(words)._constraint(grammar)
    assert by_mask is not None
    while len(tokens) < 600:
        for token in forced:
            assert token in by_mask.allowed()
            by_mask.take(token)
            constraint.take(token)
        tokens += forced
        if constraint.is_over:
            break
        allowed = constraint.allowed()
        assert list(allowed) == list(by_mask.allowed())
        chosen = int(allowed[len(tokens) % len(allowed)])
        if chosen in words._ends:
            break
        constraint.take(chosen)
        by_mask.take(chosen)
        tokens.append(chosen)
        forced = constraint.forced()
    assert reply.constrained


def test_without_forced_tokens_the_files_are_right_as_well(words: Local) -> None:
    check(unforced(words), "nas201", range(3))


def test_keep_is_answered_only_where_it_is_asked_for(letters: Local) -> None:
    texts = {letters.reply(ask("nas201", seed, 60, keep=True)).text for seed in range(12)}
    assert KEEP in texts
    assert {KEEP, "space nas201\n"} >= texts


def test_a_grammar_that_is_none_is_told(words: Local) -> None:
    with pytest.raises(AuthorError, match="llguidance gives up"):
        words.reply(replace(ask(), grammar="start: nothing"))


def test_a_model_without_a_fast_tokenizer_answers_freely(words: Local) -> None:
    class Slow:
        is_fast = False

        def __getattr__(self, name: str) -> Any:
            return getattr(words._tokenizer, name)

        def __len__(self) -> int:
            return len(words._tokenizer)

    local = Local("hf:slow", words._generator.model, Slow())
    assert not local.constrains
    assert not local.reply(ask("nas201", most=5)).constrained


# ------------------------------------------------------------------------------------------- bench


def test_the_bench_times_both_and_counts_the_files_that_bind(
    words_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapt_rules.bench import decoding as bench

    monkeypatch.setattr(bench, "_ROUNDS", 1)
    command = ["bench", "decoding", "--model", str(words_folder), "--files", "4"]
    command += ["--tokens", "150"]
    shown = CliRunner().invoke(cli, command)
    assert shown.exit_code == 0, shown.output
    assert "4 of 4 files bind" in shown.stdout
    found = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    assert [one["bind"] for one in found["files"]] == [1, 1, 1, 1]
    assert found["cost"]["masked_ratio"] == found["cost"]["masked"] / found["cost"]["free"]


def test_the_bench_needs_a_model(tmp_path: Path) -> None:
    found = lapt("bench", "decoding", "--model", tmp_path)
    assert found.returncode == 2
    assert "no config.json" in found.stderr
