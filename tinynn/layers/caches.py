"""What a batch left on a layer: it goes along in a copy, but not in a pickle, which may travel far.

The rule: an array whose shape follows the number of samples was left by a batch. Which these are
the layer itself is asked: a copy of it runs forward on two samples, and on three. So a running mean
stays, and a Generator, whenever they were made.
"""

import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinynn.parameters import Shape

VECTORS = frozenset({"_params", "_grads", "_buffers"})  # of a model, made anew
OF_A_MODEL = VECTORS | {"_last_output_shape"}  # of what batch it is
# What the two samples are filled with: a layer may know whole numbers alone, or none below 1.
FILLS = (0.5, 1, 0, 2, -1)
COPIED: ContextVar[Any] = ContextVar("COPIED", default=None)  # what is being copied: see below


class Portable:
    """A layer, or a model: copied with what a batch left on it, pickled without.

    >>> from tinynn import Dense, Sequential
    >>> model = Sequential([Dense(2)], input_shape=(3,))
    >>> p = model.forward(np.ones((5000, 3)))
    >>> hasattr(copy.deepcopy(model).layers[0], "x"), "x" in model.layers[0].__getstate__()
    (True, False)
    """

    _input_shape: Shape | None = None  # of a sample, once it is built

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: what a batch left behind does not travel. In a copy it does."""
        if COPIED.get() is self:
            return {k: v for k, v in vars(self).items() if k not in VECTORS}
        return {k: v for k, v in without_batch(self).items() if k not in OF_A_MODEL}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy all, also what a backward that is still to come needs."""
        kind: Any = type(self)
        twin = memo[id(self)] = kind.__new__(kind)
        with _copied(self):  # by a method of the user's own, if there is one
            state: Any = self.__getstate__()
        if isinstance(state, dict):
            state = {k: v for k, v in state.items() if k not in VECTORS}
        getattr(twin, "__setstate__", twin.__dict__.update)(copy.deepcopy(state, memo))
        return twin


@contextmanager
def _copied(thing: Portable) -> Iterator[None]:
    """Let `thing.__getstate__()` tell all: whoever is asked for a copy is not to ask for another.

    A __getstate__ of the user's own may call that of Portable, which makes a copy.
    """
    token = COPIED.set(thing)
    try:
        yield
    finally:
        COPIED.reset(token)


def without_batch(thing: Any) -> dict[str, Any]:
    """Return the attributes of a layer, or model, without what a batch left on it.

    What was None or an empty list or dictionary when the model was built is that again.

    >>> from tinynn import ReLU, Sequential
    >>> relu = ReLU()
    >>> p = Sequential([relu], input_shape=(3,)).forward(np.ones((5000, 3)))
    >>> relu.mask.shape, "mask" in without_batch(relu)
    ((5000, 3), False)
    """
    state = dict(vars(thing))
    if thing._input_shape is None:  # it was never built, and what it takes is not known
        return state
    seen = next(filter(None, (_after_two_and_three(thing, fill) for fill in FILLS)), None)
    if seen is None:
        return state
    at_build = vars(thing).get("_at_build", vars(thing))
    two, three = seen
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
    """Return the shapes that a copy of a layer keeps of two samples, and of three.

    None if it does not take samples of this number.
    """
    with _copied(thing):
        twin, seen = copy.deepcopy(thing), []
    at_build = vars(thing).get("_at_build", vars(thing))
    dtype = next((view.dtype for view in vars(thing).get("_views", {}).values()), np.float32)
    for size in (2, 3):
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                twin.forward(np.full((size, *thing._input_shape), fill, dtype))
        except Exception:  # of any kind: a layer of the user's own, which takes other numbers
            return None
        kept = {n: vars(v) if _is_holder(twin, n, v) else v for n, v in vars(twin).items()}
        seen.append({name: _shapes(value, name not in at_build) for name, value in kept.items()})
    return seen


def _is_holder(thing: Any, name: str, value: Any) -> bool:
    """Whether this is an object that a layer made for itself when it was built.

    What a constructor was given may be shared with others, and goes along as it is.
    """
    own = name in vars(thing).get("_at_build", ()) and name not in thing._fixed
    others = (Portable, np.ndarray, dict, list, tuple)
    return own and hasattr(value, "__dict__") and not isinstance(value, others)


def _shapes(value: Any, made_by_forward: bool) -> Any:
    """Return the shapes of the arrays in a value; of a dictionary, by its keys.

    made_by_forward: then also those in an object of any other kind, which may be a cache.
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
