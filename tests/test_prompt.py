"""Prompts hold all that an author may know, in the words of one file, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import answer, lapt
from scripted import Scripted, brief_of, convolutions, searched_brief, source_brief

from lapt_rules import content
from lapt_rules.authors.backend import AuthorError
from lapt_rules.authors.dialogue import LanguageModel
from lapt_rules.authors.prompt import FULL_DETAILS, SHORT_DETAILS, Detail, values
from lapt_rules.authors.template import SECTIONS, SHIPPED_SHORT, VALUES, Prompts
from lapt_rules.gate import admit
from lapt_rules.space import load_space

SPACES = ["nas201", "trans101", "darts", "digits"]
PROMPTS = Prompts.read()
SHORT = Prompts.read(SHIPPED_SHORT)
STEPS = ("learn", "update", "explore")
BRIEF = source_brief()
IN_FORCE = "space nas201\nprinciple p require layer0 in {conv, skip_connect} require layer3 is conv"


def prompt(step: str = "learn", space_name: str = "nas201") -> str:
    brief = BRIEF if space_name == "nas201" else source_brief(space_name)
    if step != "learn":
        brief = searched_brief(brief, IN_FORCE)
    return PROMPTS.fill(step, values(brief) | {"first": "Reason first."})


@pytest.mark.parametrize("step", STEPS)
def test_a_prompt_has_the_four_parts_and_three_steps_of_reasoning(step: str) -> None:
    text = prompt(step)
    parts = ["# Task description", "# Strategy", "# Expected output", "# Note"]
    assert [line for line in text.split("\n") if line in parts] == parts
    strategy = text[text.index("# Strategy") :]
    for number, thought in enumerate(
        ("Information flow", "Common patterns", "Principles"), start=1
    ):
        assert f"{number}. {thought}." in strategy


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_a_prompt_shows_the_space_itself(name: str) -> None:
    space = load_space(name)
    text = prompt(space_name=name)
    assert content.model_file(name).read_text().strip() in text
    for names in (space.layer_index, space.operator_index, space.classes, space.regions):
        assert all(word in text for word in names)
    assert "243,040 parameters" in text or name != "nas201"
    assert "`params` (parameters)" in text


def test_a_prompt_shows_the_archive_as_lists_in_order() -> None:
    text = prompt()
    first, last = BRIEF.archive.members[0], BRIEF.archive.members[-1]
    assert f"1. {first.architecture.listing}  {first.value:.6g}" in text
    assert f"20. {last.architecture.listing}  {last.value:.6g}" in text


def test_of_those_that_compute_the_same_the_first_is_named() -> None:
    text = PROMPTS.fill("learn", values(source_brief(size=400)) | {"first": ""})
    assert re.search(r"\d+\. \[.*\]  \S+  \(computes the same as \d+\)", text)


@pytest.mark.parametrize("name", SPACES)
def test_the_worked_examples_bind_to_every_space(name: str) -> None:
    space = load_space(name)
    brief = BRIEF if name == "nas201" else brief_of(name)
    text = PROMPTS.fill("language", values(brief))
    examples = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert admit(example, "", space).admitted


def test_where_layers_choose_what_they_read_a_prompt_says_so() -> None:
    text = PROMPTS.fill("learn", values(brief_of("darts")) | {"first": ""})
    assert "sep_conv_3x3 from input0" in text or " from input1" in text
    assert "L from N" in text
    assert "L from N" not in prompt()


def test_a_prompt_shows_no_value_of_the_target_that_was_not_paid_for() -> None:
    brief = searched_brief(BRIEF, IN_FORCE)
    target = convolutions(brief.space, last_weight=5.0)
    paid = {f"{trial.value:.6g}" for trial in brief.trials}
    known = paid | {f"{member.value:.6g}" for member in brief.archive.members}
    unpaid = {f"{value:.6g}" for value in target.values.values()} - known
    for step in STEPS:
        told = set(re.findall(r"\]  (\S+)", PROMPTS.fill(step, values(brief) | {"first": ""})))
        assert not told & unpaid
        assert (paid <= told) == (step != "learn")


def test_exploring_is_told_what_is_left_out_layer_by_layer() -> None:
    text = prompt("explore")
    left_out = "- layer0: operator `none`, `avg_pool_3x3` left out"
    assert left_out in text
    assert "- layer3: operator `none`, `skip_connect`, `avg_pool_3x3` left out" in text


def test_an_adaptation_shows_what_each_change_did_and_what_is_in_force() -> None:
    text = prompt("update")
    assert "principle p\n  require layer0 in {conv, skip_connect}" in text
    assert "The weights that the engine measured for single layers" in text
    assert re.search(r"layer\d: \S+ -> \S+: \+", text) or "no two of them differ" in text


@pytest.mark.parametrize(("prompts", "details"), [(PROMPTS, FULL_DETAILS), (SHORT, SHORT_DETAILS)])
def test_less_detail_is_shorter(prompts: Prompts, details: tuple[Detail, ...]) -> None:
    first = {"first": "Write."}
    lengths = [len(prompts.fill("learn", values(BRIEF, detail) | first)) for detail in details]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]


@pytest.mark.parametrize(
    ("name", "step"),
    [(name, step) for name in SPACES for step in STEPS if step == "learn" or name != "darts"],
)
def test_a_short_prompt_has_about_1_500_tokens_and_no_code(name: str, step: str) -> None:
    brief = BRIEF if name == "nas201" else brief_of(name)
    if step != "learn":
        brief = searched_brief(brief, f"space {name} principle p require connected")
    backend = Scripted("", constrains=True, parameters=10**8, window=8_192, characters_a_token=2.4)
    system, user = LanguageModel(backend).messages(step, brief)
    assert (backend.count((system, user)) or 0) < (2_500 if name == "darts" else 2_000)
    assert "import torch" not in user.text
    assert user.text.endswith("Say nothing twice.")
    assert set(brief.space.layer_index) <= set(re.findall(r"\w+", user.text))


def test_what_the_short_steps_share_stands_first() -> None:
    brief = searched_brief(BRIEF, "space nas201 principle p require connected")
    texts = [SHORT.fill(step, values(brief, SHORT_DETAILS[0]) | {"first": ""}) for step in STEPS]
    shared = SHORT.fill("space", values(brief))
    assert all(text.startswith(shared) for text in texts)
    assert "L is a layer, X an operator or a class" in shared


# ---------------------------------------------------------------------------- templates of a user


def template(tmp_path: Path, change: str, to: str) -> Path:
    path = tmp_path / "mine.md"
    assert change in PROMPTS.text
    path.write_text(PROMPTS.text.replace(change, to))
    return path


def test_a_template_can_be_replaced(tmp_path: Path) -> None:
    path = template(tmp_path, "You are an expert", "You are $${name} ${name}, an expert")
    backend = Scripted("Hm.", "space nas201\nprinciple p require connected", "keep")
    LanguageModel(backend, Prompts.read(path)).learn(BRIEF)
    assert backend.requests[0].messages[0].text.startswith("You are ${name} nas201, an expert")


@pytest.mark.parametrize(
    ("change", "to", "said"),
    [
        ("${archive}", "${archives}", r"mine\.md:\d+: `\$\{archives\}` stands for nothing"),
        ("${archive}", "$", r"mine\.md:\d+: `\$` stands for nothing"),
        ("=== refused ===", "=== refuse ===", "there is no section `refused`"),
        (
            "=== advice ===\n",
            "=== advice ===\n${expected}\n${advice}",
            "a section stands in itself",
        ),
        (
            "=== learn ===\n",
            "=== learn ===\n${found}\n",
            r"`\$\{found\}` has no value in the section `learn`",
        ),
        ("=== write ===\n", "=== write ===\n${archive}\n", r"it has one in `learn`, `update`"),
        (
            "=== note ===\n",
            "=== note ===\n\n=== note ===\n",
            r"mine\.md:\d+: there are two sections",
        ),
    ],
)
def test_a_template_that_is_wrong_is_told_where(
    tmp_path: Path, change: str, to: str, said: str
) -> None:
    with pytest.raises(AuthorError, match=said):
        Prompts.read(template(tmp_path, change, to)).fill("learn", values(BRIEF))


def test_what_is_put_in_is_not_looked_through_again() -> None:
    assert PROMPTS.fill("missing", {"name": "${archive}"}).endswith("`space ${archive}`.")


def test_every_section_and_value_is_used() -> None:
    used = [set(re.findall(r"\$\{(\w+)\}", prompts.text)) for prompts in (PROMPTS, SHORT)]
    assert used[0] | used[1] >= {name for names in VALUES.values() for name in names}
    assert set(PROMPTS.sections) - set(SECTIONS) <= used[0]
    assert set(SHORT.sections) - set(SECTIONS) <= used[1]


# ------------------------------------------------------------------------------------ lapt prompt


def test_lapt_prompt_prints_what_would_be_sent_and_its_size() -> None:
    said = lapt("prompt", "--space", "digits", "--source", "digits:jigsaw")
    assert said.stdout.startswith("You are an expert")
    assert "1. [" in said.stdout
    assert re.search(r"about [\d,]+ tokens, [\d,]+ characters", said.stderr)
    found = answer("prompt", "--space", "digits", "--source", "digits:jigsaw")
    assert [message["role"] for message in found["messages"]] == ["system", "user"]
    assert found["tokens_are"] == "estimated"


def test_lapt_prompt_asks_no_server() -> None:
    options = ("--author", "api:toy", "--base-url", "http://127.0.0.1:1/v1")
    said = lapt("prompt", "--space", "digits", "--source", "digits:jigsaw", *options)
    assert said.returncode == 0
    assert "You may call `count`" in said.stdout


def test_lapt_prompt_prints_template_values_and_grammar() -> None:
    assert lapt("prompt", "--template").stdout.strip() == PROMPTS.text.strip()
    assert set(answer("prompt", "--values")["values"]) == set(VALUES)
    assert "start: file" in lapt("prompt", "--space", "nas201", "--grammar").stdout


def test_lapt_prompt_shows_how_a_run_would_go_on(tmp_path: Path) -> None:
    lapt("run", "--budget", "8", "--iterations", "2", "--out", tmp_path / "run")
    said = lapt("prompt", "--run", tmp_path / "run", "--step", "explore")
    assert "The search has paid for 8 evaluations" in said.stdout
    (tmp_path / "run" / "run.json").write_text("{")
    assert (
        "this is not what a run records"
        in lapt("prompt", "--run", tmp_path / "run", "--step", "update").stderr
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give --space and --source, or --run"),
        (("--space", "nas201"), "there is nothing to learn from"),
        (("--run", "nowhere", "--step", "update"), "cannot be read"),
        (("--run", "nowhere"), "a run has learned already"),
        (("--template", "--prompts", "nowhere.md"), "the prompts cannot be read"),
    ],
)
def test_lapt_prompt_says_what_it_lacks(options: tuple[str, ...], said: str) -> None:
    found = lapt("prompt", *options)
    assert found.returncode == 2
    assert said in found.stderr
