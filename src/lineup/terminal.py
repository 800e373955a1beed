"""Text streams that never fail on a character that the terminal does not have."""

from __future__ import annotations

import codecs
import io
import sys

# What the package and the libraries below it print beyond ASCII.
_PLAIN = {
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{PLUS-MINUS SIGN}": "+/-",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{HORIZONTAL ELLIPSIS}": "...",
}


def tolerate_encodings() -> None:
    """Let the standard streams replace what their encoding cannot represent, such as a dash in ISO 8859-1.

    A dash becomes ``-``, an arrow ``->``, and any other character ``?``. Without this, Python raises a
    UnicodeEncodeError in the middle of a table, for instance with ``PYTHONIOENCODING=latin-1``, or for a file name that
    is not UTF-8.
    """
    codecs.register_error("lineup.plain", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lineup.plain")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in characters), error.end
