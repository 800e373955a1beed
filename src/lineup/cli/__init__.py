"""The ``lineup`` command: parse, call, print."""

from lineup.cli.app import main

__all__ = ["main"]
