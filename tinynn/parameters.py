"""Names and shapes -> one flat vector, with a named view into it for each array.

    vector  [ . . . . . . . . . . . . . . . . . . . . ]
              `-- 1.Dense.W (3, 4) --' `- 1.Dense.b (4,)

A layer works with arrays of the right shape; an optimizer wants one long vector, so that it is the
paper's equation and nothing else. Both get what they want, because a NumPy view is a second shape
for the same memory. No view may ever be replaced by another array, or the two would part: hence
`copy_into`, through which every assignment goes.
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

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
IS_TRAINABLE = attrgetter("trainable")  # asked at each step, so it had better be fast
Generator: TypeAlias = "np.random.Generator"  # in quotes: NumPy loads that part when one draws


class Owner:
    """Which model a vector belongs to, so that an optimizer can tell models of one size apart.

    A copy of a model has another; a copy of a model and its optimizer, made together, keeps the two
    together. Two that were pickled apart recognize each other by the mark. parts: the layers.
    """

    parts: "tuple[ParameterViews, ...]" = ()

    def __init__(self) -> None:
        self.mark = os.urandom(8)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Owner":
        return Owner()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: an optimizer takes no layers along."""
        return {"mark": self.mark}


class Span(NamedTuple):
    """One array's place in a flat vector: its name, where, how many axes, whether trained."""

    name: str
    place: slice
    axes: int
    trainable: bool


class _Memory(np.ndarray):
    """The memory in which a model's vector lies: `vector.base`, which knows whose it is."""

    owner: Owner | None = None
    shapes: Mapping[str, Shape] = MappingProxyType({})


def owner_of(vector: Array) -> Owner | None:
    """Return whose vector this is; None for one that no model made."""
    return getattr(vector.base, "owner", None)


def layout_of(vector: Array) -> list[Span]:
    """Return which arrays lie in a vector, in their order; one that no model made is one span.

    >>> layout_of(np.zeros(3))
    [Span(name='', place=slice(0, 3, None), axes=1, trainable=True)]
    """
    owner, spans, start = owner_of(vector), list[Span](), 0
    if owner is None:
        return [Span("", slice(0, vector.size), 1, True)]
    for name, shape in cast(_Memory, vector.base).shapes.items():
        place = slice(start, start + prod(shape))
        part = owner.parts[int(name.partition(".")[0])]  # "1.Dense.W" is of the part 1
        spans.append(Span(name, place, len(shape), part.trainable))
        start = place.stop
    return spans


def frozen_in(vector: Array) -> list[slice]:
    """Return where in a vector the arrays lie that no step may change: those of frozen layers."""
    owner = owner_of(vector)
    if owner is None or all(map(IS_TRAINABLE, owner.parts)):
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
    memory = _Memory(sum(map(prod, shapes.values())), dtype)
    memory.fill(0)
    memory.owner, memory.shapes = owner, dict(shapes)
    vector = memory.view(np.ndarray)  # (P,), P parameters in all
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + prod(shape)
        views[name] = vector[start:stop].reshape(shape)
        start = stop
    return vector, views


def copy_into(view: Array, value: npt.ArrayLike, name: str) -> None:
    """Copy `value` into `view`. Its shape must match exactly: nothing is stretched silently.

    >>> _, views = flat_vector({"W": (2, 3)}, np.float32)
    >>> copy_into(views["W"], np.ones((3, 2)), "1.Dense.W")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 1.Dense.W has shape (2, 3), the array assigned has (3, 2).
    """
    if value is view:  # layer.W -= step: Python changes the view, then assigns it to itself
        return
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} holds real numbers, the array assigned to it {array.dtype}.")
    if array.shape != view.shape:
        raise InputError(f"{name} has shape {view.shape}, the array assigned has {array.shape}.")
    view[...] = array


class ParameterViews:
    """Makes self.W of a layer a view of the model's vector, now and for ever.

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
        """Take this layer's views, W, dW and so on, out of the model's; keep the old numbers."""
        prefix = f"{self.name}."
        own = {n.removeprefix(prefix): view for n, view in params.items() if n.startswith(prefix)}
        kept = {n.removeprefix(prefix): view for n, view in buffers.items() if n.startswith(prefix)}
        views = {**own, **{f"d{name}": grads[prefix + name] for name in own}, **kept}
        if self.built:
            for name, old in self._views.items():
                copy_into(views[name], old, f"{self.name}.{name}")
        # __setattr__ would copy, not bind
        self.__dict__.update(views, _views=views, _names=(*own,), _buffer_names=(*kept,))

    def __setattr__(self, name: str, value: Any) -> None:
        """Copy what is assigned to a parameter, gradient or buffer into its view."""
        if name in self._views:
            copy_into(self._views[name], value, f"{self.name}.{name}")
        elif name == "trainable" and not isinstance(value, bool):
            raise InputError(f"{self.name}.trainable is True or False, got {value!r}.")
        else:
            super().__setattr__(name, value)
