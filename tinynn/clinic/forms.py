"""Which form someone's code has, and the Subject that is made of it."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynn.clinic.arguments import Arguments
from tinynn.clinic.functions import (
    LossAndGradients,
    NoGradients,
    Pair,
    StaticClass,
    argument_names,
    signature,
    split_loss,
)
from tinynn.clinic.objects import methods_of, object_of
from tinynn.clinic.randomness import same_numbers
from tinynn.clinic.subject import Subject
from tinynn.errors import InputError


def is_static(thing: Any) -> bool:
    """Whether this is a class with static forward and backward.

    >>> is_static(int)
    False
    """
    return inspect.isclass(thing) and all(
        isinstance(inspect.getattr_static(thing, name, None), (staticmethod, classmethod))
        for name in ("forward", "backward")
    )


def subject_of(forward: Any, inputs: tuple[Any, ...], backward: Callable[..., Any] | None
               ) -> Subject:  # fmt: skip
    """Return the Subject for code in any of the forms, with the inputs of its forward.

    Raises InputError if it has none of the forms.
    """
    if isinstance(forward, tuple) and len(forward) == 2 and backward is None:
        forward, backward = forward
    inputs = tuple(_as_array(value) for value in inputs)
    if is_static(forward):
        names = [p.name for p in signature(forward.forward)][1:]
        names += [f"argument{i}" for i in range(len(names), len(inputs))]
        arguments = Arguments(tuple(names[: len(inputs)]), inputs)
        return StaticClass(forward.__name__, arguments.arrays(), _parameters(arguments),
                           forward.forward, forward.backward, arguments)  # fmt: skip
    if inspect.isclass(forward):
        raise InputError(
            f"check_function gets the class {forward.__name__}, which has no static forward and "
            f"backward. Give it an object: check_function({forward.__name__}(...), x)."
        )
    has_methods = methods_of(forward) is not None or hasattr(forward, "forward")
    if callable(forward) and not inspect.isfunction(forward) and not has_methods:
        raise InputError(
            f"check_function gets {forward!r}, of which it cannot read the arguments. Write "
            "def f(x): return ... around it."
        )
    if not inspect.isroutine(forward):
        return object_of(forward, type(forward).__name__, inputs)
    try:
        inspect.signature(forward).bind(*inputs)
    except TypeError as error:
        text = f"check_function: {forward.__name__} cannot be called with {len(inputs)} inputs"
        raise InputError(f"{text}: {error}.") from error
    arguments = Arguments(argument_names(forward, len(inputs)), inputs)
    given = (forward.__name__, arguments.arrays(), _parameters(arguments), forward)
    if backward is not None:
        return Pair(*given, backward, arguments)
    with same_numbers([forward]):
        result = forward(*arguments.filled(arguments.arrays()))
    try:
        split_loss(result)
    except NoGradients as error:
        raise InputError(
            f"check_function: {forward.__name__} returns no loss with its gradients. If another "
            "function computes them, write check_function(forward, x, ..., backward=backward)."
        ) from error
    return LossAndGradients(*given, forward, arguments)


def _parameters(arguments: Arguments) -> frozenset[str]:
    """Return which arrays are parameters: all but the first; if some stand in a dict, those."""
    groups = arguments.groups()
    in_groups = {name for name, inside in groups.items() if inside}
    return frozenset(in_groups or [*groups][1:])


def _as_array(value: Any) -> Any:
    """Return nested lists of numbers as an array, all else as it is."""
    if isinstance(value, list) and value and not isinstance(value[0], np.ndarray):
        array = np.asarray(value)
        return array if array.dtype.kind in "fiub" else value
    return value
