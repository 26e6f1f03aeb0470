"""Is the gradient right? Finite differences ask the loss itself, and backward has to agree.

    differences:  (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction
    backward:     the entry of dW,                  or dW's projection on that direction

All in float64, on a copy (in float32 a difference has about two digits). Small networks are checked
at every entry, large ones along random directions of norm 1, one array at a time.

Where a step pushes a unit of ReLU over its kink, both derivatives are right and no comparison is
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
from tinynn.gradcheck.evidence import Evidence
from tinynn.gradcheck.finite_differences import directions, entries
from tinynn.gradcheck.patterns import suspect
from tinynn.gradcheck.rows import Case, Comparison, GradientRow
from tinynn.gradcheck.walk import between, own_methods, own_walk, together, way_back
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Generator

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
                "kink, or the loss curves too sharply. The table is of a copy with each moved by "
                f"about {MOVE}."
            )
        if self.skipped > self.most_skipped:
            lines.append(
                f"TOO MANY SKIPPED: {self.skipped:.1%} of the steps crossed a kink, at most "
                f"{self.most_skipped:.0%} may. Try another batch; where a layer gives exact "
                "zeros to one with a kink, put a Dense between."
            )
        return "\n".join(lines)


@checks.short_traceback
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
    InputError for data that do not fit, and for a Softmax before SoftmaxCrossEntropy.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(3), Softmax()], input_shape=(2,))
    >>> report = check_gradients(model, CrossEntropy(), x=[[1.0, 2.0]], y=[0])
    >>> report.ok, [row.name for row in report.rows]
    (True, ['loss.p', '1.Softmax.x', '0.Dense.W', '0.Dense.b', '0.Dense.x'])
    """
    x, *given = checks.samples_of_step(
        model, Sequential, loss, Loss, x, y, "check_gradients", np.float64, sample_weight
    )
    report = _check(model, loss, x, tuple(given), tolerance, seed)
    if report.ok:
        return report
    # Is it only here? At x = 0 and b = 0 all z lie on a kink, or where the loss curves sharply.
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
    """Compare at the model's own parameters, from the loss back. y: see Walk."""
    counts, x = x.dtype.kind in "biu", x.astype(np.float64)
    rng = np.random.default_rng(seed)
    case = _case(model, loss, x, y, tolerance, rng)
    rows: list[GradientRow] = []
    suspects: list[str] = []
    fed = False
    for name in case.walk.gradients:
        found = _compare(case, name, rng)
        of_data = name.endswith(".x") and case.walk.layers[name] <= case.model.first_trainable
        if found.row.skipped and of_data and counts:
            continue  # numbers of words: the loss jumps from one to the next
        row = replace(found.row, fed=fed and not found.row.ok)
        rows.append(row)
        if row.verdict == "WRONG":
            fed = name not in case.model.named_parameters()
            known = [row.name for row in rows if row.ok]
            suspects.append(_suspect(Evidence(case, found, known), rng))
    most_skipped = 0.01 if case.small else 0.1
    return GradientReport(tuple(rows), most_skipped, "\n".join(suspects))


def _case(
    model: Sequential,
    loss: Loss,
    x: Array,
    y: tuple[Array, ...],
    tolerance: float,
    rng: Generator,
) -> Case:
    """Let a copy take a step at another batch, then at this one, which must be fit to check."""
    model = model.astype(np.float64)
    model.streams.before_forward()  # to the step that comes next
    untouched, go_back = copy.deepcopy(model), way_back(model)
    before = own_walk(model, loss, _another_batch(x, rng), *(each[::-1] for each in y))
    walk = own_walk(model, loss, x, *y)
    checks.not_saturated(walk.p, loss)
    for i, given in walk.heard.given.items():
        go_back()
        checks.repeats(model.layers[i], given, walk.heard.outs[i])
    return Case(model, loss, go_back, walk, before, untouched, tolerance)


def _compare(case: Case, name: str, rng: Generator) -> Comparison:
    """Compare what backward gave; where that is right, what `input_gradient` alone gave, too."""
    scale = _scale(name, case.array(name))
    probes = entries(scale) if case.small else directions(scale, DIRECTIONS, rng)
    gradient = case.walk.gradients[name]
    other = case.walk.others.get(name, gradient)
    found = case.compare(name, probes, gradient)
    same = np.allclose(other, gradient)
    return found if same or not found.row.ok else case.compare(name, probes, other)


def _suspect(evidence: Evidence, rng: Generator) -> str:
    """Say what is to blame: the model's own methods, layers that meet, or one of them alone."""
    case, found, name = evidence.case, evidence.found, evidence.name
    if own_methods(case.model) and case.right_alone(found):
        return between(case.model, case.walk, name)
    if not evidence.half and case.compare(name, found.probes, case.alone[name]).row.ok:
        return together(case.model, case.walk, name)
    if not case.small:
        sample = entries(_scale(name, case.array(name)), SAMPLE, rng)
        look = case.compare(name, sample, found.gradient)
        if not look.row.ok:  # else what is wrong lies between, and the directions know of it
            evidence = replace(evidence, found=look)
    return suspect(evidence)


def _another_batch(x: Array, rng: Generator) -> Array:
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
