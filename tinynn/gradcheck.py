"""Is the gradient right? Finite differences ask the loss itself, and backward has to agree.

    differences:  (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction
    backward:     the entry of dW,                  or dW's projection on that direction

All in float64, on a copy (in float32 a difference has about two digits). Small networks are checked
at every entry, large ones along random directions of norm 1, one array at a time.

Where a step pushes a unit of ReLU over its kink, both slopes are right and no comparison is
possible. Such a step is skipped, and counted: the layer's `kink_mask` tells exactly which steps
these are; of a layer without one a shorter step, or how sharply the loss bends, has to tell. Where
too many are, as for x = 0 and b = 0, whose z lie on the kink itself, all parameters are moved a
little, and the report says so.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.diagnosis import Evidence, suspect
from tinynn.differences import Probe, directions, entries
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.rows import Case, GradientRow
from tinynn.walk import Walk, between, gradients_alone, own_methods, own_walk, together

LARGE = 10_000  # parameters: from here on directions, because every entry costs two forward passes
DIRECTIONS = 8
SAMPLE = 144  # entries, of an array that directions have shown to be wrong
MOVE = 1e-3  # how far parameters go from a kink


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
    sample_weight: npt.ArrayLike | None = None,
) -> GradientReport:
    """Compare every gradient that backward gives for the batch (x, y) with finite differences.

    From the loss back: dp; then of each layer its parameters' gradients and its dx. The first that
    is wrong is the culprit; what is wrong below a wrong dx was fed with it. `diagnosis` says which
    of the usual mistakes it is.

    What is judged is what the model's own forward, backward and input_gradient give, as in
    training: where a layer changes in place an array that another one keeps, both are named. Works
    on a copy in float64, also of a float32 model and of layers and models of your own. Before, it
    runs forward and backward on another batch, so that a layer that keeps something stale, or adds
    gradients up, is caught. tolerance: 1e-6, the largest |a - n| / max(|a|, |n|, 1e-3 of the
    array's largest) that passes. seed: 0, for directions and the other batch. A row is also wrong
    if nothing could be compared, and the report if over 1 % of all entries had to be skipped (of
    directions, which move all units at once, over a tenth), with parameters moved a little too.
    Integers in x may be numbers of something, words for instance: where the loss jumps over a step,
    the row of that dx is left out. sample_weight: None, or (B,), as `Trainer.fit` takes it. Raises
    ValueError for data that do not fit, and for a Softmax before SoftmaxCrossEntropy.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(3), Softmax()], input_shape=(2,))
    >>> report = check_gradients(model, CrossEntropy(), x=[[1.0, 2.0]], y=[0])
    >>> report.ok, [row.name for row in report.rows]
    (True, ['loss.p', '1.Softmax.x', '0.Dense.W', '0.Dense.b', '0.Dense.x'])
    """
    x, *given = checks.one_step(
        model, Sequential, loss, Loss, x, y, "check_gradients", np.float64, sample_weight
    )
    report = _check(model, loss, x, tuple(given), tolerance, seed)
    if report.ok:
        return report
    # Is it only here? At x = 0 and b = 0 all z lie on what may be a kink, or a bend of the slope.
    twin = model.astype(np.float64)
    twin.params += MOVE * np.random.default_rng(seed).normal(size=twin.params.size)
    moved = _check(twin, loss, x, tuple(given), tolerance, seed)
    better = moved.ok or (moved.culprit and not report.culprit)
    return replace(moved, moved=report.skipped) if better else report


def _check(
    model: Sequential,
    loss: Loss,
    x: Array,
    y: tuple[Array, ...],
    tolerance: float,
    seed: int,
) -> GradientReport:
    """Compare at the model's own parameters. y: the answers, and weights if there are any."""
    model = model.astype(np.float64)
    alone = copy.deepcopy(model)  # for its layers one by one, if need be
    counts = x.dtype.kind in "biu"
    x = x.astype(np.float64)
    rng = np.random.default_rng(seed)
    another = _another_batch(x, rng), *(each[::-1] for each in y)
    before = own_walk(model, loss, *another)
    old = {name: view.copy() for name, view in model.named_parameters().items()}
    now = own_walk(model, loss, x, *y)
    checks.not_saturated(now.p, loss)
    for i, given in now.heard.given.items():
        checks.repeats(model.layers[i], given, now.heard.outs[i])

    small = model.params.size < LARGE
    size = max(abs(loss.forward(now.p.copy(), *y)), 1.0)
    noise = 10 * np.finfo(np.float64).eps * size / (1e-5 if small else 1e-4)  # of the differences
    case = Case(model, loss, x, y, now, tolerance, noise)
    rows: list[GradientRow] = []
    suspects, fed, right = [], False, dict[str, Array]()
    for name, gradient in now.gradients.items():
        i, key = now.layers[name], name.rpartition(".")[2]
        scale = _scale(name, case.array(name))
        probes = entries(scale) if small else directions(scale, DIRECTIONS, rng)
        row, found = case.compare(name, probes, gradient)
        half = row.ok and not np.allclose(now.others.get(name, gradient), gradient)
        if half:  # then backward is not what input_gradient is
            gradient = now.others[name]
            row, found = case.compare(name, probes, gradient)
        if row.skipped and key == "x" and counts and i <= model.lowest:
            continue
        rows.append(replace(row, fed=fed and not row.ok))
        if rows[-1].verdict != "WRONG":
            continue
        fed = name not in old
        if not right:
            gradients_alone(alone, loss, *another)
            right = gradients_alone(alone, loss, x, *y)
        if own_methods(model) and case.right_alone(name, probes, gradient):
            suspects.append(between(model, now, name))
        elif not half and case.compare(name, probes, right[name])[0].ok:
            suspects.append(together(model, now, name))
        else:
            if not small:
                sample = entries(scale, SAMPLE, rng)
                look = case.compare(name, sample, gradient)
                if not look[0].ok:  # else what is wrong lies between, and the directions know of it
                    probes, found = sample, look[1]
            known = [row.name for row in rows if row.ok]
            evidence = _evidence(case, name, gradient, probes, found, before, old, known, half)
            owner = model.layers[i] if i < len(model.layers) else loss
            suspects.append(suspect(owner, evidence))
    most_skipped = 0.01 if small else 0.1
    return GradientReport(tuple(rows), most_skipped, "\n".join(suspects))


