"""Where an error is raised, as its reader sees it: at the line that called, not deep inside."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
# files whose errors, like those of all checks, are written to be read
MEANT = {"npz.py", "storage.py", "resume.py", "callbacks.py", "metrics.py"}


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Let the error of a check be raised here, not from deep inside: a short traceback is read.

    Errors from elsewhere, such as a layer of the user's own, keep every line of their traceback.

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
        except (ValueError, OSError) as error:
            last: Any = error.__traceback__
            while last.tb_next:
                last = last.tb_next
            file = Path(last.tb_frame.f_code.co_filename)
            own = Path(__file__).parent
            if file.parent != own and not (file.parent == own.parent and file.name in MEANT):
                raise
            raise error.with_traceback(None) from error.__cause__

    return entered
