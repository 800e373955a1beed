"""Command-line interface of lineup. Each module in this package contains a group of commands."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the ``lineup`` command.

    If the working directory is in a different checkout of lineup, the command runs the code of that checkout.
    """
    from lineup.checkout import run_own_package
    from lineup.errors import LineupError

    try:
        run_own_package()
    except LineupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    from lineup.cli.app import main as run_command

    run_command()
