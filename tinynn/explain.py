"""One training step, told: every number of forward, loss, backward and update, on one page.

    explain_step(model, loss, optimizer, x, y)  ->  StepExplanation: print it, or draw its figure()

The step is a real one, of a copy. Small networks are shown number by number, large ones by what
can be said of an array in a line.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.npz import PathLike
from tinynn.optimizers import SGD, Adam, Optimizer
from tinynn.parameters import Array
from tinynn.plots import blank, saved
from tinynn.vitals import open_units

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure

MOST_SAMPLES, MOST_NUMBERS, MOST_IN_A_LINE = 4, 4, 12  # beyond these, a page would be none
NAME, EQUATION, SHAPE, NUMBER = 14, 31, 11, 9  # widths

FORWARD = {
    "Flatten": "out = x, a sample in one row",
    "Dense": "out = x W + b",
    "ReLU": "out = max(x, 0)",
    "Softmax": "p = exp(x) / sum exp(x)",
}
BACKWARD = {
    "Flatten": "dx = dout, in x's shape",
    "Dense": "dx = dout W.T",
    "ReLU": "dx = dout where x > 0",
    "Softmax": "dx = p * (dout - sum(dout p))",
}
LOSSES = {
    "CrossEntropy": ("L = mean of -log p[y]", "dp = -onehot(y) / p / B"),
    "SoftmaxCrossEntropy": ("L = mean of -log softmax(z)[y]", "dz = (softmax(z) - y) / B"),
    "MeanSquaredError": ("L = mean of (p - y)^2", "dp = 2 (p - y) / (B C)"),
}
OWN = "(as this class has it)"  # of what a learner wrote, no equation is known


class Row(NamedTuple):
    """An array on its way: whose it is, by which equation it came, and the array."""

    name: str
    equation: str
    array: Array
    note: str = ""


class Update(NamedTuple):
    """An array of parameters: before the step, its gradient, and after."""

    name: str
    before: Array
    gradient: Array
    after: Array


@dataclass(frozen=True)
class StepExplanation:
    """What happened in one training step. Prints as a page; `figure()` draws it.

    forward: x, then what each layer returned. loss: of the batch; sample_losses: one a sample.
    backward: dp, then dx of each layer, from the last down to where nobody needs it. updates: each
    array of parameters. loss_after: on the same batch, after the step. promised: by how much the
    loss would have fallen if it were a plane, minus the gradient times the step.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> step = explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0])
    >>> step.backward[0].name, step.backward[0].array
    ('loss', array([[-2., -0.]], dtype=float32))
    """

    title: str
    rule: str
    formula: str
    forward: tuple[Row, ...]
    loss: float
    loss_equation: str
    sample_losses: tuple[float, ...]
    backward: tuple[Row, ...]
    updates: tuple[Update, ...]
    loss_after: float
    promised: float

    def __str__(self) -> str:
        small = len(self.sample_losses) <= MOST_SAMPLES and all(
            row.array[0].size <= MOST_NUMBERS and row.array.size <= MOST_IN_A_LINE
            for row in self.forward[1:]
        )
        lines = _in_numbers(self) if small else _in_summary(self)
        change = self.loss - self.loss_after
        last = (
            f"AGAIN  same batch: loss {self.loss:.4f} -> {self.loss_after + 0.0:.4f}, "
            f"{'down' if change >= 0 else 'up'} {abs(change):.4f}. "
            f"The slope promised {self.formula}{self.promised:.4f}."
        )
        return "\n".join(line.rstrip() for line in (self.title, *lines, last))

    __repr__ = __str__

    def figure(self, path: PathLike | None = None) -> "Figure":
        """Draw what each layer returned, and beneath it how the loss changes with that.

        A row of a picture is a sample, a column a number of it; blue is negative, red positive,
        white is 0. path: where to save it, too. Returns the matplotlib Figure.
        """
        above = self.forward
        gradients = {row.name: row for row in self.backward}
        below = [gradients.get(_giver(above, i)) for i in range(len(above))]
        figure = blank(max(6.4, 1.9 * len(above)), 4.6)
        panels = figure.subplots(2, len(above), squeeze=False)
        for column, (row, gradient) in enumerate(zip(above, below, strict=True)):
            _heat_map(panels[0, column], row.array, row.name)
            if gradient is None:
                panels[1, column].axis("off")
            else:
                _heat_map(panels[1, column], gradient.array, f"d {row.name}")
        panels[0, 0].set_ylabel("samples, forward")
        next(panel for panel in panels[1] if panel.axison).set_ylabel("samples, backward")
        figure.suptitle(
            f"One training step: loss {self.loss:.4f} -> {self.loss_after:.4f}\n"
            "above, what each layer returns; below, how the loss changes with it\n"
            "(red: positive, blue: negative, white: 0)",
            fontsize=11,
        )
        return saved(figure, path)


def explain_step(
    model: Sequential, loss: Loss, optimizer: Optimizer, x: npt.ArrayLike, y: npt.ArrayLike
) -> StepExplanation:
    """Take one training step on a copy of model and optimizer, and tell every number of it.

    x: (B, *input_shape). y: as the loss wants it. Nothing that is passed in changes: called twice,
    it says the same. Raises ValueError for data that do not fit.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> print(explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0]))
    One training step: 1 sample, 4 parameters, SGD 0.1 (on a copy: your model is unchanged)
    FORWARD                                      shape         sample 1
      x           given                          (1,1)         0
    ...
    AGAIN same batch: loss 0.6931 -> 0.6444, down 0.0488. The slope promised 0.1 |grad|^2 = 0.0500.
    """
    model = copy.deepcopy(checks.instance(model, Sequential, "model"))
    optimizer = copy.deepcopy(checks.instance(optimizer, Optimizer, "optimizer"))
    checks.instance(loss, Loss, "loss")
    if not model.params.size:
        raise ValueError("explain_step: the model has no parameters, so that no step changes it.")
    x, y = checks.paired(x, y)
    x = checks.batch(x, model.input_shape, "explain_step").astype(model.dtype, copy=False)

    forward = [Row("x", "given", x)]
    for layer in model.layers:
        out = layer.forward(forward[-1].array.copy())  # copies: a layer may work in place
        equation = FORWARD.get(type(layer).__name__, OWN)
        forward.append(Row(layer.name, equation, out, _closed(layer)))
    p = forward[-1].array
    value = loss.forward(p, y)
    each = tuple(loss.forward(p[i : i + 1], y[i : i + 1]) for i in range(len(p)))

    loss_equation, its_gradient = LOSSES.get(type(loss).__name__, (OWN, OWN))
    backward = [Row("loss", its_gradient, loss.backward(p, y))]
    for i in reversed(range(model.lowest, len(model.layers))):
        layer, dout = model.layers[i], backward[-1].array.copy()
        layer.parameter_gradients(dout)
        if i > model.lowest:
            equation = BACKWARD.get(type(layer).__name__, OWN)
            backward.append(Row(layer.name, equation, layer.input_gradient(dout)))

    before = model.params.copy()
    old = {name: view.copy() for name, view in model.named_parameters().items()}
    gradients = {
        f"{layer.name}.{name}": getattr(layer, f"d{name}").copy()
        for layer in model.layers
        for name in layer.parameters()
    }
    optimizer.step(model.params, model.grads)
    updates = [
        Update(name, old[name], gradients[name], after)
        for name, after in model.named_parameters().items()
    ]
    step = model.params.astype(np.float64) - before
    short, rule, formula = _rule(optimizer)
    samples = f"{len(x)} sample{'s' if len(x) > 1 else ''}"
    title = f"One training step: {samples}, {model.params.size:,} parameters, {short}"
    return StepExplanation(
        title=f"{title}     (on a copy: your model is unchanged)",
        rule=rule,
        formula=formula,
        forward=tuple(forward),
        loss=value,
        loss_equation=loss_equation,
        sample_losses=each,
        backward=tuple(backward),
        updates=tuple(updates),
        loss_after=loss.forward(model.forward(x, training=False), y),
        promised=float(-(model.grads @ step)),
    )


def _rule(optimizer: Optimizer) -> tuple[str, str, str]:
    """Return an optimizer's short name, its equation, and a formula for what the slope promises."""
    rate = optimizer.rate(optimizer.t)
    if isinstance(optimizer, SGD) and optimizer.momentum:
        rule = f"v <- {optimizer.momentum:g} v - {rate:g} dW,  W <- W + v"
        return f"SGD {rate:g}, momentum {optimizer.momentum:g}", rule, ""
    if isinstance(optimizer, SGD):
        return f"SGD {rate:g}", f"W <- W - {rate:g} dW", f"{rate:g} |grad|^2 = "
    if isinstance(optimizer, Adam):
        return f"Adam {rate:g}", f"W <- W - {rate:g} m / (sqrt(v) + {optimizer.epsilon:g})", ""
    return repr(optimizer), OWN, ""


