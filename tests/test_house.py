"""The house: data flows one way, so each room imports only from the rooms above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ROOT

import lapt_rules as lapt
from lapt_rules import errors

ROOMS = [
    ("errors", "characters", "content", "writing"),
    ("language",),
    ("space", "space_file", "notation"),
    ("logic",),
    ("subspace",),
    ("analysis",),
    ("network",),
    ("evaluate",),
    ("gate",),
    ("search",),
    ("authors",),
    ("transfer",),
    ("running",),
    ("audit",),
    ("bench",),
    ("cli",),
]
LEVEL = {name: level for level, names in enumerate(ROOMS) for name in names}


def room_of(module: str) -> str:
    """`lapt_rules.logic.formula` stands in the room `logic`."""
    return module.split(".")[1]


def imports(path: Path) -> list[str]:
    """The project's modules that a file imports when it is itself imported."""
    tree = ast.parse(path.read_text())
    found = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lapt_rules."):
            found.append(node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "lapt_rules":
            found += [f"lapt_rules.{alias.name}" for alias in node.names]
    return found


def test_every_public_name_can_be_imported() -> None:
    pytest.importorskip("torch")
    public = {name: getattr(lapt, name) for name in lapt.__all__}
    assert set(dir(lapt)) == set(public)
    assert {name for name in vars(errors) if name.endswith("Error")} <= set(public)


def test_a_type_checker_takes_every_public_name_as_exported() -> None:
    tree = ast.parse((ROOT / "lapt_rules" / "__init__.py").read_text())
    imported = [
        alias
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lapt_rules.")
        for alias in node.names
    ]
    assert [alias.asname for alias in imported] == lapt.__all__


def test_each_room_imports_only_from_rooms_above_it() -> None:
    package = ROOT / "lapt_rules"
    wrong = []
    for path in package.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if len(parts) < 2 or parts[1].startswith("__"):
            continue
        own = LEVEL[parts[1]]
        wrong += [f"{path.name}: {m}" for m in imports(path) if LEVEL[room_of(m)] > own]
    assert not wrong


def test_text_reaches_people_through_the_terminal_alone() -> None:
    """So that nothing that is read from a table, a file or a model can steer it."""
    package = ROOT / "lapt_rules"
    free = {package / "cli" / "terminal.py", package / "bench" / "worker.py"}
    wrong = []
    for path in set(package.rglob("*.py")) - free:
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
            if name in {"print", "click.echo", "click.secho", "sys.stdout", "sys.stderr"}:
                wrong.append(f"{path.name}:{node.lineno}: {name}")
    assert not wrong
