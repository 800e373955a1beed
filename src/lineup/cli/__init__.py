"""The ``lineup`` command: each group of commands in one file that parses, calls and prints."""

from lineup.cli.app import main

__all__ = ["main"]
