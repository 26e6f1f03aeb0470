"""Samples and their answers: they fit the model and the loss, and all numbers are finite."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import instance, loss_value
from tinynn.checks.arrays import array
from tinynn.checks.batches import batch
from tinynn.checks.predictions import NoNumbers, masked_answer, refuse_unsound, scored
from tinynn.checks.tracebacks import short_traceback
from tinynn.checks.weights import sample_weights, weights
from tinynn.errors import InputError
from tinynn.parameters import Array


def paired(
    x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, kind: str = ""
) -> tuple[Array, ...]:
    """Samples, their answers, and their weights if there are any: as many of each, 1 or more."""
    x, y = array(x, f"{kind}x"), array(y, f"{kind}y")
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise InputError(
            f"{kind}x and y must have as many samples as each other, 1 or more; their shapes are "
            f"{x.shape} and {y.shape}."
        )
    if sample_weight is None:
        return x, y
    given_weights = array(sample_weight, f"{kind}sample_weight")
    dtype = given_weights.dtype if given_weights.dtype.kind == "f" else np.float64
    return x, y, weights(given_weights, len(x), dtype, f"{kind}sample_weight")


def softmax_once(model: Any, loss: Any) -> None:
    """A model and its loss: what takes scores gets no probabilities, which are softmax' already."""
    last, before = model.layers[-1], model.layers[-2:-1]
    if last.takes == "scores" and any(layer.gives == "probabilities" for layer in before):
        raise InputError(
            f"{before[0].name} and {last.name}: the second gets probabilities, which it makes "
            "nearly equal. Remove one of the two."
        )
    if last.gives == "probabilities" and model.output_shapes[-1][-1:] == (1,):
        raise InputError(
            f"{last.name} gets one number a sample, and makes 1 of each. For two classes end with "
            f"Dense(2), {type(last).__name__}(); for a number to be predicted, without "
            f"{type(last).__name__}."
        )
    if last.gives == "probabilities" and loss.takes == "scores":
        classes = model.output_shapes[-1][-1]
        least = np.log(1 + (classes - 1) / np.e)  # at scores of 1 for the right class, 0 elsewhere
        raise InputError(
            f"{type(loss).__name__} applies softmax itself, and {last.name} already did: with "
            f"{classes} classes the loss could never fall below {least:.3f}. Remove "
            f"{type(last).__name__}() or use CrossEntropy()."
        )


def fitting_samples(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None, caller: str,
) -> tuple[Array, ...]:  # fmt: skip
    """Samples, answers and weights as arrays, in the shapes that model and loss take."""
    x, y = _samples(model, x, y, caller)
    loss.check_targets(y, model.output_shapes[-1])
    return x, y, *sample_weights(model, loss, sample_weight, len(x))


def _samples(
    model: Any, x: npt.ArrayLike, y: npt.ArrayLike, caller: str, kind: str = ""
) -> tuple[Array, Array]:
    """Samples in the shape that the model takes, and as many answers."""
    x, y = array(x, f"{kind}x"), array(y, f"{kind}y")
    if x.shape != model.input_shape:  # else it is one sample, and `batch` tells how to give it
        x, y = paired(x, y, kind=kind)
    numbers = x.ndim == 1 and model.input_shape == (1,)  # in a row: `batch` tells what is missing
    if x.shape[1:] != model.input_shape == y.shape[1:] and not numbers:
        raise InputError(
            f"{kind}x has samples of shape {x.shape[1:]} and {kind}y of {y.shape[1:]}, which is "
            "what the model takes. Are they swapped? Samples come first: x, then y. If not, "
            "input_shape is one sample's shape: input_shape=x.shape[1:]."
        )
    batch(x, model.input_shape, caller)
    return x, y


