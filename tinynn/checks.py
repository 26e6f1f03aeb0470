"""The door: each mistake that can be foreseen, and what a good teacher would say to it.

A check returns what it was given, as an array where that is meant, or raises a ValueError that
tells what was expected, what came, where, and the likely remedy. All are called before anything is
changed. They stand here so that the mathematics elsewhere can be read without them.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from math import prod
from numbers import Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from tinynn.parameters import Array, Shape

P = ParamSpec("P")
R = TypeVar("R")
MEANT = {"checks.py", "npz.py", "storage.py", "resume.py", "callbacks.py"}  # to be read by users


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Let the error of a check be raised here, not from deep inside: a short traceback is read.

    Errors from elsewhere, such as a layer of the user's own, keep every line of their traceback.

    >>> from tinynn import Dense, Sequential
    >>> try:
    ...     Sequential([Dense(512)], input_shape=(28, 28))
    ... except ValueError as error:
    ...     error.__traceback__.tb_next.tb_next is None  # this line, and that of the door
    True
    """

    @wraps(function)
    def entered(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ValueError, OSError) as error:
            last: Any = error.__traceback__
            while last.tb_next:
                last = last.tb_next
            file = Path(last.tb_frame.f_code.co_filename)
            if file.parent != Path(__file__).parent or file.name not in MEANT:
                raise
            raise error.with_traceback(None) from error.__cause__

    return entered


def scale(name: str, value: float) -> float:
    """A positive number, as a Python float: a NumPy float64 would turn float32 arrays into float64.

    >>> scale("epsilon", 0)
    Traceback (most recent call last):
        ...
    ValueError: epsilon must be a positive number, got 0.
    """
    if not isinstance(value, Real) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}.")
    return float(value)


def decay(name: str, value: float) -> float:
    """A factor by which a memory fades at each step: at least 0, and below 1."""
    if not isinstance(value, Real) or not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}.")
    return float(value)


def returned_rate(value: float, t: int) -> float:
    """What a learning rate that is a function returned at step t: 0 or more."""
    if not isinstance(value, Real) or not 0 <= value < np.inf:
        raise ValueError(
            f"learning_rate is a function that must return a number, 0 or more, but for step {t} "
            f"it returned {value!r}."
        )
    return float(value)


@door
def dense(units: int, initializer: Any) -> None:
    """What a Dense is made with."""
    count("units of Dense", units)
    if not callable(initializer):
        raise ValueError(
            f"Dense expects an initializer such as tinynn.he_normal, got {initializer!r}."
        )


def sample_shape(shape: Sequence[int]) -> Shape:
    """The shape of one sample: whole numbers, 1 or more each."""
    if not isinstance(shape, Sequence) or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape
    ):
        raise ValueError(
            f"input_shape is the shape of one sample, such as (28, 28) or (2,), got {shape!r}."
        )
    return tuple(int(n) for n in shape)


