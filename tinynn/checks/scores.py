"""Predictions and answers of the metrics of probabilities and of numbers."""

import numpy as np
import numpy.typing as npt

from tinynn.checks.arrays import array, numbers
from tinynn.checks.predictions import DIVERGED, NoNumbers, compared
from tinynn.checks.targets import ORDER, labels, probabilities, same_shape
from tinynn.errors import InputError
from tinynn.parameters import Array

ROWS = (
    "If these are logits, give tinynn.softmax(p). If a sample may have several classes, take one "
    "at a time: p[:, c] and y[:, c]."
)


def of_class_1(p: npt.ArrayLike) -> bool:
    """Whether predictions are one number for each sample, that of class 1: (N,) or (N, 1).

    >>> of_class_1([0.5, 0.25]), of_class_1([[0.5], [0.25]]), of_class_1([[0.5, 0.5]])
    (True, True, False)
    """
    shape = array(p, "p").shape
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def binary(p: npt.ArrayLike, y: npt.ArrayLike, caller: str) -> tuple[Array, Array]:
    """Numbers of class 1, finite, as float64 (N,); the answers, 0 or 1, as whole numbers (N,).

    >>> binary([[0.5], [0.25]], [True, False], "roc_auc")
    (array([0.5 , 0.25]), array([1, 0]))
    """
    p = numbers(array(p, "p"), f"{caller} expects p as numbers")
    y = numbers(array(y, "y"), f"{caller} expects y as numbers")
    samples = p.shape[:1]
    if not p.size or y.shape not in (samples, (*samples, 1)):
        hint = f" {ORDER}" if y.shape[:1] == samples and y.ndim == 2 else ""
        raise InputError(
            f"{caller}: if p is one number for each sample, the answers y must be 0 or 1 for each, "
            f"and there must be 1 sample or more; got {p.shape} and {y.shape}.{hint}"
        )
    p, y = p.reshape(samples), y.reshape(samples)
    odd = (y != 0) & (y != 1)
    if odd.any():
        at = int(odd.argmax())
        hint = ORDER if ((p == 0) | (p == 1)).all() else "For more classes give p as rows (N, C)."
        raise InputError(
            f"{caller}: if p is one number for each sample, the answers y must be 0 or 1, but "
            f"y[{at}] is {y[at]:.4g}. {hint}"
        )
    _refuse_not_finite(p, "p", caller)
    return p.astype(np.float64), y.astype(np.intp)


def binary_probabilities(p: npt.ArrayLike, y: npt.ArrayLike, caller: str) -> tuple[Array, Array]:
    """Probabilities of class 1, from 0 to 1; otherwise as `binary`."""
    p, y = binary(p, y, caller)
    odd = (p < 0) | (p > 1)
    if odd.any():
        at = int(odd.argmax())
        raise InputError(
            f"{caller} expects probabilities, from 0 to 1, but p[{at}] is {p[at]:.4g}. If these "
            "are logits, give 1 / (1 + np.exp(-p))."
        )
    return p, y


def class_rows(p: npt.ArrayLike, y: npt.ArrayLike, caller: str) -> tuple[Array, Array]:
    """Rows (N, C), and the answers: classes (N,) below C, or rows (N, C)."""
    p, y = compared(p, y, caller)
    if p.ndim != 2:
        raise InputError(
            f"{caller} expects p as rows (N, C), a number for each class, got {p.shape}. Give it "
            "what model.predict returns."
        )
    if y.ndim == 1:
        y = labels(y.astype(np.intp) if y.dtype == bool else y, p.shape[1], caller)
    return p, y


def class_probabilities(p: npt.ArrayLike, y: npt.ArrayLike, caller: str) -> tuple[Array, Array]:
    """Rows of probabilities, which sum to 1; otherwise as `class_rows`."""
    p, y = class_rows(p, y, caller)
    probabilities(p, caller, ROWS)
    return p, y


def both_classes(positive: int, negative: int, name: str, caller: str) -> None:
    """Samples of a class, and samples of others: without both there are no pairs to compare."""
    if not (positive and negative):
        which = "no sample is" if not positive else f"all {positive:,} samples are"
        raise InputError(
            f"{caller} compares samples of a class with samples of others, but {which} of {name}. "
            "Give it samples of all classes: stratified_split holds out a share of each."
        )


def numbers_of_one_shape(p: npt.ArrayLike, y: npt.ArrayLike, caller: str) -> tuple[Array, Array]:
    """Finite numbers p and y of one shape, as float64."""
    p = numbers(array(p, "p"), f"{caller} expects p as numbers")
    if not p.ndim:
        raise InputError(f"{caller} expects p (N, ...), got one number, {p}. Write [p] and [y].")
    y = same_shape(p.shape, y, caller)
    for name, each in (("p", p), ("y", y)):
        _refuse_not_finite(each, name, caller)
    return p.astype(np.float64), y.astype(np.float64)


def no_nan(p: Array, caller: str) -> None:
    """Numbers that are above a boundary or not: NaN is neither, infinity is one of them."""
    if np.isnan(p).any():
        _refuse_not_finite(p, "p", caller)


def _refuse_not_finite(values: Array, name: str, caller: str) -> None:
    """Refuse NaN and infinity, of which no metric can be computed."""
    wrong = ~np.isfinite(values)
    if wrong.any():
        at = np.argwhere(wrong)[0].tolist()
        raise NoNumbers(
            f"{caller}: {name}{at} is {values[tuple(at)]}; {np.count_nonzero(wrong):,} of the "
            f"{values.size:,} numbers of {name} are NaN or infinite."
            + (f" {DIVERGED}" if name == "p" else "")
        )


def not_constant(y: Array, caller: str) -> None:
    """Answers (N, C), each column of which has a variance."""
    constant = (y == y[0]).all(axis=0)
    if constant.any():
        c = int(constant.argmax())
        column = f" in column {c}" if y.shape[1] > 1 else ""
        raise InputError(
            f"{caller}: y is {y[0, c]:.4g} for each of the {len(y):,} samples{column}, so that "
            "there is no variance to explain. Use mean_absolute_error."
        )
