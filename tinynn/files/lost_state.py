"""State of a layer of one's own that no file would keep: refused before it is lost.

What a layer does may depend on its arguments, parameters, buffers, its stream and the batch: all
of that is in files, or known. A running mean that is a plain attribute is not, nor is a Generator
of the layer's own. They show when a copy of the layer and a new one, with the same arguments,
parameters and buffers, each take the same batch, forward and back: what a batch leaves behind is
the same in both then, and state is not.
"""

import copy
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.layers import Layer
from tinynn.layers.caches import FILLS, Portable
from tinynn.model import Sequential
from tinynn.origin import is_own
from tinynn.parameters import Array

# what a model sets on its layers
BY_MODEL = {"_views", "_names", "_buffer_names", "_streams", "_input_shape", "_at_build", "_fixed"}
BY_MODEL |= {"built", "position", "trainable"}


def refuse_lost_state(model: Sequential, x: Array | None = None) -> None:
    """Raise InputError if a layer of the user's own now has state that no file keeps.

    x: the last batch of the training; without, batches are made up. A warning where the layers take
    none of them, or cannot be copied, so that nothing can be known.
    """
    if _own_layers(model):
        known = [_compare(model, batch) for batch in _batches(model, x)]  # each of them
        _warn_if_unknown(any(known), model)


def refuse_stateful(model: Sequential, x: Array, batch_size: int) -> None:
    """Raise InputError if a layer of the user's own would have such state after a batch of x."""
    if _own_layers(model):
        first, last = x[:batch_size], x[-batch_size:][::-1]
        _warn_if_unknown(_compare(model, first, before=last), model)


def _warn_if_unknown(known: bool, model: Sequential) -> None:
    if not known:
        names = ", ".join(layer.name for layer in _own_layers(model))
        warnings.warn(
            f"It cannot be told whether {names} keeps something from batch to batch that no file "
            "would keep: no batch could be put through a copy.",
            stacklevel=5,
        )


def _own_layers(model: Sequential) -> list[Layer]:
    return [layer for layer in model.layers if is_own(type(layer))]


def _batches(model: Sequential, x: Array | None) -> Iterable[Array]:
    """Return batches of which the model surely takes one: a layer may know whole numbers alone.

    There are small and large numbers among them, for a layer that keeps the largest it has seen.
    """
    given = [] if x is None else [x]
    drawn = np.random.default_rng(0).normal(size=(2, *model.input_shape))
    return [*given, drawn, 1e-6 * drawn, *(np.full(drawn.shape, fill) for fill in FILLS)]


def _rebuilt(model: Sequential) -> Sequential:
    """Return a model as a file would give it back."""
    layers = []
    for layer in model.layers:
        kind: Any = type(layer)
        layers.append(kind(**copy.deepcopy(layer.config())))
    rebuilt = Sequential(layers, model.input_shape, model.seed, model.dtype)
    rebuilt.params, rebuilt.buffers = model.params, model.buffers
    rebuilt.streams.go_to(**model.streams.state())
    return rebuilt