def precision(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of a model: float32 or float64."""
    try:
        known = np.dtype(dtype)
    except TypeError:  # no dtype of any kind
        known = None
    if known not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")
    return known


def fresh_layers(layers: Iterable[Any], layer_class: type[Any]) -> list[Any]:
    """Layers for a model: one or more, each a layer, used once and in no other model.

    >>> from tinynn import Layer, ReLU
    >>> fresh_layers([ReLU], Layer)
    Traceback (most recent call last):
        ...
    ValueError: layers[0] is not a layer, got <class 'tinynn.layers.ReLU'>. Write ReLU().
    """
    if not isinstance(layers, Iterable):
        raise ValueError(f"Sequential expects a list of layers, got {layers!r}. Write [...].")
    layers = list(layers)
    if not layers:
        raise ValueError("Sequential needs one layer or more, got none.")
    places: dict[int, int] = {}
    for i, layer in enumerate(layers):
        if not isinstance(layer, layer_class):
            hint = f" Write {layer.__name__}()." if isinstance(layer, type) else ""
            raise ValueError(f"layers[{i}] is not a layer, got {layer!r}.{hint}")
        kind = type(layer).__name__
        first = places.setdefault(id(layer), i)
        if first != i:
            raise ValueError(
                f"layers[{first}] and layers[{i}] are the same {kind} object. A layer remembers "
                f"its own input: write {kind}() again."
            )
        if layer.built:
            raise ValueError(
                f"layers[{i}] is part of another model already (as {layer.name}), and its arrays "
                f"lie there. Write a new {kind}, or copy.deepcopy the whole model."
            )
    return layers


def with_own(known: Mapping[str, Any], own: Iterable[Any]) -> dict[str, Any]:
    """Classes and functions by their names, tinynn's and the user's own: no two share a name."""
    table = dict(known)
    for thing in own:
        if table.setdefault(thing.__name__, thing) is not thing:
            raise ValueError(
                f"There is another {thing.__name__} already, so a file could not tell yours from "
                "it. Give yours another name."
            )
    return table


def own_classes(layers: Any) -> list[Any]:
    """Classes and initializers of the caller's own, for a file that uses them.

    >>> from tinynn import Dense
    >>> own_classes(Dense)
    Traceback (most recent call last):
        ...
    ValueError: layers must be a list of your own classes, got <class 'tinynn.layers.Dense'>. Write
        layers=[Dense].
    """
    if not isinstance(layers, (list, tuple, set, frozenset)):
        hint = f" Write layers=[{layers.__name__}]." if hasattr(layers, "__name__") else ""
        raise ValueError(f"layers must be a list of your own classes, got {layers!r}.{hint}")
    for thing in layers:
        if not callable(thing) or not hasattr(thing, "__name__"):
            raise ValueError(
                f"layers must be a list of classes, such as [{type(thing).__name__}], not of "
                f"{thing!r}."
            )
    return list(layers)


def batch(x: npt.ArrayLike, input_shape: Shape, caller: str) -> Array:
    """A batch (B, *input_shape) of numbers for a model, read-only: no layer may change the data."""
    x = np.asarray(x).view()
    x.flags.writeable = False
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{caller} expects numbers, got an array of {x.dtype}.")
    if x.shape == input_shape:
        expected = ", ".join(map(str, ("B", *x.shape)))
        hint = "Give it x[None]."
        if caller in ("forward", "predict"):
            hint = f"Write model.{caller}(x[None])[0]."
        if len(x.shape) > 2:
            hint += (
                f" Are these {len(x)} samples? input_shape is the shape of one: "
                "input_shape=x.shape[1:]."
            )
        raise ValueError(f"{caller} expects a batch ({expected}), got one sample {x.shape}. {hint}")
    if x.shape[1:] != input_shape:
        raise ValueError(
            f"The model was built for samples of shape {input_shape}, x has samples of "
            f"{x.shape[1:]}. input_shape is one sample's shape: input_shape=x.shape[1:]."
        )
    return x


def pixels(images: npt.ArrayLike) -> Array:
    """Images of bytes."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(
            f"scale_pixels expects bytes (uint8, 0 to 255), got {images.dtype}. "
            "Have they been scaled already?"
        )
    return images


def vector(array: npt.ArrayLike, expectation: str) -> Array:
    """An array of one dimension."""
    array = np.asarray(array)
    if array.ndim != 1:
        raise ValueError(f"{expectation}, shape (N,), got {array.shape}.")
    return array


def flat(input_shape: Shape, layer: str) -> None:
    """Samples for a Dense: one row each.

    >>> flat((28, 28), "0.Dense")
    Traceback (most recent call last):
        ...
    ValueError: 0.Dense gets samples of shape (28, 28) but needs flat ones, (784,). Put Flatten()
        before it.
    """
    if len(input_shape) != 1:
        raise ValueError(
            f"{layer} gets samples of shape {input_shape} but needs flat ones, "
            f"({prod(input_shape)},). Put Flatten() before it."
        )


def parameter_names(names: Iterable[str], layer: Any) -> None:
    """Names for a layer's parameters: none of its other attributes has one, or will have."""
    taken = {*dir(layer), *(f"d{name}" for name in names)}
    taken -= {*layer.parameters(), *(f"d{name}" for name in layer.parameters())}  # of a first try
    for name in names:
        if name in taken:
            raise ValueError(
                f"{layer.name} has a parameter {name!r}, but something else of it has that name "
                "already. Give one of them another name."
            )


