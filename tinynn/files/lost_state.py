"""State of a layer of one's own that no file would keep: refused before it is lost.

What a layer does may depend on its arguments, parameters, buffers, its stream and the batch: all
of that is in files, or known. A running mean that is a plain attribute is not, nor is a Generator
of the layer's own. They show when a copy of the layer and a new one, with the same arguments,
parameters and buffers, each take the same batch, forward and back: what a batch leaves behind is
the same in both then, and state is not.
"""

import copy
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.layers import Layer
from tinynn.layers.leftovers import FILLS
from tinynn.model import Sequential
from tinynn.parameters import Array

SAMPLES = 8  # that such a batch has
# what a model sets on its layers
BY_MODEL = {"_views", "_names", "_buffer_names", "_streams", "_input_shape", "_at_build", "_fixed"}
BY_MODEL |= {"built", "position", "trainable"}


def refuse_lost_state(model: Sequential, x: Array | None = None) -> None:
    """Raise InputError if a layer of the user's own now has state that no file keeps.

    x: a batch that the model takes; without, one is made up.
    """
    if _own_layers(model):
        for batch in _batches(model, x):
            if _compare(copy.deepcopy(model), _twin(model), batch):
                return


def refuse_stateful(model: Sequential, x: Array) -> None:
    """Raise InputError if a layer of the user's own would have such state after a batch of x."""
    if not _own_layers(model):
        return
    used = copy.deepcopy(model)
    if _run(used, x[-SAMPLES:]):
        used.params, used.buffers = model.params, model.buffers
        used.streams.go_to(**model.streams.state())
        _compare(used, _twin(model), x[: max(1, min(SAMPLES, len(x) // 2))])


def _own_layers(model: Sequential) -> list[Layer]:
    return [one for one in model.layers if type(one).__module__.partition(".")[0] != "tinynn"]


def _batches(model: Sequential, x: Array | None) -> Iterable[Array]:
    """Return batches of which the model surely takes one: a layer may know whole numbers alone."""
    given = [] if x is None else [x[:SAMPLES]]
    drawn = np.random.default_rng(0).normal(size=(2, *model.input_shape))
    return [*given, drawn, *(np.full(drawn.shape, fill) for fill in FILLS)]


def _twin(model: Sequential) -> Sequential:
    """Return a model as a file would give it back."""
    layers = []
    for layer in model.layers:
        kind: Any = type(layer)
        layers.append(kind(**copy.deepcopy(layer.config())))
        layers[-1].trainable = layer.trainable
    twin = Sequential(layers, model.input_shape, model.seed, model.dtype)
    twin.params, twin.buffers = model.params, model.buffers
    twin.streams.go_to(**model.streams.state())
    return twin


def _run(model: Sequential, x: Array) -> bool:
    """Put a batch through a model, forward and back; return whether it takes such a batch."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Sequential.backward(model, np.ones_like(Sequential.forward(model, x)))
    except Exception:  # of any kind: a layer of the user's own, which takes other numbers
        return False
    return True


def _compare(used: Sequential, twin: Sequential, x: Array) -> bool:
    """Raise InputError for what differs after the same batch; return False if it fits neither."""
    if not (_run(used, x) and _run(twin, x)):
        return False
    for layer, other in zip(_own_layers(used), _own_layers(twin), strict=True):
        ours, theirs = vars(layer), vars(other)
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            if name in BY_MODEL or name in layer._views:
                continue
            if not _same(ours.get(name), theirs.get(name), []):
                raise InputError(
                    f"{layer.name} keeps {name} from batch to batch, and no file would keep it. "
                    f"{_advice(name, ours.get(name))}"
                )
    return True


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
        "of the layer, in a callback for instance."
    )


def _state_of_generator(value: Any) -> Any:
    """Return the state of a source of random numbers; None for what is none."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    for method in ("getstate", "get_state"):
        if hasattr(value, method) and not isinstance(value, type):
            return getattr(value, method)()
    return None


def _same(a: Any, b: Any, seen: list[tuple[Any, Any]]) -> bool:
    """Whether two values are equal in all that they hold."""
    if a is b or any(a is one and b is other for one, other in seen):
        return True
    if type(a) is not type(b):
        return False
    seen.append((a, b))
    if isinstance(a, (np.ndarray, np.generic)):
        if np.shape(a) != np.shape(b) or a.dtype != b.dtype:
            return False
        if a.dtype.kind == "O":
            return all(_same(one, other, seen) for one, other in zip(a.flat, b.flat, strict=True))
        return bool(np.array_equal(a, b) or _near(a, b))
    state = _state_of_generator(a)
    if state is not None:
        return _same(state, _state_of_generator(b), seen)
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key], seen) for key in a)
    if isinstance(a, (list, tuple)):
        pairs = zip(a, b, strict=False)
        return len(a) == len(b) and all(_same(one, other, seen) for one, other in pairs)
    if hasattr(a, "__code__"):  # a function, made anew by each constructor
        cells = [[cell.cell_contents for cell in f.__closure__ or ()] for f in (a, b)]
        return a.__code__ == b.__code__ and _same(cells[0], cells[1], seen)
    if hasattr(a, "__dict__") and not isinstance(a, type):
        return _same(vars(a), vars(b), seen)
    plain = isinstance(a, (bool, int, float, complex, str, bytes, set, frozenset))
    return not plain or a == b or (a != a and b != b)


def _near(a: Any, b: Any) -> bool:
    """Whether numbers are equal but for rounding, which may depend on where an array lies."""
    return a.dtype.kind in "fc" and bool(np.allclose(a, b, 1e-5, 1e-30, equal_nan=True))
