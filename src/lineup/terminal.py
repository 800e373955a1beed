"""Print text on terminals that cannot encode all characters.

Examples
--------
>>> codecs.register_error("lineup.plain", _replace)
>>> "0.92 \N{PLUS-MINUS SIGN} 0.01".encode("ascii", "lineup.plain")
b'0.92 +/- 0.01'
"""

from __future__ import annotations

import codecs
import io
import sys

# Characters outside ASCII that this package and its libraries print.
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
    """Replace printed characters that the encoding of the terminal does not support.

    In ISO 8859-1, for example, an arrow becomes ``->`` and an unknown character becomes ``?``. Without this function,
    printing a table or a file name could raise a UnicodeEncodeError.
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
