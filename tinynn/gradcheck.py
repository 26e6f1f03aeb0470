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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.diagnosis import Evidence, pattern
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape

LARGE = 10_000  # parameters: from here on directions, because every entry costs two forward passes
DIRECTIONS = 8

Measurement: TypeAlias = Callable[[], tuple[float, bytes]]
Projection: TypeAlias = Callable[[Array], Array]
Check: TypeAlias = Callable[..., tuple["GradientRow", Array, Projection]]


@dataclass(frozen=True)
class GradientRow:
    """One array: its worst relative error, and both numbers there.

    error: |a - n| / max(|a|, |n|, 1e-3 of the array's largest); where that is no more than the
    rounding of the loss explains, it is told as less than the tolerance.

    name: whose, and what the gradient is of: "2.Dense.W", "2.Dense.x" (its input, so this is dx),
    or "loss.p". fed: wrong, but made of a wrong array from above. at: where the worst is, "entry
    (0, 1)" or "direction (3,)". checked and skipped: how many entries, or directions.
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
    fed: bool = False

    @property
    def verdict(self) -> str:
        """What the table says of it: ok, WRONG, fed, or "none", if nothing could be compared."""
        if self.ok:
            return "ok"
        return "none" if not self.checked else "fed" if self.fed else "WRONG"


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found: `ok`, and `rows` from the loss back. Prints as a table.

    diagnosis: what is wrong, where, and by which mistake, in words; empty if nothing is.

    >>> row = GradientRow("0.Dense.b", (2,), False, 2.0, "entry (1,)", 0.25, -0.25, 2, 0)
    >>> print(GradientReport((row,)))
           gradient of  shape  worst rel. error  at            backward  differences  checked ...
    WRONG  0.Dense.b    (2,)            2.0e+00  entry (1,)        0.25        -0.25        2 ...
    """

    rows: tuple[GradientRow, ...]
    most_skipped: float = 0.01
    diagnosis: str = ""

    @property
    def skipped(self) -> float:
        """The share of steps, 0 to 1, that crossed a kink, so that nothing could be compared."""
        skipped, checked = sum(r.skipped for r in self.rows), sum(r.checked for r in self.rows)
        return skipped / max(skipped + checked, 1)

    @property
    def ok(self) -> bool:
        """Whether backward agreed everywhere, with few enough steps skipped to be sure."""
        return all(row.ok for row in self.rows) and self.skipped <= self.most_skipped

    @property
    def culprit(self) -> GradientRow | None:
        """The first row, from the loss back, that is wrong: what to repair first."""
        return next((row for row in self.rows if row.verdict == "WRONG"), None)

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
                f"{row.verdict:<7}{row.name:<{name}}{row.shape!s:<{shape}}"
                f"{row.error:>16.1e}  {row.at:<{at}}{row.backward:>10.4g}{row.differences:>13.4g}"
                f"{row.checked:>9}{row.skipped:>9}"
                f"{'   <- starts here' if row is self.culprit else ''}"
            )
        if self.diagnosis:
            lines.append(self.diagnosis)
        if self.skipped > self.most_skipped:
            lines.append(
                f"TOO MANY SKIPPED: {self.skipped:.1%} of the steps crossed a kink, at most "
                f"{self.most_skipped:.0%} may. Try another batch; where a layer gives exact "
                "zeros to one with a kink, put a Dense between."
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

    From the loss back: dp; then of each layer its parameters' gradients and its dx. The first that
    is wrong is the culprit; what is wrong below a wrong dx was fed with it. `diagnosis` says which
    of the usual mistakes it is.

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
    (True, ['loss.p', '1.Softmax.x', '0.Dense.W', '0.Dense.b', '0.Dense.x'])
    """
    model = model.astype(np.float64)
    x, y = np.array(x, np.float64), np.asarray(y)
    checks.batch(x, model.input_shape, "check_gradients")
    rng = np.random.default_rng(seed)
    before = _walk(model, loss, *_another_batch(x, y, rng))
    old = {name: view.copy() for name, view in model.named_parameters().items()}
    now = _walk(model, loss, x, y)
    checks.not_saturated(now.arrays[-1], type(loss).__name__)
    new = {name: view.copy() for name, view in model.named_parameters().items()}
    for name, view in model.named_parameters().items():  # a wrong backward may have changed them
        view[...] = old[name]

    small = model.params.size < LARGE
    rows, suspects, fed = [], [], False
    check: Check = _check_entries if small else _check_directions
    size = max(abs(loss.forward(now.arrays[-1], y)), 1.0)
    noise = 10 * np.finfo(np.float64).eps * size / (1e-5 if small else 1e-4)  # of the differences
    for name, gradient in now.gradients.items():
        i = now.layers[name]
        key = name.rpartition(".")[2]
        parameter = model.named_parameters().get(name)
        array = now.arrays[i] if parameter is None else parameter
        measure = _measure_from(model, loss, now.arrays[i], y, i)
        row, truth, project = check(name, gradient, array, measure, tolerance, rng, noise)
        rows.append(replace(row, fed=fed and not row.ok))
        if rows[-1].verdict != "WRONG":
            continue
        fed = parameter is None
        layer = model.layers[i] if i < len(model.layers) else None
        evidence = Evidence(
            key=key,
            gradient=gradient,
            truth=truth,
            project=project,
            x=now.arrays[i],
            out=now.arrays[min(i + 1, len(model.layers))],
            dout=now.douts[i],
            before=(before.gradients[name], before.arrays[i]),
            old={k: old[f"{layer.name}.{k}"] for k in layer.parameters()} if layer else {},
            new={k: new[f"{layer.name}.{k}"] for k in layer.parameters()} if layer else {},
        )
        suspects.append(_suspect(layer, loss, evidence, fed))
    most_skipped = 0.01 if small else 0.1
    return GradientReport(tuple(rows), most_skipped, "\n".join(suspects))


def _another_batch(x: Array, y: Array, rng: "np.random.Generator") -> tuple[Array, Array]:
    """Return a batch of the same size, with other numbers and the answers in another order."""
    return x + rng.normal(size=x.shape), y[::-1]


@dataclass(frozen=True)
class _Walk:
    """One way forward and back: x and what each layer returned, and every gradient.

    douts: what each layer got from above, and the loss' own last. gradients: by the names of the
    rows, from the loss back. layers: for each of these, its layer's position.
    """

    arrays: list[Array]
    douts: list[Array]
    gradients: dict[str, Array]
    layers: dict[str, int]


def _walk(model: Sequential, loss: Loss, x: Array, y: Array) -> _Walk:
    """Run forward and backward, keeping all that passes from layer to layer."""
    arrays = [x]
    for layer, shape in zip(model.layers, model.output_shapes, strict=True):
        out = layer.forward(arrays[-1].copy())  # copies: a layer may work in place
        checks.returned(out, (len(x), *shape), layer, "forward")
        arrays.append(out.copy())
    last = len(model.layers)
    dp = loss.backward(arrays[-1], y)
    douts, gradients, layers = [dp], {"loss.p": dp}, {"loss.p": last}
    for i, layer in reversed([*enumerate(model.layers)]):
        dx = layer.backward(douts[0].copy())
        checks.returned(dx, arrays[i].shape, layer, "input_gradient")
        for key in layer.parameters():
            gradients[f"{layer.name}.{key}"] = getattr(layer, f"d{key}").copy()
        dx = dx.copy()
        gradients[f"{layer.name}.x"] = dx
        layers.update(dict.fromkeys((n for n in gradients if n not in layers), i))
        douts.insert(0, dx)
    return _Walk(arrays, [*douts[1:], dp], gradients, layers)


def _measure_from(model: Sequential, loss: Loss, out: Array, y: Array, first: int) -> Measurement:
    """Return what measures the loss, going on from what the layer `first` gets."""

    def measure() -> tuple[float, bytes]:
        p = out
        for layer in model.layers[first:]:
            p = layer.forward(p.copy())
        return loss.forward(p, y), _switches(model)

    return measure


def _switches(model: Sequential) -> bytes:
    """Return all boolean arrays that layers remember: which piece of the function this is."""
    return b"".join(
        value.tobytes()
        for layer in model.layers
        for value in vars(layer).values()
        if isinstance(value, np.ndarray) and value.dtype == bool
    )


def _suspect(layer: Layer | None, loss: Loss, evidence: Evidence, feeds: bool) -> str:
    """Say which method it is, where it is written, and what the numbers tell of the mistake."""
    method: Any = loss.backward
    owner = type(loss).__name__
    if layer is not None:
        method = layer.input_gradient if evidence.key == "x" else layer.parameter_gradients
        owner = layer.name
    code = method.__func__.__code__
    where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    what = {"x": "dx", "p": "dp"}.get(evidence.key, f"d{evidence.key}")
    text = f"SUSPECT  {what} of {owner}, by {method.__name__} ({where})."
    if feeds:
        text += ' Rows marked "fed" received this array: repair it first, then check again.'
    return f"{text}\nPATTERN  {pattern(evidence)}"


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
    rng: "np.random.Generator",
    noise: float,
) -> tuple[GradientRow, Array, Projection]:
    """Compare at every entry."""
    slopes = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        h = 1e-5 * float(_scale(name, array)[index])
        slopes[index] = finite_difference(array, index, h, h, measure)
    row = _row(name, array.shape, "entry", gradient, slopes, tolerance, noise)
    return row, slopes, lambda guess: guess


def _check_directions(
    name: str,
    gradient: Array,
    array: Array,
    measure: Measurement,
    tolerance: float,
    rng: "np.random.Generator",
    noise: float,
) -> tuple[GradientRow, Array, Projection]:
    """Compare along random directions: a wrong entry anywhere shows in every one of them."""
    h = 1e-4
    directions = []
    slopes = np.empty(DIRECTIONS)
    for k in range(DIRECTIONS):
        direction = rng.normal(size=array.shape)
        direction *= _scale(name, array) / np.linalg.norm(direction)
        directions.append(direction)
        slopes[k] = finite_difference(array, ..., h * direction, h, measure)

    def project(guess: Array) -> Array:
        return np.array([np.vdot(guess, direction) for direction in directions])

    row = _row(name, array.shape, "direction", project(gradient), slopes, tolerance, noise)
    return row, slopes, project


def _scale(name: str, array: Array) -> Array:
    """Return how long a step suits each number; for probabilities in the loss, their own size.

    The logarithm of 1e-4 bends within 1e-5; everything else here is of about size 1.
    """
    rows = name == "loss.p" and (array > 0).all() and np.allclose(array.sum(axis=-1), 1)
    return array.copy() if rows else np.ones(array.shape)


def _row(
    name: str,
    shape: Shape,
    unit: str,
    backward: Array,
    differences: Array,
    tolerance: float,
    noise: float,
) -> GradientRow:
    """Judge one array by its worst place, where `differences` is not nan: those were skipped.

    noise: how far two numbers may be apart by the rounding of the loss alone.
    """
    compared = ~np.isnan(differences)
    numeric = np.where(compared, differences, backward)
    finite = np.isfinite(backward)
    size = np.where(finite, np.maximum(abs(backward), abs(numeric)), 0)
    scale = np.maximum(size, 1e-3 * size.max())
    floor = max(noise / tolerance, 1e-300)  # with it, what differs by the noise or less passes
    errors = np.full(backward.shape, np.inf)  # what stays where backward is not a finite number
    apart = abs(backward - numeric)
    np.divide(apart, np.maximum(scale, floor), out=errors, where=finite)
    at = tuple(map(int, np.unravel_index(errors.argmax(), errors.shape)))
    checked = int(compared.sum())
    skipped = compared.size - checked
    error = float(errors[at])
    agrees = error <= tolerance
    return GradientRow(
        name=name,
        shape=shape,
        ok=agrees and checked > 0,
        error=error if agrees or error == np.inf else float(apart[at] / scale[at]),
        at=f"{unit} {at}",
        backward=float(backward[at]),
        differences=float(numeric[at]),
        checked=checked,
        skipped=skipped,
    )
