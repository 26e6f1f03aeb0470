"""Predictions p, and the answers y to them: classes, rows, or numbers in p's shape."""

from math import prod
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import check_integer
from tinynn.checks.arrays import array, as_numbers, is_missing, numbers
from tinynn.checks.remembered import are_shares, extremes
from tinynn.checks.tracebacks import short_traceback
from tinynn.errors import InputError
from tinynn.parameters import Array, Shape

ORDER = "Are p and y swapped? The prediction comes first, then the answer."
OF_A_LOSS = "End the model with Softmax(), or use SoftmaxCrossEntropy()."


@short_traceback
def logits(z: npt.ArrayLike, caller: str) -> Array:
    """Logits (..., C), of 1 class or more."""
    z = numbers(array(z, "z"), f"{caller} expects logits, which are numbers")
    if not z.ndim or not z.shape[-1]:
        raise InputError(
            f"{caller} expects rows of logits (..., C), of 1 class or more, got shape {z.shape}."
        )
    return z


def pixels(images: npt.ArrayLike) -> Array:
    """Images of bytes."""
    images = array(images, "images")
    if images.dtype != np.uint8:
        raise InputError(
            f"scale_pixels expects bytes (uint8, 0 to 255), got {images.dtype}. {_scaling(images)}"
        )
    return images


def _scaling(images: Array) -> str:
    """How images that are no bytes come to numbers from 0 to 1.

    >>> _scaling(np.arange(17.0))
    'If they go from 0 to 16, write np.asarray(images) / 16.'
    """
    if images.dtype.kind not in "iuf" or not images.size or not images.min() >= 0:
        return "Have they been scaled already?"
    most = images.max()
    if 127 < most <= 255 and (images == np.rint(images)).all():
        return "If they are from 0 to 255 nevertheless, write np.asarray(images).astype(np.uint8)."
    if not 1 < most < np.inf:
        return "Have they been scaled already?"
    white = 255 if 127 < most <= 255 else 65_535 if 32_767 < most <= 65_535 else most
    return f"If they go from 0 to {white:g}, write np.asarray(images) / {white:g}."


def vector(values: npt.ArrayLike, expectation: str) -> Array:
    """An array of one dimension."""
    made = array(values, "labels")
    if made.ndim != 1:
        hint = " For one-hot rows write np.asarray(y).argmax(axis=1)." if made.ndim == 2 else ""
        raise InputError(f"{expectation}, shape (N,), got {made.shape}.{hint}")
    if made.dtype == object and not all(isinstance(each, str) for each in made):
        numbers(made, f"{expectation}, as numbers or texts")
    if made.dtype.kind == "f" and np.isnan(made).any():
        raise InputError(
            f"{expectation}, but that of sample {int(np.isnan(made).argmax())} is NaN."
        )
    return made


def as_whole(values: Array, name: str) -> str:
    """The hint for classes (N,) that are floats: how to convert them, or which one is not whole.

    >>> as_whole(np.array([0.0, 1.0]), "y"), as_whole(np.array([0.0, np.nan]), "y")
    (' Use np.asarray(y).astype(int).', ' y[1] is nan.')
    """
    with np.errstate(invalid="ignore"):
        odd = values % 1 != 0  # true for NaN and infinity too
    if not odd.any():
        return f" Use np.asarray({name}).astype(int)."
    at = int(odd.argmax())
    hint = " If these are probabilities of class 1, give (np.asarray(p) > 0.5).astype(int)."
    between = name == "p" and values.min() >= 0 and values.max() <= 1
    return f" {name}[{at}] is {values[at]:.4g}.{hint if between else ''}"


@short_traceback
def labels(y: npt.ArrayLike, classes: int, caller: str) -> Array:
    """Classes (N,): whole numbers from 0 to classes - 1.

    >>> labels([1, 2, 3], 3, "one_hot")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: one_hot: there are 3 classes (0 to 2) but y contains 3. Do your
        labels start at 1?
        Use np.asarray(y) - 1. If there are 4 classes, say classes=4.
    """
    check_integer("classes", classes)
    return _below(classes, array(y, "y"), caller)


