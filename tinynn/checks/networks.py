"""Layers that make a network, and what goes through it: shapes that fit, forward and back."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arguments import count
from tinynn.parameters import Array, Shape

CO_VARARGS = 4  # of a code object: it takes *args


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
        if not _takes_training(layer.forward):
            raise ValueError(
                f"{kind}.forward is called with two arguments: def forward(self, x, training=True)."
            )
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


def _takes_training(forward: Any) -> bool:
    """Whether a method can be called as forward(x, training)."""
    code = getattr(forward, "__code__", None)  # not of what is wrapped or built in
    return code is None or code.co_argcount > 2 or bool(code.co_flags & CO_VARARGS)


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
