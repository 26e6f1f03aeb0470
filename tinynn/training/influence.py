"""Influence: which training samples pushed the network towards an answer, and which away from it.

A step of plain SGD on one training sample n moves the parameters by -rate g_n, where g_n is the
gradient of that sample's loss. To first order the loss of another sample, with gradient g, then
falls by rate g_n . g: the dot product of two gradients. Summed over the steps on n it is the
influence of n; over some checkpoints, instead of all steps, it is TracInCP (Pruthi, Liu, Kale and
Sundararajan, Estimating Training Data Influence by Tracing Gradient Descent, NeurIPS 2020,
section 3.2):

    influence_n = sum over checkpoints of rate (g_n . g)

The gradient of one sample's W in a Dense is the outer product of x (F,) and dout (U,). So the dot
product of two is a product of two small ones, and no gradient (F, U) is made for any sample:

    dW_n . dW = sum_ij x_n[i] dout_n[j] x[i] dout[j] = (x_n . x) (dout_n . dout)
    db_n . db = dout_n . dout
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.configuration_json import unequal
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.files.checkpoints import checkpoints_by_step, load_checkpoint, structure
from tinynn.layers import Dense, Layer
from tinynn.losses import Loss
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.origin import is_own
from tinynn.parameters import Array
from tinynn.reports import Report
from tinynn.training.replayed import Moment

Traced: TypeAlias = list[tuple[Layer, Array, Array]]  # layers with their x (B, ...) and dout


@dataclass(frozen=True, repr=False)
class Influence(Report):
    """What `influence` found: `values` (N,), one number for each training sample.

    Positive: a step on that sample alone lowers the loss of the one asked about, so it pushes the
    network towards the answer; negative: it pushes away from it. x, y: the training samples as
    they were given; one_x (1, ...), one_y: the one asked about; p: what the model, or that of the
    last checkpoint, predicts for it. classifies: whether answers are classes. Shows as a table.

    >>> y, p = np.array([1, 0]), np.array([[0.25, 0.75]])
    >>> result = Influence(np.array([0.5, -2.0]), np.eye(2), y, np.eye(2)[:1], y[:1], p, True)
    >>> result.most_harmful(count=1)
    array([1])
    >>> result
    Influence on a sample of class 1, predicted as 1:
      towards it    sample     class   influence
                         0         1         0.5
    away from it    sample     class   influence
                         1         0          -2
    """

    values: Array
    x: Array
    y: Array
    one_x: Array
    one_y: Array
    p: Array
    classifies: bool

    def most_helpful(self, count: int = 8) -> Array:
        """Return the indices of the samples that push most towards the answer, the first most."""
        order = np.argsort(-self.values, kind="stable")[: checks.check_integer("count", count)]
        return order[self.values[order] > 0]

    def most_harmful(self, count: int = 8) -> Array:
        """Return the indices of the samples that push most away from the answer."""
        order = np.argsort(self.values, kind="stable")[: checks.check_integer("count", count)]
        return order[self.values[order] < 0]

    @property
    def answers(self) -> Array:
        """The classes of the training samples (N,); for a loss of numbers, y itself."""
        return classes_of(self.y) if self.classifies else self.y

    def __str__(self) -> str:
        kind = "class" if self.classifies else "y"
        answer, p = (classes_of(one) if self.classifies else one for one in (self.one_y, self.p))
        lines = [f"Influence on a sample of {kind} {answer[0]}, predicted as {p[0]}:"]
        parts = (("towards it", self.most_helpful(5)), ("away from it", self.most_harmful(5)))
        for words, samples in parts:
            lines += [f"{words:>12}  {'sample':>8}  {kind:>8}  {'influence':>10}"]
            for n in samples:
                lines.append(f"{'':>12}  {n:>8}  {self.answers[n]!s:>8}  {self.values[n]:>10.3g}")
        return "\n".join(lines)


@np.errstate(all="ignore")  # NaN and infinity raise an InputError instead
@checks.short_traceback
def influence(
    model: Sequential,
    loss: Loss,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    one_x: npt.ArrayLike,
    one_y: npt.ArrayLike,
    checkpoints: PathLike | Iterable[PathLike | Moment] | None = None,
) -> Influence:
    """Return how much each training sample pushed the network towards an answer for one sample.

    model, loss: of the training. x (N, *input_shape), y (N, ...): training samples. one_x, one_y:
    the sample asked about, x[i] or x[i:i+1], and the answer asked about: with its true class, the
    harmful samples are those that taught the network a mistake; with the class that it predicts,
    the helpful ones are. checkpoints: default None, the dot product at the model's weights. Or
    paths as for Replay, "run-{step}.npz", or a list of what Replay.at returns: then the sum over
    these of the learning rate times the dot product; model says only what the network is.

    Gradients are those of prediction: nothing is dropped or moved at random, and BatchNorm uses
    its running statistics, since in training a sample's gradient depends on the others of its
    batch. Frozen layers do not count. The equation is that of SGD; for an optimizer that divides
    gradients by their size, such as Adam, the values say less. Dense layers take about as long as
    an epoch; other layers with parameters go sample by sample, which takes longer (2.5 s for 1,000
    images and two Conv2D).

    Raises InputError for data that do not fit, a layer that acts otherwise in training although it
    is frozen, a model with a forward of its own, and a checkpoint whose learning rate is not known.

    >>> from tinynn import MeanSquaredError
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> model.layers[0].W = [[0.0]]
    >>> x, y = np.array([[1.0], [2.0], [1.0]]), np.array([[1.0], [1.0], [-1.0]])
    >>> influence(model, MeanSquaredError(), x, y, one_x=[1.0], one_y=[1.0]).values
    array([ 8., 12., -8.])
    """
    x, y = checks.samples_of_step(model, Sequential, loss, Loss, x, y, "influence")[:2]
    one_x, one_y = _one(model, loss, y, one_x, one_y)
    for method in ("forward", "backward"):
        if is_own(getattr(type(model), method)):
            raise InputError(
                f"influence goes through the layers one by one, but {type(model).__name__} has a "
                f"{method} of its own. Write what it does as a layer."
            )
    if not _trained(model):
        raise InputError("influence: the model has no layer of which anything is trained.")
    values, p = np.zeros(len(x)), np.empty(0)
    for each, rate in _weighted(model, checkpoints):
        traced = _Tracer(each, loss)
        p, ones = traced(one_x, one_y)
        for part in checks.prediction_batches(model, len(x)):
            _, several = traced(x[part], y[part])
            for (layer, given, dout), one in zip(several, ones, strict=True):
                values[part] += rate * _dot_products(layer, given, dout, *one[1:])
    checks.refuse_unsound("the influence", values, "influence")
    return Influence(values, x, y, one_x, one_y, p, loss.classifies)


def _one(
    model: Sequential, loss: Loss, y: Array, one_x: npt.ArrayLike, one_y: npt.ArrayLike
) -> tuple[Array, Array]:
    """Return the sample asked about, and its answer, as a batch of one."""
    one_x, one_y = checks.array(one_x, "one_x"), checks.array(one_y, "one_y")
    given = one_x.shape, one_y.shape
    if one_x.shape == model.input_shape:
        one_x = one_x[None]
    if one_y.ndim == y.ndim - 1:
        one_y = one_y[None]
    shapes, expected = (one_x.shape, one_y.shape), ((1, *model.input_shape), (1, *y.shape[1:]))
    if shapes != expected:
        raise InputError(
            f"influence asks about one sample and its answer, one_x of shape {model.input_shape} "
            f"and one_y of shape {y.shape[1:]}, as x[0] and y[0] are; got {given[0]} and "
            f"{given[1]}."
        )
    return checks.finite_samples(model, loss, one_x, one_y, "influence", "one_")


def _weighted(
    model: Sequential, checkpoints: PathLike | Iterable[PathLike | Moment] | None
) -> Iterator[tuple[Sequential, float]]:
    """Yield the model of each checkpoint with its learning rate; without any, the model and 1."""
    if checkpoints is None:
        yield model, 1.0
        return
    several: Any = checkpoints
    if isinstance(checkpoints, (str, Moment)) or not isinstance(checkpoints, Iterable):
        several = [checkpoints]
    moments, paths = list[Moment](), list[Any]()
    for one in several:
        (moments if isinstance(one, Moment) else paths).append(one)
    if not moments and not paths:
        raise InputError("checkpoints= holds nothing; leave it out, or name files.")
    for moment in moments:
        differences = unequal(structure(moment.model), structure(model))
        if differences:
            heading = "checkpoints= has a moment of another model (first its, then yours):"
            raise InputError("\n  ".join([heading, *differences]))
        yield moment.model, moment.optimizer.rate(max(moment.optimizer.t, 1))
    for path in checkpoints_by_step(paths).values():
        loaded, state, _ = load_checkpoint(path, model)
        yield loaded, _rate_in(state, path)


def _rate_in(state: Any, path: PathLike) -> float:
    """Return the learning rate at a checkpoint: of the last step, or, at the beginning, the first.

    A schedule is not in the file, but the history has its rate at the end of each epoch.
    """
    try:
        rate = state["hyperparameters"].get("learning_rate")
        if rate is None and not state["step"]:
            rate = state["schedule"]["asked"]["1"][0]
        elif rate is None and not state["totals"]["n_samples"]:
            rate = state["history"][-1]["learning_rate"]
    except (TypeError, KeyError, IndexError, AttributeError):
        rate = None
    if rate is None:
        raise InputError(
            f"{path} does not hold the learning rate of its step, which a schedule decided. Use "
            "checkpoints of the ends of epochs, or checkpoints=[Replay(...).at(step), ...]."
        )
    return float(rate)


def _trained(model: Sequential) -> set[int]:
    """Return the positions of the layers that have parameters and are not frozen."""
    return {i for i, one in enumerate(model.layers) if one.parameters() and one.trainable}


class _Tracer:
    """Takes samples through a copy of a model, forward and back, as in prediction.

    Called with x and y it returns p and, for each layer with parameters that are trained, the
    layer, its x and its dout: the gradient of each sample's own loss.
    """

    def __init__(self, model: Sequential, loss: Loss) -> None:
        self.trained = _trained(model)
        self.model, self.loss = copy.deepcopy(model), copy.deepcopy(loss)
        for layer in self.model.layers:
            layer.trainable = False  # so that BatchNorm uses its running statistics

    def __call__(self, x: Array, y: Array) -> tuple[Array, Traced]:
        out, given = x.astype(self.model.dtype), dict[int, Array]()
        for i, layer in enumerate(self.model.layers):
            before, out, used = out, *_as_in_prediction(layer, out)
            if used:
                given[i] = before
        dout = self._dp(out, y).astype(self.model.dtype, copy=False)
        traced: Traced = []
        for i in reversed(given):
            layer = self.model.layers[i]
            if i in self.trained:
                traced.append((layer, given[i], dout))
            if i == min(self.trained):
                break
            dout = layer.input_gradient(_for(layer, dout))
        return out, traced

    def _dp(self, p: Array, y: Array) -> Array:
        """Return the gradient of each sample's own loss, which the loss of a batch divides by B."""
        if not is_own(type(self.loss)):
            return self.loss.backward(p, y) * len(p)
        rows = [self.loss.backward(p[n : n + 1], y[n : n + 1]) for n in range(len(p))]
        return np.concatenate(rows)


