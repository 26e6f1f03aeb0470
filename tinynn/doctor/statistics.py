"""What the doctor measures: one look at a step, while the layers still remember its batch.

    forward  x -> spread of each layer's output        do differences between samples get through?
    backward   <- slope of the loss at each output     does what is wrong get back to each layer?
    update        how far the weights went, as a share of what they are

Each is one number for a layer, so that the looks of a whole run can be kept.
Dimensions: B samples in the batch, C classes.
"""

import copy
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tinynn.layers import LAYERS, Dense, Layer
from tinynn.layers.kinks import active_units
from tinynn.losses import Loss
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.parameters import Array


@dataclass
class Look:
    """What was seen at one step, before its update if nothing else is said.

    step: counted from 1. loss: of the batch. largest, size, mean: of what the lowest layer with
    parameters gets, the largest |x|, the standard deviation of all numbers, and their mean. spread:
    of the output of each layer with parameters, how much it differs from sample to sample: the root
    of its mean variance. slope: at that output, the root mean square of B times dout. closed: of
    each layer with a `kink_mask` like its output, as ReLU's is, the share of numbers that it stops:
    False in the mask and 0 in the output; if what the layer gets is not 0 everywhere. alike: Dense
    layers all of whose units have the same weights, inside and towards the next. labels, predicted:
    counts (C,) in this batch; empty if there are no classes. update: of each matrix of weights, the
    norm of the step divided by its own.
    """

    step: int
    loss: float
    largest: float
    size: float
    mean: float = 0.0
    spread: dict[str, float] = field(default_factory=dict)
    slope: dict[str, float] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)
    alike: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    update: dict[str, float] = field(default_factory=dict)


def look_at(
    model: Sequential, loss: Loss, x: Array, y: npt.ArrayLike, *weights: Array, step: int
) -> Look:
    """Look at a model at the batch (x, y), in its present step; it is left as it is.

    weights: of the samples, if they have any. The loss and the layers are copied, and run forward
    once more, as in training.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> x, y = np.array([[0.0], [3.0]]), [0, 1]
    >>> p = model.forward(x)
    >>> look = look_at(model, CrossEntropy(), x, y, step=1)
    >>> look.largest, look.labels, look.alike
    (3.0, [1, 1], [])
    """
    loss = copy.deepcopy(loss)
    with np.errstate(all="ignore"):  # what overflows here is what the doctor is looking for
        layers, outs = [], [x.astype(model.dtype, copy=False)]
        for layer in model.layers:
            own = type(layer) not in LAYERS.values()
            layers.append(copy.deepcopy(layer) if own else _light_copy(layer))
            outs.append(layers[-1].forward(outs[-1].copy() if own else outs[-1]))
        first = first_with_parameters(model)
        p, given = outs[-1], outs[first]
        largest, size = float(np.abs(given).max()), float(given.std(dtype=float))
        mean = float(given.mean(dtype=float))
        seen = Look(step, loss.forward(p, y, *weights), largest, size, mean)
        dout = np.asarray(loss.backward(p, y, *weights), model.dtype)
        for i in reversed(range(first, len(model.layers))):
            layer, out = layers[i], outs[i + 1]
            if layer.parameters():
                seen.spread[layer.name] = float(np.sqrt(out.var(axis=0, dtype=float).mean()))
                seen.slope[layer.name] = len(x) * float(  # B times: undoes the 1/B of the mean
                    np.sqrt(np.mean(np.square(dout, dtype=float)))
                )
            if i > first:
                own = type(layer) not in LAYERS.values()
                dout = layer.backward(dout.copy()) if own else layer.input_gradient(dout)
    for layer, given, out in zip(layers, outs, outs[1:], strict=False):
        units = active_units(layer, given, out)
        if units is not None and given.any():
            seen.closed[layer.name] = 1 - float(units.mean())
    seen.alike = _alike([layer for layer in layers if isinstance(layer, Dense)])
    if loss.classifies:
        classes = p.shape[1]
        seen.labels = np.bincount(classes_of(np.asarray(y)), minlength=classes).tolist()
        seen.predicted = np.bincount(classes_of(p), minlength=classes).tolist()
    return seen


def _light_copy(layer: Layer) -> Layer:
    """Return a copy that shares the parameters, which forward does not change, and nothing else."""
    twin: Layer = object.__new__(type(layer))
    views = {**layer._views, **{name: view.copy() for name, view in layer.buffers().items()}}
    vars(twin).update(vars(layer), _views=views, **{k: views[k] for k in layer.buffers()})
    return twin


def first_with_parameters(model: Sequential) -> int:
    """Return the position of the first layer that has parameters; 0 if there is none."""
    return next((i for i, layer in enumerate(model.layers) if layer.parameters()), 0)


def never_open(model: Sequential, x: Array) -> dict[str, tuple[int, int]]:
    """Return of each layer that closes units how many are open for no sample, and how many it has.

    >>> from tinynn import Dense, ReLU
    >>> model = Sequential([Dense(2), ReLU()], input_shape=(1,))
    >>> model.layers[0].W, model.layers[0].b = [[1, 1]], [0, -9]
    >>> never_open(model, np.array([[-1.0], [1.0]]))
    {'1.ReLU': (1, 2)}
    """
    twin = copy.deepcopy(model)  # which may remember something else than the model
    out, found = x.astype(twin.dtype), {}
    for layer in twin.layers:
        given, out = out, layer.forward(out.copy())  # a copy: a layer may work in place
        units = active_units(layer, given, out)
        if units is not None:
            found[layer.name] = (int(np.sum(~units.any(axis=0))), units[0].size)
    return found


def weights(model: Sequential) -> dict[str, Array]:
    """Return the matrices among the parameters: biases start at zero, so no share can be told."""
    return {name: view for name, view in model.named_parameters().items() if view.ndim > 1}


def _alike(dense: list[Dense]) -> list[str]:
    """Return the names of those whose units are all the same, towards the next layer too."""
    return [
        f"{one.name}.W"
        for one, above in pairwise(dense)
        if one.units > 1 and _same(one.W.T) and _same(above.W)
    ]


def _same(rows: Array) -> bool:
    """Whether all rows are equal; the first numbers decide for nearly all."""
    return bool((rows[:, 0] == rows[0, 0]).all() and (rows == rows[0]).all())