def _closed(layer: Layer) -> str:
    """Return how many of a ReLU's units let nothing pass, counted over the batch."""
    units = open_units(layer)
    if units is None:
        return ""
    return f"{np.count_nonzero(~units):,} of {units.size:,} closed"


def _giver(rows: Sequence[Row], i: int) -> str:
    """Return whose backward gave the gradient of what row i returned: that of the row after it."""
    return rows[i + 1].name if i + 1 < len(rows) else "loss"


def _number(value: float) -> str:
    """Return a number in a column: four decimals, or as many as are needed to see it.

    >>> [_number(v).strip() for v in (0.0, 0.25, -3.0e-07, 123456.0)]
    ['0', '0.2500', '-3.0e-07', '1.2e+05']
    """
    if value == 0:
        return "0     ".rjust(NUMBER)
    small_or_large = not 5e-5 <= abs(value) < 1e3
    return f"{value:{NUMBER}.1e}" if small_or_large else f"{value:{NUMBER}.4f}"


def _numbers(values: Iterable[float]) -> str:
    return "".join(map(_number, values))


def _shape(array: Array) -> str:
    return str(array.shape).replace(" ", "").ljust(SHAPE)


def _in_numbers(step: StepExplanation) -> list[str]:
    """Return the page of a small network, number by number."""
    start = NAME + EQUATION + SHAPE
    width = max(*(row.array[0].size for row in step.forward[1:]), 1) * NUMBER + 2

    def line(row: Row) -> str:
        head = f"  {row.name}".ljust(NAME) + row.equation.ljust(EQUATION) + _shape(row.array)
        samples = (_numbers(sample.ravel()[:MOST_NUMBERS]).ljust(width) for sample in row.array)
        return f"{head}{''.join(samples)}{row.note}"

    heads = "".join(f"   sample {i}".ljust(width) for i in range(1, len(step.sample_losses) + 1))
    losses = "".join(_number(value).ljust(width) for value in step.sample_losses)
    lines = ["FORWARD".ljust(start - SHAPE) + "shape".ljust(SHAPE) + heads]
    lines += map(line, step.forward)
    lines.append("LOSS".ljust(NAME) + step.loss_equation.ljust(EQUATION) + _total(step) + losses)
    lines.append("BACKWARD".ljust(NAME) + "(d... = how L changes with ...)")
    lines += map(line, step.backward)
    columns = max(np.atleast_2d(update.before).shape[1] for update in step.updates)
    width = columns * NUMBER + 3
    lines.append("UPDATE".ljust(NAME) + f"dW = x.T dout, db = sum(dout),  {step.rule}")
    titles = (f"   {head}".ljust(width) for head in ("before", "gradient", "after"))
    lines.append(" " * NAME + "".join(titles))
    for update in step.updates:
        arrays = (update.before, update.gradient, update.after)
        for i, rows in enumerate(zip(*map(np.atleast_2d, arrays), strict=True)):
            name = f"  {update.name}" if i == 0 else ""
            lines.append(name.ljust(NAME) + "".join(_numbers(row).ljust(width) for row in rows))
    return lines


