"""Weights of samples and of classes: how much each counts; whether a loss accepts weights."""

from inspect import Parameter, signature
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arrays import array, numbers
from tinynn.checks.tracebacks import short_traceback
from tinynn.errors import InputError
from tinynn.foreign_names import answer
from tinynn.parameters import Array


@short_traceback
def weights(
    values: npt.ArrayLike, samples: int, dtype: npt.DTypeLike, name: str = "weights"
) -> Array:
    """Weights of samples (B,): numbers of 0 or more, in the precision of what they are applied to.

    >>> weights([1, -1], 2, np.float32)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: weights must be finite numbers of 0 or more, one for each sample;
        that of sample 1 is -1.
    """
    given = numbers(array(values, name), f"{name} must be one number for each sample")
    if given.shape != (samples,):
        hint = (
            f" Write np.asarray({name.split()[-1]})[:, 0]." if given.shape == (samples, 1) else ""
        )
        raise InputError(
            f"{name} must be one number for each sample, shape ({samples},), got {given.shape}."
            f"{hint}"
        )
    with np.errstate(over="ignore"):
        made = given.astype(dtype, copy=False)
    wrong = ~((made >= 0) & (made < np.inf))  # so written, NaN is wrong too
    if wrong.any():
        at = int(wrong.argmax())
        if np.isfinite(given[at]) and given[at] > 0:
            raise InputError(f"{name}: {_out_of_range(given[at], dtype, f'sample {at}')}")
        raise InputError(
            f"{name} must be finite numbers of 0 or more, one for each sample; that of sample {at} "
            f"is {given[at]}."
        )
    return made


def sample_weights(
    model: Any, loss: Any, given: npt.ArrayLike | None, samples: int, kind: str = ""
) -> tuple[Array, ...]:
    """The weights of samples as the loss gets them: none, or one array, in the model's precision.

    They must not all be 0, and the loss must accept weights.
    """
    if given is None:
        return ()
    name = f"{kind}sample_weight"
    made = weights(given, samples, model.dtype, name)
    if not made.any():
        if np.any(given):
            at = int(np.argmax(given))
            what = _out_of_range(np.asarray(given)[at], model.dtype, f"sample {at}")
            raise InputError(f"{name}: {what}")
        raise InputError(f"{name} is 0 for all samples, so no sample counts in the loss.")
    for called in ("forward", "backward"):
        if not _takes_weights(getattr(loss, called)):
            raise InputError(
                f"sample_weight: {type(loss).__name__}.{called} takes no weights. Write "
                f"def {called}(self, p, y, weights=None) there. If weights are given, multiply the "
                "numbers of sample n by weights[n]; still divide by B, the number of samples."
            )
    return (made,)


def _out_of_range(number: Any, dtype: npt.DTypeLike, of: str) -> str:
    return (
        f"{number:.4g}, that of {of}, is out of the range of {np.dtype(dtype)}. Divide all by "
        "their mean."
    )


def class_weights(values: Any, loss: str, classes: int | None = None, of: str = "class") -> Array:
    """Weights of classes (C,), as float64: numbers of 0 or more, not all 0.

    classes: C, or None if it is not known yet. of: "class", or "question" of a loss of yes or no,
    where each weight is that of a yes.

    >>> class_weights([1, 9], "BinaryCrossEntropy", 1, "question")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: BinaryCrossEntropy: class_weights must be one number for each
        question, the weight of a yes, in their order, shape (1,), got (2,). A no has weight 1: for
        weights 1 of no and 9 of yes write class_weights=[9].
    """
    a_yes = ", the weight of a yes" if of == "question" else ""
    expects = f"{loss}: class_weights must be one number for each {of}{a_yes}, in their order"
    if isinstance(values, dict):
        raise InputError(f"{expects}, got a dictionary. {_as_list(values, of)}")
    if isinstance(values, str):
        raise InputError(f"{expects}, got {values!r:.40}. {answer(values, 'text')}".rstrip())
    given = numbers(array(values, "class_weights"), expects)
    if given.ndim != 1 or len(given) != (classes or max(len(given), 1)):
        known = f"({classes},)" if classes else "(C,)" if of == "class" else "(K,)"
        hint = ""
        if of == "question" and classes == 1 and given.shape == (2,) and given.all():
            no, yes = map(float, given)
            hint = f" A no has weight 1: for weights {no:g} of no and {yes:g} of yes write "
            hint += f"class_weights=[{yes / no:g}]."
        raise InputError(f"{expects}, shape {known}, got {given.shape}.{hint}")
    made = given.astype(np.float64)
    wrong = ~((made >= 0) & (made < np.inf))  # so written, NaN is wrong too
    if wrong.any():
        at = int(wrong.argmax())
        raise InputError(
            f"{loss}: class_weights must be finite numbers of 0 or more; that of {of} {at} is "
            f"{given[at]}."
        )
    if not made.any():
        raise InputError(f"{loss}: class_weights are all 0, so no sample counts in the loss.")
    range_of = np.finfo(np.float32)  # in which most models compute
    wrong = (made > range_of.max) | ((made > 0) & (made < range_of.tiny))
    if wrong.any():
        at = int(wrong.argmax())
        what = _out_of_range(made[at], np.float32, f"{of} {at}")
        raise InputError(f"{loss}: class_weights: {what}")
    return made


def _as_list(weights: dict[Any, Any], of: str) -> str:
    """How to write a dictionary of weights as a list; a class without a weight in it gets 1.

    >>> _as_list({0: 1.0, 2: 5.0}, "class")
    'Write [1.0, 1, 5.0]: class 1 has no weight in it, and gets 1 here.'
    """
    whole = all(isinstance(key, (int, np.integer)) and key >= 0 for key in weights)
    if of == "question" or not whole or max(weights, default=99) > 20:
        return f"Write a list: the first number belongs to {of} 0."
    missing = [c for c in range(max(weights)) if c not in weights]
    listed = ", ".join(str(weights.get(c, 1)) for c in range(max(weights) + 1))
    if not missing:
        return f"Write [{listed}]."
    named = f"class {missing[0]} has" if len(missing) == 1 else "the other classes have"
    gets = "gets" if len(missing) == 1 else "get"
    return f"Write [{listed}]: {named} no weight in it, and {gets} 1 here."


def _takes_weights(method: Any) -> bool:
    """Whether a loss' method can be called as forward(p, y, weights)."""
    try:
        named = [*signature(method).parameters.values()]
    except (ValueError, TypeError):  # a built-in function
        return True
    places = [one for one in named if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if len(places) > 2:  # with another default it is another argument
        return places[2].default in (None, Parameter.empty)
    return any(one.kind is one.VAR_POSITIONAL for one in named)
