"""The checks of `fit`, before training and after each epoch.

Do the data have a suitable scale? Are the validation data different from the training data? Is the
network better than a constant prediction?
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import loss_value
from tinynn.checks.gradients import written_gradients
from tinynn.checks.predictions import scored
from tinynn.checks.samples import entering, finite_samples, read_only
from tinynn.checks.tracebacks import short_traceback
from tinynn.checks.weights import sample_weights
from tinynn.errors import InputError
from tinynn.origin import is_own
from tinynn.parameters import Array

ENOUGH_STEPS = 64  # before so many steps it is too early to call a training hopeless


@short_traceback
def data(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None, *, kind: str = "",
) -> tuple[Array, ...]:  # fmt: skip
    """The samples and targets to train on, as arrays that are not copied, and weights if given.

    The loss of one sample is computed as a trial. Weights get the model's dtype. Warns if x holds
    bytes, and no layer before the first with parameters scales them.
    """
    x, y = map(read_only, finite_samples(model, loss, x, y, "fit", kind))
    y_and_weights = (y, *sample_weights(model, loss, sample_weight, len(x), kind))
    if np.isfinite(model.params).all():  # otherwise a checkpoint may replace them
        _trial_loss(model, loss, x[:1], *(each[:1] for each in y_and_weights))
        if not kind:
            written_gradients(model, x[:32])
    # for validation data, `held_out` compares the scale
    if not kind and _are_bytes(x) and _stay_as_large(model, _some_rows(x)):
        few = [each[:32] for each in y_and_weights]
        now, scaled = (_trial_loss(model, loss, some, *few) for some in (x[:32], x[:32] / 255))
        remedy = "tinynn.scale_pixels(x)" if x.dtype == np.uint8 else "np.asarray(x) / 255"
        warnings.warn(
            f"x holds bytes, 0 to {x.max():g}. Networks learn better from numbers between 0 and 1: "
            f"with {remedy} the loss begins at {scaled:.3g} instead of {now:.3g}.",
            stacklevel=5,  # at the line that called fit
        )
    return x, *y_and_weights


def _are_bytes(x: Array) -> bool:
    """Whether x holds unscaled bytes, in any dtype, judged by some of the samples.

    >>> _are_bytes(np.array([[0.0, 0.0, 17.0, 254.0]])), _are_bytes(np.array([[0, 1, 2, 3]]))
    (True, False)
    """
    if x.dtype == np.uint8:
        return bool(x.size and x.max() > 1)
    few = _some_rows(x)
    whole = few.size and few.min() >= 0 and 127 < few.max() <= 255 and (few == np.rint(few)).all()
    return bool(whole and np.mean(few[few > 0] > 1) > 0.5)


def _stay_as_large(model: Any, few: Array) -> bool:
    """Whether the first layer with parameters gets numbers as large as x: no layer scales them."""
    return bool(np.abs(entering(model, few)).max() >= np.abs(few).max())


def _some_rows(x: Array) -> Array:
    """About a hundred samples, or up to two hundred, at equal distances in the data."""
    return x[:: max(len(x) // 100, 1)]


def _usual_size(few: Array) -> float:
    """Return the mean |x| of the numbers that are not 0, without the largest 5 % (outliers).

    >>> _usual_size(np.array([0.0, 1.0, -1.0, 1.0, 3000.0]))
    1.0
    """
    sizes = np.abs(few[few != 0], dtype=float)
    return float(sizes[sizes <= np.quantile(sizes, 0.95)].mean()) if sizes.size else 0.0


def _trial_loss(model: Any, loss: Any, x: Array, y: Array, *given_weights: Array) -> float:
    """Return the loss of some samples, or raise the error that the first step would raise."""
    loss = copy.deepcopy(loss)  # a loss of the user's own may keep state
    with np.errstate(all="ignore"):
        p = model.predict(x)
        p.flags.writeable = False  # as y is
        if not scored(p, loss.classifies):
            return np.nan
        try:
            value = loss.forward(p, y, *given_weights)
            if is_own(type(loss)):
                loss.backward(p, y, *given_weights)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise InputError(
                f"{type(loss).__name__} changes p or y in place, but layers still need p, and y "
                "are the data. Begin with a copy: p = p.copy()."
            ) from error
    return loss_value(value, loss)


@short_traceback
def held_out(model: Any, loss: Any, pair: Any, x: Array, y: Array) -> tuple[Array, ...] | None:
    """Validation data as arrays: (x, y), or (x, y, weights); None if there are none.

    Warns if they are the training data x, y, or a part of them, or if they have another scale.
    """
    if pair is None:
        return None
    if not isinstance(pair, (tuple, list)) or len(pair) not in (2, 3):
        number = f" and length {len(pair)}" if isinstance(pair, (tuple, list)) else ""
        hint = " To hold out a share, use stratified_split." if isinstance(pair, float) else ""
        raise InputError(
            "validation_data must be (x, y) or (x, y, sample_weight), got "
            f"an object of type {type(pair).__name__}{number}.{hint}"
        )
    x_held, y_held, *given_weights = data(model, loss, *pair, kind="validation ")
    for which, begin in (("first", 0), ("last", len(x) - len(x_held))):
        if _are_rows_of(x, begin, x_held):
            these = "" if len(x_held) == len(x) else f"the {which} {len(x_held)} samples of "
            warnings.warn(
                f"The validation data are {these}the training data, so they do not show how "
                "well the model predicts new samples. Hold out some samples: "
                "tinynn.stratified_split.",
                stacklevel=6,
            )
            break
    both = [("x", x, x_held)]
    if not loss.classifies and y.dtype.kind in "iuf" and len(y_held) >= 10:  # fewer: by chance
        both.append(("y", y, y_held))
    for name, data_given, held in both:
        with np.errstate(over="ignore"):  # sums of very large numbers
            sizes = [_usual_size(_some_rows(each)) for each in (data_given, held)]
        if max(sizes) > 20 * min(sizes) and (name == "x" or min(sizes)):
            ranges = [f"{each.min():.3g} to {each.max():.3g}" for each in (data_given, held)]
            warnings.warn(
                f"{name} runs from {ranges[0]}, but validation {name} from {ranges[1]}. Both must "
                f"have one scale: scale validation {name} exactly as you scaled {name}, with the "
                "same numbers.",
                stacklevel=6,
            )
    return x_held, y_held, *given_weights


def _are_rows_of(x: Array, begin: int, held: Array) -> bool:
    """Whether `held` are the samples of x from `begin` on; mostly the first piece differs."""
    return 0 <= begin <= len(x) - len(held) and all(
        np.array_equal(x[begin + i : begin + min(i + 100, len(held))], held[i : i + 100])
        for i in range(0, len(held), 100)
    )


def warn_if_worse_than_baseline(
    rows: Sequence[Mapping[str, Any]], baseline: Any, steps: int, left: int
) -> None:
    """Warn if the loss is over twice that of the best constant prediction.

    rows: the metrics of all epochs so far. baseline: that prediction and its loss. steps: how many
    were taken. left: how many epochs are still to come. If targets are numbers, two more things
    must hold: half of all epochs are over, and at the pace of the last ten epochs the loss would
    reach the baseline neither in the epochs left nor in ten.
    """
    epoch, loss = rows[-1]["epoch"], rows[-1]["loss"]
    any_class = np.log(baseline.classes or 1) * baseline.weight
    if baseline.classes and loss > 2 * max(any_class, baseline.loss):
        warnings.warn(
            f"The loss of epoch {epoch} is {loss:.3g}, but guessing among {baseline.classes} "
            f"classes gives {any_class:.3g}. The learning rate may be too high, or x may be "
            "unscaled: callbacks=[Doctor()] tells which.",
            stacklevel=5,
        )
    only_epoch_unscaled = baseline.unscaled and not left and len(rows) == 1
    rows = rows[-11:]  # ten epochs: in a single one the loss may rise by chance
    fall = (rows[0]["loss"] - loss) / (len(rows) - 1) if len(rows) > 1 else np.inf
    fall = 0 if only_epoch_unscaled else fall
    hopeless = (
        left < epoch
        and loss > 2 * baseline.loss
        and loss - baseline.loss > max(left, 10) * max(fall, 0)
    )
    if not baseline.classes and hopeless and steps >= ENOUGH_STEPS:
        cause = "The learning rate may be too high or too low, or x may be unscaled: "
        if baseline.unscaled or baseline.narrow:
            cause = (
                f"y has mean {baseline.mean:.3g} and standard deviation {baseline.std:.3g}: train "
                f"on {baseline.scaling}, and undo this on the model's predictions. "
            )
        warnings.warn(  # the same words after each epoch, so that Python shows them once
            f"The loss is over twice the loss of always predicting {baseline.guess}, "
            f"{baseline.loss:.3g}, and falls slowly or not at all. {cause}callbacks=[Doctor()] "
            "tells more.",
            stacklevel=5,
        )
