"""Run the ``lineup`` command with ``python -m lineup``."""

from lineup.cli import main

main()
