"""How many samples to hold out, and what the data for it are."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arrays import array, numbers
from tinynn.checks.predictions import NoNumbers
from tinynn.errors import InputError
from tinynn.parameters import Array


def share_or_number(name: str, value: Any, samples: int) -> int:
    """A number of samples, 1 to samples - 1; or a float below 1, which is that share, rounded.

    >>> share_or_number("size", 0.1, 50), share_or_number("size", 7, 50)
    (5, 7)
    """
    if isinstance(value, (float, np.floating)) and 0 < value < 1:
        number = round(float(value) * samples)
        if not 0 < number < samples:
            raise InputError(
                f"{name}={value:.4g} of {samples} samples is {number}, but each part needs 1 "
                f"sample or more. Give a number of samples: {name}=1, for instance."
            )
        return number
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 0 < value < samples:
        raise InputError(
            f"{name} must be a whole number from 1 to {samples - 1}, or a share between 0 and 1, "
            f"got {value!r}."
        )
    return int(value)


def answers(y: npt.ArrayLike, caller: str) -> Array:
    """Answers (N, ...), of 2 samples or more."""
    made = array(y, "y")
    if not made.ndim:
        raise InputError(
            f"{caller} expects the answers y (N, ...), got {made!r:.60}. If only their number is "
            "known, give np.zeros(N)."
        )
    if len(made) < 2:
        raise InputError(f"{caller} expects y of 2 samples or more, got shape {made.shape}.")
    return made


def no_missing_answers(rows: Array) -> None:
    """Answers (N, C) without NaN, which a table also writes where a class is missing.

    >>> no_missing_answers(np.array([[0.0], [np.nan]]))
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: y is NaN for 1 of 2 samples, the first at 1: nothing can be learnt
        from a sample without an answer. Leave these samples out of x and y before the split.
    """
    missing = np.isnan(rows).any(axis=1) if rows.dtype.kind == "f" else np.zeros(len(rows), bool)
    if missing.any():
        raise InputError(
            f"y is NaN for {np.count_nonzero(missing):,} of {len(rows):,} samples, the first at "
            f"{int(missing.argmax())}: nothing can be learnt from a sample without an answer. "
            "Leave these samples out of x and y before the split."
        )


def features(x: npt.ArrayLike, caller: str) -> Array:
    """Samples (N, F) or (N, ..., C), all of finite numbers."""
    made = numbers(array(x, "x"), f"{caller} expects numbers")
    if made.ndim < 2 or not made.size:
        hint = (
            " Write np.asarray(x)[:, None] if each sample is one number." if made.ndim == 1 else ""
        )
        raise InputError(
            f"{caller} expects 1 sample or more, x of shape (N, F) or (N, ..., C), got "
            f"{made.shape}.{hint}"
        )
    wrong = ~np.isfinite(made)
    if wrong.any():
        row, *place = np.argwhere(wrong)[0].tolist()
        column = f"column {place[0]}" if len(place) == 1 else f"entry {tuple(place)}"
        raise NoNumbers(
            f"{caller}: x is {made[(row, *place)]} in row {row}, {column}; "
            f"{np.count_nonzero(wrong.any(axis=tuple(range(1, made.ndim)))):,} of {len(made):,} "
            "rows hold NaN or infinity. Leave these rows out, or fill in a number such as the "
            "mean of the column."
        )
    return made