def _below(classes: int, y: Array, caller: str) -> Array:
    if y.ndim != 1 or y.dtype.kind not in "iu":
        hint = as_whole(y, "y") if y.ndim == 1 and y.dtype.kind in "bf" else ""
        if y.ndim == 1 and y.dtype == object and all(isinstance(each, Real) for each in y):
            hint = as_whole(y.astype(float), "y")
        elif y.ndim == 1 and any(map(is_missing, y)):
            missing = next(i for i, each in enumerate(y) if is_missing(each))
            hint = f" That of sample {missing} is missing: leave out such samples."
        elif y.ndim == 1 and y.dtype.kind in "OSUT":
            hint = " Number them: names, y = np.unique(y, return_inverse=True)."
        raise InputError(
            f"{caller} expects one whole number for each sample, shape (N,), got shape {y.shape} "
            f"of {y.dtype}.{hint}"
        )
    low, high = map(int, extremes(y)) if y.size else (0, 0)
    if low < 0:
        remedy = "Leave out samples without an answer: x[y >= 0], y[y >= 0]."
        if np.abs(y).min() == 1 == high == -low:
            remedy = "Use (y + 1) // 2."
        raise InputError(f"{caller}: classes count from 0, but y contains {low}. {remedy}")
    if high >= classes:
        start_at_1 = "Do your labels start at 1? Use np.asarray(y) - 1. " if low else ""
        if high == 255 and y.dtype == np.uint8:
            start_at_1 = "Was 1 subtracted from a 0? In bytes (uint8), 0 - 1 is 255. "
        more = {
            "one_hot": "say classes={}",
            "confusion_matrix": "say classes={}",
            "per_class_report": "give {} names",
        }.get(caller, "end with Dense({})")
        raise InputError(
            f"{caller}: there are {classes} classes (0 to {classes - 1}) but y contains {high}. "
            f"{start_at_1}If there are {high + 1} classes, {more.format(high + 1)}."
        )
    return y


def class_targets(p_shape: Shape, y: npt.ArrayLike, loss: str, p: Array | None = None) -> Array:
    """The answers to predictions (B, C): classes (B,), or rows (B, C) that sum to 1."""
    y = array(y, "y")
    if len(p_shape) != 2 or not p_shape[0]:
        hint = f" {ORDER}" if y.ndim == 2 and y.shape[:1] == p_shape else ""
        raise InputError(
            f"{loss} expects a batch of rows (B, C), 1 sample or more, got {p_shape}.{hint}"
        )
    if p_shape[1] < 2:
        raise InputError(
            f"{loss}: p has only one column, so that class always has probability 1. For two "
            "classes end the model with Dense(2)."
        )
    if y.shape not in (p_shape, p_shape[:1]):
        hint = ""
        if y.shape == (p_shape[0], 1):
            hint = " Classes are one number for each sample: np.asarray(y)[:, 0]."
        elif y.ndim == 2 and len(y) == p_shape[0]:
            hint = f" These rows are for {y.shape[1]} classes: one_hot(labels, {p_shape[1]})."
        elif not y.ndim or len(y) != p_shape[0]:
            hint = " Each sample needs one answer: were x and y cut at different places?"
        raise InputError(
            f"{loss}: for p of shape {p_shape} y must be classes {p_shape[:1]} or rows {p_shape}, "
            f"got {y.shape}.{hint}"
        )
    if y.ndim == 1:
        return _below(p_shape[1], y, loss)
    if y.dtype.kind not in "biuf":
        raise InputError(f"{loss}: the rows of y must be numbers, got {y.dtype}.")
    if not are_shares(y):
        sums = y.sum(axis=1)
        row = int((~(np.abs(sums - 1) < 1e-3) | (y.min(axis=1) < 0)).argmax())
        remedy = "Pass classes as they are, shape (B,), or through one_hot."
        if np.isin(y, (0, 1)).all():
            remedy = (
                "For several labels in a sample, use SigmoidCrossEntropy() and "
                "binary_accuracy(p, y). For one class, pass it as it is, shape (B,), or one_hot."
            )
        raise InputError(
            f"{loss}: rows of y must not be negative and must sum to 1, but row {row} sums to "
            f"{sums[row]:.4g} and its smallest number is {y[row].min():.4g}. "
            f"{ORDER if p is not None and one_hot_rows(p) else remedy}"
        )
    return y


def one_hot_rows(rows: Array) -> bool:
    """Whether each row has a single 1, and 0 elsewhere: answers, or predictions without doubt."""
    ones = rows == 1
    return bool((ones.sum(axis=1) == 1).all() and (ones | (rows == 0)).all())


@short_traceback
def class_shares(p: npt.ArrayLike, y: npt.ArrayLike, loss: str) -> tuple[Array, Any, Any]:
    """Predictions p (B, C); the index of the entries with a share; and these shares, in p's dtype.

    For classes (B,) that is one entry for each sample, with a share of 1; for rows (B, C), all.

    >>> p, at, share = class_shares(np.ones((2, 3), np.float32) / 3, [2, 0], "CrossEntropy")
    >>> at, float(share)
    ((array([0, 1]), array([2, 0])), 1.0)
    """
    p = numbers(array(p, "p"), f"{loss} expects p as numbers")
    y = class_targets(p.shape, y, loss, p)
    dtype = np.result_type(p, np.float32)
    if y.ndim == 1:
        return p, (np.arange(len(y)), y), dtype.type(1)
    return p, ..., y.astype(dtype, copy=False)


