"""How cost grows with the number of layers and of principles: families of spaces and files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lapt_rules import content
from lapt_rules.bench import peers
from lapt_rules.bench.cases import Case
from lapt_rules.bench.engine import LIMIT, Report, Result, machine
from lapt_rules.bench.processes import answers

LAYERS = (6, 12, 24, 36, 50, 64)
PRINCIPLES = (1, 2, 4, 8, 16, 32, 64)
QUICK_LAYERS = (6, 12)
QUICK_PRINCIPLES = (1, 4)


def run(
    limit: float = LIMIT, quick: bool = False, progress: Callable[[str], None] = lambda text: None
) -> Report:
    """Measure our engine on both families, each member in a process of its own."""
    start = time.monotonic()
    report = Report(machine(), limit)
    with tempfile.TemporaryDirectory() as folder:
        cases = [layered_case(n, Path(folder)) for n in (QUICK_LAYERS if quick else LAYERS)]
        cases += [
            principled_case(n, Path(folder)) for n in (QUICK_PRINCIPLES if quick else PRINCIPLES)
        ]
        for case in cases:
            progress(case.name)
            for answer in answers(peers.OURS, case, ["growth"], limit, quick):
                report.results.append(Result(case.name, peers.OURS, **answer))
    report.seconds = time.monotonic() - start
    return report


def layered_case(layers: int, folder: Path) -> Case:
    """A space of so many layers with a budget, a depth and two counts, written into `folder`."""
    name = f"layers{layers}"
    space = folder / name
    space.mkdir()
    (space / "space.toml").write_text(layered_space(name, layers), encoding="utf-8")
    file = space / "grown.lapt"
    file.write_text(layered_principles(name, layers), encoding="utf-8")
    return Case(f"{layers} layers", space, file)


def layered_space(name: str, layers: int) -> str:
    """A `space.toml`: a chain of nodes, each fed by two layers from the two nodes before it.

    The operators and their costs are those of NAS-Bench-201; an even number of layers.
    """
    nodes = [f"n{i}" for i in range(layers // 2 + 2)]
    template = "".join(f"|{{l{i}}}" for i in range(layers))
    half = layers // 2
    lines = [
        f'name = "{name}"',
        'title = "A chain of nodes, to see how cost grows"',
        'source = "made for measuring"',
        f"[[notations]]\ntemplate = '{template}|'",
        f'[cells.cell]\ninputs = ["n0", "n1"]\noutputs = ["{nodes[-1]}"]',
    ]
    for i in range(layers):
        target = i // 2 + 2
        source = nodes[target - 2 + i % 2]
        lines.append(
            f'[[layers]]\nname = "l{i}"\ncell = "cell"\nfrom = ["{source}"]\nto = "{nodes[target]}"'
        )
    lines += [
        '[operators.none]\nclass = "zero"\nfunction = "zero"',
        '[operators.skip_connect]\nclass = "identity"\nfunction = "identity"',
        '[operators.nor_conv_1x1]\nclass = "conv"\nfunction = "weighted"\n'
        "costs = { params = 28_000 }",
        '[operators.nor_conv_3x3]\nclass = "conv"\nfunction = "weighted"\n'
        "costs = { params = 243_040 }",
        '[operators.avg_pool_3x3]\nclass = "pool"\nfunction = "linear"',
        '[costs.params]\nunit = "parameters"\norigin = "as in NAS-Bench-201"',
        "[regions]",
        f"early = {[f'l{i}' for i in range(half)]}",
        f"late = {[f'l{i}' for i in range(half, layers)]}",
    ]
    return "\n\n".join(lines) + "\n"


def layered_principles(name: str, layers: int) -> str:
    return f"""space {name}

principle convolving
  "A third of the layers learn."
  require count(conv) >= {layers // 3}

principle light
  "A budget that half of the layers as large convolutions would use up."
  require sum(params) <= {121_520 * layers}

principle few_cuts
  "A quarter of the layers at most are cut."
  require count(none) <= {layers // 4}

principle deep
  "Two convolutions in a row see further than one."
  require longest(conv) >= 2
"""


def principled_case(number: int, folder: Path) -> Case:
    """So many principles on DARTS, each of a kind that people write, in a file in `folder`."""
    file = folder / f"principles{number}.lapt"
    file.write_text(many_principles(number), encoding="utf-8")
    return Case(f"{number} principles", content.shipped() / "spaces" / "darts", file)


def many_principles(number: int) -> str:
    """A principle file for DARTS in which counts, budgets, places and implications take turns."""
    parts = ["space darts\n"]
    for index in range(number):
        kind, turn = index % 8, index // 8
        cell = ("normal", "reduce")[turn % 2]
        stage = turn // 2 % 4 + 1
        next_stage = stage % 4 + 1
        a, b, c = f"{cell}_{stage}a", f"{cell}_{stage}b", f"{cell}_{next_stage}a"
        clause = (
            f"require count(conv in {cell}) >= {2 + turn % 3}",
            f"require sum(params) <= {3_000_000 - 50_000 * turn}",
            f"require if {a} is conv then {b} is not none",
            f"require at least 1 of ({a} is conv, {b} is conv, {c} is pool)",
            f"forbid {b} is pool and {c} is none",
            f"require count(none in {{{a}, {b}, {c}}}) <= 1",
            f"require longest(conv in {cell}) >= {1 + turn % 2}",
            f"require if {a} from input0 then {a} is not avg_pool_3x3",
        )[kind]
        parts.append(f"principle p{index}\n  {clause}\n")
    return "\n".join(parts)
