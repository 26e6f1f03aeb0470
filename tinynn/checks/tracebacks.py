"""Short tracebacks: they show the line that called tinynn, not the lines deep inside it."""

import os
from collections.abc import Callable
from functools import wraps
from traceback import walk_tb
from typing import ParamSpec, TypeVar

from tinynn.checks.calls import explained
from tinynn.errors import InputError
from tinynn.origin import is_in_package

P = ParamSpec("P")
R = TypeVar("R")


def short_traceback(function: Callable[P, R]) -> Callable[P, R]:
    """Cut the traceback of a function's InputError, or OSError, to the line of the call.

    A TypeError for an argument that does not exist says which to write: see checks/calls.py. Other
    errors keep every line of their traceback. So do errors that passed through other code,
    such as a user's own layer, and all errors if the environment variable TINYNN_TRACEBACKS is
    "whole".

    >>> from tinynn import Dense, Sequential
    >>> try:
    ...     Sequential([Dense(512)], input_shape=(28, 28))
    ... except InputError as error:
    ...     error.__traceback__.tb_next.tb_next is None  # this line, and that of the decorator
    True
    """

    @wraps(function)
    def entered(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            explained(error, function, args[0] if args else None)
            raise
        except (InputError, OSError) as error:
            frames = [frame for frame, _ in walk_tb(error.__traceback__)]
            by_others = not all(is_in_package(frame.f_code.co_filename) for frame in frames)
            if by_others or os.environ.get("TINYNN_TRACEBACKS") == "whole":
                raise
            raise error.with_traceback(None) from error.__cause__

    return entered
