"""The one exception for everything that a user can put right."""


class LineupError(Exception):
    """A user's mistake or a condition outside the program.

    Its message is one line that says what is wrong, where, and what would be right. The command line prints it without
    a traceback and exits with status 1.
    """