def _total(step: StepExplanation) -> str:
    return f"{step.loss:.4f}".ljust(SHAPE)


def _in_summary(step: StepExplanation) -> list[str]:
    """Return the page of a large network, a line for each array."""

    def line(row: Row) -> str:
        head = _shape(row.array) + f" {row.name}".ljust(NAME) + row.equation.ljust(EQUATION)
        a = row.array
        figures = _numbers([*a[0].ravel()[:3], a.min(), a.mean(), a.max()])
        return f"{head}{figures}{np.mean(a == 0):8.0%}   {row.note}"

    names = ("min", "mean", "max")
    heads = "three of sample 1".rjust(3 * NUMBER) + "".join(name.rjust(NUMBER) for name in names)
    heads += "zero".rjust(8)
    lines = ["shape".ljust(SHAPE) + " FORWARD".ljust(NAME + EQUATION) + heads]
    lines += map(line, step.forward)
    worst = max(step.sample_losses)
    lines.append(
        " " * SHAPE
        + " LOSS".ljust(NAME)
        + step.loss_equation.ljust(EQUATION)
        + f"{step.loss:.4f}; of a sample {min(step.sample_losses):.4f} to {worst:.4f}"
    )
    lines.append(" " * SHAPE + " BACKWARD".ljust(NAME) + "(d... = how L changes with ...)")
    lines += map(line, step.backward)
    lines.append(
        " " * SHAPE + " UPDATE".ljust(NAME) + f"dW = x.T dout, db = sum(dout),  {step.rule}"
    )
    titles = ("first W", "its dW", "W after", "mean |W|", "mean |dW|", "mean |step|")
    lines.append(" " * (SHAPE + NAME) + "".join(title.rjust(NUMBER + 3) for title in titles))
    for update in step.updates:
        means = (np.abs(update.before), np.abs(update.gradient))
        figures = [
            *(array.ravel()[0] for array in (update.before, update.gradient, update.after)),
            *(array.mean() for array in means),
            np.abs(update.after - update.before).mean(),
        ]
        numbers = "".join(_number(value).rjust(NUMBER + 3) for value in figures)
        lines.append(_shape(update.before) + f" {update.name}".ljust(NAME) + numbers)
    return lines


def _heat_map(panel: Any, array: Array, title: str) -> None:
    """Draw (B, ...) as a picture, a sample in each row; with its numbers where there is room."""
    rows = array.reshape(len(array), -1)
    limit = float(np.abs(rows).max()) or 1.0
    panel.imshow(rows, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    panel.set_title(title, fontsize=9)
    panel.set_xticks([])
    panel.set_yticks([])
    if rows.shape[1] <= MOST_NUMBERS and len(rows) <= MOST_SAMPLES:
        for (i, j), value in np.ndenumerate(rows):
            colour = "white" if abs(value) > 0.6 * limit else "black"
            panel.text(
                j, i, f"{value + 0.0:.2f}", ha="center", va="center", fontsize=8, color=colour
            )
