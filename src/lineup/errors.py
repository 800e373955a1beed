"""The one exception for everything that a user can put right."""

from __future__ import annotations

LIMIT = 300
"""Most characters of a text from outside that an error message quotes."""


class LineupError(Exception):
    """A user's mistake or a condition outside the program.

    Its message is one line that says what is wrong, where, and what would be right. The command line prints it without
    a traceback and exits with status 1.
    """


def shortened(text: object, limit: int = LIMIT) -> str:
    r"""Return a text from outside on one line and cut to ``limit`` characters, for an error message.

    Parameters
    ----------
    text : object
        Such as an exception of another library or a wrong value; ``str`` is called on it.
    limit : int
        Most characters. Default 300.

    Examples
    --------
    >>> shortened("two\n  lines")
    'two lines'
    >>> shortened("x" * 10, limit=5)
    'xx...'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
