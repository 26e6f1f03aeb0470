"""Attributes of layers, losses, optimizers, callbacks and models: which ones exist.

A name that tinynn does not read is mostly a misspelling, or a name of another library. The error
says which name to use instead. A user's own class or function may set any other attribute.
"""

import sys
from collections.abc import Iterator
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from types import CodeType, FrameType, FunctionType
from typing import Any

from tinynn.errors import InputError, MissingAttribute
from tinynn.foreign_names import ANSWERS, GIVEN, answer
from tinynn.origin import is_in_package, is_own

KINDS = {"Layer", "Sequential", "Loss", "Optimizer", "Callback", "Trainer", "History"}


def assignable(thing: Any, name: str, value: Any) -> InputError | None:
    """The error for setting an attribute; None if it may be set.

    Errors are: an attribute that was fixed when the model was built; a name of another library; a
    misspelling; and any other new attribute that a script sets on an object of a class of tinynn's,
    except on a Trainer. An object's own methods, and functions with the object as their first
    argument, may set any name that is not of another library; methods of layers, callbacks and so
    on may also set new attributes on other objects.

    >>> from tinynn import SGD
    >>> print(assignable(SGD(), "lr", 0.1))
    tinynn reads no lr of SGD. Did you mean learning_rate?
    """
    if name in thing._fixed:
        return _fixed_at_build(thing, name, value)
    kind: Any = type(thing)
    if not is_own(kind) and (error := _computed_or_called(thing, name, value)):
        return error
    if name.startswith("_") or name in _annotated(kind) or _in_classes(kind, name):
        return None
    setters, by_ours = _setters(thing, sys._getframe(1))
    inside = any(one is thing for one in setters)
    if inside and (by_ours or is_own(kind)):  # nothing below would forbid it
        return None
    hint = _in_other_libraries(thing, name)
    hint = hint or ("" if inside else _misspelled(name, _settable(thing)))
    by_part = inside or any(map(_kinds, setters))
    if not hint and not is_own(kind) and "Trainer" not in _kinds(thing) and not by_part:
        hint = f"For an attribute of your own, write _{name}."
    if not hint or _used_by_methods(thing, name) or (hint == GIVEN and is_own(kind)):
        return None
    return InputError(f"tinynn reads no {name} of {_label(thing)}. {hint}")


def _computed_or_called(thing: Any, name: str, value: Any) -> InputError | None:
    """The error for a property that cannot be set, and for a method that would be lost."""
    known = getattr(type(thing), name, None)
    if isinstance(known, property) and known.fset is None:
        layer = "Layer" in _kinds(thing)
        hint = " A layer's name is its position and its class." if layer and name == "name" else ""
        return InputError(f"{_label(thing)}.{name} cannot be set: it follows from others.{hint}")
    if not isinstance(known, FunctionType) or callable(value):
        return None
    longer = [each for each in sorted(_settable(thing)) if each.endswith(f"_{name}")]
    hint = f" Did you mean {longer[0]}?" if longer else ""
    return InputError(
        f"{_label(thing)}.{name} is a method, and {value!r:.40} cannot be called.{hint}"
    )


def deletable(thing: Any, name: str) -> InputError | None:
    """The error for deleting an attribute with which a model was built; None for others."""
    if name not in thing._fixed and name not in vars(thing).get("_views", ()):
        return None
    whole = _label(thing) if "Layer" in _kinds(thing) else "model"
    return InputError(
        f"{whole}.{name} cannot be deleted: the model was built with it. Make a new Sequential "
        "instead."
    )


def _setters(thing: Any, frame: FrameType | None) -> tuple[list[Any], bool]:
    """Whose code sets an attribute of an object: the first arguments of that function and of those
    around it, such as self, and whether the code is tinynn's.
    """
    while frame and frame.f_code.co_name in ("assignable", "__setattr__"):
        frame = frame.f_back
    if not frame:
        return [thing], True
    code, known = frame.f_code, frame.f_locals
    first = known.get(code.co_varnames[0]) if code.co_argcount else None
    return [first, *map(known.get, code.co_freevars)], is_in_package(code.co_filename)


