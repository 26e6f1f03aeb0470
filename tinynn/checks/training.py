"""What fit looks at before training and after each epoch: is the scale of the data right, are those
held out others than those to train on, and does the network learn more than a constant answer?
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import loss_value
from tinynn.checks.predictions import scored
from tinynn.checks.samples import finite_samples
from tinynn.checks.tracebacks import short_traceback
from tinynn.checks.weights import sample_weights
from tinynn.errors import InputError
from tinynn.parameters import Array

ENOUGH = 64  # steps, before which it is too early to call a training hopeless


@short_traceback
def data(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None, *, kind: str = "",
) -> tuple[Array, ...]:  # fmt: skip
    """Samples and answers to train on, as arrays, not copied: no step will stumble over them.

    With weights, if there are any, in the model's precision. A warning for bytes that nobody has
    scaled.
    """
    x, y = finite_samples(model, loss, x, y, "fit", kind)
    y_and_weights = (y, *sample_weights(model, loss, sample_weight, len(x), kind))
    if np.isfinite(model.params).all():  # or a checkpoint is to mend them
        _try(model, loss, x[:1], *(each[:1] for each in y_and_weights))
    if not kind and _are_bytes(x):  # of validation data `held_out` compares the scale
        few = [each[:32] for each in y_and_weights]
        now, scaled = (_try(model, loss, some, *few) for some in (x[:32], x[:32] / 255))
        remedy = "tinynn.scale_pixels(x)" if x.dtype == np.uint8 else "x / 255"
        warnings.warn(
            f"x holds bytes, 0 to {x.max():g}. Networks learn better from 0 to 1: with {remedy} "
            f"the loss begins at {scaled:.3g}, as it is at {now:.3g}.",
            stacklevel=5,  # at the line that called fit
        )
    return x, *y_and_weights


def _are_bytes(x: Array) -> bool:
    """Whether x holds unscaled bytes, of whatever dtype; a few samples tell.

    >>> _are_bytes(np.array([[0.0, 0.0, 17.0, 254.0]])), _are_bytes(np.array([[0, 1, 2, 3]]))
    (True, False)
    """
    if x.dtype == np.uint8:
        return bool(x.size and x.max() > 1)
    few = _some_rows(x)
    whole = few.size and few.min() >= 0 and 127 < few.max() <= 255 and (few == np.rint(few)).all()
    return bool(whole and np.mean(few[few > 0] > 1) > 0.5)


def _some_rows(x: Array) -> Array:
    """Some samples from all over the data: a hundred, or nearly two."""
    return x[:: max(len(x) // 100, 1)]


def _usual_size(few: Array) -> float:
    """Return the mean |x| of what is not 0, without the largest twentieth: outliers tell no scale.

    >>> _usual_size(np.array([0.0, 1.0, -1.0, 1.0, 3000.0]))
    1.0
    """
    sizes = np.abs(few[few != 0], dtype=float)
    return float(sizes[sizes <= np.quantile(sizes, 0.95)].mean()) if sizes.size else 0.0


def _try(model: Any, loss: Any, x: Array, y: Array, *of_samples: Array) -> float:
    """Return the loss of some samples, or raise what the first step would."""
    loss = copy.deepcopy(loss)  # it may have a memory
    with np.errstate(all="ignore"):
        p = model.predict(x)
        value = loss.forward(p, y, *of_samples) if scored(p, loss.classifies) else np.nan
    return loss_value(value, loss)


@short_traceback
def held_out(model: Any, loss: Any, pair: Any, x: Array, y: Array) -> tuple[Array, ...] | None:
    """Validation data (x, y), with weights or without, or None: like those to train on, and others.

    A warning if they are the same, or on another scale.
    """
    if pair is None:
        return None
    if not isinstance(pair, (tuple, list)) or len(pair) not in (2, 3):
        number = f" of {len(pair)}" if isinstance(pair, (tuple, list)) else ""
        hint = " To hold a share out, see stratified_split." if isinstance(pair, float) else ""
        raise InputError(
            "validation_data must be a pair, (x, y), or (x, y, sample_weight), got: "
            f"{type(pair).__name__}{number}.{hint}"
        )
    x_held, y_held, *of_samples = data(model, loss, *pair, kind="validation ")
    for which, part in (("first", x[: len(x_held)]), ("last", x[-len(x_held) :])):
        if _equal(part, x_held):
            these = "" if len(x_held) == len(x) else f"the {which} {len(x_held)} samples of "
            warnings.warn(
                f"The validation data are {these}the training data: they say nothing about samples "
                "that the network has not seen. Hold some out: tinynn.stratified_split.",
                stacklevel=6,
            )
            break
    both = [("x", x, x_held)]
    if not loss.classifies and y.dtype.kind in "iuf" and len(y_held) >= 10:  # fewer may be chance
        both.append(("y", y, y_held))
    for name, data_given, held in both:
        with np.errstate(over="ignore"):  # of numbers near the largest there are
            sizes = [_usual_size(_some_rows(each)) for each in (data_given, held)]
        if max(sizes) > 20 * min(sizes) and (name == "x" or min(sizes)):
            ranges = [f"{each.min():.3g} to {each.max():.3g}" for each in (data_given, held)]
            warnings.warn(
                f"{name} runs from {ranges[0]}, validation {name} from {ranges[1]}. The network "
                "has to see both on one scale: do to the validation data what you did to "
                f"{name}, with the same numbers.",
                stacklevel=6,
            )
    return x_held, y_held, *of_samples


def _equal(a: Array, b: Array) -> bool:
    """Whether two arrays are equal; in pieces: the first one is different, nearly always."""
    return len(a) == len(b) and all(
        np.array_equal(a[i : i + 100], b[i : i + 100]) for i in range(0, len(a), 100)
    )


def warn_if_worse_than_baseline(
    rows: Sequence[Mapping[str, Any]], baseline: Any, steps: int, left: int
) -> None:
    """The metrics of an epoch, after those of up to ten before: a warning if they are hopeless.

    baseline: the constant answer that is to be beaten. steps: taken so far. left: how many epochs
    are to come. Classes: if that answer would have done twice as well. Numbers: if the mean of y
    would have, too, half of all epochs are over, and at the pace of the last ten neither those left
    nor ten would be enough.
    """
    epoch, loss = rows[-1]["epoch"], rows[-1]["loss"]
    any_class = np.log(baseline.classes or 1) * baseline.weight
    if baseline.classes and loss > 2 * max(any_class, baseline.loss):
        warnings.warn(
            f"The loss of epoch {epoch} is {loss:.3g}; guessing among {baseline.classes} "
            f"classes gives {any_class:.3g}. The learning rate may be too high, or x "
            "not scaled: callbacks=[Doctor()] tells which.",
            stacklevel=5,
        )
    slowest = baseline.unscaled and not left  # of a first epoch nothing else is known
    rows = rows[-11:]  # of one epoch it would be chance whether the loss rises
    fall = (rows[0]["loss"] - loss) / (len(rows) - 1) if len(rows) > 1 else np.inf
    fall = 0 if slowest and len(rows) == 1 else fall
    hopeless = (
        left < epoch
        and loss > 2 * baseline.loss
        and loss - baseline.loss > max(left, 10) * max(fall, 0)
    )
    if not baseline.classes and hopeless and steps >= ENOUGH:
        cause = "The learning rate may be too high or too low, or x not scaled: "
        if baseline.unscaled or baseline.narrow:
            cause = (
                f"y has mean {baseline.mean:.3g} and standard deviation {baseline.std:.3g}: train "
                f"on {baseline.scaling}, and undo it on what the model predicts. "
            )
        warnings.warn(  # the same words after each epoch, so that Python shows them once
            "The loss is over twice what always predicting the mean of y gives, "
            f"{baseline.loss:.3g}, and falls slowly, or not at all. {cause}callbacks=[Doctor()] "
            "tells more.",
            stacklevel=5,
        )
