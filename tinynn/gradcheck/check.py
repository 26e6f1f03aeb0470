"""Is the gradient right? Finite differences use only the loss, and backward must agree with them.

    differences:  (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction
    backward:     the entry of dW,                  or dW's projection on that direction

All is computed in float64, on a copy (in float32 a difference has about two right digits). Small
networks are checked at every entry, large ones, and large batches, along random directions of norm
1, one array at a time.

If a step of w crosses a kink (for ReLU, x = 0), the two may differ though both are right. Such a
step is skipped, and counted. A layer's `kink_mask` says exactly which steps these are; for a layer
without that method, a shorter step and the curvature of the loss are used instead. If too many
steps are skipped (with x = 0 and b = 0, all z lie on the kink itself), all parameters are moved a
little. If that does not help and there are images, in which many windows are equal and MaxPool2D
has ties, noise is added to x. The report says so.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.gradcheck.between import overridden_methods, suspect_in_place, suspect_model
from tinynn.gradcheck.evidence import Evidence
from tinynn.gradcheck.finite_differences import (
    channel_directions,
    directions,
    entries,
    some_entries,
    together,
)
from tinynn.gradcheck.patterns import suspect
from tinynn.gradcheck.rows import Case, Comparison, GradientRow
from tinynn.gradcheck.walk import restorer, take_step
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Generator
from tinynn.reports import Report

DIRECTIONS = 8
SAMPLE = 144  # entries that are checked in an array that directions have shown to be wrong
MOVE = 1e-3  # how far parameters are moved away from a kink
NOISE = 0.25  # added to x, in its standard deviations: makes windows of an image differ


@dataclass(frozen=True, repr=False)
class GradientReport(Report):
    """What `check_gradients` found: `ok`, and `rows` from the loss back. Shows as a table.

    most_skipped: the share of steps that may be skipped. diagnosis: what is wrong, where, and by
    which mistake, in words; empty if nothing is wrong. moved: None, or, if the rows are for
    parameters that were moved a little, the share of steps that were skipped before. noisy:
    whether they are also for other samples, x with noise.

    >>> row = GradientRow("0.Dense.b", (2,), False, 2.0, "entry (1,)", 0.25, -0.25, 2, 0)
    >>> print(GradientReport((row,)))
             gradient of  shape  worst rel. error  at            backward  differences  checked ...
    WRONG    0.Dense.b    (2,)            2.0e+00  entry (1,)        0.25        -0.25        2 ...
    """

    rows: tuple[GradientRow, ...]
    most_skipped: float = 0.01
    diagnosis: str = ""
    moved: float | None = None
    noisy: bool = False

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
        """The first wrong row, from the loss back: its layer is the first to repair."""
        return next((row for row in self.rows if row.verdict == "WRONG"), None)

    def __str__(self) -> str:
        name, shape, at = (
            max(len(head), *(len(str(getattr(row, field))) for row in self.rows)) + 2
            for head, field in (("gradient of", "name"), ("shape", "shape"), ("at", "at"))
        )
        lines = [
            f"{'':<9}{'gradient of':<{name}}{'shape':<{shape}}worst rel. error  {'at':<{at}}"
            f"{'backward':>10}{'differences':>13}{'checked':>9}{'skipped':>9}"
        ]
        for row in self.rows:
            numbers = (f"{row.error:.1e}", row.at, f"{row.backward:.4g}", f"{row.differences:.4g}")
            error, where, backward, differences = numbers if row.checked else "----"
            lines.append(
                f"{row.verdict:<9}{row.name:<{name}}{row.shape!s:<{shape}}"
                f"{error:>16}  {where:<{at}}{backward:>10}{differences:>13}"
                f"{row.checked:>9}{row.skipped:>9}"
                f"{'   <- starts here' if row is self.culprit else ''}"
            )
        if self.diagnosis:
            lines.append(self.diagnosis)
        if self.moved is not None:
            lines.append(
                f"MOVED    At the model's own parameters {self.moved:.1%} of the steps crossed a "
                "kink, or the loss curves too sharply. The table is for a copy with each parameter "
                f"moved by about {MOVE}{', and for x with noise' if self.noisy else ''}."
            )
        if self.skipped > self.most_skipped:
            lines.append(
                f"TOO MANY SKIPPED: {self.skipped:.1%} of the steps crossed a kink, at most "
                f"{self.most_skipped:.0%} may. Try another batch. If a layer passes exact zeros to "
                "a layer with a kink, put a Dense between the two."
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

    The rows go from the loss back: dp; then, for each layer, its parameters' gradients and its dx.
    The first wrong row is the `culprit`; rows below a wrong dx, which are computed from it, are
    marked "follows". `diagnosis` says which of the usual mistakes it is.

    x: (B, *input_shape). y: as the loss needs it. sample_weight: default None, or (B,), as in
    `Trainer.fit`. tolerance: default 1e-6, the largest relative error that passes, |a - n| /
    max(|a|, |n|, 1e-3 of the array's largest), for the gradient a and the difference n. seed:
    default 0, for the directions and for the other batch: a whole number.

    It works on a copy in float64, also of a float32 model, and with your own layers and models. As
    in training it calls the model's own forward, backward and input_gradient: if a layer changes in
    place an array that another layer keeps, both are named. It runs another batch first, so that a
    layer that uses old arrays, or adds gradients up, is found.

    A row is also wrong if nothing could be compared in it. The report is not ok if more than 1 % of
    all entries had to be skipped (10 % of directions, which move all units at once), also after the
    parameters were moved a little, and after noise was added to images x. Where numbers of a window
    are equal, as zeros are for a MaxPool2D after ReLU, one step changes all of them. Integers in x
    may be indices, of words for instance: if the loss jumps when they change, the row of that dx is
    left out. So are numbers that Dropout set to 0, in the row of the ReLU above it: 0 is its kink.
    Raises InputError for data that do not fit, and for a Softmax before SoftmaxCrossEntropy.

    >>> from tinynn import CrossEntropy, Dense, Softmax
    >>> model = Sequential([Dense(3), Softmax()], input_shape=(2,))
    >>> report = check_gradients(model, CrossEntropy(), x=[[1.0, 2.0]], y=[0])
    >>> report.ok, [row.name for row in report.rows]
    (True, ['loss.p', '1.Softmax.x', '0.Dense.W', '0.Dense.b', '0.Dense.x'])
    """
    checks.check_between("tolerance", tolerance, 0, 1)
    checks.check_integer("seed", seed, least=0)
    x, *given = checks.samples_of_step(
        model, Sequential, loss, Loss, x, y, "check_gradients", np.float64, sample_weight
    )
    report = _check(model, loss, x, tuple(given), tolerance, seed)
    if report.ok:
        return report
    # Perhaps only at these parameters: with x = 0 and b = 0 all z lie on a kink.
    twin, rng = model.astype(np.float64), np.random.default_rng(seed)
    twin.params += MOVE * rng.normal(size=twin.params.size)
    tries, images = [x], any(len(shape) == 3 for shape in model.output_shapes)
    if images and x.dtype.kind == "f" and report.culprit is None:
        tries.append(x + NOISE * (x.std() or 1) * rng.normal(size=x.shape))
    for batch in tries:
        moved = _check(twin, loss, batch, tuple(given), tolerance, seed)
        if moved.ok or (moved.culprit and not report.culprit):
            return replace(moved, moved=report.skipped, noisy=batch is not x)
    return report


