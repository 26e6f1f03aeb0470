"""Layers that make a network, and what goes through it: shapes that fit, forward and back."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from math import prod
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import array, check_integer, numbers
from tinynn.errors import InputError
from tinynn.parameters import Array, Shape


class Layers(tuple[Any, ...]):
    """The layers of a model: a tuple, which says what to write where a list would change.

    >>> Layers()[0] = "another"
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: model.layers cannot be changed: the arrays of all layers lie in one
        vector. Set
        weights by model.layers[0].W = ..., or make a new Sequential of new layers.
    """

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise InputError(
            "model.layers cannot be changed: the arrays of all layers lie in one vector. Set "
            "weights by model.layers[0].W = ..., or make a new Sequential of new layers."
        )

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = insert = extend = pop = remove = clear = reverse = sort = _refuse

    def __add__(self, more: Any) -> Any:
        return super().__add__(more) if isinstance(more, tuple) else self._refuse()

    __radd__ = _refuse

    def copy(self) -> Any:
        raise InputError(
            "model.layers is a tuple, which has no copy(): a list of the same layers is "
            "list(model.layers), and a copy of all, with their weights, copy.deepcopy(model)."
        )


def fresh_layers(layers: Iterable[Any], layer_class: type[Any]) -> Layers:
    """Layers for a model: one or more, each a layer, used once and in no other model.

    >>> from tinynn import Layer, ReLU
    >>> fresh_layers([ReLU], Layer)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: layers[0] is not a layer, got <class 'tinynn.layers.basic.ReLU'>.
        Write
        ReLU().
    """
    if not isinstance(layers, Iterable):
        raise InputError(f"Sequential expects a list of layers, got {layers!r}. Write [...].")
    layers = Layers(layers)
    if not layers:
        raise InputError("Sequential needs one layer or more, got none.")
    places: dict[int, int] = {}
    for i, layer in enumerate(layers):
        if not isinstance(layer, layer_class):
            hint = f" Write {layer.__name__}()." if isinstance(layer, type) else ""
            raise InputError(f"layers[{i}] is not a layer, got {layer!r}.{hint}")
        kind = type(layer).__name__
        if not _takes_training(layer.forward):
            raise InputError(
                f"{kind}.forward is called with two arguments: def forward(self, x, training=True)."
            )
        first = places.setdefault(id(layer), i)
        if first != i:
            raise InputError(
                f"layers[{first}] and layers[{i}] are the same {kind} object. A layer remembers "
                f"its own input: write {kind}() again."
            )
        if layer.built:
            raise InputError(
                f"layers[{i}] is part of another model already (as {layer.name}), and its arrays "
                f"lie there. Write a new {kind}, or copy.deepcopy the whole model."
            )
    return layers


def _takes_training(forward: Any) -> bool:
    """Whether a method can be called as forward(x, training)."""
    try:
        signature(forward, follow_wrapped=False).bind("x", True)  # a wrapper is what is called
    except TypeError:
        return False
    except ValueError:
        return True  # what is built in has no signature to be read
    return True


def with_own(known: Mapping[str, Any], own: Iterable[Any]) -> dict[str, Any]:
    """Classes and functions by their names, tinynn's and the user's own: no two share a name."""
    table = dict(known)
    for thing in own:
        if table.setdefault(thing.__name__, thing) is not thing:
            raise InputError(
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
    tinynn.errors.InputError: layers must be a list of your own classes, got <class
        'tinynn.layers.basic.Dense'>. Write
        layers=[Dense].
    """
    if not isinstance(layers, (list, tuple, set, frozenset)):
        hint = f" Write layers=[{layers.__name__}]." if hasattr(layers, "__name__") else ""
        raise InputError(f"layers must be a list of your own classes, got {layers!r}.{hint}")
    for thing in layers:
        if not callable(thing) or not hasattr(thing, "__name__"):
            raise InputError(
                f"layers must be a list of classes, such as [{type(thing).__name__}], not of "
                f"{thing!r}."
            )
    return list(layers)


def check_flat_samples(input_shape: Shape, layer: str) -> None:
    """Samples for a Dense: one row each.

    >>> check_flat_samples((28, 28), "0.Dense")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Dense gets samples of shape (28, 28) but needs flat ones, (784,).
        Put Flatten()
        before it.
    """
    if len(input_shape) != 1:
        raise InputError(
            f"{layer} gets samples of shape {input_shape} but needs flat ones, "
            f"({prod(input_shape)},). Put Flatten() before it."
        )


