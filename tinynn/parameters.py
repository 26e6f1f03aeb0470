"""Names and shapes -> one flat vector, with a named view into it for each array.

    vector  [ . . . . . . . . . . . . . . . . . . . . ]
              `-- 1.Dense.W (3, 4) --' `- 1.Dense.b (4,)

A layer works with arrays of its own shapes. An optimizer works with one long vector, so that its
code is the paper's equation and nothing else. Both are possible at once, because a NumPy view gives
the same memory a second shape. A view must never be replaced by another array, or the layer and the
vector would hold different numbers. So every assignment goes through `copy_into`.
"""

import os
from collections.abc import Mapping
from math import prod
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tinynn.errors import InputError
from tinynn.threads import Array as Array  # all others take it from here
from tinynn.threads import on_a_cache_line

Shape: TypeAlias = tuple[int, ...]
IS_TRAINABLE = attrgetter("trainable")  # asked at each step, so it had better be fast
Generator: TypeAlias = "np.random.Generator"  # in quotes: NumPy loads np.random at its first use


class Owner:
    """The model that a vector belongs to; with it an optimizer tells models of equal size apart.

    A copy of a model has an Owner of its own. A model and its optimizer that are copied together
    belong together in the copy, too. If the two are pickled one by one, the optimizer recognizes
    the model by `mark`. layers: the layers of the model.
    """

    layers: "tuple[ParameterViews, ...]" = ()

    def __init__(self) -> None:
        self.mark = os.urandom(8)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Owner":
        return Owner()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: only the mark, so that a pickled optimizer does not contain the layers."""
        return {"mark": self.mark}


class Span(NamedTuple):
    """One array in a flat vector: its name, its place, how many axes, whether it is trained."""

    name: str
    place: slice
    axes: int
    trainable: bool


class _Memory(np.ndarray):
    """The memory of a flat vector, its `vector.base`, with the owner and the shapes."""

    owner: Owner | None = None
    shapes: Mapping[str, Shape] = MappingProxyType({})


def owner_of(vector: Array) -> Owner | None:
    """Return the owner of a vector; None if no model made the vector."""
    return getattr(vector.base, "owner", None)


def layout_of(vector: Array) -> list[Span]:
    """Return the arrays of a vector, in order; a vector that no model made is one span.

    >>> layout_of(np.zeros(3))
    [Span(name='', place=slice(0, 3, None), axes=1, trainable=True)]
    """
    owner, spans, start = owner_of(vector), list[Span](), 0
    if owner is None:
        return [Span("", slice(0, vector.size), 1, True)]
    for name, shape in cast(_Memory, vector.base).shapes.items():
        place = slice(start, start + prod(shape))
        layer = owner.layers[int(name.partition(".")[0])]  # "1.Dense.W" belongs to layer 1
        spans.append(Span(name, place, len(shape), layer.trainable))
        start = place.stop
    return spans


def frozen_in(vector: Array) -> list[slice]:
    """Return the places in a vector of the arrays of frozen layers, which no step may change."""
    owner = owner_of(vector)
    if owner is None or all(map(IS_TRAINABLE, owner.layers)):
        return []
    return [span.place for span in layout_of(vector) if not span.trainable]


def flat_vector(
    shapes: Mapping[str, Shape], dtype: npt.DTypeLike, owner: Owner | None = None
) -> tuple[Array, dict[str, Array]]:
    """Make one vector of zeros that holds all the named shapes, and a view into it for each name.

    >>> vector, views = flat_vector({"W": (2, 3), "b": (3,)}, np.float32)
    >>> views["b"][:] = 7
    >>> vector
    array([0., 0., 0., 0., 0., 0., 7., 7., 7.], dtype=float32)
    """
    memory: Any = on_a_cache_line(np.zeros(sum(map(prod, shapes.values())), dtype), _Memory)
    memory.owner, memory.shapes = owner, dict(shapes)
    vector = memory.view(np.ndarray)  # (P,), P parameters in all
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + prod(shape)
        views[name] = vector[start:stop].reshape(shape)
        start = stop
    return vector, views


def copy_into(view: Array, value: npt.ArrayLike, name: str) -> None:
    """Copy `value` into `view`. Both must have the same shape: nothing is broadcast silently.

    >>> _, views = flat_vector({"W": (2, 3)}, np.float32)
    >>> copy_into(views["W"], np.ones((3, 2)), "1.Dense.W")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 1.Dense.W has shape (2, 3), the array assigned has (3, 2).
    """
    if value is view:  # layer.W -= step: Python changes the view, then assigns it to itself
        return
    array, hidden = np.asarray(value), np.ma.is_masked(value)
    if hidden or array.dtype.kind not in "biuf":
        what = "numbers under a mask: write .filled(...)" if hidden else f"dtype {array.dtype}"
        raise InputError(f"{name} takes real numbers, the array assigned has {what}.")
    if array.shape != view.shape:
        raise InputError(f"{name} has shape {view.shape}, the array assigned has {array.shape}.")
    view[...] = array


class ParameterViews:
    """Makes each parameter of a layer, such as self.W, a view of the model's vector for ever.

    >>> thing = ParameterViews()
    >>> params, views = flat_vector({"ParameterViews.W": (2,)}, np.float32)
    >>> thing.bind(views, flat_vector({"ParameterViews.W": (2,)}, np.float32)[1], {})
    >>> thing.W = [5, 6]  # is copied into the vector
    >>> params
    array([5., 6.], dtype=float32)
    """

    position: int | None = None  # in model.layers
    built = False  # whether a model owns it
    trainable = True  # whether a step of training may change its parameters and buffers
    _names: tuple[str, ...] = ()  # of the parameters
    _buffer_names: tuple[str, ...] = ()
    _views: Mapping[str, Array] = MappingProxyType({})  # of parameters, their gradients, buffers

    @property
    def name(self) -> str:
        """The name in errors and files: the position in the model and the class."""
        kind = type(self).__name__
        return kind if self.position is None else f"{self.position}.{kind}"

    def parameters(self) -> dict[str, Array]:
        """Return the view of each parameter by its name, such as {"W": ..., "b": ...}."""
        return {name: self._views[name] for name in self._names}

    def buffers(self) -> dict[str, Array]:
        """Return the view of each buffer by its name, such as {"running_mean": ...}."""
        return {name: self._views[name] for name in self._buffer_names}

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        buffers: Mapping[str, Array],
    ) -> None:
        """Take this layer's views (W, dW, ...) from the model's; copy the old numbers into them."""
        prefix = f"{self.name}."
        own = {n.removeprefix(prefix): view for n, view in params.items() if n.startswith(prefix)}
        kept = {n.removeprefix(prefix): view for n, view in buffers.items() if n.startswith(prefix)}
        views = {**own, **{f"d{name}": grads[prefix + name] for name in own}, **kept}
        if self.built:
            for name, old in self._views.items():
                copy_into(views[name], old, f"{self.name}.{name}")
        # not by setattr, which would copy the numbers
        self.__dict__.update(views, _views=views, _names=(*own,), _buffer_names=(*kept,))

    def __setattr__(self, name: str, value: Any) -> None:
        """Copy what is assigned to a parameter, gradient or buffer into its view."""
        if name in self._views:
            copy_into(self._views[name], value, f"{self.name}.{name}")
        elif name == "trainable" and not isinstance(value, bool):
            raise InputError(f"{self.name}.trainable must be True or False, got {value!r}.")
        else:
            super().__setattr__(name, value)
