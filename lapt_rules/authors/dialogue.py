"""A language model as the author: it reasons, writes, and is answered by the gate.

Each time it is asked, for one revision of the principles:

    reason     it is shown the prompt and thinks, freely; it may ask the engine with tools (a small
               model does not reason: it writes at once)
    write      it writes the file: under the space's emission grammar where the back-end can, or
               else as it likes, and the file is looked for in its answer
    repair     what the gate refuses is answered in the words that a person is shown, so many times
    revise     a file that passes is answered with what it does, and may be written once more
    measure    `lapt_rules.authors.measuring`; the leanings of every layer are added

What the model says has no power but this: it can write principles in the language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lapt_rules.analysis import refine
from lapt_rules.authors.author import Brief
from lapt_rules.authors.backend import (
    AuthorError,
    Backend,
    Message,
    Progress,
    Reply,
    Request,
    Tool,
    Usage,
)
from lapt_rules.authors.emission import emission_grammar
from lapt_rules.authors.leaning import best_found, leanings, with_leanings
from lapt_rules.authors.manner import Manner, manner_for
from lapt_rules.authors.measuring import Measured, Step, measured
from lapt_rules.authors.passing import Passed, passing
from lapt_rules.authors.prompt import fitted, standing_values
from lapt_rules.authors.reading import principle_file
from lapt_rules.authors.telling import agreement, effects, first_tried, lost
from lapt_rules.authors.template import Prompts
from lapt_rules.authors.tools import TOOLS, answer, failed_tests
from lapt_rules.characters import one_line
from lapt_rules.errors import LimitError, PrincipleError
from lapt_rules.gate import Report, examine
from lapt_rules.language import syntax as ast
from lapt_rules.subspace import Subspace

_MOST_TOLD = 10
"""How many diagnostics a model is shown at once."""

_ORDERED = 128
"""So many of the best must be found exactly: a search begins with them."""

_PRINCIPLE = re.compile(r"^[ \t]*principle\b", re.MULTILINE)
_SMALLEST_REPLY = 512
_CHARACTERS_A_TOKEN = 16
"""What a server sends beyond so many for each token asked for is not read on."""


class LanguageModel:
    """An author that asks a language model; see the module for how.

    Each question has a seed of its own, made of `seed` and its number, so that the same model gives
    the same run. `asked` counts them, `usage` adds up what they took; `dropped` and `bounded`
    count the claims that the engine took out and the weights that it made smaller.
    """

    def __init__(
        self,
        backend: Backend,
        prompts: Prompts | None = None,
        manner: Manner | None = None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self.name = one_line(backend.name)
        self.backend = backend
        self.manner = manner or manner_for(backend)
        self.prompts = prompts or Prompts.read(self.manner.template)
        self.progress = progress or Progress()
        self.asked = 0
        self.usage = Usage()
        self.dropped = 0
        self.bounded = 0
        self._seed = seed

    def learn(self, brief: Brief) -> str:
        """A file that the gate admits; AuthorError for an empty archive and where there is none."""
        return self._revision("learn", brief)

    def update(self, brief: Brief) -> str:
        return self._revision("update", brief)

    def explore(self, brief: Brief) -> str:
        return self._revision("explore", brief)

    def messages(self, step: Step, brief: Brief) -> tuple[Message, ...]:
        """The prompt that is sent first, in as much detail as the model's window holds."""
        standing = standing_values(brief)
        system = Message("system", self.prompts.fill("system", standing))
        may_ask = self.backend.calls_tools and self.manner.calls > 0 and self.reasons
        tools = self.prompts.fill("tools", standing) if may_ask else ""
        first = self.prompts.fill("reason" if self.reasons else self.write_section, standing)

        def filled(found: dict[str, str]) -> str:
            return self.prompts.fill(step, {**found, "first": first})

        def sent(text: str) -> tuple[Message, ...]:
            return system, Message("user", f"{text}\n\n{tools}" if tools else text)

        def fits(text: str) -> bool:
            most = self.manner.prompt_tokens
            is_short = most is None or self.count(sent(text)) <= most
            return is_short and self._fits(sent(text))

        return sent(fitted(fits, filled, brief, self.manner.details))

    @property
    def reasons(self) -> bool:
        """Whether the model reasons before it writes."""
        return self.manner.reason_tokens > 0

    @property
    def write_section(self) -> str:
        """The section of the prompts that asks for the file."""
        return "write_constrained" if self.backend.constrains else "write"

    def ask(
        self,
        messages: Sequence[Message],
        grammar: str,
        tools: tuple[Tool, ...],
        most: int | None = None,
    ) -> Reply:
        """The next reply of the model, of `most` tokens, or as many as any reply may have."""
        self.asked += 1
        seed = (1_000_003 * self._seed + self.asked) % 2**31
        temperature = self.manner.temperature
        most = self.reply_tokens if most is None else min(most, self.reply_tokens)
        request = Request(tuple(messages), most, grammar, tools, seed, temperature)
        reply = self.backend.reply(request, self.progress)
        self.usage += reply.usage
        return replace(reply, text=reply.text[: _CHARACTERS_A_TOKEN * most])

    @property
    def reply_tokens(self) -> int:
        """Most tokens of one reply: of a small window a quarter, for two beside a prompt."""
        window = self.backend.window
        most = self.manner.reply_tokens
        return most if window is None else min(most, max(window // 4, _SMALLEST_REPLY))

    def _fits(self, messages: tuple[Message, ...]) -> bool:
        window = self.backend.window
        return window is None or self.count(messages) + 2 * self.reply_tokens <= window

    def _check_window(self, messages: tuple[Message, ...]) -> None:
        """That a prompt and one reply fit; AuthorError with the numbers where they do not."""
        window = self.backend.window
        if window is None or self.count(messages) + self.reply_tokens <= window:
            return
        read = self.count(messages)
        message = (
            f"{self.name}: the shortest prompt has {read:,} tokens and a reply up to "
            f"{self.reply_tokens:,}, but its window is {window:,} tokens"
        )
        raise AuthorError(message, "use a model with a larger window, or fewer --reply-tokens")

    def count(self, messages: Sequence[Message]) -> int:
        """The tokens of messages; where only the server knows, from their characters, no fewer."""
        counted = self.backend.count(messages)
        return sum(len(message.text) for message in messages) // 2 if counted is None else counted

    # ----------------------------------------------------------------------------- one revision

    def _revision(self, step: Step, brief: Brief) -> str:
        if not len(brief.archive):
            raise AuthorError("the archive is empty", "use a source table with architectures")
        messages = self.messages(step, brief)
        self._check_window(messages)
        talk = _Talk(self, step, brief, [*messages])
        if self.reasons:
            talk.reason()
        passed, repairs = self._repaired(step, brief, talk)
        report, revisions = self._revised(step, brief, talk, passed.report)
        in_force = measured(step, brief, report)
        note = f"# {step}: by {self.name}; {repairs}, {_plural(revisions, 'revision')}."
        refused = [f"# dropped: {claim}" for claim in passed.dropped]
        notes = [note, *refused, *in_force.notes]
        self.dropped += len(passed.dropped) + len(in_force.dropped)
        self.bounded += len(in_force.bounded)
        return with_leanings(in_force.file, brief, leanings(brief), *notes)

    def _repaired(self, step: Step, brief: Brief, talk: _Talk) -> tuple[Passed, str]:
        """The first file that the gate admits, or what is left of the last; and the repairs.

        Raises AuthorError with what is wrong in the last one, unless what passes is to be kept.
        """
        text = ""
        problem = talk.prompt(self.write_section) if self.reasons else ""
        for repair in range(self.manner.repairs + 1):
            written = talk.write(problem, f"repair {repair}" if repair else "write")
            found = principle_file(written, brief.space.name)
            if found is None:
                problem = talk.prompt("missing")
                wrong = "there is no principle file in its answer"
                continue
            text = found
            report = self._examined(text, brief)
            wrong = self._wrong(step, brief, report)
            if not wrong:
                return Passed(report, ()), _plural(repair, "repair")
            problem = talk.prompt("refused", diagnostics=wrong, effects=effects(report, brief))
        repairs = _plural(self.manner.repairs, "repair")
        if self.manner.keep_passing:
            passed = passing(text, brief, self._examined, lambda r: self._too_open(step, brief, r))
            left = _left(text, passed.report)
            return passed, f"{repairs}, of a refused file what passes: {left}"
        message = f"{step}: after {repairs} the file is still refused:\n\n{wrong}"
        raise AuthorError(message, "allow more repairs, or go on with the principles that pass")

    def _revised(self, step: Step, brief: Brief, talk: _Talk, report: Report) -> tuple[Report, int]:
        """The last of its author's files that the gate admits, and how often it was revised.

        Of each the author is told what it does, or what is wrong with it, until it says to keep it
        or writes the same again.
        """
        revisions = 0
        told = self._passed(step, brief, talk, report) if self.manner.revisions else ""
        for revision in range(1, self.manner.revisions + 1):
            written = talk.write(told, f"revise {revision}", or_keep=True)
            text = principle_file(written, brief.space.name)
            if text is None:
                break
            revised = self._examined(text, brief)
            if _file(revised) == _file(report):
                break
            wrong = self._wrong(step, brief, revised)
            if wrong:
                told = talk.prompt("refused", diagnostics=wrong, effects=effects(revised, brief))
                continue
            report, revisions = revised, revisions + 1
            told = self._passed(step, brief, talk, report)
        return report, revisions

    def _passed(self, step: Step, brief: Brief, talk: _Talk, report: Report) -> str:
        """What an author is told of a file that the gate admits."""
        assert report.subspace is not None
        count = report.subspace.count()
        in_force = measured(step, brief, report)
        subspace = self._searched(in_force, brief)
        return talk.prompt(
            "passed",
            count=f"{count:,}",
            share=f"{100 * count / report.total:.2g} %",
            archive_kept=f"{report.archive_kept} of {report.archive_size} in the archive",
            effects=effects(report, brief),
            lost=lost(report.subspace, brief),
            dropped=_bullets(in_force.dropped),
            bounded=_bullets(in_force.bounded),
            first_tried=first_tried(subspace, brief),
            agreement=agreement(subspace.preferences, brief),
        )

    def _examined(self, text: str, brief: Brief) -> Report:
        return examine(
            text,
            "principles",
            brief.space,
            brief.archive,
            self.manner.support,
            brief.population,
            [trial.architecture for trial in best_found(brief)],
        )

    def _wrong(self, step: Step, brief: Brief, report: Report) -> str:
        """What its author is to correct; nothing where a search can go on from these principles."""
        failed = failed_tests(report) if report.admitted else []
        if report.admitted and not failed:
            return self._too_open(step, brief, report)
        found = [str(diagnostic) for diagnostic in report.errors or report.diagnostics]
        return "\n\n".join([*found[:_MOST_TOLD], *failed[:_MOST_TOLD]])

    def _too_open(self, step: Step, brief: Brief, report: Report) -> str:
        """Why what is kept cannot be searched in the order of its preferences; nothing if it can.

        With what is measured a file may also grow beyond a limit of the language.
        """
        try:
            subspace = self._searched(measured(step, brief, report), brief)
            subspace.best(_ORDERED + 2 * len(brief.trials), seed=0)
        except (LimitError, PrincipleError) as error:
            return f"error: {error}"
        return ""

    def _searched(self, in_force: Measured, brief: Brief) -> Subspace:
        """What would be searched: with the leanings of every layer."""
        return refine(brief.space, with_leanings(in_force.file, brief, leanings(brief)))


def _left(text: str, report: Report) -> str:
    """How many of the principles of a text are left in what passes."""
    left = len(report.principles.principles) if report.principles else 0
    return f"{left} of {len(_PRINCIPLE.findall(text))} principles"


def _file(report: Report) -> ast.File | None:
    return report.principles.file if report.principles else None


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"


class _Talk:
    """What has been said for one revision, and how the next reply is had."""

    def __init__(
        self, author: LanguageModel, step: Step, brief: Brief, messages: list[Message]
    ) -> None:
        self._author = author
        self._brief = brief
        self._messages = messages
        self._values = standing_values(brief)
        self._calls = 0
        self._where = f"{step} for round {brief.rounds + 1}"

    def prompt(self, section: str, **found: str) -> str:
        return self._author.prompts.fill(section, {**self._values, **found})

    def reason(self) -> None:
        """Let the model think, freely; it may ask the engine."""
        self._author.progress.asking(f"{self._where}: reason")
        self._reply("", self._author.manner.reason_tokens, may_ask=True)

    def write(self, told: str, what: str, or_keep: bool = False) -> str:
        """What the model writes when it is told this; "" where its prompt asks for it already."""
        author = self._author
        author.progress.asking(f"{self._where}: {what}")
        if told:
            self._messages.append(Message("user", told))
        grammar = ""
        if author.backend.constrains:
            grammar = emission_grammar(self._brief.space, or_keep, author.manner.principles)
        return self._reply(grammar, None, may_ask=False)

    def _reply(self, grammar: str, most: int | None, may_ask: bool) -> str:
        """The text of the next reply, after the tool calls that come before it."""
        author = self._author
        while True:
            self._shorten()
            left = author.manner.calls - self._calls
            may_ask = may_ask and author.backend.calls_tools and left > 0
            reply = author.ask(self._messages, grammar, TOOLS if may_ask else (), most)
            calls = reply.calls if may_ask else ()
            self._messages.append(Message("assistant", reply.text, calls))
            if not calls:
                return reply.text
            for number, call in enumerate(calls):
                said = answer(call, self._brief) if number < left else "error: no calls are left"
                self._messages.append(Message("tool", said, answers=call.identity))
            self._calls += len(calls)

    def _shorten(self) -> None:
        """Forget what was said between the prompt and the last answer, where the window is full.

        A turn goes as a whole: with a call of tools go their answers.
        """
        window = self._author.backend.window
        if window is None:
            return
        while self._author.count(self._messages) + self._author.reply_tokens > window:
            turns = [n for n, m in enumerate(self._messages) if m.role == "user"]
            if len(turns) < 3:
                return
            del self._messages[turns[0] + 1 : turns[1] + 1]
