"""What a model predicts: whether it is finite numbers, and whether it fits the answers."""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arrays import array, as_numbers, numbers, shortened
from tinynn.checks.targets import ORDER, as_whole, class_targets, one_hot_rows
from tinynn.errors import InputError
from tinynn.parameters import Array

DIVERGED = (
    "Has training diverged? Go back to weights from before it, and train with a smaller learning "
    "rate."
)


class NoNumbers(InputError):
    """An array holds NaN or infinity; the message says which array, and where first."""


def scored(p: Array, classes: bool) -> bool:
    """Whether predictions are finite numbers; a logit of -inf, which masks a class, is accepted.

    classes: whether these are rows (B, C) of classes. Not all classes of a sample may be masked.

    >>> p = np.array([[0, 1, -np.inf]])
    >>> scored(p, classes=True), scored(p, classes=False), scored(p - np.inf, classes=True)
    (True, False, False)
    """
    if np.isfinite(p).all():
        return True
    return classes and p.ndim == 2 and bool(np.isfinite(p.max(axis=1)).all())


def refuse_unscored(p: Array, caller: str) -> None:
    """Rows (N, C), each with a most probable class. (NumPy's argmax takes the first NaN for it.)"""
    if scored(p, classes=True):
        return
    wrong = ~np.isfinite(p.max(axis=1))
    row = int(wrong.argmax())
    what = "holds NaN" if np.isnan(p[row]).any() else "holds infinity"
    if np.isneginf(p[row]).all():
        what = "is -inf for every class"
    raise NoNumbers(
        f"{caller}: row {row} of p {what}; {np.count_nonzero(wrong):,} of its {len(p):,} rows have "
        f"no most probable class. {DIVERGED}"
    )


def refuse_unsound(name: str, parameter: Array, caller: str) -> None:
    """Parameters that are finite numbers."""
    wrong = np.count_nonzero(~np.isfinite(parameter))
    if wrong:
        raise NoNumbers(
            f"{caller}: {wrong:,} of the {parameter.size:,} numbers of {name} are NaN or infinite. "
            f"{DIVERGED}"
        )


def masked_answer(p: Array, y: Array) -> str:
    """Say which sample's answer has a logit of -inf, so that its loss is infinite; "" if none has.

    >>> print(masked_answer(np.array([[0, 1, -np.inf]]), np.array([2])))
    -inf for class 2 of sample 0, though it is the sample's answer (mask other classes only)
    """
    if p.ndim != 2 or y.shape not in (p.shape, p.shape[:1]):  # for a user's own loss
        return ""
    at = (np.arange(len(y)), y) if y.ndim == 1 else np.nonzero(y)
    wrong = np.flatnonzero(np.isneginf(p[at]))
    if not wrong.size:
        return ""
    sample, c = int(at[0][wrong[0]]), int(at[1][wrong[0]])
    return (
        f"-inf for class {c} of sample {sample}, though it is the sample's answer (mask other "
        "classes only)"
    )


def compared(p: npt.ArrayLike, y: npt.ArrayLike, caller: str) -> tuple[Array, Array]:
    """Predictions p and answers y, each classes (N,) or rows (N, C)."""
    p, y = array(p, "p"), array(y, "y")
    for each in (p, y):  # the largest entry of a single column is always at 0
        if each.ndim not in (1, 2) or len(each) != len(p) or each.shape[1:] in ((0,), (1,)):
            raise InputError(
                f"{caller} expects p and y of the same length, each classes (N,) or rows (N, C) of "
                f"2 classes or more; got {p.shape} and {y.shape}."
            )
    if not len(p):
        raise InputError(f"{caller} needs 1 sample or more, got {p.shape} and {y.shape}.")
    if p.ndim == y.ndim == 2 and p.shape != y.shape:
        raise InputError(f"{caller}: p is for {p.shape[1]} classes, y for {y.shape[1]}.")
    for name, each in (("p", p), ("y", y)):
        if each.ndim == 2:
            numbers(each, f"{caller} expects rows of numbers")
        elif each.dtype.kind not in "biu":
            hint = as_whole(each, name) if each.dtype.kind == "f" else as_numbers(each)
            raise InputError(f"{caller}: classes are whole numbers, got {each.dtype}.{hint}")
    if y.ndim == 2 and not one_hot_rows(y):
        if p.ndim == 1 or (p.dtype.kind in "biu" and one_hot_rows(p)):  # a model returns floats
            raise InputError(
                f"{caller}: p holds classes, and the rows of y are not one-hot. {ORDER} If y does "
                "hold shares of classes, give np.asarray(y).argmax(axis=1)."
            )
        class_targets(p.shape, y, caller, p)  # shares
    if p.ndim == 2:
        refuse_unscored(p, caller)
    return p, y


def counts(matrix: npt.ArrayLike, classes: int, caller: str) -> Array:
    """A confusion matrix (C, C), as int64."""
    matrix = array(matrix, "matrix")
    kind, odd = matrix.dtype.kind, ""
    if kind == "f" and not np.isfinite(matrix).all():
        odd = ", some NaN or infinite"
    elif kind in "if" and (matrix < 0).any():
        odd = ", some below 0"
    if matrix.shape != (classes, classes) or kind not in "biu" or odd:
        raise InputError(
            f"{caller} expects the counts ({classes}, {classes}) that confusion_matrix(p, y, "
            f"{classes}) returns, for {classes} names; got {matrix.shape} of {matrix.dtype}"
            f"{odd}."
        )
    return matrix.astype(np.int64)


def class_names(names: Any, caller: str, classes: int = 0) -> list[str]:
    """A name for each class, in order. classes: how many there are; 0 if that is not known.

    >>> class_names(range(3), "per_class_report")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: per_class_report expects names, a list of texts, one for each class,
        but names[0] is
        0. Write [str(name) for name in names].
    """
    expects = f"{caller} expects names, a list of texts, one for each class"
    listed = names.ndim == 1 if isinstance(names, np.ndarray) else hasattr(names, "__getitem__")
    if not listed or isinstance(names, (bytes, Mapping)):
        got = shortened(names) if names is None or isinstance(names, Real) else type(names).__name__
        hint = ""
        if isinstance(names, Mapping):
            hint = " Write list(names) for its keys, list(names.values()) for its values."
        elif isinstance(names, np.ndarray):
            got, hint = f"an array of shape {names.shape}", " Write names.ravel()."
        elif isinstance(names, (set, frozenset)):
            hint = " It has no order: keep a list from the start."
        elif isinstance(names, Iterable) and not isinstance(names, bytes):
            hint = " Write list(names)."
        raise InputError(f"{expects}, got {got}.{hint}")
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(
                f"{expects}, but names[{i}] is {shortened(name)}. Write [str(name) for name in "
                "names]."
            )
    if not len(names) or (classes and len(names) != classes):
        many = f"{classes} classes" if classes else "1 class or more"
        raise InputError(f"{expects}: there are {many}, and {len(names)} names.")
    return [str(name) for name in names]
