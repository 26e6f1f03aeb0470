"""What an optimizer works on and keeps: vectors like the model's, and the count of its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinynn.checks.arguments import check_integer
from tinynn.errors import InputError
from tinynn.parameters import Array


def same_length(params: Array, grads: Array, memory: dict[str, Array], optimizer: str) -> None:
    """Parameters, gradients and an optimizer's memory: vectors of one length."""
    sizes = {vector.size for vector in (params, grads, *memory.values())}
    if len(sizes) > 1:
        raise InputError(
            f"{optimizer} has {params.size} parameters, {grads.size} gradients and a memory of "
            f"{[vector.size for vector in memory.values()]}. Make a new optimizer for a new model."
        )


def another_model(optimizer: str, t: int) -> InputError:
    """What an optimizer says that is to step a second model."""
    return InputError(
        f"This {optimizer} has taken {t:,} steps with another model: what it remembers of its "
        "gradients, and its step count, would be wrong here. Make a new optimizer for a new model."
    )


def check_optimizer_state(state: Mapping[str, Any], names: Sequence[str], optimizer: str) -> None:
    """What an optimizer's `state()` returned: the step count t, and its vectors."""
    if set(state) != {"t", *names}:
        raise InputError(
            f"{optimizer} remembers {', '.join(('t', *names))}, but this state has "
            f"{', '.join(state)}. Is it another optimizer's?"
        )
    check_integer("the step count t of an optimizer's state", state["t"], least=0, most=2**53)


def kept_vectors(memory: Mapping[str, Array], params: Array) -> None:
    """What an optimizer keeps: finite numbers, one for each parameter, of its dtype.

    >>> kept_vectors({"m": np.zeros(2)}, np.zeros(3))
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: m is float64 (2,)
    """
    for name, vector in memory.items():
        if vector.shape != params.shape or vector.dtype != params.dtype:
            raise InputError(f"{name} is {vector.dtype} {vector.shape}")
        if not np.isfinite(vector).all():
            raise InputError(f"{name} holds NaN or infinity")