def _as_in_prediction(layer: Layer, x: Array) -> tuple[Array, bool]:
    """Return out, and whether the layer takes part: what changes nothing in prediction does not.

    A layer of tinynn's with parameters that is frozen acts in training as in prediction.
    """
    if layer.parameters() and not is_own(type(layer)):
        return layer.forward(x), True
    predicted = layer.forward(_for(layer, x), training=False)
    out = layer.forward(_for(layer, x))
    if np.array_equal(out, predicted, equal_nan=True):
        return out, True
    if np.array_equal(predicted, x) and not layer.parameters():
        return predicted, False
    raise InputError(
        f"{layer.name} returns other numbers in training than in prediction, also when it is "
        "frozen, so the gradient of a prediction is not known. Let its forward do the same in "
        "both where self.trainable is False."
    )


def _for(layer: Layer, array: Array) -> Array:
    """Return an array to give to a layer: a copy, if one of the user's own might change it."""
    return array.copy() if is_own(type(layer)) else array


def _dot_products(layer: Layer, x: Array, dout: Array, one_x: Array, one_dout: Array) -> Array:
    """Return (B,), the dot product of each sample's gradient in a layer with that of the one."""
    if type(layer) is Dense:
        of_x = x @ one_x[0]  # (B,)
        return (of_x + 1 if layer.bias else of_x) * (dout @ one_dout[0])
    one = _gradient(layer, one_x, one_dout)
    rows = (slice(n, n + 1) for n in range(len(x)))
    return np.array([_gradient(layer, x[row], dout[row]) @ one for row in rows])


def _gradient(layer: Layer, x: Array, dout: Array) -> Array:
    """Return the gradient of all parameters of a layer, one vector, for a batch of one sample."""
    layer.forward(_for(layer, x))
    layer.parameter_gradients(_for(layer, dout))
    return np.concatenate([getattr(layer, f"d{name}").ravel() for name in layer.parameters()])
