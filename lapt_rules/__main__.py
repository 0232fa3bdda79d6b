"""`python -m lapt_rules` is the command `lapt`: the process, before and after its work."""

from __future__ import annotations

from lapt_rules.cli.stopping import end_at_once, heed_signals, stoppable


def main() -> None:
    """Run the command; ends the process with exit code 0, 1 or 2, or 130 or 143 at a signal."""
    heed_signals()
    try:
        with stoppable():
            from lapt_rules.cli import terminal
            from lapt_rules.cli.main import main as command
        terminal.prepare()
        command()
    finally:
        end_at_once()


if __name__ == "__main__":
    main()
