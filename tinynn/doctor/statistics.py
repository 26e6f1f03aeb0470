"""What the doctor measures at one step, on copies of the layers: layer statistics.

    forward  x -> standard deviation of each layer's output    do samples stay different?
    backward   <- gradient of the loss at each output          does it reach each layer?
    update        its norm, divided by that of the weights     how large is the step?

Each is one number for a layer, so that the numbers of a whole run can be kept.
Dimensions: B samples in the batch, C classes.
"""

import copy
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.layers import Dense, Layer
from tinynn.layers.kinks import active_units
from tinynn.losses import Loss
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.origin import is_own
from tinynn.parameters import Array


@dataclass
class StepStatistics:
    """What was measured at one step; all but update_ratio before the update.

    number: of the step, counted from 1. loss: of the batch. input_max, input_std, input_mean: the
    largest |x|, the standard deviation and the mean of the input of the first layer with
    parameters.

    Each of the next three has one number for a layer, by the layer's name; in output_std and
    gradient the last layer comes first. output_std: for each layer with parameters, how much its
    output differs from sample to sample: the root of the mean variance. gradient: for the same
    layers, from the first trainable one on: the root mean square of B times dout, before any
    clipping (callbacks such as ClipGradientNorm change the update, so update_ratio); of images
    (H, W, C), of its norm over the H W places, because a filter gets the sum over these. inactive:
    from the first trainable layer on, for each layer whose `kink_mask` has its output's shape, as
    ReLU's has: the share of inactive numbers (False in the mask and 0 in the output); left out if
    the layer's input is 0 everywhere. Where its input is 0 a unit does not count: that is a number
    which Dropout has just dropped.

    symmetric_units: the Dense layers in which all units have equal weights, also to the next Dense.
    labels, predicted: counts (C,) in this batch; empty if there are no classes. update_ratio: for
    each matrix of weights that is trained, the norm of the update divided by the norm of the
    weights.
    """

    number: int
    loss: float
    input_max: float
    input_std: float
    input_mean: float = 0.0
    output_std: dict[str, float] = field(default_factory=dict)
    gradient: dict[str, float] = field(default_factory=dict)
    inactive: dict[str, float] = field(default_factory=dict)
    symmetric_units: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    update_ratio: dict[str, float] = field(default_factory=dict)


def statistics_of_step(
    model: Sequential, loss: Loss, x: Array, y: npt.ArrayLike, *weights: Array, number: int
) -> StepStatistics:
    """Return the statistics of a model at the batch (x, y), in its present step.

    weights: of the samples, if they have any. The model stays as it is: the loss and the layers are
    copied, and the copies run forward and backward, as in training.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> x, y = np.array([[0.0], [3.0]]), [0, 1]
    >>> p = model.forward(x)
    >>> step = statistics_of_step(model, CrossEntropy(), x, y, number=1)
    >>> step.input_max, step.labels, step.symmetric_units
    (3.0, [1, 1], [])
    """
    loss = copy.deepcopy(loss)
    with np.errstate(all="ignore"):  # an overflow is just what the doctor looks for
        layers, outs = _forward_of_copies(model, x)
        p, inputs = outs[-1], outs[checks.first_with_parameters(model)]
        step = StepStatistics(
            number,
            loss.forward(p, y, *weights),
            input_max=float(np.abs(inputs).max()),
            input_std=float(inputs.std(dtype=float)),
            input_mean=float(inputs.mean(dtype=float)),
        )
        dout = np.asarray(loss.backward(p, y, *weights), model.dtype)
        step.gradient = _gradients(layers, dout, model.first_trainable)
        step.output_std = {
            layer.name: float(np.sqrt(out.var(axis=0, dtype=float).mean()))
            for layer, out in zip(reversed(layers), reversed(outs), strict=False)
            if layer.parameters()
        }
    for i in range(model.first_trainable, len(layers)):
        given, units = outs[i] != 0, active_units(layers[i], outs[i], outs[i + 1])
        if units is not None and given.any():
            counts = given if given.shape == units.shape else True
            step.inactive[layers[i].name] = 1 - float(np.mean(units, where=counts))
    step.symmetric_units = _symmetric([layer for layer in layers if isinstance(layer, Dense)])
    if loss.classifies:
        classes = p.shape[1]
        step.labels = np.bincount(classes_of(np.asarray(y)), minlength=classes).tolist()
        step.predicted = np.bincount(classes_of(p), minlength=classes).tolist()
    return step


def _forward_of_copies(model: Sequential, x: Array) -> tuple[list[Layer], list[Array]]:
    """Run copies of the layers forward; return them, the input of each, and the prediction."""
    layers, outs = [], [x.astype(model.dtype, copy=False)]
    together: dict[int, Any] = {}  # so that copies share what the layers share
    for layer in model.layers:
        own = is_own(type(layer))  # it may keep anything, and may work in place
        layers.append(copy.deepcopy(layer, together) if own else _light_copy(layer))
        outs.append(layers[-1].forward(outs[-1].copy() if own else outs[-1]))
    return layers, outs


