"""What is wrong with a gradient: the mistakes that people make, tried one after another.

Each is a guess at what backward did, or at what would have been right; a guess that agrees with the
numbers to many digits is no longer one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinynn.parameters import Array

CLOSE = 1e-5  # relative; chance does not come that near


@dataclass(frozen=True)
class Evidence:
    """All that is known of one wrong gradient.

    key: "x" for a layer's input, "p" for the loss', or the parameter's name. gradient: what
    backward gave. truth: the finite differences, of entries, or along directions; nan where none
    could be taken. project: turns an array like the gradient into numbers like `truth`. x, out,
    dout: what the layer got and returned, and the gradient that came from above. before: the
    gradient, and x, of the batch before. old and new: the layer's parameters before and after
    backward.
    """

    key: str
    gradient: Array
    truth: Array
    project: Callable[[Array], Array]
    x: Array
    out: Array
    dout: Array
    before: tuple[Array, Array]
    old: dict[str, Array]
    new: dict[str, Array]

    def agrees(self, guess: Array) -> bool:
        """Whether a guess at the right gradient is what the differences say."""
        return guess.shape == self.gradient.shape and _close(self.project(guess), self.truth)

    def given(self, guess: Array) -> bool:
        """Whether a guess at what backward computed is what it gave."""
        return guess.shape == self.gradient.shape and _close(guess, self.gradient)


def pattern(evidence: Evidence) -> str:
    """Return in words what is wrong, or what is known of it if none of the patterns fits."""
    found = evidence.gradient
    if not np.isfinite(found).all():
        return f"{np.count_nonzero(~np.isfinite(found)):,} of {found.size:,} are no numbers at all."
    for guess in (_factor, _batches, _changed, _transposed, _axis, _mask, _elementwise, _places):
        text = guess(evidence)
        if text:
            return text
    compared = evidence.project(found)
    with np.errstate(all="ignore"):
        ratios = compared / evidence.truth
    ratios = ratios[np.isfinite(ratios)]
    if not ratios.size:
        return "Not one factor."
    return f"Not one factor (ratios {ratios.min():.2f} to {ratios.max():.2f})."


def _close(a: Array, b: Array) -> bool:
    """Whether two arrays agree where both are numbers, measured by the largest of b."""
    both = np.isfinite(a) & np.isfinite(b)
    scale = np.abs(b[both]).max(initial=0)
    return bool(both.any() and np.abs(a[both] - b[both]).max() <= CLOSE * scale)


def _factor(evidence: Evidence) -> str:
    found, truth = evidence.project(evidence.gradient), evidence.truth
    if not evidence.gradient.any():
        return "Zero everywhere. Is it written at all?"
    there = np.isfinite(truth)
    k = float(np.sum(found[there] * truth[there]) / max(float(np.sum(truth[there] ** 2)), 1e-300))
    if not k or not _close(found, k * truth):
        return ""
    size = len(evidence.dout)
    if np.isclose(k, 1):
        return "Right to about five digits: an approximation, or a mistake that small inputs hide."
    if np.isclose(k, -1):
        return "Exactly right but for its sign."
    if size > 2 and np.isclose(k, size):
        return f"One factor, {size}: the batch size. Is the 1/B of the mean missing?"
    if size > 2 and np.isclose(k, 1 / size):
        return (
            f"One factor, 1/{size}: divided by the batch size again. The loss has done so already."
        )
    if np.isclose(k, round(k)):
        return f"One factor: {round(k)} times what is right."
    return f"One factor: {k:.4g} times what is right."


def _batches(evidence: Evidence) -> str:
    gradient, x = evidence.before
    if evidence.agrees(evidence.gradient - gradient):
        return "The sum of two batches: added to what was there. Write =, not +=."
    if evidence.given(gradient):
        return "Still that of the batch before (stale)."
    if evidence.key != "x" and x.ndim == 2 and evidence.given(x.T @ evidence.dout):
        return "x is that of a batch before (stale): forward must remember x each time."
    return ""


def _changed(evidence: Evidence) -> str:
    changed = [name for name, old in evidence.old.items() if (evidence.new[name] != old).any()]
    if not changed:
        return ""
    return (
        f"backward has changed {' and '.join(changed)} itself, and what came after was computed "
        "from the new numbers. Leave that to the optimizer."
    )


def _transposed(evidence: Evidence) -> str:
    for name, W in evidence.old.items():
        if evidence.key == "x" and W.ndim == 2 and W.shape[0] == W.shape[1]:
            right, wrong = evidence.dout @ W.T, evidence.dout @ W
            if evidence.agrees(right) and evidence.given(wrong):
                return (
                    f"Exactly right if {name} is transposed: dout @ {name}.T agrees with the "
                    f"differences.\nWHY NO SHAPE ERROR   {name} is square {W.shape}, so NumPy "
                    "could not object. Check a 2-3-2 network as well."
                )
    if evidence.gradient.ndim == 2 and evidence.agrees(evidence.gradient.T):
        return (
            "Exactly right if transposed.\nWHY NO SHAPE ERROR   it is square "
            f"{evidence.gradient.shape}, so NumPy could not object."
        )
    return ""


def _axis(evidence: Evidence) -> str:
    dout = evidence.dout
    if dout.ndim != 2 or evidence.gradient.ndim != 1:
        return ""
    if evidence.agrees(dout.sum(axis=0)) and evidence.given(dout.sum(axis=1)):
        return "Summed over the wrong axis: dout.sum(axis=0) agrees with the differences."
    return ""


def _mask(evidence: Evidence) -> str:
    if evidence.key != "x" or evidence.dout.shape != evidence.gradient.shape:
        return ""
    found, dout, truth = evidence.gradient, evidence.dout, evidence.truth
    if truth.shape != found.shape:  # along directions no entry can be told from another
        return ""
    wrong = np.abs(found - truth) > CLOSE * np.abs(dout).max()
    closed = evidence.x <= 0
    if wrong.any() and not (wrong & ~closed).any():
        blocked = np.abs(truth[wrong]).max() <= CLOSE * np.abs(dout).max()
        should = "nothing should pass there" if blocked else "there the slope is another one"
        return f"Wrong only where x is 0 or less: {should}."
    masks = [(array == 0) | (array == dout) for array in (found, np.where(wrong, found, truth))]
    right = (np.abs(truth) <= CLOSE) | (np.abs(truth - dout) <= CLOSE * np.abs(dout).max())
    if masks[0].all() and right.all():
        return "Each entry is dout or 0, but in the wrong places: the mask is of the wrong array."
    return ""


def _elementwise(evidence: Evidence) -> str:
    dout, out = evidence.dout, evidence.out
    if evidence.key != "x" or dout.shape != out.shape or evidence.gradient.shape != out.shape:
        return ""
    if evidence.given(dout * out * (1 - out)) and evidence.agrees(
        out * (dout - (dout * out).sum(axis=-1, keepdims=True))
    ):
        return (
            "As if each output depended on its own input alone. In softmax each depends on all of "
            "its row: out * (dout - sum(dout * out)) agrees with the differences."
        )
    return ""


def _places(evidence: Evidence) -> str:
    found, truth = evidence.gradient, evidence.truth
    if truth.shape != found.shape:
        return ""
    wrong = np.abs(found - truth) > CLOSE * np.abs(truth[np.isfinite(truth)]).max(initial=0)
    if not wrong.any() or wrong.sum() > wrong.size / 2:
        return ""
    places = np.argwhere(wrong)
    names = ("row", "column") if found.ndim == 2 else ("entry",) * found.ndim
    for axis, name in enumerate(names):
        along = np.unique(places[:, axis])
        if len(along) == 1 and len(places) > 1:
            end = along[0] in (0, found.shape[axis] - 1)
            hint = " Is a slice off by one?" if end else ""
            return f"Right but for {name} {along[0]}.{hint}"
    if len(places) == 1:
        at = tuple(map(int, places[0]))
        end = all(i in (0, n - 1) for i, n in zip(at, found.shape, strict=True))
        return f"Right but for the entry {at}.{' Is a slice off by one?' if end else ''}"
    return f"Right in {wrong.size - wrong.sum():,} of {wrong.size:,} entries."
