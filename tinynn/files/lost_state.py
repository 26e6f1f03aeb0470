"""State of a user's own layer that no file would keep: it is refused before it is lost.

The output of a layer may depend on its arguments, parameters, buffers, stream, and the batch. Files
keep these, or they are known. They do not keep a running mean that is a plain attribute, or a
Generator that the layer made. To find such state, a copy of the model and a new model with the same
arguments, parameters and buffers each run the same batch, forward and backward. Attributes that
only depend on the batch (caches) are then equal in both, and so are the outputs; state is not, and
with numbers of a global generator or counter the outputs are not.
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
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.origin import is_own
from tinynn.parameters import Array

# attributes that a model sets on its layers
BY_MODEL = {"_views", "_names", "_buffer_names", "_streams", "_input_shape", "_at_build", "_fixed"}
BY_MODEL |= {"built", "position", "trainable"}


def refuse_lost_state(model: Sequential, x: Array | None = None) -> None:
    """Raise InputError if a layer of the user's own now has state that no file keeps.

    x: the last batch of the training, if there was one; made-up batches are used too. Warns if
    nothing can be found out: the layers accept none of the batches, or cannot be copied.
    """
    if _own_layers(model):
        # a list, not a generator: all batches are compared
        known = [_compare(model, batch) for batch in _batches(model, x)]
        _warn_if_unknown(any(known), model)


def refuse_stateful(model: Sequential, x: Array, batch_size: int) -> None:
    """Raise InputError if a layer of the user's own has such state after one batch of x."""
    if _own_layers(model):
        first, last = x[:batch_size], x[-batch_size:][::-1]
        _warn_if_unknown(_compare(model, first, before=last), model)


def kept_by_loss(loss: Loss, p: Array, *targets: Array) -> list[str]:
    """Return the names of what a loss of the user's own keeps from batch to batch.

    A copy of it and a new loss with the same arguments score the same batch, as layers do above.
    """
    kind: Any = type(loss)
    try:
        losses = copy.deepcopy(loss), kind(**copy.deepcopy(loss.config()))
        ours, theirs = [(each.forward(p, *targets), each.backward(p, *targets)) for each in losses]
    except Exception:  # of any kind: a loss that cannot be copied, or that takes no such batch
        return []
    kept, new = map(vars, losses)
    names = [name for name in {**kept, **new} if not _same(kept.get(name), new.get(name), {})]
    return names if names or _same(ours, theirs, {}) else ["its value"]


def _warn_if_unknown(known: bool, model: Sequential) -> None:
    if not known:
        names = ", ".join(layer.name for layer in _own_layers(model))
        warnings.warn(
            f"tinynn could not check whether {names} has state that files do not keep: no batch "
            "could be run through a copy of the model.",
            stacklevel=5,
        )


def _own_layers(model: Sequential) -> list[Layer]:
    return [layer for layer in model.layers if is_own(type(layer))]


def _batches(model: Sequential, x: Array | None) -> Iterable[Array]:
    """Return batches of several kinds, as a layer may accept only whole numbers, for instance.

    They hold small and large numbers, for a layer that keeps the largest number so far.
    """
    given = [] if x is None else [x]
    drawn = np.random.default_rng(0).normal(size=(2, *model.input_shape))
    return [*given, drawn, 1e-6 * drawn, *(np.full(drawn.shape, fill) for fill in FILLS)]


def _rebuilt(model: Sequential) -> Sequential:
    """Return the model that a file of this model would give back."""
    layers = []
    for layer in model.layers:
        kind: Any = type(layer)
        layers.append(kind(**copy.deepcopy(layer.config())))
    rebuilt = Sequential(layers, model.input_shape, model.seed, model.dtype)
    rebuilt.params, rebuilt.buffers = model.params, model.buffers
    rebuilt.streams.go_to(**model.streams.state())
    return rebuilt


def _run(model: Sequential, x: Array) -> bool:
    """Run a batch forward and backward in each way; return whether the model accepts it.

    An error in backward, as in a layer that is still being written, does not matter: it is the same
    in both models.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Sequential.forward(model, x, training=False)
            dp = np.ones_like(Sequential.forward(model, x))
        except Exception:  # of any kind: a user's own layer that accepts other numbers only
            return False
        for backward in (Sequential.input_gradient, Sequential.backward):
            with suppress(Exception):
                backward(model, dp)
    return True


def _compare(model: Sequential, x: Array, before: Array | None = None) -> bool:
    """Raise InputError if a copy and a rebuilt model differ after a batch; False if neither ran it.

    before: a batch that the copy runs earlier, and the rebuilt model does not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of copies of itertools
            used, rebuilt = copy.deepcopy(model), _rebuilt(model)
    except TypeError:  # something that cannot be copied, such as a lock
        return False
    for layer in used.layers:  # so that backward computes the gradients of frozen layers, too
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
                    f"{layer.name} keeps {name} from batch to batch, but files do not save it. "
                    f"{_advice(name, ours.get(name))}"
                )
    _refuse_other_outputs(used, rebuilt, x)
    return True


