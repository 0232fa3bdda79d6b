"""Train every architecture of `digits` that differs from the others, and pack the table.

    python spaces/digits/make.py --out FOLDER              # about an hour on two cores
    python spaces/digits/make.py --out FOLDER --pack       # writes table.npz beside this file

FOLDER/journal.jsonl gets a line for each architecture that is finished; started again, the script
goes on after them. One architecture stands for all its twins. They come in a random order, always
the same, so that a part of the journal is a fair sample of the space. The dead architecture is
trained like the others: its network has a constant output, of which only the bias learns.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lapt_rules import content
from lapt_rules.errors import LaptError, RunError
from lapt_rules.evaluate.packed import pack, representatives
from lapt_rules.space import load_space

# With glibc's own settings the memory of each step goes back to the system and is fetched again,
# which takes as long as the training itself.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "OMP_NUM_THREADS": "1",
}
CODE = ("models/digits.py", "lapt_rules/evaluate/digits.py", "lapt_rules/evaluate/grouped.py")


def code_checksum() -> str:
    """Of everything that a value depends on; comments, docstrings and layout aside."""
    texts = []
    for name in CODE:
        root = content.shipped() if name.startswith("models") else Path(content.__file__).parents[1]
        tree = ast.parse((root / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(body := getattr(node, "body", None), list):
                node.body = [part for part in body if not _is_text(part)]
        texts.append(ast.unparse(tree))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def header(seeds: int) -> dict[str, Any]:
    """What all lines of a journal have in common."""
    import sklearn
    import torch

    from lapt_rules.evaluate.digits import SETTING, SPLITS, TASKS

    return {
        "tasks": list(TASKS),
        "splits": list(SPLITS),
        "seeds": list(range(seeds)),
        "setting": asdict(SETTING),
        "code": code_checksum(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    }


class Journal:
    """A header and the finished architectures, one JSON object a line; a torn last line is cut."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            path.write_text("".join(whole), encoding="utf-8")
        if not whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(head)
        elif (found := json.loads(whole[0])) != head:
            differ = ", ".join(key for key in head if found.get(key) != head[key])
            raise RunError(
                f"{path}: begun with another {differ}",
                "finish it as it was begun, or use a new --out",
            )
        for line in whole[1:]:
            entry = json.loads(line)
            self.entries[entry["arch"]] = entry

    def add(self, entry: dict[str, Any]) -> None:
        self._append(entry)
        self.entries[entry["arch"]] = entry

    def _append(self, entry: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


def train_one(text: str, tasks: list[str], seeds: list[int]) -> dict[str, Any]:
    """Train one architecture, in a worker; the line for the journal."""
    from lapt_rules.evaluate.grouped import train

    begin, begin_cpu = time.perf_counter(), time.process_time()
    scores = train(load_space("digits").parse(text), tasks, seeds)
    rounded = {
        task: {split: [round(x, 6) for x in values] for split, values in splits.items()}
        for task, splits in scores.items()
    }
    return {
        "arch": text,
        "seconds": round(time.process_time() - begin_cpu, 2),  # other programs leave it alone
        "wall": round(time.perf_counter() - begin, 2),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "scores": rounded,
    }


def _start_worker() -> None:
    import torch

    torch.set_num_threads(1)  # two threads add up numbers in another order
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def train_all(journal: Journal, head: dict[str, Any], workers: int, limit: int | None) -> None:
    """Train what the journal lacks, of the first `limit` architectures in their random order."""
    order = [str(architecture) for architecture in representatives(load_space("digits"))]
    random.Random(0).shuffle(order)  # noqa: S311
    missing = [text for text in order[:limit] if text not in journal.entries]
    done = len(order[:limit]) - len(missing)
    begin = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        jobs = [pool.submit(train_one, text, head["tasks"], head["seeds"]) for text in missing]
        for number, job in enumerate(as_completed(jobs), 1):
            entry = job.result()
            journal.add(entry)
            elapsed = time.monotonic() - begin
            left = elapsed / number * (len(missing) - number) / 60
            print(
                f"{done + number:,} of {done + len(missing):,}  {entry['arch']}  "
                f"{entry['wall']} s, {left:.0f} min to go",
                flush=True,
            )


def pack_all(journal: Journal, head: dict[str, Any], path: Path) -> None:
    """Write the table from a finished journal."""
    ended = sorted(entry["ended"] for entry in journal.entries.values())
    about = {
        **head,
        "values": "each model after its last epoch; a search reads `valid`, a report `test`, both "
        "the mean over the seeds",
        "finished": ended[-1] if ended else "",
        "core_hours": round(sum(e["seconds"] for e in journal.entries.values()) / 3600, 2),
    }
    pack(path, load_space("digits"), journal.entries, about)
    print(f"{path}: {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the journal")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="train only the first of them")
    table = Path(__file__).with_name("table.npz")
    parser.add_argument("--pack", type=Path, nargs="?", const=table, help="write the table here")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in MALLOC.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **MALLOC})  # noqa: S606
    head = header(options.seeds)
    journal = Journal(options.out / "journal.jsonl", head)
    if options.pack:
        pack_all(journal, head, options.pack)
    else:
        train_all(journal, head, options.workers, options.limit)


if __name__ == "__main__":
    try:
        main()
    except LaptError as error:
        sys.exit(str(error))
