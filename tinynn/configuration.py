"""The configuration of layers, losses, optimizers and callbacks: their constructor's arguments.

A constructor stores its arguments unchanged under their own names; `config()` returns them. So a
layer can be rebuilt from a file, and a resumed run can be compared with that of its checkpoint.
"""

import copy
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration_json import has_config, to_json, unequal
from tinynn.errors import InputError
from tinynn.origin import is_own

CONTRACTS = {"Configured", "Layer", "Loss", "Optimizer", "Callback"}  # for classes of one's own
# methods that PyTorch calls without arguments, by the class in which they are declared
WITHOUT_ARGUMENTS = {"Loss": "backward", "Optimizer": "step", "Sequential": "backward"}


class _WithoutArguments:
    def __init__(self) -> None:
        """Take no arguments; object's own constructor could not be made to tell more."""


class Guarded:
    """A base class that refuses to set attributes with misspelled names or other libraries' names.

    >>> class Clip(Guarded):
    ...     limit = 1.0
    >>> Clip().limt = 5
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: tinynn reads no limt of Clip. Did you mean limit?
    """

    _fixed: frozenset[str] = frozenset()  # names of attributes that can no longer be set

    def __init_subclass__(cls) -> None:
        """Let tinynn's own constructors, and models, layers and losses that are called, tell more.

        A constructor's error has a short traceback, and answers to arguments that do not exist. So
        has that of a method that PyTorch calls without arguments.
        """
        super().__init_subclass__()
        kind: Any = cls
        if is_own(cls):
            return
        if cls.__init__ is object.__init__ and cls.__name__ not in CONTRACTS:
            kind.__init__ = _WithoutArguments.__init__
        methods = [WITHOUT_ARGUMENTS.get(base.__name__, "") for base in cls.__mro__]
        for name in ("__init__", *filter(None, methods)):
            own: Any = vars(cls).get(name)
            if own is not None and not hasattr(own, "__wrapped__"):
                setattr(kind, name, checks.short_traceback(own))
        if cls.__name__ in ("Sequential", "Layer", "Loss"):
            kind.__call__ = checks.not_called

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__ or name in self._fixed:  # an attribute that exists may be set
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
        """Raise AttributeError with a hint. Python calls this for an attribute that does not exist.

        The `__getattr__` of a later base class comes first, as in `class Mine(Callback, Delegate)`.
        """
        inherited = getattr(super(), "__getattr__", None)
        if inherited and not name.startswith("__"):  # Python looks such names up, as in copying
            return inherited(name)
        return checks.absent(self, name)


class Configured(Guarded):
    """A base class whose `config()` returns the constructor's arguments.

    >>> class Leaky(Configured):
    ...     def __init__(self, slope=0.1):
    ...         self.slope = slope
    >>> Leaky(0.3).config()
    {'slope': 0.3}
    >>> Leaky(0.3)
    Leaky(slope=0.3)

    An argument of one of tinynn's own classes that is set later is checked as the constructor does.

    >>> from tinynn import Dropout
    >>> Dropout(0.5).rate = 3
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: rate of Dropout must be at least 0 and below 1, got 3.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ and name not in self._fixed and self._checks_later(name):
            kind: Any = type(self)
            value = getattr(kind(**{**self.config(), name: value}), name)
        super().__setattr__(name, value)

    def _checks_later(self, name: str) -> bool:
        """Whether `name` is an argument that a constructor of tinynn's, which has ended, checked.

        Not an optimizer's hyper-parameter, which has a check of its own: a rate may be set to 0.
        A user's own constructor may do more than check, so it is not called.
        """
        kind: Any = type(self)
        names = arguments(kind)
        if name not in names or is_own(kind) or name in getattr(kind, "hyperparameters", ()):
            return False
        return all(one in self.__dict__ for one in names)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name: `type(a)(**a.config())` is an equal object.

        Raises InputError if the constructor did not store one of them.
        """
        kind: Any = type(self)
        names = arguments(kind)
        for name in names:
            if not hasattr(self, name):
                raise InputError(
                    f"{type(self).__name__} has no configuration: its constructor takes {name!r} "
                    f"but does not store it. Write self.{name} = {name} in __init__."
                )
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        shown = {k: getattr(v, "__name__", repr(v)) for k, v in self.config().items()}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in shown.items())})"


@cache
def arguments(kind: type) -> tuple[str, ...]:
    """Return the names of the arguments of a class's constructor."""
    from inspect import signature

    return tuple(signature(kind).parameters)


def with_defaults(config: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return a configuration from a file, with the defaults of arguments that it lacks.

    It lacks those that the class has gained since.

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
    """Raise InputError, with `where` in it, if a file could not rebuild an equal object.

    Reasons: its constructor cannot be called with arguments by name, or stores one changed; or an
    argument cannot be written to a file.

    >>> class Grow(Configured):
    ...     def __init__(self, by):
    ...         self.by = 2 * by
    >>> refuse_not_rebuildable(Grow(3), "0.Grow")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Grow stores a changed by, so a file would build another layer: by: 6
        against 12. Write self.by = by in __init__, and store the changed value under another name.
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
            f"{where} cannot be built again from the arguments that it stores: {error!r}. Does its "
            "constructor store them unchanged?"
        ) from error
    for name, value in rebuilt.items():
        differences = unequal(kept[name], to_json(value, f"{where}: {name}"), name)
        if differences:
            raise InputError(
                f"{where} stores a changed {name}, so a file would build another layer: "
                f"{differences[0]}. Write self.{name} = {name} in __init__, and store the changed "
                "value under another name."
            )


def _refuse_nameless(kind: type, where: str) -> None:
    """Refuse a constructor that cannot be called with all arguments by name, as files do."""
    from inspect import Parameter, signature

    remedies = {
        Parameter.VAR_POSITIONAL: "Take one list: def __init__(self, {name}).",
        Parameter.VAR_KEYWORD: "Name each, or take one dictionary: def __init__(self, {name}).",
        Parameter.POSITIONAL_ONLY: "Leave out the / in its def __init__.",
    }
    for name, parameter in signature(kind).parameters.items():
        if parameter.kind in remedies:
            by_place = parameter.kind is Parameter.POSITIONAL_ONLY
            shown = f"{name} by position only" if by_place else str(parameter)
            raise InputError(
                f"{where}: its constructor takes {shown}, but a file gives each argument by its "
                f"name. {remedies[parameter.kind].format(name=name)}"
            )


def _refuse_more_than_values(value: Any, where: str) -> None:
    """Refuse methods of objects, and arrays with gaps in memory; also within lists and objects."""
    if has_config(value):
        refuse_not_rebuildable(value, where)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            _refuse_more_than_values(item, where)
    owner = getattr(value, "__self__", None) if checks.can_be_called(value) else None
    if owner is not None and not isinstance(owner, (type, ModuleType)):
        raise InputError(
            f"{where}: {value.__name__} is a method of an object, {owner!r:.60}, but a file holds "
            "only the name of a function. Pass a function instead: def f(...)."
        )
    if isinstance(value, np.ndarray) and not (value.flags.c_contiguous or value.flags.f_contiguous):
        raise InputError(
            f"{where}: this array is a part of another, with gaps in memory. A file keeps no gaps, "
            "and products without them may round differently. Pass np.ascontiguousarray(...)."
        )
