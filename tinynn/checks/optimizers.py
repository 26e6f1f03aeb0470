"""An optimizer's hyper-parameters, the vectors that it gets and keeps, and its step count."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinynn.checks.arguments import (
    check_integer,
    check_positive,
    check_unit_interval,
    not_negative,
    rate,
)
from tinynn.errors import InputError
from tinynn.origin import is_own
from tinynn.parameters import Array


def _true_or_false(name: str, value: Any) -> bool:
    """True or False, also of NumPy's kind, as Python's."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


HYPERPARAMETERS: dict[str, Callable[[str, Any], Any]] = {
    "learning_rate": rate,
    "momentum": check_unit_interval,
    "nesterov": _true_or_false,
    "rho": check_unit_interval,
    "beta1": check_unit_interval,
    "beta2": check_unit_interval,
    "epsilon": check_positive,
    "weight_decay": not_negative,
}


def hyperparameters(*names: str) -> dict[str, Callable[[str, Any], Any]]:
    """Return the checks of these hyper-parameters by name, as an optimizer's class states them.

    >>> hyperparameters("rho")["rho"]("rho", 1.5)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: rho must be at least 0 and below 1, got 1.5.
    """
    return {name: HYPERPARAMETERS[name] for name in names}


def nesterov_has_momentum(nesterov: bool, momentum: float) -> None:
    """Nesterov's form looks ahead along the velocity: without momentum there is none."""
    if nesterov and not momentum:
        raise InputError(
            f"nesterov=True needs a momentum above 0, got momentum={momentum:g}. Write "
            "SGD(learning_rate, momentum=0.9, nesterov=True)."
        )


def same_length(params: Array, grads: Array, slots: dict[str, Array], optimizer: str) -> None:
    """Parameters, gradients and the vectors that an optimizer keeps: floats, all of one length.

    >>> same_length(np.array([1, 2]), np.array([0.5, 0.5]), {}, "RMSProp")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: RMSProp needs flat vectors of floats, but params is int64 (2,). Write
        params = np.asarray(params, float).
    """
    for name, vector in (("params", params), ("grads", grads)):
        whole = name == "params" and getattr(vector, "dtype", np.dtype(bool)).kind != "f"
        if not isinstance(vector, np.ndarray) or whole or vector.ndim != 1:
            flat = "" if np.ndim(vector) == 1 else ".reshape(-1)"
            made = f"np.asarray({name}, float)" if whole else f"np.asarray({name})"
            given = name if isinstance(vector, np.ndarray) and not whole else made
            is_array = isinstance(vector, np.ndarray)
            what = f"{vector.dtype} {vector.shape}" if is_array else f"a {type(vector).__name__}"
            raise InputError(
                f"{optimizer} needs flat vectors of floats, but {name} is {what}. Write "
                f"{name} = {given}{flat}."
            )
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


def moving_update(optimizer: Any) -> None:
    """An optimizer of the user's own whose `update` changes params, which it must do in place.

    A new one with the same arguments steps a vector of its own, as a trial. A learning rate that is
    a function is not asked: it may count how often it was.
    """
    kind: Any = type(optimizer)
    if not is_own(kind):
        return
    params = np.ones(4, np.float32)
    try:
        twin = kind(**copy.deepcopy(optimizer.config()))
        if callable(twin.learning_rate):
            twin.learning_rate = 0.1
        for _ in range(50):  # some change params only now and then
            with np.errstate(all="ignore"):
                twin.step(params, np.ones(4, np.float32))
            if not twin.rate(twin.t) or not np.array_equal(params, np.ones(4)):
                return
    except Exception:  # of any kind: what is wrong in the user's own code, the first step will tell
        return
    raise InputError(
        f"{kind.__name__}.update leaves params as they are, so nothing is trained. Change "
        "them in place: params -= rate * grads. (params = params - ... makes another array.)"
    )
