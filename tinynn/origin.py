"""Whether a class or a function is tinynn's, or the user's own.

The user's own code may do anything, so it is checked more closely. It may also have a name that
tinynn has, or will have in a later version.
"""

from functools import cache
from pathlib import Path
from typing import Any

OWN = "own."  # in files, before the names of the user's own classes and functions


def is_own(thing: Any) -> bool:
    """Whether a class, a function or a method is the user's own, not one of tinynn's.

    For a function, the file of its code decides: a decorator may change the name of its module.

    >>> from tinynn import Dense, he_normal
    >>> is_own(Dense), is_own(he_normal), is_own(Dense.forward), is_own(print)
    (False, False, False, True)
    """
    code = getattr(thing, "__code__", None)
    if code is not None:
        return not is_in_package(code.co_filename)
    return (getattr(thing, "__module__", None) or "").partition(".")[0] != __package__


@cache
def is_in_package(filename: str) -> bool:
    """Whether a file is one of tinynn's."""
    return Path(__file__).parent in Path(filename).parents


def marked_name(kind: type) -> str:
    """Return the name of a class, with OWN before it if the class is the user's own.

    >>> class Dense(dict): ...
    >>> Dense.__module__ = "my_layers"
    >>> marked_name(Dense)
    'own.Dense'
    """
    return f"{OWN}{kind.__name__}" if is_own(kind) else kind.__name__
