"""Is the gradient right? Finite differences ask the loss itself, and backward has to agree.

    differences:  (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction
    backward:     the entry of dW,                  or dW's projection on that direction

The difference is wrong by about h^2 times the third derivative, and by rounding, about 1e-16 / h:
in float64 with h = 1e-5 some ten digits remain (in float32, about two: hence the copy in
float64). Small networks are checked at every entry, large ones along random directions of norm 1,
one array at a time.

Where a step pushes a unit of ReLU over its kink, both slopes are right and no comparison is
possible. Such a step is recognised by the boolean arrays that layers remember (ReLU's `open`),
skipped, and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape

LARGE = 10_000  # parameters: from here on directions, because every entry costs two forward passes
DIRECTIONS = 8

Measurement: TypeAlias = Callable[[], tuple[float, bytes]]


@dataclass(frozen=True)
class GradientRow:
    """One array: its worst relative error, and both numbers there.

    at: where the worst is, "entry (0, 1)" or "direction (3,)". checked and skipped: how many
    entries, or directions.
    """

    name: str
    shape: Shape
    ok: bool
    error: float
    at: str
    backward: float
    differences: float
    checked: int
    skipped: int


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found: `ok`, and `rows` from the loss back. Prints as a table.

    >>> row = GradientRow("0.Dense.b", (2,), False, 2.0, "entry (1,)", 0.25, -0.25, 2, 0)
    >>> print(GradientReport((row,)))
           gradient of  shape  worst rel. error  at            backward  differences  checked ...
    WRONG  0.Dense.b    (2,)            2.0e+00  entry (1,)        0.25        -0.25        2 ...
    """

    rows: tuple[GradientRow, ...]
    most_skipped: float = 0.01

    @property
    def skipped(self) -> float:
        """The share of steps, 0 to 1, that crossed a kink, so that nothing could be compared."""
        skipped, checked = sum(r.skipped for r in self.rows), sum(r.checked for r in self.rows)
        return skipped / max(skipped + checked, 1)

    @property
    def ok(self) -> bool:
        """Whether backward agreed everywhere, with few enough steps skipped to be sure."""
        return all(row.ok for row in self.rows) and self.skipped <= self.most_skipped

    def __str__(self) -> str:
        name, shape, at = (
            max(len(head), *(len(str(getattr(row, field))) for row in self.rows)) + 2
            for head, field in (("gradient of", "name"), ("shape", "shape"), ("at", "at"))
        )
        lines = [
            f"{'':<7}{'gradient of':<{name}}{'shape':<{shape}}worst rel. error  {'at':<{at}}"
            f"{'backward':>10}{'differences':>13}{'checked':>9}{'skipped':>9}"
        ]
        for row in self.rows:
            lines.append(
                f"{'ok' if row.ok else 'WRONG':<7}{row.name:<{name}}{row.shape!s:<{shape}}"
                f"{row.error:>16.1e}  {row.at:<{at}}{row.backward:>10.4g}{row.differences:>13.4g}"
                f"{row.checked:>9}{row.skipped:>9}"
            )
        if self.skipped > self.most_skipped:
            lines.append(
                f"TOO MANY SKIPPED: {self.skipped:.1%} of the steps crossed a kink, at most "
                f"{self.most_skipped:.0%} may. Try another batch."
            )
        return "\n".join(lines)