def _run(model: Sequential, x: Array) -> bool:
    """Put a batch through a model in each way there is; return whether it takes such a batch.

    All layers are asked for all their gradients, also those that are frozen at the moment. What
    fails there, as in a layer that is being written, fails alike in another copy.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Sequential.forward(model, x, training=False)
            dp = np.ones_like(Sequential.forward(model, x))
        except Exception:  # of any kind: a layer of the user's own, which takes other numbers
            return False
        for backward in (Sequential.input_gradient, Sequential.backward):
            with suppress(Exception):
                backward(model, dp)
    return True


def _compare(model: Sequential, x: Array, before: Array | None = None) -> bool:
    """Raise InputError for what differs after the same batch; return False if it fits neither.

    before: a batch that only the model itself, or rather its copy, has seen earlier.
    """
    try:
        used, rebuilt = copy.deepcopy(model), _rebuilt(model)
    except TypeError:  # something that cannot be copied, such as a lock
        return False
    for layer in used.layers:
        layer.trainable = True
    if before is not None:
        _run(used, before)
        used.params, used.buffers = model.params, model.buffers
        used.streams.go_to(**model.streams.state())
    if not (_run(used, x) and _run(rebuilt, x)):
        return False
    for layer, other in zip(_own_layers(used), _own_layers(rebuilt), strict=True):
        ours, theirs = _kept(layer), _kept(other)
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            if not _same(ours.get(name), theirs.get(name), {}):
                raise InputError(
                    f"{layer.name} keeps {name} from batch to batch, and no file would keep it. "
                    f"{_advice(name, ours.get(name))}"
                )
    return True


def _kept(layer: Layer) -> dict[str, Any]:
    """Return what a layer keeps: its attributes, or what a `__getstate__` of its own returns."""
    own: Any = type(layer).__getstate__
    state = vars(layer) if own is Portable.__getstate__ else own(layer)
    return {k: v for k, v in state.items() if k not in BY_MODEL and k not in layer._views}


def _advice(name: str, value: Any) -> str:
    if _state_of_generator(value) is not None:
        return (
            "Draw random numbers from the model's instead: in forward, rng = self.stream() is this "
            "step's Generator."
        )
    if isinstance(value, (np.ndarray, np.generic, int, float)):
        return (
            "Make it a buffer, which files keep: def buffer_shapes(self, input_shape): return "
            f'{{"{name}": {np.shape(value)}}}. self.{name} is an array of the model then, of zeros '
            f"or of what initialize(self, rng) fills in; leave self.{name} = ... out of __init__."
        )
    return (
        "Arrays can be kept as buffers: see buffer_shapes. What is a record alone belongs outside "
        "of the layer, in a callback for instance; what is a cache alone is left out by a "
        "__getstate__(self) of the layer's that returns a dictionary without it."
    )


def _state_of_generator(value: Any) -> Any:
    """Return the state of a source of random numbers; None for what is none."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if type(value).__module__ == "random":
        return value.getstate()
    if type(value).__module__ == "numpy.random.mtrand":  # RandomState, of older programs
        return value.get_state()
    return None


def _same(a: Any, b: Any, seen: dict[tuple[int, int], Any]) -> bool:
    """Whether two values are equal in all that they hold. seen: pairs already under way."""
    if a is b or (id(a), id(b)) in seen:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind != "O":
        return a.dtype == b.dtype and np.shape(a) == np.shape(b) and _near(a, b)
    if isinstance(a, (bool, int, float, complex, str, bytes, type(None))):
        return bool(a == b or (a != a and b != b))
    if isinstance(a, (set, frozenset, type)):
        return bool(a == b)
    seen[id(a), id(b)] = a, b  # kept alive: else others could get their ids
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key], seen) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b, [seen] * len(a)))
    return _same(_parts(a), _parts(b), seen)


def _parts(thing: Any) -> Any:
    """Return what an object is made of, as for a copy of it; None if Python cannot tell."""
    if hasattr(thing, "__code__"):  # a function, made anew by each constructor
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        return thing.__code__.co_code, cells, getattr(thing, "__self__", None)
    state = _state_of_generator(thing)
    if state is not None:
        return state
    try:
        made = thing.__reduce_ex__(4)
    except Exception:  # a lock, a file: it cannot be told
        return None
    if isinstance(made, str):  # the name of what there is once
        return made
    how, arguments, *rest = made  # the rest: a state, then iterators of items
    rest = [list(part) if hasattr(part, "__next__") else part for part in rest]
    return getattr(how, "__name__", repr(how)), arguments, rest


def _near(a: Any, b: Any) -> bool:
    """Whether numbers are equal; those of arrays but for rounding, which may depend on memory."""
    if a.ndim and a.dtype.kind in "fc":
        rounding = 1e-5 if a.dtype.itemsize <= 4 else 1e-12
        return bool(np.allclose(a, b, rounding, 1e-30, equal_nan=True))
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
