"""What a thing was made with: layers, losses, optimizers and callbacks can all tell.

A constructor keeps its arguments unchanged under their own names; that is the whole trick. It makes
a layer rebuildable from a file, and lets a resumed run compare itself with the one it goes on with.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from tinynn import checks


class Guarded:
    """Something whose attributes are those that something reads: others are refused when set.

    >>> class Clip(Guarded):
    ...     limit = 1.0
    >>> Clip().limits = 5
    Traceback (most recent call last):
        ...
    ValueError: Clip has no limits, so nothing would read it. Did you mean limit?
    """

    _fixed: frozenset[str] = frozenset()  # attributes that may no longer be set

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__ or name in self._fixed:  # else nothing is to be asked
            error = checks.assignable(self, name, value)
            if error:
                raise error
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        """Say what is meant, or missing; called for what is not there."""
        return checks.absent(self, name)


class Configured(Guarded):
    """Something that can tell its constructor's arguments.

    >>> class Leaky(Configured):
    ...     def __init__(self, slope=0.1):
    ...         self.slope = slope
    >>> Leaky(0.3).config()
    {'slope': 0.3}
    >>> Leaky(0.3)
    Leaky(slope=0.3)
    """

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name: `type(a)(**a.config())` is a twin of a.

        Raises ValueError if the constructor did not keep one.
        """
        kind: Any = type(self)
        names = arguments(kind)
        for name in names:
            if not hasattr(self, name):
                raise ValueError(
                    f"{type(self).__name__} cannot tell its configuration: its constructor takes "
                    f"{name!r} but does not keep it. Write self.{name} = {name} there."
                )
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        shown = {k: getattr(v, "__name__", repr(v)) for k, v in self.config().items()}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in shown.items())})"


@cache
def arguments(kind: type) -> tuple[str, ...]:
    """Return the names of what a class's constructor takes."""
    from inspect import signature

    return tuple(signature(kind).parameters)


def plain(value: Any, where: str) -> Any:
    """Return `value` in JSON's types; a function goes by its name. ValueError if there is no way.

    >>> plain({"units": np.int64(3), "initializer": np.zeros}, "0.Dense")
    {'units': 3, 'initializer': {'function': 'zeros'}}
    """
    if isinstance(value, dict):
        return {str(key): plain(item, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, where) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist(), where)
    if callable(value) and getattr(value, "__name__", "<lambda>") != "<lambda>":
        return {"function": value.__name__}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(
        f"{where}: {value!r} cannot be written to a file. Give constructors only numbers, texts, "
        "lists, dictionaries, and functions that have a name."
    )


def restored(value: Any, known: Mapping[str, Any]) -> Any:
    """Undo `plain`: functions are found by their names in `known`.

    >>> restored({"units": 3, "initializer": {"function": "zeros"}}, {"zeros": np.zeros})
    {'units': 3, 'initializer': <built-in function zeros>}
    """
    if isinstance(value, list):
        return [restored(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"function"}:
        return named(value["function"], known)
    return {key: restored(item, known) for key, item in value.items()}


def named(name: str, known: Mapping[str, Any]) -> Any:
    """Return the class or function of that name, or raise a ValueError that says how to have it."""
    if name not in known:
        raise ValueError(
            f"The configuration names {name!r}, which tinynn does not have. If it is yours, pass "
            f"it in: layers=[{name}]."
        )
    return known[name]


def printable(text: str) -> str:
    r"""Return a text that is safe to print: a file may hold what steers terminals, or no Unicode.

    >>> printable("layer \x1b[2J\ud800")
    'layer \\x1b[2J\\ud800'
    """
    characters = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return "".join(characters)


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """List where two plain values differ, a line each.

    >>> differences({"units": 3, "seed": 0}, {"units": 4, "seed": 0})
    ['units: 3 against 4']
    """
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [*ours, *(name for name in theirs if name not in ours)]
        pairs = [(f"{where}.{n}" if where else n, ours.get(n), theirs.get(n)) for n in names]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    else:
        same = ours == theirs and type(ours) is type(theirs)  # 3.0 units are not 3
        return [] if same else [f"{where}: {ours} against {theirs}"]
    return [line for name, a, b in pairs for line in differences(a, b, name)]
