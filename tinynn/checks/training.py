"""What fit, evaluate, and all that look at a step are given: data over which no step stumbles."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import a_loss, array, instance
from tinynn.checks.batches import batch
from tinynn.checks.predictions import NoNumbers, masked_answer, refuse_unsound, scored
from tinynn.checks.tracebacks import short_traceback
from tinynn.checks.weights import sample_weights, weights
from tinynn.errors import InputError
from tinynn.parameters import Array

ENOUGH = 64  # steps, before which it is too early to call a training hopeless


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
    given = array(sample_weight, f"{kind}sample_weight")
    dtype = given.dtype if given.dtype.kind == "f" else np.float64
    return x, y, weights(given, len(x), dtype, f"{kind}sample_weight")


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


def fitting(
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


def _sound(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike, caller: str, kind: str = ""
) -> tuple[Array, Array]:
    """Samples and answers that fit, and all of whose numbers are finite."""
    x, y = _samples(model, x, y, caller, kind)
    _finite(f"{kind}x", x, model.dtype)
    _finite(f"{kind}y", y, model.dtype)
    loss.check_targets(y, model.output_shapes[-1])
    return x, y


@short_traceback
def one_step(
    model: Any, network: type, loss: Any, losses: type, x: npt.ArrayLike, y: npt.ArrayLike,
    caller: str, dtype: npt.DTypeLike | None = None, sample_weight: npt.ArrayLike | None = None,
) -> tuple[Array, ...]:  # fmt: skip
    """Data, as arrays, of which a step is to be told: a copy of the model goes forward and back.

    network, losses: the classes Sequential and Loss. dtype: of the copy; without, the model's own.
    """
    softmax_once(instance(model, network, "model"), instance(loss, losses, "loss"))
    x, y = _sound(model, loss, x, y, caller)
    twin, loss = model.astype(dtype or model.dtype), copy.deepcopy(loss)  # it may have a memory
    of_samples = sample_weights(twin, loss, sample_weight, len(x))
    some = [each[:32] for each in (y, *of_samples)]
    with np.errstate(all="ignore"):
        p = twin.forward(x[:32])
        if not scored(p, loss.classifies):
            _refuse_no_numbers(twin, loss, x[:32], caller)
        a_loss(loss.forward(p, *some), loss)
        twin.backward(loss.backward(p, *some))
    return x, y, *of_samples


@short_traceback
def data(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None, *, kind: str = "",
) -> tuple[Array, ...]:  # fmt: skip
    """Samples and answers to train on, as arrays, not copied: no step will stumble over them.

    With weights, if there are any, in the model's precision. A warning for bytes that nobody has
    scaled.
    """
    x, y = _sound(model, loss, x, y, "fit", kind)
    given = (y, *sample_weights(model, loss, sample_weight, len(x), kind))
    if np.isfinite(model.params).all():  # or a checkpoint is to mend them
        _try(model, loss, x[:1], *(each[:1] for each in given))
    if not kind and _are_bytes(x):  # of validation data `held_out` compares the scale
        few = [each[:32] for each in given]
        now, scaled = (_try(model, loss, some, *few) for some in (x[:32], x[:32] / 255))
        remedy = "tinynn.scale_pixels(x)" if x.dtype == np.uint8 else "x / 255"
        warnings.warn(
            f"x holds bytes, 0 to {x.max():g}. Networks learn better from 0 to 1: with {remedy} "
            f"the loss begins at {scaled:.3g}, as it is at {now:.3g}.",
            stacklevel=5,  # at the line that called fit
        )
    return x, *given


def _are_bytes(x: Array) -> bool:
    """Whether x holds unscaled bytes, of whatever dtype; a few samples tell.

    >>> _are_bytes(np.array([[0.0, 0.0, 17.0, 254.0]])), _are_bytes(np.array([[0, 1, 2, 3]]))
    (True, False)
    """
    if x.dtype == np.uint8:
        return bool(x.size and x.max() > 1)
    few = _few(x)
    whole = few.size and few.min() >= 0 and 127 < few.max() <= 255 and (few == np.rint(few)).all()
    return bool(whole and np.mean(few[few > 0] > 1) > 0.5)


def _few(x: Array) -> Array:
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
    return a_loss(value, loss)


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
            sizes = [_usual_size(_few(each)) for each in (data_given, held)]
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


def better_than_guessing(
    rows: Sequence[Mapping[str, Any]], guess: Any, steps: int, left: int
) -> None:
    """The metrics of an epoch, after those of up to ten before: a warning if they are hopeless.

    guess: what is to be beaten. steps: taken so far. left: how many epochs are to come. Classes: if
    guessing would have done twice as well. Numbers: if the mean of y would have, too, half of all
    epochs are over, and at the pace of the last ten neither those left nor ten would be enough.
    """
    epoch, loss = rows[-1]["epoch"], rows[-1]["loss"]
    any_class = np.log(guess.classes or 1) * guess.weight
    if guess.classes and loss > 2 * max(any_class, guess.loss):
        warnings.warn(
            f"The loss of epoch {epoch} is {loss:.3g}; guessing among {guess.classes} "
            f"classes gives {any_class:.3g}. The learning rate may be too high, or x "
            "not scaled: callbacks=[Doctor()] tells which.",
            stacklevel=5,
        )
    slowest = guess.unscaled and not left  # of a first epoch nothing else is known
    rows = rows[-11:]  # of one epoch it would be chance whether the loss rises
    fall = (rows[0]["loss"] - loss) / (len(rows) - 1) if len(rows) > 1 else np.inf
    fall = 0 if slowest and len(rows) == 1 else fall
    hopeless = (
        left < epoch and loss > 2 * guess.loss and loss - guess.loss > max(left, 10) * max(fall, 0)
    )
    if not guess.classes and hopeless and steps >= ENOUGH:
        cause = "The learning rate may be too high or too low, or x not scaled: "
        if guess.unscaled or guess.narrow:
            cause = (
                f"y has mean {guess.mean:.3g} and standard deviation {guess.std:.3g}: train on "
                f"{guess.scaling}, and undo it on what the model predicts. "
            )
        warnings.warn(  # the same words after each epoch, so that Python shows them once
            f"The loss is over twice what always predicting the mean of y gives, {guess.loss:.3g}, "
            f"and falls slowly, or not at all. {cause}callbacks=[Doctor()] tells more.",
            stacklevel=5,
        )
