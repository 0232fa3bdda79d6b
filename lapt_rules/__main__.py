"""`python -m lapt_rules` is the command `lapt`."""

from lapt_rules.cli.main import main

if __name__ == "__main__":
    main()
