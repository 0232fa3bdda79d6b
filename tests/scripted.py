"""A back-end that says what it was told to say, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lapt_rules.authors.author import Brief
from lapt_rules.authors.backend import Message, Progress, Reply, Request
from lapt_rules.evaluate.evaluator import Archive, Rated
from lapt_rules.evaluate.table import Table
from lapt_rules.logic.binding import bind
from lapt_rules.search.searcher import Trial
from lapt_rules.space import Space, load_space
from lapt_rules.subspace import whole

Answer = str | Reply | Callable[[Request], Reply | str]


class Pieces(Progress):
    """Collects the pieces of a reply."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces

    def writing(self, piece: str, tokens: int | None = None) -> None:
        self.pieces.append(piece)


class Scripted:
    """Answers in turn, the last answer over and over; so many characters are a token."""

    name = "api:scripted"

    def __init__(
        self,
        *answers: Answer,
        constrains: bool = False,
        calls_tools: bool = False,
        window: int | None = None,
        parameters: int | None = None,
        characters_a_token: float = 1.0,
    ) -> None:
        self.answers = list(answers)
        self.constrains = constrains
        self.calls_tools = calls_tools
        self.window = window
        self.parameters = parameters
        self.characters_a_token = characters_a_token
        self.requests: list[Request] = []

    def count(self, messages: Sequence[Message]) -> int | None:
        if not self.window:
            return None
        return round(sum(len(message.text) for message in messages) / self.characters_a_token)

    def reply(self, request: Request, progress: Progress | None = None) -> Reply:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        said = answer(request) if callable(answer) else answer
        reply = said if isinstance(said, Reply) else Reply(said)
        if progress is not None:
            progress.writing(reply.text)
        return reply

    @property
    def last_told(self) -> list[str]:
        """The last message of each request."""
        return [request.messages[-1].text for request in self.requests]


def convolutions(space: Space, last_weight: float = 1.0) -> Table:
    """A made-up task: 3x3 convolutions are worth 3, 1x1 2, and the last layer counts more."""
    worth = {"nor_conv_3x3": 3.0, "nor_conv_1x1": 2.0}
    values = {}
    for one in whole(space):
        found = [worth.get(operator, 0.0) for operator in one.operators]
        values[one.values] = sum(found) + last_weight * found[-1] + 0.01 * found[2]
    return Table(space, f"convolutions {last_weight:g}", values)


def source_brief(space_name: str = "nas201", size: int = 20) -> Brief:
    """What an author knows before a search: the best of a made-up source task."""
    space = load_space(space_name)
    return Brief(space, convolutions(space).archive(size), top=3, population=4)


def brief_of(name: str) -> Brief:
    """An archive drawn from any space."""
    space = load_space(name)
    members = tuple(Rated(one, 1.0) for one in whole(space).sample(5, seed=0))
    return Brief(space, Archive(space, members, "drawn"), 3, 4)


def searched_brief(brief: Brief, text: str, number: int = 12) -> Brief:
    """The same after some evaluations of a target, with principles in force."""
    target = convolutions(brief.space, last_weight=5.0)
    drawn = whole(brief.space).sample(number, seed=3)
    trials = tuple(Trial(one, target.values[one.values], 1) for one in drawn)
    return replace(brief, trials=trials, principles=bind(text, brief.space))
