"""One training step, told: every number of forward, loss, backward and update, on one page.

    explain_step(model, loss, optimizer, x, y)  ->  StepExplanation: print it, or draw its figure()

The step is a real one, of a copy. What fits a screen is shown number by number, the rest by what
can be said of an array in a line.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.layers import Layer
from tinynn.layers.kinks import active_units
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.plots import blank, saved

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure

LINES, COLUMNS = 40, 170  # of a screen
CELLS = 4  # samples, and numbers of each, that have room for digits in a picture
NAME, EQUATION, SHAPE, NUMBER, IN_TEXT = 14, 31, 11, 9, 16  # widths

OWN = "(as this class has it)"  # of what a learner wrote, no equation is known
# for each of a class's `equations` the methods that it is of
LAYER = (("forward",), ("input_gradient", "backward"), ("parameter_gradients", "backward"))
LOSS = (("forward",), ("backward",))
STEP = (("update", "step"),) * 3


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
    array of parameters; rule: its equations. loss_after: on the same batch, after the step; again:
    whether the batch met the same network, or random layers drew anew. promised: by how much the
    loss would have fallen if it were a plane, minus the gradient times the step.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    >>> step = explain_step(model, CrossEntropy(), SGD(0.1), [[0.0]], [0])
    >>> step.backward[0].name, step.backward[0].array
    ('loss', array([[-2.,  0.]], dtype=float32))
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
    again: str = "same batch"

    def __str__(self) -> str:
        arrays = [row.array for row in self.forward] + [update.before for update in self.updates]
        page = LINES * COLUMNS / NUMBER  # so many numbers would fill it
        lines = _in_numbers(self) if sum(array.size for array in arrays) < page else []
        if not lines or len(lines) > LINES - 2 or max(map(len, lines)) > COLUMNS:
            lines = _in_summary(self)
        change = self.loss - self.loss_after
        told = (self.loss, self.loss_after, abs(change), self.promised)
        before, after, by, promised = (_number(value, IN_TEXT) for value in told)
        way = "down" if change >= 0 else "up"
        last = f"AGAIN  {self.again}: loss {before} -> {after}, {way} {by}. "
        last += f"The slope promised {self.formula}{promised}."
        return "\n".join((self.title, *lines, last))

    __repr__ = __str__

    def figure(self, path: PathLike | None = None) -> "Figure":
        """Draw what each layer returned, and beneath it how the loss changes with that.

        A row of a picture is a sample, a column a number of it; blue is negative, red positive,
        white is 0. path: where to save it, too. Returns the matplotlib Figure.
        """
        above, below = self.forward, {row.name: row.array for row in self.backward}
        givers = [*(row.name for row in above[1:]), "loss"]  # whose backward gave its gradient
        figure = blank(max(6.4, 1.9 * len(above)), 4.6)
        panels = figure.subplots(2, len(above), squeeze=False)
        for column, (row, giver) in enumerate(zip(above, givers, strict=True)):
            _heat_map(panels[0, column], row.array, row.name)
            if giver in below:
                _heat_map(panels[1, column], below[giver], f"d {row.name}")
            else:
                panels[1, column].axis("off")
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
    AGAIN same batch: loss 0.6931 -> 0.6444, down 0.0488. The slope promised 0.1 |grad|^2 = 0.0500.
    """
    x, y = checks.one_step(model, Sequential, loss, Loss, x, y, "explain_step")
    checks.instance(optimizer, Optimizer, "optimizer")
    model, optimizer = copy.deepcopy((model, optimizer))  # together: they belong to each other
    if not model.params.size:
        raise InputError("explain_step: the model has no parameters, so that no step changes it.")
    x = x.astype(model.dtype)
    model.streams.before_forward()  # to the step that comes next
    model.grads[:] = 0  # as those stay of layers that are not trained
    still, moved = copy.deepcopy(model), copy.deepcopy(model)  # random layers draw the same in each

    forward = [Row("x", "given", x)]
    for layer in model.layers:
        out = layer.forward(forward[-1].array.copy())  # copies: a layer may work in place
        equation = _told(layer, layer.equations, LAYER)[0]
        note = _closed(layer, forward[-1].array, out)
        forward.append(Row(layer.name, equation, out, note))
    p = forward[-1].array
    value = loss.forward(p, y)
    each = tuple(loss.forward(p[i : i + 1], y[i : i + 1]) for i in range(len(p)))
    loss_equation, its_gradient = _told_of_loss(loss, y)
    backward = [Row("loss", its_gradient, np.asarray(loss.backward(p, y), model.dtype))]
    first = model.first_trainable
    for layer in reversed(model.layers[first + 1 :]):
        dout = backward[-1].array.copy()
        dx = layer.backward(dout) if layer.trainable else layer.input_gradient(dout)
        backward.append(Row(layer.name, _told(layer, layer.equations, LAYER)[1], dx))
    if model.layers[first].trainable:
        model.layers[first].parameter_gradients(backward[-1].array.copy())

    gradients = {
        f"{layer.name}.{name}": getattr(layer, f"d{name}").copy()
        for layer in model.layers
        for name in layer.parameters()
        if layer.trainable
    }
    optimizer.step(model.params, model.grads)
    old, new = still.named_parameters(), model.named_parameters()
    step = model.params.astype(np.float64) - still.params
    moved.params = model.params
    again = loss.forward(still.forward(x), y)  # differs if a layer draws from elsewhere
    same = "" if np.isclose(again, value, 1e-4, equal_nan=True) else ", other random numbers"
    short, rule, formula = _told(optimizer, optimizer.equations(optimizer.rate(optimizer.t)), STEP)
    short = repr(optimizer) if short == OWN else short
    formula = "" if formula == OWN else f"{formula} = "
    with_own = [layer for layer in model.layers if layer.parameters()]
    kinds = {type(one): _told(one, one.equations, LAYER)[2] for one in with_own}
    if len({*kinds.values()}) == 1 and OWN not in kinds.values():
        rule = f"{kinds.popitem()[1]},  {rule}"
    else:
        known = [f"{kind.__name__}: {told};  " for kind, told in kinds.items() if told != OWN]
        rule = f"{''.join(known)}each array: {rule}"
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
        updates=tuple(Update(name, old[name], gradients[name], new[name]) for name in gradients),
        loss_after=loss.forward(moved.forward(x), y),
        promised=float(-(model.grads @ step)),
        again=f"same batch{same}",
    )