def _evidence(
    case: Case,
    name: str,
    gradient: Array,
    probes: list[Probe],
    truth: Array,
    before: Walk,
    old: dict[str, Array],
    known: list[str],
    half: bool,
) -> Evidence:
    """Gather what is known of a wrong gradient. known: the rows that were found right."""
    walk, i = case.walk, case.walk.layers[name]
    owner, _, key = name.rpartition(".")
    keys = list(case.model.layers[i].parameters()) if i < len(case.model.layers) else []
    return Evidence(
        key=key,
        gradient=gradient,
        probes=probes,
        truth=truth,
        x=walk.heard.given.get(i, walk.p),
        out=walk.heard.outs.get(i, walk.p),
        dout=walk.douts[i],
        before=(before.gradients[name], before.heard.given.get(i, before.p)),
        old={k: old[f"{owner}.{k}"] for k in keys},
        new={k: walk.new[f"{owner}.{k}"] for k in keys},
        right=[k for k in keys if f"{owner}.{k}" in known],
        half=half,
    )


def _another_batch(x: Array, rng: "np.random.Generator") -> Array:
    """Return samples, as many, with other numbers.

    The numbers are the same in another order, and up to a tenth nearer to 0: all signs and ranges
    stay, since a layer may know no others.
    """
    return rng.permutation(x) * rng.uniform(0.9, 1, x.shape)


def _scale(name: str, array: Array) -> Array:
    """Return how long a step suits each number; for probabilities in the loss, their own size.

    The logarithm of 1e-4 bends within 1e-5; everything else here is of about size 1.
    """
    rows = name == "loss.p" and (array > 0).all() and np.allclose(array.sum(axis=-1), 1)
    return array.copy() if rows else np.ones(array.shape)