def probabilities(p: Array, caller: str, remedy: str = OF_A_LOSS) -> None:
    """Rows (B, C), each of numbers of 0 or more that sum to 1."""
    if not are_shares(p):
        sums = p.sum(axis=-1)  # (B,)
        row = int((~(np.abs(sums - 1) < 1e-3) | (p.min(axis=-1) < 0)).argmax())
        if np.isnan(p).any():
            remedy = "Has training diverged? Then try a smaller learning rate."
        raise InputError(
            f"{caller} expects probabilities, but row {row} of p sums to {sums[row]:.4g} and "
            f"its smallest number is {p[row].min():.4g}. {remedy}"
        )


def independent_probabilities(p: Array, loss: str) -> None:
    """Numbers from 0 to 1, each of its own label."""
    low, high = extremes(p)
    if not (low >= 0 and high <= 1):  # so written, NaN is wrong too
        at = tuple(map(int, np.argwhere(~((p >= 0) & (p <= 1)))[0]))
        remedy = "End the model with Sigmoid(), or use SigmoidCrossEntropy()."
        if np.isnan(p[at]):
            remedy = "Has training diverged? Then try a smaller learning rate."
        raise InputError(
            f"{loss} expects probabilities, from 0 to 1, but p{list(at)} is {p[at]:.4g}. {remedy}"
        )


def yes_or_no(p_shape: Shape, y: npt.ArrayLike, loss: str) -> Array:
    """Answers in the shape of p, each a number from 0 (no) to 1 (yes)."""
    y = same_shape(p_shape, y, loss)
    low, high = extremes(y)
    if not (low >= 0 and high <= 1):  # so written, NaN is wrong too
        at = tuple(map(int, np.argwhere(~((y >= 0) & (y <= 1)))[0]))
        remedy = "Each number of y is the answer to a question of its own: 1 for yes, 0 for no."
        if set(np.unique(y)) == {-1, 1}:
            remedy = "Use (y + 1) / 2."
        elif p_shape[-1] == 1 and y.dtype.kind in "iu" and y.min() >= 0:
            remedy = f"For {y.max() + 1} classes end the model with Dense({y.max() + 1}), Softmax()"
            remedy += ", and use CrossEntropy() with classes (N,)."
        raise InputError(
            f"{loss}: y must be numbers from 0 to 1, but y{list(at)} is {y[at]:.4g}. {remedy}"
        )
    return y


def repeats(layer: Any, x: Array, out: Array) -> None:
    """A layer that returns the same for the same x; otherwise finite differences mean nothing."""
    if not np.allclose(layer.forward(x.copy()), out, equal_nan=True):
        raise InputError(
            f"check_gradients: {layer.name} returns other numbers each time for the same x, so "
            "finite differences mean nothing. If it draws random numbers, draw them from "
            "self.stream()."
        )


def not_saturated(p: Array, loss: Any) -> None:
    """Predictions at which finite differences work: above the floor of the loss, if it has one."""
    has_floor = "probabilities" in loss.takes and loss.floor
    low = p <= 10 * loss.floor if has_floor else np.zeros(1, bool)
    if loss.takes == "independent probabilities" and (p > 1 - 1e-8).any():
        raise InputError(
            f"check_gradients: row {int(np.argwhere(p > 1 - 1e-8)[0, 0])} of p has a probability "
            "too near to 1 for finite differences. Scale x to about 0 to 1, or check logits with "
            "SigmoidCrossEntropy()."
        )
    if low.any():
        raise InputError(
            f"check_gradients: row {int(np.argwhere(low)[0, 0])} of p has a probability below "
            f"{10 * loss.floor:.0e}, too near to the floor of {type(loss).__name__} for finite "
            "differences. Scale x to about 0 to 1, or check logits with SoftmaxCrossEntropy()."
        )


@short_traceback
def targets(p: npt.ArrayLike, y: npt.ArrayLike, loss: str) -> tuple[Array, Array]:
    """Predictions p of any shape, and the answers: numbers of the same shape and precision."""
    p = numbers(array(p, "p"), f"{loss} expects p as numbers")
    y = same_shape(p.shape, y, loss)
    return p, y.astype(np.result_type(p, np.float32), copy=False)


def same_shape(p_shape: Shape, y: npt.ArrayLike, loss: str) -> Array:
    """Answers that have exactly the shape of the predictions: NumPy would broadcast others."""
    y = array(y, "y")
    if y.dtype.kind not in "biuf":
        raise InputError(f"{loss} expects numbers, got y of {y.dtype}.{as_numbers(y)}")
    if y.shape != p_shape:
        remedy = "They must have the same shape."
        if y.shape == p_shape[:1]:
            remedy += f" If y are classes, use one_hot(y, {p_shape[-1]}), or a cross-entropy."
        if p_shape == (*y.shape, 1):
            both = np.broadcast_shapes(p_shape, y.shape)
            remedy = (
                f"NumPy would broadcast both to {both}, and the loss would be wrong. "
                "Use np.asarray(y)[:, None]."
            )
        raise InputError(f"{loss}: p is {p_shape}, y is {y.shape}. {remedy}")
    if not prod(p_shape):
        raise InputError(f"{loss} expects 1 sample or more, got p of shape {p_shape}.")
    return y