def _in_classes(kind: type, name: str) -> bool:
    for base in kind.__mro__:  # noqa: SIM110 - any() takes three times as long, at each construction
        if name in base.__dict__:
            return True
    return False


def _settable(thing: Any) -> set[str]:
    """The names of the attributes that a script may set."""
    from inspect import signature

    kind: Any = type(thing)
    names = {*signature(kind).parameters, *_annotated(kind), *getattr(thing, "_views", ())}
    for base in kind.__mro__:
        names |= {n for n, v in vars(base).items() if getattr(v, "fset", not hasattr(v, "__get__"))}
    if "Trainer" in _kinds(thing):
        names.add("stop")
    return {name for name in names if not name.startswith("_")}


def absent(thing: Any, name: str) -> Any:
    """Raise AttributeError for an attribute that does not exist, with a hint.

    >>> from tinynn import Dense, Sequential
    >>> absent(Sequential([Dense(2)], input_shape=(3,)), "fit")
    Traceback (most recent call last):
        ...
    tinynn.errors.MissingAttribute: Sequential has no fit. Write Trainer(model, loss,
        optimizer).fit(x, y, epochs=10).
    """
    kind: Any = type(thing)
    if name.startswith("__"):  # Python looks such names up, as in copying
        raise AttributeError(name)
    if hasattr(kind, name):  # a property that raised: raise its own error again
        return object.__getattribute__(thing, name)
    raise MissingAttribute(f"{_label(thing)} has no {name}{_why_absent(thing, name)}")


def _why_absent(thing: Any, name: str) -> str:
    """The end of a message: why an attribute does not exist, and what to write instead."""
    kind: Any = type(thing)
    layer = "Layer" in _kinds(thing)
    shapes = _codes_of(getattr(type(thing), "parameter_shapes", None)) if layer else ()
    parameter = any(name in code.co_names or name in _texts(code) for code in shapes)
    if layer and not thing.built and (parameter or name in _annotated(kind)):
        return " yet: Sequential gives a layer its parameters."
    starts = [(base, vars(base).get("__init__")) for base in type(thing).__mro__]
    for base, start in starts:
        if not is_own(base) and any(_sets(code, name) for code in _codes_of(start)):
            own = f"{type(thing).__name__}.__init__"
            return f" yet: write super().__init__(...) in {own}, as {base.__name__} sets it there."
    hint = _in_other_libraries(thing, name)
    if not hint and any(
        _sets(code, name)
        for base in type(thing).__mro__
        for method in vars(base).values()
        for code in _codes_of(method)
    ):
        return ". Call forward first?" if layer else " yet: one of its methods sets it."
    hint = hint or _close_name(thing, name)
    return f". {hint}" if hint else "."


def _label(thing: Any) -> str:
    return str(thing.name) if "Layer" in _kinds(thing) else type(thing).__name__


def _kinds(thing: Any) -> list[str]:
    """The names of tinynn's base classes, such as Layer, of which this is an instance."""
    return [base.__name__ for base in type(thing).__mro__ if base.__name__ in KINDS]


def _in_other_libraries(thing: Any, name: str) -> str:
    """The hint for a name of another library: what to write in tinynn; "" for other names."""
    kinds = _kinds(thing)
    of_parameters = ANSWERS["parameter"]
    if "Layer" in kinds and name in of_parameters:
        kind: Any = type(thing)
        right, own = of_parameters[name], {*thing.parameters(), *_annotated(kind)}
        if right in own or right[1:] in own:
            return f"Did you mean {right}?"
        if thing.built:
            names = ", ".join(thing.parameters())
            return f"Its parameters are {names}." if names else "It has no parameters."
    return answer(name, *kinds)


def _close_name(thing: Any, name: str) -> str:
    """The hint that names the most similar attribute; "" if none is similar."""
    kind: Any = type(thing)
    names = {*dir(thing), *_annotated(kind)}
    there = {known.lower(): known for known in sorted(names) if not known.startswith("_")}
    close = get_close_matches(name.lower(), there, n=1, cutoff=0.7)
    return f"Did you mean {there[close[0]]}?" if close else ""


