"""``python -m lineup``: the ``lineup`` command where its script is not installed."""

from lineup.cli import main

main()