def _finite(name: str, values: Array, dtype: np.dtype[Any]) -> None:
    """Numbers that are finite, in the model's dtype too: what is too large becomes infinity."""
    most = np.finfo(dtype).max
    for start in range(0, len(values) if values.dtype.kind == "f" else 0, 1024):
        piece = values[start : start + 1024]  # in pieces: the data may be large
        if not np.isfinite(piece).all():
            sample = start + int(np.argwhere(~np.isfinite(piece))[0, 0])
            raise InputError(
                f"{name} holds NaN or infinity, first in sample {sample}. Remove such samples, "
                "or put in what is missing, for instance the mean."
            )
        if values.dtype.itemsize > dtype.itemsize and (np.abs(piece) > most).any():
            at = tuple(np.argwhere(np.abs(piece) > most)[0])
            remedy = "scale it down, as to about size 1"
            if dtype == np.float32:
                remedy += ", or build the model with dtype=np.float64"
            raise InputError(
                f"{name} holds {piece[at]:.3g}, first in sample {start + int(at[0])}, which is too "
                f"large for the model's {dtype} ({most:.2g} at most): {remedy}."
            )


def _refuse_no_numbers(model: Any, loss: Any, x: Array, caller: str) -> None:
    """A model that gives numbers for x: its parameters are, and what each layer returns."""
    for name, view in model.named_parameters().items():
        refuse_unsound(name, view, caller)
    out = x.astype(model.dtype)
    for layer in model.layers:
        out = layer.forward(out, training=False)
        if not scored(out, loss.classifies):
            wrong = np.count_nonzero(~np.isfinite(out))
            raise NoNumbers(
                f"{caller}: {wrong:,} of the {out.size:,} numbers that {layer.name} returns are "
                "NaN or infinite, and what it got is finite. Are weights or x too large, or is "
                "there a root or logarithm of 0 or less?"
            )


def refuse_no_loss(model: Any, loss: Any, x: Array, y: Array, caller: str) -> None:
    """Data of which the loss is NaN or infinite: what it is, and where it begins."""
    _finite("x", x, model.dtype)
    _finite("y", y, model.dtype)
    for start in range(0, len(x), 1024):
        _refuse_no_numbers(model, loss, x[start : start + 1024], caller)
    p = model.predict(x)
    masked = masked_answer(p, y) if loss.classifies else ""
    if masked:
        raise NoNumbers(f"{caller}: the loss is infinite. The model returns {masked}.")
    raise NoNumbers(
        f"{caller}: the loss is no finite number, though the predictions are, from {p.min():.3g} "
        f"to {p.max():.3g}: its square or logarithm left the range of numbers."
    )


def finite_samples(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike, caller: str, kind: str = ""
) -> tuple[Array, Array]:
    """Samples and answers that fit, and all of whose numbers are finite."""
    x, y = _samples(model, x, y, caller, kind)
    _finite(f"{kind}x", x, model.dtype)
    _finite(f"{kind}y", y, model.dtype)
    loss.check_targets(y, model.output_shapes[-1])
    return x, y


@short_traceback
def samples_of_step(
    model: Any, network: type, loss: Any, losses: type, x: npt.ArrayLike, y: npt.ArrayLike,
    caller: str, dtype: npt.DTypeLike | None = None, sample_weight: npt.ArrayLike | None = None,
) -> tuple[Array, ...]:  # fmt: skip
    """Data, as arrays, of which a step is to be shown: a copy of the model goes forward and back.

    network, losses: the classes Sequential and Loss. dtype: of the copy; without, the model's own.
    """
    softmax_once(instance(model, network, "model"), instance(loss, losses, "loss"))
    x, y = finite_samples(model, loss, x, y, caller)
    copied, loss = model.astype(dtype or model.dtype), copy.deepcopy(loss)  # it may have a memory
    of_samples = sample_weights(copied, loss, sample_weight, len(x))
    some = [each[:32] for each in (y, *of_samples)]
    with np.errstate(all="ignore"):
        p = copied.forward(x[:32])
        if not scored(p, loss.classifies):
            _refuse_no_numbers(copied, loss, x[:32], caller)
        loss_value(loss.forward(p, *some), loss)
        copied.backward(loss.backward(p, *some))
    return x, y, *of_samples
