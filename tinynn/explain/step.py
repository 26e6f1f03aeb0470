"""One real training step, taken on a copy, with all its numbers.

    explain_step(model, loss, optimizer, x, y)  ->  StepExplanation: print it, or draw its figure()

The numbers are kept in a record (record.py), each array with its equation (equations.py). The
record becomes a page (page.py) or a picture (figure.py).
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
from tinynn.explain.window import at_one_window
from tinynn.files.atomic import PathLike
from tinynn.layers import Layer
from tinynn.layers.kinks import active_units
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.reports import Report

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure


class StepExplanation(Report, StepRecord):
    """What happened in one training step. Shows as a page; `figure()` draws it.

    forward: x, then the output of each layer. loss: of the batch; sample_losses: of each sample.
    backward: dp, then dx of each layer, from the last layer down to the last dx that is needed.
    updates: each array of parameters, before and after the step, and its gradient; rule: the
    equations of these. loss_after: the loss of the same batch after the step; again: whether random
    layers drew the same numbers for it. predicted_decrease: the decrease of the loss that the
    gradient predicts to first order: minus the gradient times the step.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> step = explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0])
    >>> step.backward[0].name, step.backward[0].array
    ('loss', array([[-2.,  0.]], dtype=float32))
    """

    def __str__(self) -> str:
        return page(self)

    def figure(self, path: PathLike | None = None) -> "Figure":
        """Draw the output of each layer, and below it the loss's gradient with respect to it.

        A row of a picture is a sample, a column is one of its numbers. Blue is negative, red is
        positive, white is 0. path: a file to save it to; default None. Returns the matplotlib
        Figure.
        """
        return draw(self, path)


def explain_step(
    model: Sequential, loss: Loss, optimizer: Optimizer, x: npt.ArrayLike, y: npt.ArrayLike
) -> StepExplanation:
    """Take one training step on a copy of model and optimizer, and return every number of it.

    x: (B, *input_shape). y: as the loss needs it. No argument is changed: a second call returns the
    same. So that the losses before and after the step can be compared, random layers draw the same
    numbers for both from their streams; if a layer draws elsewhere, and other numbers, the page
    says so. Raises InputError for data that do not fit.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> print(explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0]))
    One training step: 1 sample, 4 parameters, SGD 0.1 (on a copy: your model is unchanged)
    FORWARD                                      shape         sample 1
      x           given                          (1,1)         0
    ...
    AGAIN same batch: loss 0.6931 -> 0.6444, down 0.0488. The gradient predicts a decrease of
    0.1 |grad|^2 = 0.0500.
    """
    x, y = checks.samples_of_step(model, Sequential, loss, Loss, x, y, "explain_step")
    checks.instance(optimizer, Optimizer, "optimizer")
    model, optimizer = copy.deepcopy((model, optimizer))  # together: they belong to each other
    if not model.params.size:
        raise InputError("explain_step: the model has no parameters, so no step changes it.")
    if not any(layer.trainable for layer in model.layers if layer.parameters()):
        raise InputError(
            "explain_step: all layers are frozen (trainable = False), so no step changes the "
            "model. Set model.layers[i].trainable = True for a layer with parameters."
        )
    x = x.astype(model.dtype)
    model.streams.before_forward()  # to the next step
    # with the weights before and after the step; random layers draw the same numbers in all three
    unstepped, stepped = copy.deepcopy(model), copy.deepcopy(model)

    forward = _forward(model, x)
    p = forward[-1].array
    value = loss.forward(p, y)
    sample_losses = tuple(loss.forward(p[i : i + 1], y[i : i + 1]) for i in range(len(p)))
    loss_equation, dp_equation = loss_equations(loss, y)
    dp = np.asarray(loss.backward(p, y), model.dtype)
    backward = _backward(model, Row("loss", dp_equation, dp))
    updates = _update(model, optimizer, unstepped.named_parameters())
    short, update, formula = optimizer_equations(optimizer)

    step = model.params.astype(np.float64) - unstepped.params
    stepped.params = model.params
    again = loss.forward(unstepped.forward(x), y)  # differs if a layer draws from elsewhere
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
        sample_losses=sample_losses,
        backward=backward,
        updates=updates,
        loss_after=loss.forward(stepped.forward(x), y),
        predicted_decrease=float(-(model.grads @ step)),
        again=f"same batch{same}",
    )


def _forward(model: Sequential, x: Array) -> tuple[Row, ...]:
    """Return x, and the output of each layer."""
    rows = [Row("x", "given", x)]
    for layer in model.layers:
        x = rows[-1].array
        out = layer.forward(x.copy())  # a copy: a layer may work in place
        note, window = _inactive(layer, x, out), at_one_window(layer, x, out)
        rows.append(Row(layer.name, layer_equations(layer)[0], out, note, window))
    return tuple(rows)


def _inactive(layer: Layer, x: Array, out: Array) -> str:
    """Return how many units of a layer such as ReLU are inactive, counted over the batch."""
    units = active_units(layer, x, out)
    if units is None:
        return ""
    return f"{np.count_nonzero(~units):,} of {units.size:,} inactive"


def _backward(model: Sequential, of_loss: Row) -> tuple[Row, ...]:
    """Return dp, and dx of each layer above the first that is trained; write model.grads."""
    model.grads[:] = 0  # the gradients of frozen layers stay 0
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
    """Let the optimizer step; return each trained array before and after, and its gradient."""
    trained = [layer for layer in model.layers if layer.trainable]
    names = {f"{one.name}.{name}": (one, name) for one in trained for name in one.parameters()}
    gradients = {full: getattr(one, f"d{name}").copy() for full, (one, name) in names.items()}
    optimizer.step(model.params, model.grads)
    after = model.named_parameters()
    return tuple(Update(name, before[name], gradients[name], after[name]) for name in names)
