"""One real training step, on a copy, and all that happens in it.

    explain_step(model, loss, optimizer, x, y)  ->  StepExplanation: print it, or draw its figure()

What is told is a record (record.py), each array beside its equation (equations.py); it becomes a
page (page.py) or a picture (figure.py).
"""

import copy
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError
from tinynn.explain.equations import (
    layer_equations,
    loss_equations,
    optimizer_equations,
    update_rule,
)
from tinynn.explain.figure import draw
from tinynn.explain.page import page
from tinynn.explain.record import Row, StepRecord, Update
from tinynn.files.atomic import PathLike
from tinynn.layers import Layer
from tinynn.layers.kinks import active_units
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure


class StepExplanation(StepRecord):
    """What happened in one training step. Prints as a page; `figure()` draws it.

    forward: x, then what each layer returned. loss: of the batch; sample_losses: one a sample.
    backward: dp, then dx of each layer, from the last down to where nobody needs it. updates: each
    array of parameters; rule: its equations. loss_after: on the same batch, after the step; again:
    whether the batch met the same network, or random layers drew anew. promised: by how much the
    loss would have fallen if it were a plane, minus the gradient times the step.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> step = explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0])
    >>> step.backward[0].name, step.backward[0].array
    ('loss', array([[-2.,  0.]], dtype=float32))
    """

    def __str__(self) -> str:
        return page(self)

    __repr__ = __str__

    def figure(self, path: PathLike | None = None) -> "Figure":
        """Draw what each layer returned, and beneath it how the loss changes with that.

        A row of a picture is a sample, a column a number of it; blue is negative, red positive,
        white is 0. path: where to save it, too. Returns the matplotlib Figure.
        """
        return draw(self, path)


def explain_step(
    model: Sequential, loss: Loss, optimizer: Optimizer, x: npt.ArrayLike, y: npt.ArrayLike
) -> StepExplanation:
    """Take one training step on a copy of model and optimizer, and tell every number of it.

    x: (B, *input_shape). y: as the loss wants it. Nothing that is passed in changes: called twice,
    it says the same. So that the two losses compare, a layer that draws random numbers from its
    stream draws the same ones for both; of one that draws elsewhere the page says if it did not.
    Raises InputError for data that do not fit.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> print(explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0]))
    One training step: 1 sample, 4 parameters, SGD 0.1 (on a copy: your model is unchanged)
    FORWARD                                      shape         sample 1
      x           given                          (1,1)         0
    ...
    AGAIN same batch: loss 0.6931 -> 0.6444, down 0.0488. The gradient promised 0.1 |grad|^2 =
    0.0500.
    """
    x, y = checks.samples_of_step(model, Sequential, loss, Loss, x, y, "explain_step")
    checks.instance(optimizer, Optimizer, "optimizer")
    model, optimizer = copy.deepcopy((model, optimizer))  # together: they belong to each other
    if not model.params.size:
        raise InputError("explain_step: the model has no parameters, so that no step changes it.")
    if not any(layer.trainable for layer in model.layers if layer.parameters()):
        raise InputError(
            "explain_step: all layers are frozen (trainable = False), so that no step changes the "
            "model. Set model.layers[i].trainable = True for one with parameters."
        )
    x = x.astype(model.dtype)
    model.streams.before_forward()  # to the step that comes next
    still, moved = copy.deepcopy(model), copy.deepcopy(model)  # random layers draw the same in each

    forward = _forward(model, x)
    p = forward[-1].array
    value = loss.forward(p, y)
    each = tuple(loss.forward(p[i : i + 1], y[i : i + 1]) for i in range(len(p)))
    loss_equation, its_gradient = loss_equations(loss, y)
    dp = np.asarray(loss.backward(p, y), model.dtype)
    backward = _backward(model, Row("loss", its_gradient, dp))
    updates = _update(model, optimizer, still.named_parameters())
    short, update, formula = optimizer_equations(optimizer)

    step = model.params.astype(np.float64) - still.params
    moved.params = model.params
    again = loss.forward(still.forward(x), y)  # differs if a layer draws from elsewhere
    same = "" if np.isclose(again, value, 1e-4, equal_nan=True) else ", other random numbers"
    samples = f"{len(x)} sample{'s' if len(x) > 1 else ''}"
    title = f"One training step: {samples}, {model.params.size:,} parameters, {short}"
    return StepExplanation(
        title=f"{title}     (on a copy: your model is unchanged)",
        rule=update_rule(model.layers, update),
        formula=formula,
        forward=forward,
        loss=value,
        loss_equation=loss_equation,
        sample_losses=each,
        backward=backward,
        updates=updates,
        loss_after=loss.forward(moved.forward(x), y),
        promised=float(-(model.grads @ step)),
        again=f"same batch{same}",
    )


def _forward(model: Sequential, x: Array) -> tuple[Row, ...]:
    """Return x, and what each layer makes of it."""
    rows = [Row("x", "given", x)]
    for layer in model.layers:
        x = rows[-1].array
        out = layer.forward(x.copy())  # a copy: a layer may work in place
        rows.append(Row(layer.name, layer_equations(layer)[0], out, _inactive(layer, x, out)))
    return tuple(rows)


def _inactive(layer: Layer, x: Array, out: Array) -> str:
    """Return how many units of a layer such as ReLU let nothing pass, counted over the batch."""
    units = active_units(layer, x, out)
    if units is None:
        return ""
    return f"{np.count_nonzero(~units):,} of {units.size:,} inactive"


def _backward(model: Sequential, of_loss: Row) -> tuple[Row, ...]:
    """Return dp, and dx of each layer above the first that is trained; write model.grads."""
    model.grads[:] = 0  # those of layers that are not trained stay so
    rows, first = [of_loss], model.first_trainable
    for layer in reversed(model.layers[first + 1 :]):
        dout = rows[-1].array.copy()
        dx = layer.backward(dout) if layer.trainable else layer.input_gradient(dout)
        rows.append(Row(layer.name, layer_equations(layer)[1], dx))
    if model.layers[first].trainable:
        model.layers[first].parameter_gradients(rows[-1].array.copy())
    return tuple(rows)


def _update(
    model: Sequential, optimizer: Optimizer, before: dict[str, Array]
) -> tuple[Update, ...]:
    """Let the optimizer step; return what it did to each array that is trained."""
    trained = [layer for layer in model.layers if layer.trainable]
    names = {f"{one.name}.{name}": (one, name) for one in trained for name in one.parameters()}
    gradients = {full: getattr(one, f"d{name}").copy() for full, (one, name) in names.items()}
    optimizer.step(model.params, model.grads)
    after = model.named_parameters()
    return tuple(Update(name, before[name], gradients[name], after[name]) for name in names)