def returned(array: Any, shape: Shape, layer: Any, method: str) -> None:
    """What a layer's method returned: an array of this shape. NumPy would stretch others silently.

    >>> from tinynn import ReLU
    >>> returned(None, (32, 784), ReLU(), "input_gradient")
    Traceback (most recent call last):
        ...
    ValueError: ReLU.input_gradient returned None; it must return dx, shaped like x: (32, 784).
        Forgot "return dx"?
    """
    if getattr(array, "shape", None) != shape:
        what = "out, of shape" if method == "forward" else "dx, shaped like x:"
        got = f"an array of {array.shape}" if isinstance(array, np.ndarray) else f"{array!r}"
        hint = f' Forgot "return {what.split(",")[0]}"?' if array is None else ""
        raise ValueError(
            f"{layer.name}.{method} returned {got}; it must return {what} {shape}.{hint}"
        )


def output_gradient(
    dp: npt.ArrayLike, shape: Shape | None, dtype: npt.DTypeLike, caller: str
) -> Array:
    """The gradient with respect to what forward returned, which had this shape, in this dtype."""
    if shape is None:
        raise ValueError(
            f"{caller} needs what forward(x) remembered, but no forward came before it (predict "
            "remembers nothing). Call model.forward(x) on this batch first."
        )
    dp = np.asarray(dp)
    if dp.dtype.kind not in "biuf":
        raise ValueError(f"{caller} expects numbers, got an array of {dp.dtype}.")
    if dp.shape != shape:
        raise ValueError(
            f"{caller}: forward returned an array of shape {shape}, so its gradient has that "
            f"shape too, but dp is {dp.shape}."
        )
    return dp.astype(dtype, copy=False)


def labels(y: npt.ArrayLike, classes: int, caller: str) -> Array:
    """Classes (N,): whole numbers from 0 to classes - 1.

    >>> labels([1, 2, 3], 3, "one_hot")
    Traceback (most recent call last):
        ...
    ValueError: one_hot: there are 3 classes (0 to 2) but y contains 3. Do your labels start at 1?
        Use y - 1. If there are 4 classes, say classes=4.
    """
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        hint = " Use y.astype(int)." if y.ndim == 1 and y.dtype.kind in "bf" else ""
        raise ValueError(
            f"{caller} expects one whole number a sample, shape (N,), got shape {y.shape} of "
            f"{y.dtype}.{hint}"
        )
    low, high = (int(y.min()), int(y.max())) if y.size else (0, 0)
    if low < 0:
        raise ValueError(f"{caller}: classes count from 0, but y contains {low}.")
    if high >= classes:
        start_at_1 = "Do your labels start at 1? Use y - 1. " if low else ""
        more = "end with Dense({})" if caller.endswith("CrossEntropy") else "say classes={}"
        raise ValueError(
            f"{caller}: there are {classes} classes (0 to {classes - 1}) but y contains {high}. "
            f"{start_at_1}If there are {high + 1} classes, {more.format(high + 1)}."
        )
    return y


def class_targets(p_shape: Shape, y: npt.ArrayLike, loss: str) -> Array:
    """The answer to predictions (B, C): classes (B,), or rows (B, C) that sum to 1."""
    y = np.asarray(y)
    if len(p_shape) != 2 or not p_shape[0]:
        raise ValueError(f"{loss} expects a batch of rows (B, C), 1 sample or more, got {p_shape}.")
    if y.shape not in (p_shape, p_shape[:1]):
        hint = ""
        if y.ndim == 2 and len(y) == p_shape[0]:
            hint = f" These rows are for {y.shape[1]} classes: one_hot(labels, {p_shape[1]})."
        elif not y.ndim or len(y) != p_shape[0]:
            hint = " Each sample needs one answer: were x and y cut at different places?"
        raise ValueError(
            f"{loss}: for p of shape {p_shape} y must be classes {p_shape[:1]} or rows {p_shape}, "
            f"got {y.shape}.{hint}"
        )
    if y.ndim == 1:
        return labels(y, p_shape[1], loss)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"{loss}: the rows of y must be numbers, got {y.dtype}.")
    sums = y.sum(axis=1)
    wrong = ~(np.abs(sums - 1) < 1e-3) | (y.min(axis=1) < 0)  # so written, NaN is wrong too
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{loss}: rows of y must not be negative and must sum to 1, but row {row} sums to "
            f"{sums[row]:.4g} and its smallest is {y[row].min():.4g}. For classes, pass them as "
            "they are, shape (B,), or through one_hot."
        )
    return y


