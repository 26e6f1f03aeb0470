"""Attributes of layers, losses, optimizers, callbacks, models: which there are, and which not.

A name that tinynn does not read is mostly one that another library has, or a slip: the error
names what is meant instead. What a class or a function of the user's own keeps for itself is its
affair.
"""

import sys
from collections.abc import Iterator
from difflib import SequenceMatcher, get_close_matches
from types import CodeType, FrameType
from typing import Any

from tinynn.checks.other_libraries import ELSEWHERE, GIVEN, OF_PARAMETERS
from tinynn.errors import InputError, MissingAttribute
from tinynn.origin import is_in_package, is_own


def assignable(thing: Any, name: str, value: Any) -> InputError | None:
    """An attribute that may be set: one that something may read, and that is not settled already.

    Refused are names of other libraries and slips; and, of tinynn's own classes, all others that a
    script sets, but for those of the Trainer. What a thing's own method keeps on it, or a function
    that has it as its first argument, is its affair; and a callback, or another thing of tinynn's,
    may leave notes on others.

    >>> from tinynn import SGD
    >>> print(assignable(SGD(), "lr", 0.1))
    tinynn reads no lr of SGD. Did you mean learning_rate?
    """
    if name in thing._fixed:
        return _settled(thing, name, value)
    kind = type(thing)
    if name.startswith("_") or name in _annotated(kind) or _in_classes(kind, name):
        return None
    inside, by_ours, by_part = _setter(thing, sys._getframe(1))
    hint = "" if inside and (by_ours or is_own(kind)) else _elsewhere(thing, name)
    hint = hint or ("" if inside else _slip(name, _settable(thing)))
    if not hint and not is_own(kind) and "Trainer" not in _kinds(thing) and not (inside or by_part):
        hint = f"For a note of your own, write _{name}."
    if not hint or _kept(thing, name) or (hint == GIVEN and is_own(kind)):
        return None
    return InputError(f"tinynn reads no {name} of {_label(thing)}. {hint}")


def deletable(thing: Any, name: str) -> InputError | None:
    """An attribute that may be deleted: none that a model was made of."""
    if name not in thing._fixed and name not in vars(thing).get("_views", ()):
        return None
    whole = _label(thing) if "Layer" in _kinds(thing) else "model"
    return InputError(
        f"{whole}.{name} cannot be deleted: the model was built with it. For another, make a new "
        "Sequential."
    )


def _setter(thing: Any, frame: FrameType | None) -> tuple[bool, bool, bool]:
    """Who sets an attribute of a thing: code that is called on it? tinynn's? a layer, callback ...?

    The first is so of a function whose first argument the thing is, and of one within such a one.
    """
    while frame and frame.f_code.co_name in ("assignable", "__setattr__"):
        frame = frame.f_back
    if not frame:
        return True, True, True
    code, known = frame.f_code, frame.f_locals
    first = known.get(code.co_varnames[0]) if code.co_argcount else None
    around = [known.get(name) for name in code.co_freevars]
    inside = any(one is thing for one in (first, *around))
    return inside, is_in_package(code.co_filename), any(map(_kinds, (first, *around)))


def _in_classes(kind: type, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__)


def _settable(thing: Any) -> set[str]:
    """The names that are there to be set from outside."""
    from inspect import signature

    kind = type(thing)
    names = {*signature(kind).parameters, *_annotated(kind), *getattr(thing, "_views", ())}
    for base in kind.__mro__:
        names |= {n for n, v in vars(base).items() if getattr(v, "fset", not hasattr(v, "__get__"))}
    if "Trainer" in _kinds(thing):
        names.add("stop")
    return {name for name in names if not name.startswith("_")}


def absent(thing: Any, name: str) -> Any:
    """Raise AttributeError for an attribute that is not there: who else has it, or will.

    >>> from tinynn import Dense, Sequential
    >>> absent(Sequential([Dense(2)], input_shape=(3,)), "fit")
    Traceback (most recent call last):
        ...
    tinynn.errors.MissingAttribute: Sequential has no fit. Write Trainer(model, loss,
        optimizer).fit(x, y, epochs=10).
    """
    kind = type(thing)
    if name.startswith("__"):  # Python's own questions, in copying for instance
        raise AttributeError(name)
    if hasattr(kind, name):  # a property that has failed: its own error says why
        return object.__getattribute__(thing, name)
    raise MissingAttribute(f"{_label(thing)} has no {name}{_why_absent(thing, name)}")


def _why_absent(thing: Any, name: str) -> str:
    layer = "Layer" in _kinds(thing)
    shapes = _codes_of(getattr(type(thing), "parameter_shapes", None)) if layer else ()
    awaited = any(name in code.co_names or name in _texts(code) for code in shapes)
    if layer and not thing.built and (awaited or name in _annotated(type(thing))):
        return " yet: Sequential gives a layer its parameters."
    hint = _elsewhere(thing, name)
    if not hint and any(
        _sets(code, name)
        for base in type(thing).__mro__
        for method in vars(base).values()
        for code in _codes_of(method)
    ):
        return ". Call forward first?" if layer else " yet: a method of it sets that."
    hint = hint or _near(thing, name)
    return f". {hint}" if hint else "."


def _label(thing: Any) -> str:
    return str(thing.name) if "Layer" in _kinds(thing) else type(thing).__name__