def check_gradients(
    model: Sequential,
    loss: Loss,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> GradientReport:
    """Compare every gradient that backward gives for the batch (x, y) with finite differences.

    Works on a copy in float64, also of a float32 model and of layers of your own. Before, it runs
    forward and backward on another batch, so that a layer that keeps something stale, or adds
    gradients up, is caught. tolerance: 1e-6, the largest |a - n| / max(|a|, |n|, 1e-3 of the
    array's largest) that passes. seed: 0, for directions and the other batch. A row is also wrong
    if nothing could be compared, and the report if over 1 % of all entries had to be skipped (of
    directions, which move all units at once, over a tenth). Raises what `model.forward` and
    `loss.forward` raise.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(3), Softmax()], input_shape=(2,))
    >>> report = check_gradients(model, CrossEntropy(), x=[[1.0, 2.0]], y=[0])
    >>> report.ok, [row.name for row in report.rows]
    (True, ['0.Dense.b', '0.Dense.W', 'x'])
    """
    model = model.astype(np.float64)
    x, y = np.array(x, np.float64), np.asarray(y)
    rng = np.random.default_rng(seed)
    _backward(model, loss, *_another_batch(x, y, rng))
    dx = _backward(model, loss, x, y)
    gradients = {
        f"{layer.name}.{key}": getattr(layer, f"d{key}").copy()
        for layer in model.layers
        for key in layer.parameters()
    }
    arrays = {"x": x, **model.named_parameters()}
    gradients = {"x": dx, **gradients}

    def measure() -> tuple[float, bytes]:
        value = loss.forward(model.forward(x), y)
        return value, _switches(model)

    small = model.params.size < LARGE
    check = _check_entries if small else _check_directions
    rows = (
        check(name, gradients[name], array, measure, tolerance, rng)
        for name, array in arrays.items()
    )
    return GradientReport(tuple(reversed(list(rows))), most_skipped=0.01 if small else 0.1)


def _another_batch(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a batch of the same size, with other numbers and the answers in another order."""
    return x + rng.normal(size=x.shape), y[::-1]


def _backward(model: Sequential, loss: Loss, x: Array, y: Array) -> Array:
    """Write all the model's gradients and return dx."""
    p = model.forward(x)
    dp = loss.backward(p, y)
    model.backward(dp)
    return model.input_gradient(dp)


def _switches(model: Sequential) -> bytes:
    """Return all boolean arrays that layers remember: which piece of the function this is."""
    return b"".join(
        value.tobytes()
        for layer in model.layers
        for value in vars(layer).values()
        if isinstance(value, np.ndarray) and value.dtype == bool
    )


def finite_difference(array: Array, where: Any, step: Any, h: float, measure: Measurement) -> float:
    """Return the central difference as array[where] goes a `step` of length h up and down.

    measure: returns the loss and the switches now. Returns nan if a switch differs between the two.

    >>> w = np.array([3.0])
    >>> slope = finite_difference(w, 0, 1e-5, 1e-5, lambda: (float(w[0]) ** 2, b""))
    >>> round(slope, 6), w
    (6.0, array([3.]))
    """
    kept = array[where].copy()
    array[where] = kept + step
    above, switches_above = measure()
    array[where] = kept - step
    below, switches_below = measure()
    array[where] = kept
    return (above - below) / (2 * h) if switches_above == switches_below else np.nan


def _check_entries(
    name: str,
    gradient: Array,
    array: Array,
    measure: Measurement,
    tolerance: float,
    rng: np.random.Generator,
) -> GradientRow:
    """Compare at every entry."""
    h = 1e-5
    slopes = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        slopes[index] = finite_difference(array, index, h, h, measure)
    return _row(name, array.shape, "entry", gradient, slopes, tolerance)


def _check_directions(
    name: str,
    gradient: Array,
    array: Array,
    measure: Measurement,
    tolerance: float,
    rng: np.random.Generator,
) -> GradientRow:
    """Compare along random directions: a wrong entry anywhere shows in every one of them."""
    h = 1e-4
    projections, slopes = np.empty(DIRECTIONS), np.empty(DIRECTIONS)
    for k in range(DIRECTIONS):
        direction = rng.normal(size=array.shape)
        direction /= np.linalg.norm(direction)
        projections[k] = np.vdot(gradient, direction)
        slopes[k] = finite_difference(array, ..., h * direction, h, measure)
    return _row(name, array.shape, "direction", projections, slopes, tolerance)


def _row(
    name: str,
    shape: Shape,
    unit: str,
    backward: Array,
    differences: Array,
    tolerance: float,
) -> GradientRow:
    """Judge one array by its worst place, where `differences` is not nan: those were skipped."""
    compared = ~np.isnan(differences)
    numeric = np.where(compared, differences, backward)
    finite = np.isfinite(backward)
    size = np.where(finite, np.maximum(abs(backward), abs(numeric)), 0)
    scale = np.maximum(size, 1e-3 * size.max())
    errors = np.full(backward.shape, np.inf)  # what stays where backward is not a finite number
    np.divide(abs(backward - numeric), np.where(scale == 0, 1, scale), out=errors, where=finite)
    at = tuple(map(int, np.unravel_index(errors.argmax(), errors.shape)))
    checked = int(compared.sum())
    skipped = compared.size - checked
    error = float(errors[at])
    return GradientRow(
        name=name,
        shape=shape,
        ok=error < tolerance and checked > 0,
        error=error,
        at=f"{unit} {at}",
        backward=float(backward[at]),
        differences=float(numeric[at]),
        checked=checked,
        skipped=skipped,
    )