def _gradients(layers: list[Layer], dout: Array, first: int) -> dict[str, float]:
    """Return the gradient at the output of each layer with parameters, down to the first trained.

    As in the model's backward, only dx is computed for a frozen layer.
    """
    found = {}
    for i in reversed(range(first, len(layers))):
        layer = layers[i]
        if layer.parameters():
            places = dout[0, ..., 0].size if dout.ndim == 4 else 1
            mean_square = places * np.mean(np.square(dout, dtype=float))
            found[layer.name] = len(dout) * float(np.sqrt(mean_square))  # undoes the mean's 1/B
        if i > first:
            whole = is_own(type(layer)) and layer.trainable
            dout = layer.backward(dout.copy()) if whole else layer.input_gradient(dout)
    return found


def _light_copy(layer: Layer) -> Layer:
    """Return a copy that shares only the parameters, which forward does not change."""
    copied: Layer = object.__new__(type(layer))
    views = {**layer._views, **{name: view.copy() for name, view in layer.buffers().items()}}
    vars(copied).update(vars(layer), _views=views, **{k: views[k] for k in layer.buffers()})
    return copied


def dead_units(model: Sequential, x: Array) -> dict[str, tuple[int, int]]:
    """Return how many units of a layer are dead (inactive for all x), and how many it has.

    For each layer with a kink, from the first trainable layer on. The layers run with
    training=False: a unit that dropout drops in one step is not dead. In images (H, W, C) a unit is
    a channel, the map of one filter: it is dead if it is inactive at all places.

    >>> from tinynn import Dense, ReLU
    >>> model = Sequential([Dense(2), ReLU()], input_shape=(1,))
    >>> model.layers[0].W, model.layers[0].b = [[1, 1]], [0, -9]
    >>> dead_units(model, np.array([[-1.0], [1.0]]))
    {'1.ReLU': (1, 2)}
    """
    out, found = x.astype(model.dtype), {}
    for i, layer in enumerate(copy.deepcopy(model).layers):
        inputs, out = out, layer.forward(out.copy(), training=False)  # it may work in place
        units = active_units(layer, inputs, out) if i >= model.first_trainable else None
        if units is not None:
            active = units.any(axis=(0, 1, 2) if units.ndim == 4 else 0)
            found[layer.name] = (int(np.sum(~active)), active.size)
    return found


def random_layers(model: Sequential, x: Array) -> list[str]:
    """Return the names of the layers that draw numbers from their stream in training.

    >>> from tinynn import Dense, Dropout
    >>> model = Sequential([Dense(2), Dropout(0.5)], input_shape=(1,))
    >>> random_layers(model, np.array([[1.0]]))
    ['1.Dropout']
    """
    model, drawn = copy.deepcopy(model), list[int]()
    draw = model.streams.of

    def noted(position: int) -> "np.random.Generator":
        drawn.append(position)
        return draw(position)

    vars(model.streams)["of"] = noted
    model.forward(x)
    return [model.layers[i].name for i in dict.fromkeys(drawn)]


@np.errstate(all="ignore")
def loss_in_mode(
    model: Sequential, loss: Loss, x: Array, y: Array, *weights: Array, training: Collection[str]
) -> float:
    """Return the loss of samples where the layers of these names act as in training.

    weights: of the samples, if they have any. Copies of the layers run, so the model stays as it
    is. Label smoothing does not count. The loss is infinite where the output is NaN or infinite.

    >>> from tinynn import Dropout, MeanAbsoluteError
    >>> model, x = Sequential([Dropout(0.5)], input_shape=(1,)), np.ones((1024, 1))
    >>> loss_in_mode(model, MeanAbsoluteError(), x, x, training=[])
    0.0
    >>> loss_in_mode(model, MeanAbsoluteError(), x, x, training=["0.Dropout"])  # 0 or 2
    1.0
    """
    model, loss = copy.deepcopy((model, loss.for_evaluation()))
    out = x.astype(model.dtype)
    for layer in model.layers:
        out = layer.forward(out.copy(), training=layer.name in training)  # it may work in place
    return loss.forward(out, y, *weights) if checks.scored(out, loss.classifies) else np.inf


def trained_weights(model: Sequential) -> dict[str, Array]:
    """Return the matrices that are trained; biases start at zero, so they have no ratio."""
    return {
        f"{layer.name}.{key}": view
        for layer in model.layers
        for key, view in layer.parameters().items()
        if layer.trainable and view.ndim > 1
    }


def _symmetric(dense: list[Dense]) -> list[str]:
    """Return the W of each Dense whose units all have equal weights, also to the next Dense."""
    return [
        f"{one.name}.W"
        for one, above in pairwise(dense)
        if one.units > 1 and _same(one.W.T) and _same(above.W)
    ]


def _same(rows: Array) -> bool:
    """Whether all rows are equal. The first column is compared first, which is mostly enough."""
    return bool((rows[:, 0] == rows[0, 0]).all() and (rows == rows[0]).all())
