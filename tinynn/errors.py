"""The error that a user's mistake gets: it says what was expected, what came, and what to write."""


class InputError(ValueError):
    """Something given to tinynn does not fit, and nothing has been changed.

    Its traceback is short, since what matters is the line that called, and the words: see
    checks/tracebacks.py. With the environment variable TINYNN_TRACEBACKS set to "whole" it has
    every line.

    >>> from tinynn import Dense
    >>> Dense(-1)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: units of Dense must be a whole number of 1 or more, got -1.
    """


class MissingAttribute(InputError, AttributeError):
    """An attribute that is not there, with the name of the one that was meant."""


def escape_control(text: str) -> str:
    r"""Return a text that is safe to print: a file may hold what steers terminals, or no Unicode.

    >>> escape_control("layer \x1b[2J\ud800")
    'layer \\x1b[2J\\ud800'
    """
    characters = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return "".join(characters)
