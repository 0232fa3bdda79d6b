"""What the tests share: the real tables, where they lie, and the spaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lapt_rules.space import Space, load_space

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
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