def _check(
    model: Sequential,
    loss: Loss,
    x: Array,
    y: tuple[Array, ...],
    tolerance: float,
    seed: int,
) -> GradientReport:
    """Compare at the model's own parameters, from the loss back. y: see Walk."""
    integers, x = x.dtype.kind in "biu", x.astype(np.float64)
    rng = np.random.default_rng(seed)
    case = _case(model, loss, x, y, tolerance, rng)
    rows: list[GradientRow] = []
    suspects: list[str] = []
    follows = False
    for name, gradient in case.walk.gradients.items():
        if not gradient.size:
            continue  # a parameter of a shape such as (0, 3)
        found = _compare(case, name, rng)
        of_data = name.endswith(".x") and case.walk.layers[name] <= case.model.first_trainable
        if found.row.skipped and of_data and integers:
            continue  # indices of words: the loss jumps from one to the next
        row = replace(found.row, follows=follows and not found.row.ok)
        rows.append(row)
        if row.verdict == "WRONG":
            follows = name not in case.model.named_parameters()
            known = [row.name for row in rows if row.ok]
            suspects.append(_suspect(case, Evidence(case, found, known), rng))
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
    """Let a copy take a step with another batch, then with this one; refuse a random output."""
    model = model.astype(np.float64)
    model.streams.before_forward()  # to the next step
    untouched, restore = copy.deepcopy(model), restorer(model)
    before = take_step(model, loss, _another_batch(x, rng), *(each[::-1] for each in y))
    walk = take_step(model, loss, x, *y)
    checks.not_saturated(walk.p, loss)
    for i, given in walk.recording.inputs.items():
        restore()
        checks.repeats(model.layers[i], given, walk.recording.outs[i])
    return Case(model, loss, restore, walk, before, untouched, tolerance)