def _misspelled(name: str, names: set[str]) -> str:
    """The hint for a name that differs from one of `names` in one or two letters, or their order.

    A longer name that begins with another, such as a plural, is not a misspelling.

    >>> _misspelled("initialiser", {"units", "initializer"}), _misspelled("losses", {"loss"})
    ('Did you mean initializer?', '')
    """
    for known in sorted(names):
        a, b = name.lower(), known.lower()
        ending = a.removeprefix(b) if a.startswith(b) else ""
        if known.startswith("_") or ending.strip("_" + b[-1]):
            continue
        same_letters = len(a) > 3 and sorted(a) == sorted(b)
        if a == b or same_letters or SequenceMatcher(None, a, b).ratio() >= 0.8:
            return f"Did you mean {known}?"
    return ""


def _fixed_at_build(thing: Any, name: str, value: Any) -> InputError | None:
    """The error for an attribute on which a model's arrays depend; None if no shape changes."""
    if "Layer" not in _kinds(thing):
        why = f"model.{name} cannot be changed: the model's arrays were made for it."
        do = "Make a new Sequential instead."
        if name == "layers":
            do = "Set weights by model.layers[0].W = ...; for other layers make a new Sequential."
        if name == "dtype":
            do = "A copy in another precision is model.astype(dtype)."
        return InputError(f"{why} {do}")
    do = "Make a new Sequential of new layers instead."
    if thing.parameters():
        do += f" To set weights: model.layers[{thing.position}].{next(iter(thing.parameters()))} ="
        do += " ..."
    if name in ("position", "built") or not is_own(type(thing)):
        return InputError(
            f"{thing.name}.{name} cannot be changed: it is read only when the model is built, and "
            f"that is done. {do}"
        )
    if _shapes(thing) != _shapes(thing, name, value):
        return InputError(
            f"{thing.name}.{name} cannot become {value!r}: the model is built, and arrays would "
            f"have other shapes. {do}"
        )
    return None


def _shapes(layer: Any, *changed: Any) -> Any:
    """The shapes of a layer's output and parameters. changed: a name and its value to try."""
    kept = dict(vars(layer))
    try:
        if changed:
            vars(layer)[changed[0]] = changed[1]
        shape = layer._input_shape
        return tuple(layer.output_shape(shape)), dict(layer.parameter_shapes(shape))
    except Exception as error:  # of any kind: the user's own code gets a value of any kind
        return repr(error)
    finally:
        vars(layer).update(kept)


@cache
def _annotated(kind: type) -> frozenset[str]:
    """Names with an annotation such as `W: Array` in a class or one of its base classes."""
    return frozenset(name for base in kind.__mro__ for name in getattr(base, "__annotations__", ()))


def _used_by_methods(thing: Any, name: str) -> bool:
    """Whether a method of an object sets an attribute, or a user's own method mentions its name."""
    methods = [method for base in type(thing).__mro__ for method in vars(base).values()]
    codes = [code for one in [*methods, *vars(thing).values()] for code in _codes_of(one)]
    return any(
        _sets(code, name)
        or (not is_in_package(code.co_filename) and (name in code.co_names or name in _texts(code)))
        for code in codes
    )


def _codes_of(thing: Any) -> Iterator[CodeType]:
    """The code of a method or property, and of the functions defined within it."""
    for function in (getattr(thing, "fget", thing), getattr(thing, "fset", None)):
        function = getattr(function, "__wrapped__", getattr(function, "__func__", function))
        waiting = [getattr(function, "__code__", None)]
        for code in waiting:
            if isinstance(code, CodeType):
                yield code
                waiting += code.co_consts


def _texts(code: CodeType) -> set[Any]:
    """The texts among the constants of a code, including those in tuples."""
    rows = [const if isinstance(const, tuple) else (const,) for const in code.co_consts]
    return {text for row in rows for text in row if isinstance(text, str)}


def _sets(code: CodeType, name: str) -> bool:
    """Whether a code object sets an attribute of that name."""
    if name not in code.co_names:
        return False
    from dis import get_instructions

    return any(i.opname == "STORE_ATTR" and i.argval == name for i in get_instructions(code))
