"""Where an error is raised, as its reader sees it: at the line that called, not deep inside."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from traceback import walk_tb
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
PACKAGE = Path(__file__).parents[1]
# files whose errors, like those of all checks, are written to be read
MEANT = {"parameters.py", "configuration.py", "atomic.py", "npz.py", "storage.py", "resume.py"}
MEANT |= {"callbacks.py", "metrics.py"}


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Let the error of a check be raised here, not from deep inside: a short traceback is read.

    Errors from elsewhere, and all that came by way of other code, such as a layer of the user's
    own, keep every line of their traceback.

    >>> from tinynn import Dense, Sequential
    >>> try:
    ...     Sequential([Dense(512)], input_shape=(28, 28))
    ... except ValueError as error:
    ...     error.__traceback__.tb_next.tb_next is None  # this line, and that of the door
    True
    """

    @wraps(function)
    def entered(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ValueError, OSError, AttributeError) as error:
            files = [Path(frame.f_code.co_filename) for frame, _ in walk_tb(error.__traceback__)]
            room, name = files[-1].parent, files[-1].name
            meant = room == PACKAGE / "checks" or (room == PACKAGE and name in MEANT)
            if not meant or any(PACKAGE not in file.parents for file in files):
                raise
            raise error.with_traceback(None) from error.__cause__

    return entered
