"""A layer's cache, the arrays that forward stores of a batch: a copy keeps it, a pickle does not.

A pickle is stored or sent elsewhere, where the batch is not needed. The rule: an array belongs to
the cache if its shape depends on the number of samples. To find these arrays, a copy of the layer
runs forward on two samples, and on three. So a running mean or a Generator is pickled, whenever it
was made.
"""

import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinynn.parameters import Shape

VECTORS = frozenset({"_params", "_grads", "_buffers"})  # of a model; a copy makes its own
NOT_PICKLED = VECTORS | {"_last_output_shape"}  # the shape belongs to the last batch
# The samples are filled with one of these: a layer may accept only whole numbers, or only numbers
# of 1 or more.
FILLS = (0.5, 1, 0, 2, -1)
BEING_COPIED: ContextVar[Any] = ContextVar("BEING_COPIED", default=None)  # see _being_copied


class Portable:
    """The base of layers and models: a copy of one keeps the cache, a pickle does not.

    >>> from tinynn import Dense, Sequential
    >>> model = Sequential([Dense(2)], input_shape=(3,))
    >>> p = model.forward(np.ones((5000, 3)))
    >>> hasattr(copy.deepcopy(model).layers[0], "x"), "x" in model.layers[0].__getstate__()
    (True, False)
    """

    _input_shape: Shape | None = None  # of a sample; None until it is built

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for a pickle, without the cache; while copying, with it."""
        if BEING_COPIED.get() is self:
            return {k: v for k, v in vars(self).items() if k not in VECTORS}
        return {k: v for k, v in without_cache(self).items() if k not in NOT_PICKLED}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy everything, also the cache: a backward on the copy may still need it."""
        kind: Any = type(self)
        twin = memo[id(self)] = kind.__new__(kind)
        with _being_copied(self):  # the method may be one of the user's own
            state: Any = self.__getstate__()
        if isinstance(state, dict):
            state = {k: v for k, v in state.items() if k not in VECTORS}
        getattr(twin, "__setstate__", twin.__dict__.update)(copy.deepcopy(state, memo))
        return twin


@contextmanager
def _being_copied(thing: Portable) -> Iterator[None]:
    """Let `thing.__getstate__()` return the cache too, without making a copy to find it.

    Otherwise a copy would call __getstate__, and that would make the next copy, without end.
    """
    token = BEING_COPIED.set(thing)
    try:
        yield
    finally:
        BEING_COPIED.reset(token)


def without_cache(thing: Any) -> dict[str, Any]:
    """Return the attributes of a layer, or a model, without the cache.

    An attribute that existed before the first batch is not removed, but becomes None or empty.

    >>> from tinynn import ReLU, Sequential
    >>> relu = ReLU()
    >>> p = Sequential([relu], input_shape=(3,)).forward(np.ones((5000, 3)))
    >>> relu.mask.shape, "mask" in without_cache(relu)
    ((5000, 3), False)
    """
    state = dict(vars(thing))
    if thing._input_shape is None:  # it is not built: its input shape is not known
        return state
    shapes = next(filter(None, (_after_two_and_three(thing, fill) for fill in FILLS)), None)
    if shapes is None:
        return state
    at_build = vars(thing).get("_at_build", vars(thing))
    two, three = shapes
    for name, value in vars(thing).items():
        if two.get(name) == three.get(name):
            continue
        if _is_holder(thing, name, value):
            state[name] = kept = copy.copy(value)
            for k in vars(value):
                if two[name].get(k) != three[name].get(k):
                    vars(kept)[k] = None
        elif isinstance(value, dict):
            state[name] = {k: v for k, v in value.items() if two[name].get(k) == three[name].get(k)}
        elif name in at_build:
            state[name] = [] if isinstance(value, list) else None
        else:
            del state[name]
    return state


def _after_two_and_three(thing: Any, fill: float) -> list[dict[str, Any]] | None:
    """Return the shapes of a copy's attributes after two samples, and after three.

    None if the layer refuses samples filled with `fill`.
    """
    with _being_copied(thing):
        twin, shapes = copy.deepcopy(thing), []
    at_build = vars(thing).get("_at_build", vars(thing))
    dtype = next((view.dtype for view in vars(thing).get("_views", {}).values()), np.float32)
    for size in (2, 3):
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                twin.forward(np.full((size, *thing._input_shape), fill, dtype))
        except Exception:  # of any kind: a user's own layer, which accepts other numbers only
            return None
        kept = {n: vars(v) if _is_holder(twin, n, v) else v for n, v in vars(twin).items()}
        shapes.append({name: _shapes(value, name not in at_build) for name, value in kept.items()})
    return shapes


def _is_holder(thing: Any, name: str, value: Any) -> bool:
    """Return whether an attribute is an object that the layer itself made when it was built.

    An object that the constructor was given may be shared with others, and is pickled unchanged.
    """
    own = name in vars(thing).get("_at_build", ()) and name not in thing._fixed
    others = (Portable, np.ndarray, dict, list, tuple)
    return own and hasattr(value, "__dict__") and not isinstance(value, others)


def _shapes(value: Any, made_by_forward: bool) -> Any:
    """Return the shapes of the arrays in a value; for a dictionary, by its keys.

    made_by_forward: then also the shapes in an object of any other kind, which may be a cache.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return {shape}
    if isinstance(value, dict):
        return {key: _shapes(item, made_by_forward) for key, item in value.items()}
    inner: Iterable[Any] = ()
    if isinstance(value, (list, tuple)):
        inner = value
    elif made_by_forward:
        inner = getattr(value, "__dict__", {}).values()
    return {item for part in inner for item in map(str, [_shapes(part, made_by_forward)])}