def shape_after(shape: Any, layer: Any) -> Shape:
    """What a layer's output_shape returned: the shape of a sample, a tuple of whole numbers.

    >>> from tinynn import ReLU
    >>> shape_after(4, ReLU())
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.output_shape returned 4; it must return the shape of one sample,
        a tuple such
        as (4,).
    """
    if not _is_shape(shape):
        hint = ' Forgot "return"?' if shape is None else ""
        raise InputError(
            f"{layer.name}.output_shape returned {shape!r}; it must return the shape of one "
            f"sample, a tuple such as ({shape if isinstance(shape, int) else 4},).{hint}"
        )
    return tuple(shape)


def _is_shape(shape: Any) -> bool:
    """Whether this is a tuple (or list) of whole numbers, 0 or more each."""
    return isinstance(shape, (tuple, list)) and all(
        isinstance(n, (int, np.integer)) and n >= 0 for n in shape
    )


def parameter_shapes(shapes: Any, buffers: Any, layer: Any) -> None:
    """Names and shapes of a layer's parameters and buffers: no other attribute has such a name."""
    for told, kind, example in (
        (shapes, "parameter", '{"W": (784, 512), "b": (512,)}'),
        (buffers, "buffer", '{"running_mean": (512,)}'),
    ):
        if not isinstance(told, Mapping) or not all(map(_is_shape, told.values())):
            hint = ' Forgot "return"?' if told is None else ""
            raise InputError(
                f"{layer.name}.{kind}_shapes returned {told!r}; it must return the shape of each "
                f"{kind} by its name, such as {example}.{hint}"
            )
    there = {*layer.parameters(), *layer.buffers()}  # of a first try, which failed
    early = [name for name in (*shapes, *buffers) if _is_array_of(layer, name)]
    if early and not there:
        raise InputError(
            f"{layer.name} has no {early[0]} of its own before the model is built, but one was "
            f"assigned to it. Build the model first, then assign: model.layers[{layer.position}]."
            f"{early[0]} = ..., or fill it in initialize(self, rng)."
        )
    taken = {*dir(layer)} - {*there, *(f"d{name}" for name in layer.parameters())}
    names = [*shapes, *(f"d{name}" for name in shapes), *buffers]
    for name in names:
        if name in taken or names.count(name) > 1:
            kind = "buffer" if name in buffers else "parameter"
            raise InputError(
                f"{layer.name} has a {kind} {name!r}, but something else of it has that name "
                "already. Give one of them another name."
            )


def _is_array_of(layer: Any, name: str) -> bool:
    return isinstance(vars(layer).get(name), (np.ndarray, list))


def something_trainable(model: Any) -> None:
    """Warn of a training that can change nothing."""
    if model.params.size and not any(one.trainable for one in model.layers if one.parameters()):
        warnings.warn(
            "All layers are frozen (trainable = False): training will change nothing.",
            stacklevel=4,
        )


def in_no_model(layer: str) -> InputError:
    """The error for a layer that draws random numbers, and whose model is not known."""
    return InputError(
        f"{layer} draws random numbers from its model's seed and step, but is in no model. Put it "
        "into one, Sequential([...], input_shape=...), and call that."
    )


def check_initial_values(W: Any, shape: Shape, layer: str) -> Any:
    """What an initializer returned: an array of the shape that it was asked for."""
    if np.shape(W) != shape:
        hint = ' Forgot "return"?' if W is None else ""
        if np.shape(W) == shape[::-1]:
            hint = " Is that its transpose? (fan_in, fan_out) is the order here."
        got = "None" if W is None else f"shape {np.shape(W)}"
        raise InputError(
            f"The initializer of {layer} was asked for shape {shape}, but returned {got}.{hint}"
        )
    return W


def batch(x: npt.ArrayLike, input_shape: Shape, caller: str) -> Array:
    """A batch (B, *input_shape) of numbers for a model, read-only: no layer may change the data."""
    x = numbers(array(x, "x"), f"{caller} expects numbers").view()
    x.flags.writeable = False
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
        raise InputError(f"{caller} expects a batch ({expected}), got one sample {x.shape}. {hint}")
    if input_shape == (1,) and x.ndim == 1:
        raise InputError(
            f"{caller} expects a batch (B, 1), got {x.shape}: {len(x)} numbers in a row. Give it a "
            "second axis: x[:, None]."
        )
    if x.shape[1:] != input_shape:
        if x.ndim == 2 and x.shape[1] == prod(input_shape) + 1:
            raise InputError(_column_too_many(x, input_shape))
        raise InputError(
            f"The model was built for samples of shape {input_shape}, x has samples of "
            f"{x.shape[1:]}. input_shape is one sample's shape: input_shape=x.shape[1:]."
        )
    return x


