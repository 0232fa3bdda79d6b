"""What the tests share: the real tables, where they lie, and the spaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lapt_rules.space import Space, load_space

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("quick", parent=settings.get_profile("default"), max_examples=10)
settings.register_profile("nightly", parent=settings.get_profile("default"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LAPT_TEST_DATA", ROOT.parent / "shared" / "data"))


def table(name: str) -> Path:
    """A benchmark table outside the project; the test is skipped where it is not there."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"needs the table {name} in the folder LAPT_TEST_DATA")
    return path


@pytest.fixture(scope="session")
def nas201() -> Space:
    return load_space("nas201")


@pytest.fixture(scope="session")
def trans101() -> Space:
    return load_space("trans101")


@pytest.fixture(scope="session")
def darts() -> Space:
    return load_space("darts")


def lapt(*arguments: str | Path, cwd: Path | None = None, stdin: str = "") -> Any:
    """Run the command in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-m", "lapt_rules", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert "Traceback" not in found.stderr, found.stderr
    assert found.returncode in {0, 1, 2}
    return found


def answer(*arguments: str | Path, cwd: Path | None = None) -> dict[str, Any]:
    """The one JSON object that a verb prints."""
    value: dict[str, Any] = json.loads(lapt(*arguments, "--json", cwd=cwd).stdout)
    return value