def _kinds(thing: Any) -> list[str]:
    """Which of tinynn's kinds of things this is one of."""
    return [base.__name__ for base in type(thing).__mro__ if base.__name__ in ELSEWHERE]


def _elsewhere(thing: Any, name: str) -> str:
    """What to write here for a name that other libraries have."""
    kinds = _kinds(thing)
    if "Layer" in kinds and name in OF_PARAMETERS:
        right, own = OF_PARAMETERS[name], {*thing.parameters(), *_annotated(type(thing))}
        if right in own or right[1:] in own:
            return f"Did you mean {right}?"
        if thing.built:
            names = ", ".join(thing.parameters())
            return f"Its parameters are {names}." if names else "It has no parameters."
    for kind in kinds:
        if name in ELSEWHERE[kind]:
            hint = ELSEWHERE[kind][name]
            return f"Did you mean {hint}?" if hint.replace("_", "").isalnum() else hint
    return ""


def _near(thing: Any, name: str) -> str:
    """A name that is there, or will be, and nearly the same."""
    names = {*dir(thing), *_annotated(type(thing))}
    there = {known.lower(): known for known in sorted(names) if not known.startswith("_")}
    close = get_close_matches(name.lower(), there, n=1, cutoff=0.7)
    return f"Did you mean {there[close[0]]}?" if close else ""


def _slip(name: str, names: set[str]) -> str:
    """A name that is surely meant: the same letters, or all but one or two.

    Not where it goes on after the other, as for a list of these, or another of these.

    >>> _slip("initialiser", {"units", "initializer"}), _slip("losses", {"loss"})
    ('Did you mean initializer?', '')
    """
    for known in sorted(names):
        a, b = name.lower(), known.lower()
        more = a.removeprefix(b) if a.startswith(b) else ""
        if known.startswith("_") or more.strip("_" + b[-1]):
            continue
        letters = len(a) > 3 and sorted(a) == sorted(b)
        if a == b or letters or SequenceMatcher(None, a, b).ratio() >= 0.8:
            return f"Did you mean {known}?"
    return ""


def _settled(thing: Any, name: str, value: Any) -> InputError | None:
    """What a model was built by: no longer to be changed, unless nothing of its build depends."""
    if "Layer" not in _kinds(thing):
        why = f"model.{name} was decided when the model was built, and its arrays were made for it."
        do = "For another, make a new Sequential."
        if name == "layers":
            do = "Set weights by model.layers[0].W = ...; for other layers make a new Sequential."
        if name == "dtype":
            do = "A copy in another precision is model.astype(dtype)."
        return InputError(f"{why} {do}")
    do = "For another, make a new Sequential of new layers."
    if thing.parameters():
        do += f" To set weights: model.layers[{thing.position}].{next(iter(thing.parameters()))} ="
        do += " ..."
    if name in ("position", "built") or not is_own(type(thing)):
        return InputError(
            f"{thing.name} was built, and {name} is read only then: set now, it changes nothing. "
            f"{do}"
        )
    if _shapes(thing) != _shapes(thing, name, value):
        return InputError(
            f"{thing.name} was built, and {name}={value!r} would make other shapes of it. {do}"
        )
    return None


def _shapes(layer: Any, *changed: Any) -> Any:
    """The shapes that a layer has, or would have if one attribute were another."""
    kept = dict(vars(layer))
    try:
        if changed:
            vars(layer)[changed[0]] = changed[1]
        shape = layer._input_shape
        return tuple(layer.output_shape(shape)), dict(layer.parameter_shapes(shape))
    except Exception as error:  # of any kind: this is the user's own code, and a value of any kind
        return repr(error)
    finally:
        vars(layer).update(kept)


def _annotated(kind: type) -> set[str]:
    """Names with a line such as `W: Array` in a class or one above."""
    return {name for base in kind.__mro__ for name in getattr(base, "__annotations__", ())}


def _kept(thing: Any, name: str) -> bool:
    """Whether a method of a thing sets an attribute; one of the user's own, or mentions it."""
    methods = [method for base in type(thing).__mro__ for method in vars(base).values()]
    codes = [code for one in [*methods, *vars(thing).values()] for code in _codes_of(one)]
    return any(
        _sets(code, name)
        or (not is_in_package(code.co_filename) and (name in code.co_names or name in _texts(code)))
        for code in codes
    )


def _codes_of(thing: Any) -> Iterator[CodeType]:
    """The code of a method, or property, and of the functions within."""
    for function in (getattr(thing, "fget", thing), getattr(thing, "fset", None)):
        function = getattr(function, "__wrapped__", getattr(function, "__func__", function))
        waiting = [getattr(function, "__code__", None)]
        for code in waiting:
            if isinstance(code, CodeType):
                yield code
                waiting += code.co_consts


def _texts(code: CodeType) -> set[Any]:
    """The texts in a code, also where a dictionary's keys are one constant."""
    rows = [const if isinstance(const, tuple) else (const,) for const in code.co_consts]
    return {text for row in rows for text in row if isinstance(text, str)}


def _sets(code: CodeType, name: str) -> bool:
    """Whether a code sets an attribute of that name."""
    if name not in code.co_names:
        return False
    from dis import get_instructions

    return any(i.opname == "STORE_ATTR" and i.argval == name for i in get_instructions(code))