def _depth(thing: Any, name: str) -> int:
    """Return where a name is defined: 0 on the object, 1 in its class, then in those above it."""
    spaces = [vars(thing), *map(vars, type(thing).__mro__)]
    return next(i for i, space in enumerate(spaces) if name in space)


def _told(
    thing: Any,
    equations: tuple[str, ...],
    methods: tuple[tuple[str, ...], ...],
    by: str = "equations",
) -> list[str]:
    """Return the equation of each method, as its class tells it, or OWN where it tells of another.

    methods: for each equation the names of those that do the work. One that a class below has
    written anew, or that was set on the object, is no longer what the equation was written of. by:
    the attribute that tells.

    >>> from tinynn import ReLU
    >>> class Leaky(ReLU):
    ...     def input_gradient(self, dout):
    ...         return dout * np.where(self.mask, 1, 0.1)
    >>> _told(Leaky(), Leaky.equations, (("forward",), ("input_gradient",)))
    ['out = max(x, 0)', '(as this class has it)']
    """
    checks.equations(equations, thing, len(methods))
    depth, told = _depth(thing, by), []
    for equation, names in zip_longest(equations, methods, fillvalue=""):
        anew = any(_depth(thing, name) < depth for name in names)
        told.append(OWN if anew or not equation else str(equation))
    return told


def _told_of_loss(loss: Loss, y: Array) -> list[str]:
    """Return the equations of a loss: those of classes, unless a class below tells others."""
    by = "equations_of_classes"
    if y.ndim == 1 and getattr(loss, by) and _depth(loss, by) <= _depth(loss, "equations"):
        return _told(loss, loss.equations_of_classes, LOSS, by)
    return _told(loss, loss.equations, LOSS)


def _closed(layer: Layer, x: Array, out: Array) -> str:
    """Return how many of a ReLU's units let nothing pass, counted over the batch."""
    units = active_units(layer, x, out)
    if units is None:
        return ""
    return f"{np.count_nonzero(~units):,} of {units.size:,} closed"


def _number(value: float, width: int = NUMBER) -> str:
    """Return a number with four decimals, or fewer if it is long; the very small and large as 1e5.

    >>> [_number(v) for v in (0.0, 0.25, -123.456789, -3.0e-07, 123456.0)]
    ['0', '0.2500', '-123.457', '-3.0e-07', '1.2e+05']
    """
    texts = [f"{value:.{decimals}f}" for decimals in (4, 3, 2)]
    fitting = [text for text in texts if len(text) < width and abs(value) >= 5e-5]
    return "0" if value == 0 else [*fitting, f"{value:.1e}"][0]


def _numbers(values: Iterable[float], width: int = NUMBER) -> str:
    """Return numbers in columns; a 0 stands where the others have theirs before the point."""
    texts = map(_number, values)
    return "".join((f"{text:6}" if text == "0" else text).rjust(width) for text in texts)


def _shape(array: Array) -> str:
    return str(array.shape).replace(" ", "")


def _samples(row: Row) -> Array:
    """Return an array as a table (B, N), a sample in each row."""
    return row.array.reshape(len(row.array), -1)


def _rows(parameter: Array) -> Array:
    """Return an array of parameters, of any number of axes, as a table."""
    table = np.atleast_2d(parameter)
    return table.reshape(-1, table.shape[-1])


