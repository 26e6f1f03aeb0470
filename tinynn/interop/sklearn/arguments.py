"""The arguments layers, loss and optimizer of an estimator: what they may be, and fresh copies."""

import copy
from numbers import Integral
from typing import Any

from tinynn import checks
from tinynn.configuration import Configured, arguments
from tinynn.errors import InputError
from tinynn.layers import Dense, Layer, ReLU


def hidden_layers(layers: Any) -> list[Layer]:
    """Return the hidden layers that the argument `layers` asks for, all of them new."""
    if isinstance(layers, (tuple, list)):
        if all(isinstance(one, Integral) and not isinstance(one, bool) for one in layers):
            return [layer for width in layers for layer in (Dense(int(width)), ReLU())]
        if all(isinstance(one, Layer) for one in layers):
            if layers[-1].gives == "probabilities":
                raise InputError(
                    f"layers ends with {layers[-1].name}, but these are the hidden layers only: "
                    "leave it out, and the Dense with an output for each class before it."
                )
            return [_anew(one) if one.built else copy.deepcopy(one) for one in layers]
    raise InputError(
        "layers must be widths, such as (100,) or (64, 32), or a list of tinynn's layers, such as "
        f"[Dense(64), GELU()]; got {layers!r}."
    )


def _anew(layer: Layer) -> Layer:
    """Return a layer as one of another model was before it was built: without its weights."""
    again: Layer = type(layer)(**copy.deepcopy(layer.config()))
    again.trainable = layer.trainable
    return again


def made(value: Any) -> Any:
    """Return an object of a class that needs no arguments; anything else as it is.

    >>> from tinynn import Adam
    >>> made(Adam), made("adam")
    (Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08), 'adam')
    """
    if not (isinstance(value, type) and issubclass(value, Configured)):
        return value
    try:
        return value()
    except TypeError:  # it needs arguments
        return value


def changed(inner: Any, given: dict[str, Any], name: str, base: type[Any]) -> Any:
    """Return a new optimizer or loss, with some of its arguments changed.

    >>> from tinynn import Adam, Optimizer
    >>> changed(Adam(), {"learning_rate": 0.01}, "optimizer", Optimizer).learning_rate
    0.01
    """
    if not isinstance(inner, base):
        raise InputError(
            f"{name}__{next(iter(given))} cannot be set, as {name} is {inner!r}. Set {name} first, "
            f"to an object of a class of {base.__name__}."
        )
    kind: Any = type(inner)
    known = arguments(kind)
    for key in given:
        if key not in known:
            raise InputError(f"{kind.__name__} has no argument {key}. It has {', '.join(known)}.")
    return kind(**{**inner.config(), **given})


def fresh(value: Any, kind: type[Any], name: str) -> Any:
    """Return a new object of `kind` with the arguments of `value`, an object or a class."""
    given = checks.instance(made(value), kind, name)
    its_kind: Any = type(given)
    return its_kind(**copy.deepcopy(given.config()))
