"""The error for a user's mistake: it says what was expected, what came, and what to write."""

LONGEST = 2_000  # characters of a message
LONGEST_NAME = 24  # characters of a class, in a table or beside a picture


class InputError(ValueError):
    """An argument or an attribute does not fit. Nothing has been changed.

    Its traceback is short, because only two things matter: the line that called tinynn, and the
    message (see checks/tracebacks.py). Set the environment variable TINYNN_TRACEBACKS to "whole"
    to see every line.

    >>> from tinynn import Dense
    >>> Dense(-1)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: units of Dense must be a whole number of 1 or more, got -1.
    """


class MissingAttribute(InputError, AttributeError):
    """An attribute that does not exist. The message names the one that was probably meant."""


def escape_control(text: str) -> str:
    r"""Return a text that is safe to print: a file may hold what steers terminals, or no Unicode.

    >>> escape_control("layer \x1b[2J\ud800")
    'layer \\x1b[2J\\ud800'
    """
    characters = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return "".join(characters)


def as_label(name: str, most: int = LONGEST_NAME) -> str:
    r"""Return a name as a table or a picture shows it: in one line, safe to print, not too long.

    >>> as_label("T-shirt/top"), as_label("two\nlines"), as_label("great white shark, white shark")
    ('T-shirt/top', 'two\\nlines', 'great white shark, wh...')
    """
    line = escape_control(name).replace("\n", "\\n")
    return line if len(line) <= most else f"{line[: most - 3]}..."


def of_file(text: str) -> str:
    """Return a message with texts of a file or a server in it, safe to print and not too long.

    >>> of_file("a" * 100_000).count("a") < LONGEST
    True
    """
    if len(text) > LONGEST:
        begins, ends = text[: LONGEST * 3 // 4], text[-LONGEST // 5 :]
        text = f"{begins} ... ({len(text):,} characters in all) ... {ends}"
    return escape_control(text)