def _refuse_other_outputs(used: Sequential, rebuilt: Sequential, x: Array) -> None:
    """Raise InputError for a layer of the user's own with two outputs for one input."""
    rebuilt.streams.go_to(**used.streams.state())
    out = x.astype(used.dtype)
    for layer, other in zip(used.layers, rebuilt.layers, strict=True):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = [one.forward(out) for one in (layer, other)]
        if is_own(type(layer)) and not _same_output(*map(np.asarray, outputs)):
            raise InputError(
                f"{layer.name} returns different numbers for the same input, parameters and step, "
                "so it reads something that files do not keep, such as np.random or a global "
                "variable. Draw random numbers from rng = self.stream(), the Generator of this "
                "step; keep other state in buffers: see buffer_shapes."
            )
        out = outputs[0]


def _same_output(a: Array, b: Array) -> bool:
    """Whether two outputs are equal up to rounding, which is as large as the largest number is."""
    if a.shape != b.shape:
        return False
    largest = np.abs(a[np.isfinite(a)]).max(initial=0)
    return np.allclose(a, b, 1e-3, 1e-3 * float(largest), equal_nan=True)


def _kept(layer: Layer) -> dict[str, Any]:
    """Return a layer's attributes, or the dictionary that its own `__getstate__` returns."""
    own: Any = type(layer).__getstate__
    state = vars(layer) if own is Portable.__getstate__ else own(layer)
    return {k: v for k, v in state.items() if k not in BY_MODEL and k not in layer._views}


def _advice(name: str, value: Any) -> str:
    if _state_of_generator(value) is not None:
        return (
            "Use the model's random numbers instead: in forward, rng = self.stream() is the "
            "Generator of this step."
        )
    if isinstance(value, (np.ndarray, np.generic, int, float)):
        return (
            "Make it a buffer, which files save: def buffer_shapes(self, input_shape): return "
            f'{{"{name}": {np.shape(value)}}}. self.{name} is then an array of the model. It is 0 '
            "at first, unless initialize(self, rng) fills it. Remove "
            f"self.{name} = ... from __init__."
        )
    return (
        "If forward needs it, keep it as arrays that are buffers: see buffer_shapes. If it is only "
        "a record, keep it outside of the layer, in a callback for instance. If it is only a "
        "cache, let the layer's __getstate__(self) return a dictionary without it."
    )


def _state_of_generator(value: Any) -> Any:
    """Return the state of a random generator; None for any other object."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if type(value).__module__ == "random":
        return value.getstate()
    if type(value).__module__ == "numpy.random.mtrand":  # RandomState, of older programs
        return value.get_state()
    return None


def _same(a: Any, b: Any, seen: dict[tuple[int, int], Any]) -> bool:
    """Whether two values are equal, with all that they hold. seen: pairs being compared already."""
    if a is b or (id(a), id(b)) in seen:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind != "O":
        return a.dtype == b.dtype and np.shape(a) == np.shape(b) and _nearly_equal(a, b)
    if isinstance(a, (bool, int, float, complex, str, bytes, type(None))):
        return bool(a == b or (a != a and b != b))
    if isinstance(a, (set, frozenset, type)):
        return bool(a == b)
    seen[id(a), id(b)] = a, b  # kept alive, so that no other object can get its id
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key], seen) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b, [seen] * len(a)))
    return _same(_parts(a), _parts(b), seen)


def _parts(thing: Any) -> Any:
    """Return the parts from which Python would copy an object; None if it cannot copy it."""
    if hasattr(thing, "__code__"):  # a function: each call of a constructor may make another
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        return thing.__code__.co_code, cells, getattr(thing, "__self__", None)
    state = _state_of_generator(thing)
    if state is not None:
        return state
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made = thing.__reduce_ex__(4)
    except Exception:  # such as a lock or an open file
        return None
    if isinstance(made, str):  # the name of an object that exists once
        return made
    how, arguments, *rest = made  # the rest: its state, then iterators over its items
    rest = [list(part) if hasattr(part, "__next__") else part for part in rest]
    return getattr(how, "__name__", repr(how)), arguments, rest


def _nearly_equal(a: Any, b: Any) -> bool:
    """Whether numbers are equal; in arrays up to rounding, which may depend on their alignment."""
    if a.ndim and a.dtype.kind in "fc":
        rounding = 1e-5 if a.dtype.itemsize <= 4 else 1e-12
        return bool(np.allclose(a, b, rounding, 1e-30, equal_nan=True))
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
