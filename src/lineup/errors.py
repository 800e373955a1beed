"""Define an exception for errors that users can fix, and format its messages."""

from __future__ import annotations

from collections.abc import Iterable, Sized

LIMIT = 300
"""Maximum number of characters that an error message quotes from other text, such as a file."""

LISTED = 20
"""Maximum number of accepted names that an error message lists."""


class LineupError(Exception):
    """Error that a user can fix, such as a wrong value or a missing file.

    The message is one line that contains the location of the error, the expected value and the actual value. The
    command line prints the message without a traceback and exits with status 1.
    """


def shortened(text: object, limit: int = LIMIT) -> str:
    r"""Shorten a string to one line of at most ``limit`` characters.

    Characters that a terminal does not print, such as the start of a colour code, are replaced by their escape
    sequence.

    Parameters
    ----------
    text : object
        Object to convert with ``str``, for example an exception of another library or an invalid value.
    limit : int
        Maximum number of characters. Default 300.

    Examples
    --------
    >>> shortened("two\n  lines")
    'two lines'
    >>> shortened("x" * 10, limit=5)
    'xx...'
    >>> print(shortened("red: \033[31m"))
    red: \x1b[31m
    """
    line = " ".join(str(text).split())
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def count(things: Sized | int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(["a"], "committee"), count(1200, "image")
    ('1 committee', '1,200 images')
    """
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def expected_one_of(name: str, accepted: Iterable[str], place: str = "the project", limit: int = LISTED) -> str:
    """List the accepted names and suggest similar names. This text is the end of an error message.

    Parameters
    ----------
    name : str
        The unknown name.
    accepted : iterable of str
        In the order in which to list them.
    place : str
        Place where a user finds the names if there are too many to list. Default "the project".
    limit : int
        Largest number of names to list. Default 20.

    Examples
    --------
    >>> expected_one_of("avrage", ["average", "maximum"])
    "did you mean 'average'? Expected one of average, maximum"
    >>> expected_one_of("vote", ["average", "maximum"])
    'expected one of average, maximum'
    """
    from difflib import get_close_matches

    names = list(accepted)
    if len(names) > limit:
        listed = f"one of the {len(names)} in {place}"
    else:
        listed = f"{'one of ' if len(names) > 1 else ''}{', '.join(names) or 'none'}"
    near = [repr(other) for other in get_close_matches(shortened(name, 100), names, n=3)]
    if not near:
        return f"expected {listed}"
    choice = " or ".join(filter(None, (", ".join(near[:-1]), near[-1])))
    return f"did you mean {choice}? Expected {listed}"