def _compare(case: Case, name: str, rng: Generator) -> Comparison:
    """Compare what backward returned; if that is right, also what input_gradient alone returned."""
    scale = _scale(case, name)
    probes = entries(scale) if case.small else directions(scale, DIRECTIONS, rng)
    gradient = case.walk.gradients[name]
    other = case.walk.others.get(name, gradient)
    found = case.compare(name, probes, gradient)
    if found.row.skipped and name.endswith(".x"):
        found = _compare_ties(case, found, rng)
    same = np.allclose(other, gradient)
    return found if same or not found.row.ok else case.compare(name, found.probes, other)


def _compare_ties(case: Case, found: Comparison, rng: Generator) -> Comparison:
    """Compare again, with steps that change equal numbers alike.

    Equal numbers of a window are a kink of MaxPool2D: after ReLU, zeros are equal everywhere. If
    one of the new steps crosses a kink, too, `found` is returned.
    """
    name, scale = found.row.name, _scale(case, found.row.name)
    if case.small:
        alike = together([p for p, t in zip(found.probes, found.truth, strict=True) if np.isnan(t)])
    else:  # each of these directions crosses a kink if two numbers of any window are equal
        alike = channel_directions(scale, DIRECTIONS, rng)
    if case.compare(name, alike, found.gradient).row.skipped:
        return found
    if not case.small:
        found = case.compare(name, some_entries(scale, 3 * DIRECTIONS, rng), found.gradient)
    apart = [p for p, t in zip(found.probes, found.truth, strict=True) if not np.isnan(t)]
    return case.compare(name, apart + alike, found.gradient)


def _suspect(case: Case, evidence: Evidence, rng: Generator) -> str:
    """Say where the mistake is: in the model's own methods, between layers, or in one layer."""
    found, name = evidence.found, evidence.name
    if overridden_methods(case.model) and case.right_alone(found):
        return suspect_model(case.model, case.walk, name)
    if not evidence.half and case.compare(name, found.probes, case.alone[name]).row.ok:
        return suspect_in_place(case.model, case.walk, name)
    if not case.small:
        sample = entries(_scale(case, name), SAMPLE, rng)
        of_entries = case.compare(name, sample, found.gradient)
        if not of_entries.row.ok:  # else the wrong entries are others: only the directions show it
            evidence = replace(evidence, found=of_entries)
    return suspect(evidence)


def _another_batch(x: Array, rng: Generator) -> Array:
    """Return as many samples with other numbers.

    They are the same samples in another order, each number up to a tenth nearer to 0: signs and
    ranges stay, because a layer may accept no others.
    """
    return rng.permutation(x) * rng.uniform(0.9, 1, x.shape)


def _scale(case: Case, name: str) -> Array:
    """Return the scale of the step for each number: 1; for probabilities, their own size.

    The logarithm curves sharply near 0, so a probability of 1e-4 needs a shorter step; independent
    ones of nearly 1 do, too. It is 0, for no step, where the input of a layer with a kink is 0
    because the layer below drops that number, as Dropout before ReLU: there is no derivative, and
    the layer below passes no gradient on.
    """
    array = case.array(name)
    on_kink = case.dropped_below(name)
    if on_kink.any() and not on_kink.all():
        return np.where(on_kink, 0.0, 1.0)
    if name == "loss.p" and case.loss.takes == "independent probabilities":
        return np.minimum(array, 1 - array)
    rows = name == "loss.p" and (array > 0).all() and np.allclose(array.sum(axis=-1), 1)
    return array.copy() if rows else np.ones(array.shape)