def _column_too_many(table: Array, input_shape: Shape) -> str:
    """What a table with one column more than the model has inputs may hold: the answer, too."""
    found = []
    for k, rest in ((0, "1:"), (table.shape[1] - 1, ":-1")):
        column = table[:, k].astype(float)
        whole = bool(len(column)) and bool((column == np.rint(column)).all())
        if whole and len(column) > 2 and (np.diff(column) == 1).all():
            found.append(f"column {k} counts the rows: leave it out, x = table[:, {rest}].")
        elif whole and 0 <= column.min() < column.max() < 100:
            found.append(
                f"column {k} holds whole numbers from {column.min():g} to {column.max():g}: is it "
                f"the label? Then x = table[:, {rest}], y = table[:, {k - table.shape[1] * (k > 0)}"
                "].astype(int)."
            )
    inputs = f"({table.shape[1]},)"
    found = found or ["is one of them the answer, or a number of the row?"]
    return (
        f"x has {table.shape[1]} columns, one more than the {prod(input_shape)} numbers of a sample"
        f": {' Or '.join(found)}"
        + ("" if len(input_shape) == 1 else f" Then x = x.reshape(-1, {str(input_shape)[1:-1]}).")
        + f" Only if all are inputs: input_shape={inputs}."
    )


def check_layer_output(
    array: Any, shape: Shape, layer: Any, method: str, dtype: npt.DTypeLike | None = None
) -> None:
    """What a layer's method returned: an array of this shape. NumPy would stretch others silently.

    If a dtype is given, the model's, the array must have that, too.

    >>> from tinynn import ReLU
    >>> check_layer_output(None, (32, 784), ReLU(), "input_gradient")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.input_gradient returned None; it must return dx, shaped like x:
        (32, 784).
        Forgot "return dx"?
    """
    if getattr(array, "shape", None) != shape:
        what = "out, of shape" if method == "forward" else "dx, shaped like x:"
        got = f"an array of {array.shape}" if isinstance(array, np.ndarray) else f"{array!r}"
        hint = f' Forgot "return {what.split(",")[0]}"?' if array is None else ""
        by_default = type(layer).output_shape.__module__ != type(layer).__module__  # as x is shaped
        if (
            method == "forward"
            and by_default
            and array is not None
            and array.shape[:1] == shape[:1]
        ):
            hint = (
                f" If {array.shape} is right, {type(layer).__name__} must say so: "
                f"def output_shape(self, input_shape): return {array.shape[1:]}."
            )
        raise InputError(
            f"{layer.name}.{method} returned {got}; it must return {what} {shape}.{hint}"
        )
    if dtype is not None and array.dtype != dtype:
        what, like = ("out", "x") if method == "forward" else ("dx", "dout")
        raise InputError(
            f"{layer.name}.{method} returned {array.dtype}, but {like} is {dtype}: {what} must be, "
            f"too. Is there a mask or a constant of {array.dtype}? Write mask.astype({like}.dtype)."
        )


def equations(told: Any, thing: Any, most: int) -> None:
    """What a class says of its own equations: a tuple of texts.

    >>> from tinynn import ReLU
    >>> equations("out = 2 x", ReLU(), 3)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.equations must be a tuple of up to 3 texts, got 'out = 2 x'.
        Write
        ('out = 2 x',).
    """
    fine = isinstance(told, (tuple, list)) and all(isinstance(text, str) for text in told)
    if not fine or len(told) > most:
        hint = f" Write ({told!r},)." if isinstance(told, str) else ""
        hint = ' Forgot "return"?' if told is None else hint
        hint = " Write @property above it." if callable(told) else hint
        raise InputError(
            f"{type(thing).__name__}.equations must be a tuple of up to {most} texts, got "
            f"{told!r:.100}.{hint}"
        )


