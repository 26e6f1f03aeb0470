"""Is the gradient right? Finite differences ask the loss itself, and backward has to agree.

    differences:  (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction
    backward:     the entry of dW,                  or dW's projection on that direction

All in float64, on a copy (in float32 a difference has about two digits). Small networks are checked
at every entry, large ones along random directions of norm 1, one array at a time.

Where a step pushes a unit of ReLU over its kink, both slopes are right and no comparison is
possible. Such a step is recognised by the boolean arrays that layers remember (ReLU's `open`),
skipped, and counted. Where too many are, as for x = 0 and b = 0, whose z lie on the kink itself,
all parameters are moved a little, and the report says so.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.diagnosis import Evidence, suspect
from tinynn.differences import Measurement, Probe, directions, entries, loss_from, slopes
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape

LARGE = 10_000  # parameters: from here on directions, because every entry costs two forward passes
DIRECTIONS = 8
SAMPLE = 144  # entries, of an array that directions have shown to be wrong
MOVE = 1e-3  # how far parameters go from a kink


@dataclass(frozen=True)
class GradientRow:
    """One array: its worst relative error, and both numbers there.

    error: |a - n| / max(|a|, |n|, 1e-3 of the array's largest); where that is no more than the
    rounding of the loss explains, it is told as less than the tolerance.

    name: whose, and what the gradient is of: "2.Dense.W", "2.Dense.x" (its input, so this is dx),
    or "loss.p". fed: wrong, but made of a wrong array from above. at: where the worst is, "entry
    (0, 1)" or "direction (3,)". checked and skipped: how many entries, or directions. Where none
    could be compared, error and differences are nan.
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

    diagnosis: what is wrong, where, and by which mistake, in words; empty if nothing is. moved: the
    share of steps that crossed a kink at the model's own parameters, if these are of others nearby.

    >>> row = GradientRow("0.Dense.b", (2,), False, 2.0, "entry (1,)", 0.25, -0.25, 2, 0)
    >>> print(GradientReport((row,)))
           gradient of  shape  worst rel. error  at            backward  differences  checked ...
    WRONG  0.Dense.b    (2,)            2.0e+00  entry (1,)        0.25        -0.25        2 ...
    """

    rows: tuple[GradientRow, ...]
    most_skipped: float = 0.01
    diagnosis: str = ""
    moved: float | None = None

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
            numbers = (f"{row.error:.1e}", row.at, f"{row.backward:.4g}", f"{row.differences:.4g}")
            error, where, backward, differences = numbers if row.checked else "----"
            lines.append(
                f"{row.verdict:<7}{row.name:<{name}}{row.shape!s:<{shape}}"
                f"{error:>16}  {where:<{at}}{backward:>10}{differences:>13}"
                f"{row.checked:>9}{row.skipped:>9}"
                f"{'   <- starts here' if row is self.culprit else ''}"
            )
        if self.diagnosis:
            lines.append(self.diagnosis)
        if self.moved is not None:
            lines.append(
                f"MOVED    At the model's own parameters {self.moved:.1%} of the steps crossed a "
                "kink, or the slope bends too sharply. The table is of a copy with each moved by "
                f"about {MOVE}."
            )
        if self.skipped > self.most_skipped:
            lines.append(
                f"TOO MANY SKIPPED: {self.skipped:.1%} of the steps crossed a kink, at most "
                f"{self.most_skipped:.0%} may. Try another batch; where a layer gives exact "
                "zeros to one with a kink, put a Dense between."
            )
        return "\n".join(lines)


@checks.door
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
    directions, which move all units at once, over a tenth), with parameters moved a little too.
    Integers in x may be numbers of something, words for instance: where the loss jumps over a step,
    the row of that dx is left out. Raises ValueError for data that do not fit, and for a Softmax
    before SoftmaxCrossEntropy.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(3), Softmax()], input_shape=(2,))
    >>> report = check_gradients(model, CrossEntropy(), x=[[1.0, 2.0]], y=[0])
    >>> report.ok, [row.name for row in report.rows]
    (True, ['loss.p', '1.Softmax.x', '0.Dense.W', '0.Dense.b', '0.Dense.x'])
    """
    x, y = checks.one_step(model, Sequential, loss, Loss, x, y, "check_gradients", np.float64)
    report = _check(model, loss, x, y, tolerance, seed)
    if report.ok:
        return report
    # Is it only here? At x = 0 and b = 0 all z lie on what may be a kink, or a bend of the slope.
    twin = model.astype(np.float64)
    twin.params += MOVE * np.random.default_rng(seed).normal(size=twin.params.size)
    moved = _check(twin, loss, x, y, tolerance, seed)
    better = moved.ok or (moved.culprit and not report.culprit)
    return replace(moved, moved=report.skipped) if better else report


def _check(
    model: Sequential,
    loss: Loss,
    x: Array,
    y: Array,
    tolerance: float,
    seed: int,
) -> GradientReport:
    """Compare at the model's own parameters."""
    model = model.astype(np.float64)
    counts = x.dtype.kind in "biu"
    x = x.astype(np.float64)
    rng = np.random.default_rng(seed)
    before = _walk(model, loss, *_another_batch(x, y, rng))
    old = {name: view.copy() for name, view in model.named_parameters().items()}
    now = _walk(model, loss, x, y)
    checks.not_saturated(now.arrays[-1], type(loss).__name__)
    new = {name: view.copy() for name, view in model.named_parameters().items()}
    for name, view in model.named_parameters().items():  # a wrong backward may have changed them
        view[...] = old[name]
    for one, given, out in zip(model.layers, now.arrays, now.arrays[1:], strict=False):
        checks.repeats(one, given, out)

    small = model.params.size < LARGE
    size = max(abs(loss.forward(now.arrays[-1], y)), 1.0)
    noise = 10 * np.finfo(np.float64).eps * size / (1e-5 if small else 1e-4)  # of the differences
    rows: list[GradientRow] = []
    suspects, fed = [], False
    for name, gradient in now.gradients.items():
        i = now.layers[name]
        owner, _, key = name.rpartition(".")
        array = model.named_parameters().get(name, now.arrays[i])
        measure = loss_from(model, loss, now.arrays[i], y, i)
        scale = _scale(name, array)
        probes = entries(scale) if small else directions(scale, DIRECTIONS, rng)
        row, found = _compare(name, array, probes, gradient, measure, tolerance, noise)
        if row.skipped and key == "x" and counts and i <= model.lowest:
            continue
        rows.append(replace(row, fed=fed and not row.ok))
        if rows[-1].verdict != "WRONG":
            continue
        if not small:
            sample = entries(scale, SAMPLE, rng)
            look = _compare(name, array, sample, gradient, measure, tolerance, noise)
            if not look[0].ok:  # else what is wrong lies between, and the directions know of it
                probes, found = sample, look[1]
        fed = name not in old
        layer = model.layers[i] if i < len(model.layers) else None
        keys = layer.parameters() if layer else ()
        evidence = Evidence(
            key=key,
            gradient=gradient,
            probes=probes,
            truth=found,
            x=now.arrays[i],
            out=now.arrays[min(i + 1, len(model.layers))],
            dout=now.douts[i],
            before=(before.gradients[name], before.arrays[i]),
            old={k: old[f"{owner}.{k}"] for k in keys},
            new={k: new[f"{owner}.{k}"] for k in keys},
            right=[k for k in keys if any(r.ok and r.name == f"{owner}.{k}" for r in rows)],
        )
        suspects.append(suspect(layer or loss, evidence))
    most_skipped = 0.01 if small else 0.1
    return GradientReport(tuple(rows), most_skipped, "\n".join(suspects))


def _another_batch(x: Array, y: Array, rng: "np.random.Generator") -> tuple[Array, Array]:
    """Return a batch of the same size, with other numbers and the answers in another order.

    The numbers are the same in another order, and up to a tenth nearer to 0: all signs and ranges
    stay, since a layer may know no others.
    """
    return rng.permutation(x) * rng.uniform(0.9, 1, x.shape), y[::-1]


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


def _scale(name: str, array: Array) -> Array:
    """Return how long a step suits each number; for probabilities in the loss, their own size.

    The logarithm of 1e-4 bends within 1e-5; everything else here is of about size 1.
    """
    rows = name == "loss.p" and (array > 0).all() and np.allclose(array.sum(axis=-1), 1)
    return array.copy() if rows else np.ones(array.shape)


def _compare(
    name: str,
    array: Array,
    probes: list[Probe],
    gradient: Array,
    measure: Measurement,
    tolerance: float,
    noise: float,
) -> tuple[GradientRow, Array]:
    """Judge one array by its worst probe; also return the differences, nan where skipped.

    noise: how far two numbers may be apart by the rounding of the loss alone.
    """
    backward = np.array([probe.slope(gradient) for probe in probes])
    differences = slopes(array, probes, backward, tolerance, noise, measure)
    compared = ~np.isnan(differences)
    numeric = np.where(compared, differences, backward)
    finite = np.isfinite(backward)
    size = np.where(finite, np.maximum(abs(backward), abs(numeric)), 0)
    scale = np.maximum(size, 1e-3 * size.max())
    floor = max(noise / tolerance, 1e-300)  # with it, what differs by the noise or less passes
    errors = np.full(backward.shape, np.inf)  # what stays where backward is not a finite number
    apart = abs(backward - numeric)
    np.divide(apart, np.maximum(scale, floor), out=errors, where=finite)
    at = int(errors.argmax())
    error, checked = float(errors[at]), int(compared.sum())
    if tolerance < error < np.inf:
        error = float(apart[at] / scale[at])
    row = GradientRow(
        name=name,
        shape=array.shape,
        ok=error <= tolerance and checked > 0,
        error=error if checked else np.nan,
        at=probes[at].name,
        backward=float(backward[at]),
        differences=float(numeric[at]) if checked else np.nan,
        checked=checked,
        skipped=compared.size - checked,
    )
    return row, differences