def _widths(step: StepExplanation) -> tuple[int, int, int]:
    """Return the widths of names, equations and shapes: what is long pushes no other column."""
    named = [(row.name, row.array) for row in step.forward]
    named += [(update.name, update.before) for update in step.updates]
    shape = max(len(_shape(array)) for _, array in named) + 1
    equations = [step.loss_equation, *(row.equation for row in (*step.forward, *step.backward))]
    equation = max(*map(len, equations), EQUATION - 1) + 1
    return max(len(name) for name, _ in named) + 3, equation, max(shape, SHAPE)


def _in_numbers(step: StepExplanation) -> list[str]:
    """Return the page of a small network, number by number."""
    name, equation, shape = _widths(step)
    name = max(name, NAME)
    width = max(_samples(row).shape[1] for row in step.forward) * NUMBER + 2

    def line(row: Row) -> str:
        head = f"  {row.name}".ljust(name) + row.equation.ljust(equation)
        samples = (_numbers(sample).ljust(width) for sample in _samples(row))
        return f"{head}{_shape(row.array).ljust(shape)}{''.join(samples)}{row.note}"

    heads = "".join(f"   sample {i}".ljust(width) for i in range(1, len(step.sample_losses) + 1))
    losses = "".join(_numbers([value]).ljust(width) for value in step.sample_losses)
    total = _number(step.loss).ljust(shape)
    lines = ["FORWARD".ljust(name + equation) + "shape".ljust(shape) + heads]
    lines += map(line, step.forward)
    lines.append("LOSS".ljust(name) + step.loss_equation.ljust(equation) + total + losses)
    lines.append("BACKWARD".ljust(name) + "(d... = how L changes with ...)")
    lines += map(line, step.backward)
    width = max(_rows(update.before).shape[1] for update in step.updates) * NUMBER + 3
    titles = (f"   {head}".ljust(width) for head in ("before", "gradient", "after"))
    lines += ["UPDATE".ljust(name) + step.rule, " " * name + "".join(titles)]
    for update in step.updates:
        tables = map(_rows, (update.before, update.gradient, update.after))
        for i, rows in enumerate(zip(*tables, strict=True)):
            head = f"  {update.name}" if i == 0 else ""
            lines.append(head.ljust(name) + "".join(_numbers(row).ljust(width) for row in rows))
    return [line.rstrip() for line in lines]


def _in_summary(step: StepExplanation) -> list[str]:
    """Return the page of a large network, a line for each array."""
    name, equation, shape = _widths(step)
    corner = 3 * NUMBER

    def head(of: str, middle: str, lead: str = "") -> str:
        return lead.ljust(shape) + f" {of}".ljust(name) + middle.ljust(equation)

    def figures(table: Array) -> str:
        extent = _numbers([table.min(), table.mean(dtype=float), table.max()])
        return f"{_numbers(table[0, :3]).ljust(corner)}{extent}{np.mean(table == 0):6.0%}"

    def line(row: Row) -> str:
        start = head(row.name, row.equation, _shape(row.array))
        return f"{start}{figures(_samples(row))}  {row.note}"

    names = "".join(title.rjust(NUMBER) for title in ("min", "mean", "max")) + "  zero"
    sizes = "mean |W|".rjust(NUMBER + 3) + "mean |step|".rjust(NUMBER + 3)
    losses = [_number(f(step.sample_losses), IN_TEXT) for f in (min, max)]
    lines = [
        head("FORWARD", "", "shape") + "   corner: 3 of sample 1".ljust(corner) + names,
        *map(line, step.forward),
        head("LOSS", step.loss_equation)
        + f"{_number(step.loss, IN_TEXT)}; of a sample {' to '.join(losses)}",
        head("BACKWARD", "(d... = how L changes with ...)"),
        *map(line, step.backward),
        head("UPDATE", step.rule),
        head("", "   corner of W: 3 of row 1") + "   corner of dW".ljust(corner) + names + sizes,
    ]
    for update in step.updates:
        W, moved = _rows(update.before), update.after - update.before
        sizes = _numbers((np.abs(W).mean(), np.abs(moved).mean()), NUMBER + 3)
        start = head(update.name, _numbers(W[0, :3]), _shape(update.before))
        lines.append(start + figures(_rows(update.gradient)) + sizes)
    return [line.rstrip() for line in lines]


def _heat_map(panel: Any, array: Array, title: str) -> None:
    """Draw (B, ...) as a picture, a sample in each row; with its numbers where there is room."""
    rows = array.reshape(len(array), -1)
    limit = float(np.abs(rows).max()) or 1.0
    panel.imshow(rows, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    panel.set_title(title, fontsize=9)
    panel.set_xticks([])
    panel.set_yticks([])
    if max(rows.shape) <= CELLS:
        for (i, j), value in np.ndenumerate(rows):
            colour = "white" if abs(value) > 0.6 * limit else "black"
            panel.text(
                j, i, f"{value + 0.0:.2f}", ha="center", va="center", fontsize=8, color=colour
            )
