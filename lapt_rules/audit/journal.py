"""The run folder: a record of a run that a person can read.

    run.json              what was asked for: space, tables, author, searcher, settings, seed; and
                          the SHA-256 of a space and model of the user's own
    archive.jsonl         the source architectures that the author was shown, best first
    principles/1-learn.lapt, 2-update.lapt, ...   every revision, in order
    dialogue/             what a language model was asked and answered: `lapt_rules.authors.record`
    trials.jsonl          every evaluation in the order it was paid for, written as it happens
    result.json           what was found; it is there only if the run came to its end

No file holds a time or a machine's name: the same run writes the same bytes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from lapt_rules import content
from lapt_rules.authors.record import FOLDER
from lapt_rules.errors import RunError
from lapt_rules.evaluate.evaluator import Archive
from lapt_rules.search.searcher import Trial
from lapt_rules.transfer import Journal, Revision
from lapt_rules.writing import append_line, write_whole


class RunFolder(Journal):
    """Writes a run to a folder, as it happens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.principle_files: list[Path] = []
        self.evaluations = 0

    @classmethod
    def create(cls, path: Path | None, name: str) -> RunFolder:
        """A new folder at `path`, which may exist if it is empty; or a free one under `runs/`.

        Raises RunError where it cannot be made or holds something.
        """
        try:
            if path is not None:
                path.mkdir(parents=True, exist_ok=True)
                if any(path.iterdir()):
                    raise RunError(f"{path}: the folder is not empty", "give --out a new folder")
                folder = cls(path)
            else:
                folder = cls(_free_folder(Path("runs"), name))
            (folder.path / "principles").mkdir()
        except OSError as error:
            message = f"{path or Path('runs')}: the run folder cannot be made: {error.strerror}"
            raise RunError(message, "name another with --out") from error
        return folder

    def started(self, request: dict[str, object], archive: Archive | None) -> None:
        own = content.own_files(str(request["space"]))
        self._write("run.json", _pretty({**request, "content": own} if own else request))
        if archive is not None:
            members = (
                {"architecture": str(member.architecture), "value": member.value}
                for member in archive.members
            )
            self._write("archive.jsonl", "".join(json.dumps(m) + "\n" for m in members))

    def revised(self, revision: Revision) -> None:
        name = f"principles/{revision.iteration}-{revision.step}.lapt"
        self._write(name, revision.text)
        self.principle_files.append(self.path / name)

    def tried(self, trial: Trial) -> None:
        entry = {
            "iteration": trial.iteration,
            "architecture": str(trial.architecture),
            "value": trial.value,
        }
        append_line(self.path / "trials.jsonl", json.dumps(entry))
        self.evaluations += 1

    def ended(self, result: dict[str, object]) -> None:
        self._write("result.json", _pretty(result))

    def so_far(self) -> str:
        """What is recorded up to now, for people."""
        if not self.path.exists():
            return f"the run folder {self.path} is gone, and what was recorded with it"
        held = [
            f"revisions of the principles: {len(self.principle_files)}",
            f"evaluations: {self.evaluations}",
            *["the dialogue"] * (self.path / FOLDER).exists(),
        ]
        return f"the run so far is in {self.path} ({', '.join(held)})"

    def _write(self, name: str, text: str) -> None:
        write_whole(self.path / name, text)


def _free_folder(parent: Path, name: str) -> Path:
    """A new folder `parent/name`, with a number where that is taken.

    The name of a task may be in it, in which anything may stand.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1


def _pretty(value: dict[str, object]) -> str:
    return json.dumps(value, indent=2) + "\n"
