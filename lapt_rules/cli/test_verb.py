"""`lapt test FILE`: the tests that stand inside a principle file."""

from __future__ import annotations

import click

from lapt_rules.cli import shell


@click.command("test")
@shell.file_argument
@shell.space_option
@shell.json_option
def command(file: str, space_name: str | None, as_json: bool) -> None:
    """Run every `accept`, `reject`, `rank` and `expect` in FILE.

    A test inside a principle is of that principle alone, one outside of the whole file. Exits with
    1 where a test fails.
    """
    from lapt_rules.analysis import Analysis
    from lapt_rules.language.printer import print_clause
    from lapt_rules.logic.examples import run_tests

    principles = shell.read_principles(file, space_name)
    count = 0
    if principles.expectations:
        count = Analysis(principles).subspace.count()
    outcomes = run_tests(principles, count)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    lines = []
    for outcome in failed:
        where = f"{file}:{outcome.test.span.line}"
        owner = f" of `{outcome.principle}`" if outcome.principle else ""
        lines.append(f"{where}: failed{owner}: {print_clause(outcome.test)}")
        lines.append(f"  but {outcome.found}")
    passed = len(outcomes) - len(failed)
    lines.append(f"{shell.plural(len(outcomes), 'test')}: {passed} passed, {len(failed)} failed")
    entries = [
        {
            "line": outcome.test.span.line,
            "test": print_clause(outcome.test),
            "principle": outcome.principle or None,
            "passed": outcome.passed,
            "found": outcome.found,
        }
        for outcome in outcomes
    ]
    shell.answer(
        as_json, {"passed": passed, "failed": len(failed), "tests": entries}, "\n".join(lines)
    )
    shell.leave(1 if failed else 0)
