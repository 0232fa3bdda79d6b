"""`lapt fmt FILE...`: the canonical layout."""

from __future__ import annotations

from pathlib import Path

import click

from lapt_rules.cli import shell


@click.command("fmt")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file would change.")
@shell.json_option
def command(files: tuple[str, ...], check: bool, as_json: bool) -> None:
    """Rewrite principle files in their one canonical layout; comments stay.

    `-` reads standard input and writes the result to standard output.
    """
    from lapt_rules.language.parser import parse
    from lapt_rules.language.printer import print_file
    from lapt_rules.writing import write_whole

    laid_out = {}
    changed = []
    for file in files:
        text = shell.read_file(file)
        laid_out[file] = print_file(parse(text, file))
        if laid_out[file] != text:
            changed.append(file)
    if not check:
        for file in changed:
            if file != "-":
                write_whole(Path(file), laid_out[file])
    if as_json:
        entries = [{"file": f, "changed": f in changed, "text": laid_out[f]} for f in files]
        shell.answer(True, {"files": entries}, "")
    elif "-" in files and not check:
        shell.show(laid_out["-"], end="")
    verb = "would change" if check else "changed"
    shell.tell(f"{shell.plural(len(files), 'file')}, {len(changed)} {verb}")
    shell.leave(1 if check and changed else 0)