@door
def class_rows(p: Array, y: npt.ArrayLike, loss: str) -> Array:
    """The answer to predictions p (B, C) as rows (B, C) of p's dtype, given as such or as classes.

    >>> class_rows(np.ones((2, 3), np.float32) / 3, [2, 0], "CrossEntropy")
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    y = class_targets(p.shape, y, loss)
    dtype = np.result_type(p, np.float32)
    return np.eye(p.shape[1], dtype=dtype)[y] if y.ndim == 1 else y.astype(dtype, copy=False)


def probabilities(p: Array) -> None:
    """Rows (B, C), each of numbers from 0 up that sum to 1."""
    sums = p.sum(axis=-1)  # (B,)
    if not (np.abs(sums - 1).max() < 1e-3 and p.min() >= 0):  # so written, NaN is wrong too
        row = int((~(np.abs(sums - 1) < 1e-3) | (p.min(axis=-1) < 0)).argmax())
        remedy = "End the model with Softmax(), or use SoftmaxCrossEntropy()."
        if np.isnan(p).any():
            remedy = "Has training diverged? Then try a smaller learning rate."
        raise ValueError(
            f"CrossEntropy expects probabilities, but row {row} of p sums to {sums[row]:.4g} and "
            f"its smallest is {p[row].min():.4g}. {remedy}"
        )


def targets(p: Array, y: npt.ArrayLike) -> Array:
    """The answer to predictions p of any shape: numbers in the same shape and precision."""
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"MeanSquaredError expects numbers, got y of {y.dtype}.")
    y = y.astype(np.result_type(p, np.float32), copy=False)
    if y.shape != p.shape:
        remedy = "They must have one shape."
        if y.shape == p.shape[:1]:
            remedy += f" If y are classes, use one_hot(y, {p.shape[-1]}), or a cross-entropy."
        if p.shape == (*y.shape, 1):
            both = np.broadcast_shapes(p.shape, y.shape)
            remedy = f"NumPy would stretch both to {both} and train on nonsense. Use y[:, None]."
        raise ValueError(f"MeanSquaredError: p is {p.shape}, y is {y.shape}. {remedy}")
    if not p.size:
        raise ValueError(f"MeanSquaredError expects 1 sample or more, got p of shape {p.shape}.")
    return y


def same_length(params: Array, grads: Array, memory: dict[str, Array], optimizer: str) -> None:
    """Parameters, gradients and an optimizer's memory: vectors of one length."""
    sizes = {vector.size for vector in (params, grads, *memory.values())}
    if len(sizes) > 1:
        raise ValueError(
            f"{optimizer} has {params.size} parameters, {grads.size} gradients and a memory of "
            f"{[vector.size for vector in memory.values()]}. Make a new optimizer for a new model."
        )


def memory(state: Mapping[str, Any], names: Sequence[str], optimizer: str) -> None:
    """What an optimizer's `state()` returned: the step count t, and its vectors."""
    if set(state) != {"t", *names}:
        raise ValueError(
            f"{optimizer} remembers {', '.join(('t', *names))}, but this state has "
            f"{', '.join(state)}. Is it another optimizer's?"
        )
    count("the step count t of an optimizer's state", state["t"], least=0, most=2**53)


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
            f"classes gives {np.log(classes):.3g}. The learning rate may be too high.",
            stacklevel=5,
        )


def instance(thing: Any, kind: type, name: str) -> Any:
    """An object of one kind.

    >>> from tinynn import CrossEntropy, Loss
    >>> instance(CrossEntropy, Loss, "loss")
    Traceback (most recent call last):
        ...
    ValueError: loss must be a Loss, got <class 'tinynn.losses.CrossEntropy'>. Write CrossEntropy().
    """
    if not isinstance(thing, kind):
        hint = f" Write {thing.__name__}()." if isinstance(thing, type) else ""
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ValueError(f"{name} must be {article} {kind.__name__}, got {thing!r}.{hint}")
    return thing


def instances(things: Any, kind: type, name: str) -> list[Any]:
    """A list of objects of one kind."""
    if not isinstance(things, Iterable):
        raise ValueError(f"{name} must be a list, got {things!r}. Write [...].")
    return [instance(thing, kind, f"{name}[{i}]") for i, thing in enumerate(things)]


def count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    """A whole number of things.

    >>> count("batch_size", 64, most=50)
    Traceback (most recent call last):
        ...
    ValueError: batch_size must be a whole number from 1 to 50, got 64.
    """
    if (
        not isinstance(value, (int, np.integer))
        or isinstance(value, bool)
        or value < least
        or (most is not None and value > most)
    ):
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {limits}, got {value!r}.")
