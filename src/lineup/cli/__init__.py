"""The ``lineup`` command: each group of commands in one file that parses, calls and prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command, with the package of the project if it has one; see `lineup.checkout`."""
    from lineup.checkout import run_own_package
    from lineup.errors import LineupError

    try:
        run_own_package()
    except LineupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    from lineup.cli.app import main as run_command

    run_command()
