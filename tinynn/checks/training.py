"""What Trainer.fit is given: data over which no step will stumble."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.answers import class_targets, same_shape
from tinynn.checks.door import door
from tinynn.checks.networks import batch
from tinynn.parameters import Array, Shape


def paired(x: npt.ArrayLike, y: npt.ArrayLike, kind: str = "") -> tuple[Array, Array]:
    """Samples and their answers: as many of each, 1 or more."""
    x, y = np.asarray(x), np.asarray(y)
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise ValueError(
            f"{kind}x and y must have as many samples as each other, 1 or more; their shapes are "
            f"{x.shape} and {y.shape}."
        )
    return x, y


def softmax_once(model: Any, loss: Any) -> None:
    """A model and its loss: SoftmaxCrossEntropy wants scores, not what Softmax has made of them."""
    last = model.layers[-1]
    if (type(last).__name__, type(loss).__name__) == ("Softmax", "SoftmaxCrossEntropy"):
        classes = model.output_shapes[-1][-1]
        least = np.log(1 + (classes - 1) / np.e)  # at scores of 1 for the right class, 0 elsewhere
        raise ValueError(
            f"SoftmaxCrossEntropy applies softmax itself, and {last.name} already did: with "
            f"{classes} classes the loss could never fall below {least:.3f}. Remove Softmax() or "
            "use CrossEntropy()."
        )


@door
def data(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike, kind: str = ""
) -> tuple[Array, Array]:
    """Samples and answers to train on, as arrays, not copied: no step will stumble over them.

    A warning for bytes that nobody has scaled.
    """
    x, y = paired(x, y, kind)
    if x.shape[1:] != model.input_shape and y.shape[1:] == model.input_shape:
        raise ValueError(
            f"{kind}x has samples of shape {x.shape[1:]} and {kind}y of {y.shape[1:]}, which is "
            "what the model takes. Are they swapped? Samples come first: fit(x, y)."
        )
    batch(x[:1], model.input_shape, "fit")
    for name, array in ((f"{kind}x", x), (f"{kind}y", y)):
        for start in range(0, len(array) if array.dtype.kind == "f" else 0, 1024):
            piece = array[start : start + 1024]  # in pieces: the data may be large
            good = np.isfinite(piece)
            if array.dtype.itemsize > model.dtype.itemsize:  # what is too large becomes infinity
                good &= np.abs(piece) <= np.finfo(model.dtype).max
            if not good.all():
                sample = start + int(np.argwhere(~good)[0, 0])
                raise ValueError(
                    f"{name} holds NaN or infinity, first in sample {sample}. Remove such samples, "
                    "or put in what is missing, for instance the mean."
                )
    if loss.classifies:
        class_targets((len(y), *model.output_shapes[-1]), y, type(loss).__name__)
    if type(loss).__name__ == "MeanSquaredError":
        same_shape((len(y), *model.output_shapes[-1]), y)
    if np.isfinite(model.params).all():  # or a checkpoint is to mend them
        _try(model, loss, x[:1], y[:1])
    if x.dtype == np.uint8 and x.size and x.max() > 1:
        now, scaled = (_try(model, loss, some, y[:32]) for some in (x[:32], x[:32] / 255))
        warnings.warn(
            f"{kind}x holds bytes, 0 to {x.max()}. Networks learn better from 0 to 1: with "
            f"tinynn.scale_pixels(x) the loss begins at {scaled:.3g}, as it is at {now:.3g}.",
            stacklevel=5 if not kind else 7,  # at the line that called fit
        )
    return x, y


def _try(model: Any, loss: Any, x: Array, y: Array) -> float:
    """Return the loss of some samples, or raise what the first step would."""
    with np.errstate(all="ignore"):
        p = model.predict(x)
        value: float = loss.forward(p, y) if np.isfinite(p).all() else np.nan
    return value


@door
def held_out(model: Any, loss: Any, pair: Any, x: Array) -> tuple[Array, Array] | None:
    """Validation data (x, y) or None: as those to train on, and other ones; else a warning."""
    if pair is None:
        return None
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"validation_data must be a pair, (x, y), got: {type(pair).__name__}.")
    x_held, y_held = pair
    x_held, y_held = data(model, loss, x_held, y_held, "validation ")
    same = (
        x_held.shape == x.shape
        and x_held.__array_interface__["data"] == (x.__array_interface__["data"])
    )
    if same:
        warnings.warn(
            "The validation data are the training data: they say nothing about samples that the "
            "network has not seen. Hold some out: tinynn.stratified_split.",
            stacklevel=5,
        )
    return x_held, y_held


def better_than_guessing(row: Mapping[str, Any], output_shape: Shape) -> None:
    """An epoch's figures; a warning if guessing among classes would have done twice as well."""
    classes = output_shape[-1] if "accuracy" in row else np.inf
    if row["loss"] > 2 * np.log(classes):
        warnings.warn(
            f"The loss of epoch {row['epoch']} is {row['loss']:.3g}; guessing among {classes} "
            f"classes gives {np.log(classes):.3g}. The learning rate may be too high, or x not "
            "scaled: callbacks=[Doctor()] tells which.",
            stacklevel=5,
        )
