"""What a thing was made with: layers, losses, optimizers and callbacks can all tell.

A constructor keeps its arguments unchanged under their own names; that is the whole trick. It makes
a layer rebuildable from a file, and lets a resumed run compare itself with the one it goes on with.
"""

import copy
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration_json import to_json, unequal
from tinynn.errors import InputError


class Guarded:
    """Something that refuses, when set, what looks like an attribute of it and is not.

    >>> class Clip(Guarded):
    ...     limit = 1.0
    >>> Clip().limt = 5
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: tinynn reads no limt of Clip. Did you mean limit?
    """

    _fixed: frozenset[str] = frozenset()  # attributes that may no longer be set

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__ or name in self._fixed:  # else nothing is to be asked
            error = checks.assignable(self, name, value)
            if error:
                raise error
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        error = checks.deletable(self, name)
        if error:
            raise error
        super().__delattr__(name)

    def __getattr__(self, name: str) -> Any:
        """Say what is meant, or missing; called for what is not there.

        A class behind this one, as in `class Mine(Callback, Delegate)`, is asked first.
        """
        behind = getattr(super(), "__getattr__", None)
        if behind and not name.startswith("__"):  # Python's own questions, in copying for instance
            return behind(name)
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
        """Return the constructor's arguments by name: `type(a)(**a.config())` is another a.

        Raises InputError if the constructor did not keep one.
        """
        kind: Any = type(self)
        names = arguments(kind)
        for name in names:
            if not hasattr(self, name):
                raise InputError(
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


def with_defaults(config: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return what a file says of a thing, with what its class takes by now and did not then.

    >>> class Leaky(Configured):
    ...     def __init__(self, slope=0.1, bias=0.0):
    ...         self.slope, self.bias = slope, bias
    >>> with_defaults({"slope": 0.3}, Leaky)
    {'slope': 0.3, 'bias': 0.0}
    """
    from inspect import signature

    gained = {
        name: parameter.default
        for name, parameter in signature(kind).parameters.items()
        if name not in config and parameter.default is not parameter.empty
    }
    return {**config, **gained}


def refuse_not_rebuildable(thing: Configured, where: str) -> None:
    """Raise InputError, with `where` in it, if its `config()` in a file would make another thing.

    So it is of a constructor that cannot be called by names, or that keeps an argument changed;
    and of arguments that are more than a file holds.

    >>> class Grow(Configured):
    ...     def __init__(self, by):
    ...         self.by = 2 * by
    >>> refuse_not_rebuildable(Grow(3), "0.Grow")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Grow keeps another by than it is given, so a file would make
        another of it: by: 6
        against 12. Write self.by = by there, and give what is made of it another name.
    """
    _refuse_nameless(type(thing), where)
    config = thing.config()
    kept = {}
    for name, value in config.items():
        _refuse_more_than_values(value, f"{where}: {name}")
        kept[name] = to_json(value, f"{where}: {name}")
    kind: Any = type(thing)
    try:
        rebuilt = kind(**copy.deepcopy(config)).config()
    except Exception as error:  # of any kind: a constructor of the user's own
        raise InputError(
            f"{where} cannot be built again from the arguments that it keeps: {error!r}. Does its "
            "constructor keep them as they are given?"
        ) from error
    for name, value in rebuilt.items():
        differences = unequal(kept[name], to_json(value, f"{where}: {name}"), name)
        if differences:
            raise InputError(
                f"{where} keeps another {name} than it is given, so a file would make another of "
                f"it: {differences[0]}. Write self.{name} = {name} there, and give what is made of "
                "it another name."
            )


def _refuse_nameless(kind: type, where: str) -> None:
    """Refuse a constructor that a file, which has arguments by their names, could not call."""
    from inspect import Parameter, signature

    rest = {
        Parameter.VAR_POSITIONAL: "Take one list: def __init__(self, {name}).",
        Parameter.VAR_KEYWORD: "Name each, or take one dictionary: def __init__(self, {name}).",
        Parameter.POSITIONAL_ONLY: "Leave out the / in its def __init__.",
    }
    for name, parameter in signature(kind).parameters.items():
        if parameter.kind in rest:
            last = parameter.kind is Parameter.POSITIONAL_ONLY
            shown = f"{name} by its place alone" if last else str(parameter)
            raise InputError(
                f"{where}: its constructor takes {shown}, but a file gives each argument by its "
                f"name. {rest[parameter.kind].format(name=name)}"
            )


def _refuse_more_than_values(value: Any, where: str) -> None:
    """Refuse methods of objects, and arrays that lie scattered in memory; also in lists."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            _refuse_more_than_values(item, where)
    owner = getattr(value, "__self__", None) if callable(value) else None
    if owner is not None and not isinstance(owner, (type, ModuleType)):
        raise InputError(
            f"{where}: {value.__name__} is a method of an object, {owner!r:.60}, and a file has "
            "functions by their names alone. Give it a function: def f(...)."
        )
    if isinstance(value, np.ndarray) and not (value.flags.c_contiguous or value.flags.f_contiguous):
        raise InputError(
            f"{where}: this array is a part of another, with gaps in memory that a file has not, "
            "and products with it may round otherwise. Give it np.ascontiguousarray(...)."
        )
