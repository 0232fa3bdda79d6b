"""The wheel, installed where there is no checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.mark.slow
def test_the_wheel_works_in_a_fresh_environment_outside_the_checkout(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--outdir",
        str(tmp_path / "dist"),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next((tmp_path / "dist").glob("lapt_rules-*.whl"))
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([scripts / "python", "-m", "pip", "install", "-q", str(wheel)], check=True)
    file = tmp_path / "mine.lapt"
    file.write_text("space nas201 principle p require layer0 is conv")
    found = subprocess.run(
        [scripts / "lapt", "count", str(file), "--json"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env={"PATH": str(scripts)},
    )  # fmt: skip
    assert json.loads(found.stdout) == {"count": 6250, "total": 15625, "space": "nas201"}
    shown = subprocess.run(
        [scripts / "lapt", "spaces", "--json"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env={"PATH": str(scripts)},
    )  # fmt: skip
    folders = {entry["name"]: entry["folder"] for entry in json.loads(shown.stdout)["spaces"]}
    assert set(folders) == {"nas201", "trans101", "darts", "digits"}
    assert all(str(ROOT) not in folder for folder in folders.values())
    ran = subprocess.run(
        [scripts / "lapt", "run", "--json"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env={"PATH": str(scripts)},
    )  # fmt: skip
    assert json.loads(ran.stdout)["evaluations"] == 50
