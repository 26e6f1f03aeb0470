"""The vectors that an optimizer gets and keeps, and its step count."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinynn.checks.arguments import check_integer
from tinynn.errors import InputError
from tinynn.parameters import Array


def same_length(params: Array, grads: Array, slots: dict[str, Array], optimizer: str) -> None:
    """Parameters, gradients and the vectors that an optimizer keeps: all of one length."""
    sizes = {vector.size for vector in (params, grads, *slots.values())}
    if len(sizes) > 1:
        kept = "".join(f", {name} of {vector.size}" for name, vector in slots.items())
        raise InputError(
            f"{optimizer} needs vectors of one length, but has params of {params.size} numbers, "
            f"grads of {grads.size}{kept}. Make a new optimizer for a new model."
        )


def another_model(optimizer: str, t: int) -> InputError:
    """The error for an optimizer that is used for a second model."""
    return InputError(
        f"This {optimizer} has taken {t:,} steps with another model: its step count and the "
        "vectors that it keeps would be wrong here. Make a new optimizer for a new model."
    )


def check_optimizer_state(state: Mapping[str, Any], names: Sequence[str], optimizer: str) -> None:
    """What an optimizer's `state()` returned: the step count t, and its vectors."""
    if set(state) != {"t", *names}:
        raise InputError(
            f"This state has {', '.join(state)}, but {optimizer} keeps {', '.join(('t', *names))}. "
            "Is it the state of another optimizer?"
        )
    check_integer("the step count t of an optimizer's state", state["t"], least=0, most=2**53)


def kept_vectors(slots: Mapping[str, Array], params: Array) -> None:
    """The vectors that an optimizer keeps: finite numbers, one for each parameter, of its dtype.

    >>> kept_vectors({"m": np.zeros(2)}, np.zeros(3))
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: m is float64 (2,)
    """
    for name, vector in slots.items():
        if vector.shape != params.shape or vector.dtype != params.dtype:
            raise InputError(f"{name} is {vector.dtype} {vector.shape}")
        if not np.isfinite(vector).all():
            raise InputError(f"{name} holds NaN or infinity")
