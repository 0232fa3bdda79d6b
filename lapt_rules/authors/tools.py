"""What a model may ask the engine in mid-thought: `count`, `why` and `test`.

Each takes the text of a principle file. An answer is text, also where the question was wrong: then
it is what a person would be told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lapt_rules.authors.author import Brief
from lapt_rules.authors.backend import Tool, ToolCall
from lapt_rules.authors.reading import principle_file
from lapt_rules.authors.telling import effects
from lapt_rules.errors import LaptError
from lapt_rules.gate import Report, examine
from lapt_rules.language.printer import print_clause
from lapt_rules.logic.examples import run_tests
from lapt_rules.logic.plain import is_well_formed, rejecters
from lapt_rules.network import isomorphism_key

_FILE = {"type": "string", "description": "the text of a principle file"}
_ARCHITECTURE = {
    "type": "string",
    "description": "an architecture as a list of operators, [OPERATOR, ...]",
}


def _tool(name: str, description: str, **parameters: Mapping[str, Any]) -> Tool:
    schema = {"type": "object", "properties": parameters, "required": [*parameters]}
    return Tool(name, description, schema)


TOOLS = (
    _tool(
        "count", "How many architectures a file keeps, and what each principle does.", file=_FILE
    ),
    _tool(
        "why",
        "Whether a file keeps an architecture, and who rejects it.",
        file=_FILE,
        architecture=_ARCHITECTURE,
    ),
    _tool("test", "Whether a file passes every check, and its own tests.", file=_FILE),
)


def answer(call: ToolCall, brief: Brief) -> str:
    """The engine's answer to a call; never raises for what is wrong in the call."""
    known = [tool.name for tool in TOOLS]
    if call.name not in known:
        return f"error: there is no tool `{call.name}`; there are {', '.join(known)}"
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return "error: the arguments are not JSON"
    if not isinstance(arguments, dict) or not isinstance(arguments.get("file"), str):
        return 'error: the arguments are an object with "file", the text of a principle file'
    text = principle_file(arguments["file"], brief.space.name) or arguments["file"]
    report = examine(text, "file", brief.space, brief.archive)
    found = "\n\n".join(str(diagnostic) for diagnostic in report.diagnostics)
    if report.principles is None or report.errors:
        return found
    if call.name == "why":
        return _why(report, arguments.get("architecture"), brief)
    if call.name == "test":
        return "\n\n".join([found or "nothing is wrong", *failed_tests(report)])
    kept = found
    if report.count is not None:
        kept = f"keeps {report.count:,} of {report.total:,}"
        kept += f", and {report.archive_kept} of {report.archive_size} in the archive"
    return f"{kept}\n{effects(report, brief)}"


def failed_tests(report: Report) -> list[str]:
    """What the file's own tests found to be otherwise than its author says."""
    if report.principles is None or report.count is None:
        return []
    return [
        f"line {outcome.test.span.line}: `{print_clause(outcome.test)}` fails: {outcome.found}"
        for outcome in run_tests(report.principles, report.count)
        if not outcome.passed
    ]


def _why(report: Report, written: object, brief: Brief) -> str:
    if not isinstance(written, str):
        return 'error: the arguments need "architecture", a list of operators'
    assert report.principles is not None
    try:
        architecture = brief.space.parse(written)
    except LaptError as error:
        return f"error: {error}"
    if not is_well_formed(architecture):
        return f"error: this is not well-formed in {brief.space.name}"
    found = [
        f"rejected by `{principle.name}`, line {clause.span.line}: {print_clause(clause)}"
        for principle, clause in rejecters(report.principles.principles, architecture)
    ]
    key = isomorphism_key(architecture)
    same = [trial for trial in brief.trials if isomorphism_key(trial.architecture) == key]
    twin = f"; computes the same as {same[0].architecture.listing}, evaluated" if same else ""
    return ("\n".join(found) or "kept") + twin