def kink_mask(mask: Any, samples: int, layer: Any) -> Any:
    """What a layer's kink_mask returned: None, or booleans, of each sample as many.

    >>> from tinynn import ReLU
    >>> kink_mask(np.array([[1.0, -1.0]]), 1, ReLU())
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.kink_mask returned an array of float64 (1, 2); it must return
        booleans (B, ...)
        that tell on which side of its kink each number lies, here (1, ...), such as x > 0, or None.
    """
    if mask is None or (
        isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape[:1] == (samples,)
    ):
        return mask
    got = f"{mask!r:.60}"
    if isinstance(mask, np.ndarray):
        got = f"an array of {mask.dtype} {mask.shape}"
    raise InputError(
        f"{layer.name}.kink_mask returned {got}; it must return booleans (B, ...) that tell on "
        f"which side of its kink each number lies, here ({samples}, ...), such as x > 0, or None."
    )


def not_in_place(error: ValueError, layer: Any) -> None:
    """Raise an error that names the layer, if this is NumPy's own of a read-only array.

    >>> from tinynn import ReLU
    >>> not_in_place(ValueError("output array is read-only"), ReLU())
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.forward writes into the x that it is given. It is the data of
        whoever calls,
        and read-only. Write x = x * m there, not x *= m, or begin with x = x.copy().
    """
    if not str(error).endswith("is read-only"):
        return
    of_numpy = Path(np.__file__).parent
    lines = [f for f in extract_tb(error.__traceback__) if of_numpy not in Path(f.filename).parents]
    where = "".join(f" ({Path(f.filename).name}:{f.lineno}: {f.line})" for f in lines[-1:])
    raise InputError(
        f"{layer.name}.forward{where} writes into the x that it is given. It is the data of "
        "whoever calls, and read-only. Write x = x * m there, not x *= m, or begin with "
        "x = x.copy()."
    ) from error


def output_gradient(
    dp: npt.ArrayLike, shape: Shape | None, dtype: npt.DTypeLike, caller: str
) -> tuple[Array, int]:
    """The gradient with respect to what forward returned, which had this shape, in this dtype.

    With it the number of samples.
    """
    if shape is None:
        raise InputError(
            f"{caller} needs what forward(x) remembered, but no forward came before it (predict "
            "remembers nothing). Call model.forward(x) on this batch first."
        )
    if dp is None:
        raise InputError(
            f'{caller} expects dp, got None. Forgot "return dp" in the loss\' backward?'
        )
    dp = numbers(array(dp, "dp"), f"{caller} expects numbers")
    if dp.shape != shape:
        raise InputError(
            f"{caller}: forward returned an array of shape {shape}, so its gradient has that "
            f"shape too, but dp is {dp.shape}."
        )
    return dp.astype(dtype, copy=False), len(dp)


def same_length(params: Array, grads: Array, memory: dict[str, Array], optimizer: str) -> None:
    """Parameters, gradients and an optimizer's memory: vectors of one length."""
    sizes = {vector.size for vector in (params, grads, *memory.values())}
    if len(sizes) > 1:
        raise InputError(
            f"{optimizer} has {params.size} parameters, {grads.size} gradients and a memory of "
            f"{[vector.size for vector in memory.values()]}. Make a new optimizer for a new model."
        )


def another_model(optimizer: str, t: int) -> InputError:
    """What an optimizer says that is to step a second model."""
    return InputError(
        f"This {optimizer} has taken {t:,} steps with another model: what it remembers of its "
        "gradients, and its step count, would be wrong here. Make a new optimizer for a new model."
    )


def check_optimizer_state(state: Mapping[str, Any], names: Sequence[str], optimizer: str) -> None:
    """What an optimizer's `state()` returned: the step count t, and its vectors."""
    if set(state) != {"t", *names}:
        raise InputError(
            f"{optimizer} remembers {', '.join(('t', *names))}, but this state has "
            f"{', '.join(state)}. Is it another optimizer's?"
        )
    check_integer("the step count t of an optimizer's state", state["t"], least=0, most=2**53)


def kept_vectors(memory: Mapping[str, Array], params: Array) -> None:
    """What an optimizer keeps: finite numbers, one for each parameter, of its dtype.

    >>> kept_vectors({"m": np.zeros(2)}, np.zeros(3))
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: m is float64 (2,)
    """
    for name, vector in memory.items():
        if vector.shape != params.shape or vector.dtype != params.dtype:
            raise InputError(f"{name} is {vector.dtype} {vector.shape}")
        if not np.isfinite(vector).all():
            raise InputError(f"{name} holds NaN or infinity")
