"""The one exception for everything that a user can put right."""

from __future__ import annotations

from collections.abc import Iterable, Sized

LIMIT = 300
"""Most characters of a text from outside that an error message quotes."""

LISTED = 20
"""An error message lists the accepted names if there are at most so many."""


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


def count(things: Sized | int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(["a"], "committee"), count(1200, "image")
    ('1 committee', '1,200 images')
    """
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def expected_one_of(name: str, accepted: Iterable[str], place: str = "the project") -> str:
    """Return what an error says after an unknown name: up to three similar names, and the accepted ones.

    Parameters
    ----------
    name : str
        The unknown name.
    accepted : iterable of str
        In the order in which they are listed.
    place : str
        Where a user finds them, if they are too many for one line. Default "the project".

    Examples
    --------
    >>> expected_one_of("avrage", ["average", "maximum"])
    "did you mean 'average'? Expected one of average, maximum"
    >>> expected_one_of("vote", ["average", "maximum"])
    'expected one of average, maximum'
    """
    from difflib import get_close_matches

    names = list(accepted)
    if len(names) > LISTED:
        listed = f"one of the {len(names)} in {place}"
    else:
        listed = f"{'one of ' if len(names) > 1 else ''}{', '.join(names) or 'none'}"
    near = [repr(other) for other in get_close_matches(shortened(name, 100), names, n=3)]
    if not near:
        return f"expected {listed}"
    choice = " or ".join(filter(None, (", ".join(near[:-1]), near[-1])))
    return f"did you mean {choice}? Expected {listed}"
