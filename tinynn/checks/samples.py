"""Samples and their targets: they must fit the model and the loss, and hold finite numbers."""

import copy
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import instance, loss_value
from tinynn.checks.arrays import array
from tinynn.checks.batches import batch
from tinynn.checks.predictions import NoNumbers, masked_answer, refuse_unsound, scored
from tinynn.checks.sample_shapes import prediction_batches
from tinynn.checks.tracebacks import short_traceback
from tinynn.checks.weights import sample_weights, weights
from tinynn.errors import InputError
from tinynn.parameters import Array

KINDS_OF_NUMBERS = ("logits", "probabilities", "independent probabilities", "")


def paired(
    x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, kind: str = ""
) -> tuple[Array, ...]:
    """Samples, their targets, and their weights if there are any: as many of each, 1 or more."""
    x, y = array(x, f"{kind}x"), array(y, f"{kind}y")
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise InputError(
            f"{kind}x and y must have the same number of samples, 1 or more; got shapes {x.shape} "
            f"and {y.shape}."
        )
    if sample_weight is None:
        return x, y
    given_weights = array(sample_weight, f"{kind}sample_weight")
    dtype = given_weights.dtype if given_weights.dtype.kind == "f" else np.float64
    return x, y, weights(given_weights, len(x), dtype, f"{kind}sample_weight")


def softmax_once(model: Any, loss: Any) -> None:
    """A model and its loss in which softmax is applied only once, and to two classes or more."""
    for thing in (*model.layers, loss):
        _refuse_unknown_kind(thing)
    last, before = model.layers[-1], model.layers[-2:-1]
    if last.takes == "logits" and any("probabilities" in layer.gives for layer in before):
        raise InputError(
            f"{before[0].name} and {last.name}: the second one gets probabilities instead of "
            "logits, and makes them nearly equal. Remove one of the two."
        )
    if last.gives == "probabilities" and model.output_shapes[-1][-1:] == (1,):
        raise InputError(
            f"{last.name} gets one number for each sample, so it always returns 1. For two "
            f"classes, end the model with Dense(2), {type(last).__name__}(). To predict a number, "
            f"remove {type(last).__name__}()."
        )
    _refuse_other_probabilities(last, loss)
    if last.gives == "probabilities" and loss.takes == "logits":
        classes = model.output_shapes[-1][-1]
        least = np.log(1 + (classes - 1) / np.e)  # for probability 1 of the right class
        raise InputError(
            f"Softmax is applied twice: by {last.name} and by {type(loss).__name__}. With "
            f"{classes} classes the loss could never fall below {least:.3f}. Remove "
            f"{type(last).__name__}() or use CrossEntropy()."
        )


def _refuse_unknown_kind(thing: Any) -> None:
    """What a layer or a loss says of its input and output, in the words that are compared."""
    for name in ("takes", "gives"):
        said = getattr(thing, name, "")
        if said not in KINDS_OF_NUMBERS:
            raise InputError(
                f"{type(thing).__name__}.{name} must be one of "
                f"{', '.join(map(repr, KINDS_OF_NUMBERS))}, got {said!r:.60}."
            )


def _refuse_other_probabilities(last: Any, loss: Any) -> None:
    """A last layer and a loss that mean the same by p: rows that sum to 1, or independent ones."""
    of_labels = "for labels of which a sample may have several"
    remedies = {
        ("probabilities", "independent probabilities"): "p are rows that sum to 1. Use "
        f"CrossEntropy(), or, {of_labels}, Sigmoid() instead of {type(last).__name__}().",
        ("probabilities", "logits"): f"it takes logits. Remove {type(last).__name__}() {of_labels}"
        "; use CrossEntropy() for one class of several.",
        ("independent probabilities", "logits"): f"it takes logits. Remove {type(last).__name__}()"
        + (" or use BinaryCrossEntropy()." if not loss.classifies else "."),
        ("independent probabilities", "probabilities"): "its rows must sum to 1. Use Softmax() "
        f"instead of {type(last).__name__}(), or, {of_labels}, BinaryCrossEntropy().",
    }
    remedy = remedies.get((last.gives, loss.takes))
    softmax_twice = last.gives == "probabilities" and loss.boundary is None
    if remedy and not softmax_twice:  # that has an error of its own
        raise InputError(f"{last.name} does not fit {type(loss).__name__}: {remedy}")


def fitting_samples(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None, caller: str,
) -> tuple[Array, ...]:  # fmt: skip
    """Samples, targets and weights as arrays, in the shapes that the model and the loss accept."""
    x, y = map(read_only, _samples(model, x, y, caller))
    loss.check_targets(y, model.output_shapes[-1])
    return x, y, *sample_weights(model, loss, sample_weight, len(x))


def _samples(
    model: Any, x: npt.ArrayLike, y: npt.ArrayLike, caller: str, kind: str = ""
) -> tuple[Array, Array]:
    """Samples in the shape that the model accepts, and as many targets."""
    x, y = array(x, f"{kind}x"), array(y, f"{kind}y")
    if x.shape != model.input_shape:  # else it is one sample: `batch` refuses it, with a remedy
        x, y = paired(x, y, kind=kind)
    flat_numbers = x.ndim == 1 and model.input_shape == (1,)  # `batch` refuses them, too
    if x.shape[1:] != model.input_shape == y.shape[1:] and not flat_numbers:
        raise InputError(
            f"The model accepts samples of shape {model.input_shape}, but {kind}x has samples of "
            f"shape {x.shape[1:]}, and {kind}y of {y.shape[1:]}. Are x and y swapped? x comes "
            "first. If not, give Sequential the shape of one sample: input_shape=np.shape(x)[1:]."
        )
    batch(x, model.input_shape, caller)
    return x, y


def read_only(values: Array) -> Array:
    """The same numbers, which code of the user's own, such as a loss, cannot change in place."""
    if not isinstance(values, np.ndarray):  # rows that are made later
        return values
    view = values.view()
    view.flags.writeable = False
    return view


def first_with_parameters(model: Any) -> int:
    """The position of the first layer that has parameters; 0 if there is none."""
    return next((i for i, layer in enumerate(model.layers) if layer.parameters()), 0)


def entering(model: Any, x: Array) -> Array:
    """What the first layer with parameters gets for samples x: Rescale, for one, stands before it.

    >>> from tinynn import Dense, Rescale, Sequential
    >>> entering(Sequential([Rescale(0.5), Dense(1)], input_shape=(2,)), np.array([[2, 4]]))
    array([[1., 2.]], dtype=float32)
    """
    given = x.astype(model.dtype)
    for layer in model.layers[: first_with_parameters(model)]:
        given = layer.forward(given, training=False)
    return given


def _finite(name: str, values: Array, dtype: np.dtype[Any]) -> None:
    """Numbers that are finite, also in the model's dtype (too large ones would become infinity)."""
    most = np.finfo(dtype).max
    rows = min(1024, max(1, 2**22 // max(1, prod(values.shape[1:]))))
    for start in range(0, len(values) if values.dtype.kind == "f" else 0, rows):
        piece = values[start : start + rows]  # in pieces: the data may be large
        if not np.isfinite(piece).all():
            sample = start + int(np.argwhere(~np.isfinite(piece))[0, 0])
            raise InputError(
                f"{name} holds NaN or infinity, first in sample {sample}. Remove such samples, or "
                "replace such numbers, for instance by the mean."
            )
        if values.dtype.itemsize > dtype.itemsize and (np.abs(piece) > most).any():
            at = tuple(np.argwhere(np.abs(piece) > most)[0])
            remedy = f"Scale {name.split()[-1]} to about 0 to 1"
            if dtype == np.float32:
                remedy += ", or build the model with dtype=np.float64"
            raise InputError(
                f"{name} holds {piece[at]:.3g}, first in sample {start + int(at[0])}. This is too "
                f"large for the model's {dtype} ({most:.2g} at most). {remedy}."
            )


def _refuse_no_numbers(model: Any, loss: Any, x: Array, caller: str) -> None:
    """Raise NoNumbers, with the place, if a parameter or a layer's output for x is not finite."""
    for name, view in model.named_parameters().items():
        refuse_unsound(name, view, caller)
    out = x.astype(model.dtype)
    for layer in model.layers:
        out = layer.forward(out, training=False)
        if not scored(out, loss.classifies):
            wrong = np.count_nonzero(~np.isfinite(out))
            raise NoNumbers(
                f"{caller}: {wrong:,} of the {out.size:,} numbers that {layer.name} returns are "
                "NaN or infinite, but its input is finite. Are weights or x too large, or is there "
                "a root or a logarithm of 0 or less?"
            )


def refuse_no_loss(model: Any, loss: Any, x: Array, y: Array, caller: str) -> None:
    """Raise the error for data whose loss is NaN or infinite: it names the first cause."""
    _finite("x", x, model.dtype)
    _finite("y", y, model.dtype)
    for part in prediction_batches(model, len(x)):
        _refuse_no_numbers(model, loss, x[part], caller)
    p = model.predict(x)
    masked = masked_answer(p, y) if loss.classifies else ""
    if masked:
        raise NoNumbers(f"{caller}: the loss is infinite. The model returns {masked}.")
    raise NoNumbers(
        f"{caller}: the loss is NaN or infinite, but the predictions are finite, from "
        f"{p.min():.3g} to {p.max():.3g}. A square or a logarithm in the loss is out of range. "
        "Are x or y too large, or is there a logarithm of 0 or less?"
    )


def finite_samples(
    model: Any, loss: Any, x: npt.ArrayLike, y: npt.ArrayLike, caller: str, kind: str = ""
) -> tuple[Array, Array]:
    """Samples and targets that fit the model and the loss, with finite numbers."""
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
    """The samples, targets and weights of a step, as arrays, after a trial step on a copy.

    network, losses: the classes Sequential and Loss. dtype: of the copy; None for the model's own.
    """
    softmax_once(instance(model, network, "model"), instance(loss, losses, "loss"))
    x, y = finite_samples(model, loss, x, y, caller)
    copied = model.astype(dtype or model.dtype)
    loss = copy.deepcopy(loss)  # a loss of the user's own may keep state
    given_weights = sample_weights(copied, loss, sample_weight, len(x))
    first = [each[:32] for each in (y, *given_weights)]
    with np.errstate(all="ignore"):
        p = copied.forward(x[:32])
        if not scored(p, loss.classifies):
            _refuse_no_numbers(copied, loss, x[:32], caller)
        loss_value(loss.forward(p, *first), loss)
        copied.backward(loss.backward(p, *first))
    return x, y, *given_weights
