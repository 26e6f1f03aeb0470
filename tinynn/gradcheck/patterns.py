"""What is wrong with a gradient: the mistakes that people make, tried one after another.

Each is a guess at what backward did, or at what would have been right; a guess that agrees with the
numbers to many digits is no longer one.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tinynn.gradcheck.evidence import CLOSE, Evidence, close
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.origin import is_own
from tinynn.parameters import Array


def suspect(evidence: Evidence) -> str:
    """Say which method it is, where it is written, and what the numbers tell of the mistake."""
    text, guilty = pattern(evidence)
    owner = evidence.case.owner(evidence.name)
    method = _method(owner, evidence.key, guilty, evidence.half)
    code = getattr(method, "__func__", method).__code__
    where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    what = f"d{evidence.key} of {getattr(owner, 'name', type(owner).__name__)}"
    said = f"SUSPECT  {what}, by {method.__name__} ({where})."
    if not evidence.parameter:
        said += ' Rows marked "fed" received this array: repair it first, then check again.'
    elif evidence.right and {*evidence.right, evidence.key} == {*evidence.old}:
        said += f" Only d{evidence.key} is wrong: d{' and d'.join(evidence.right)} is right."
    return f"{said}\nPATTERN  {text}"


def _method(owner: Layer | Loss, key: str, guilty: str, half: bool) -> Any:
    """Return the method to look at: one that the learner wrote, as far as there is one.

    guilty: the one that the pattern points at, "" for that which computes the array. half: backward
    is right, and only the half of it that gives dx is not.
    """
    halves = ("parameter_gradients", "input_gradient")
    computes = "backward" if isinstance(owner, Loss) else halves[key == "x"]
    names = [guilty or computes, computes, "backward", "forward", *halves]
    methods = [getattr(owner, name) for name in names if hasattr(owner, name)]
    own = [method for method in methods if is_own(method)]
    for method in own:
        code = getattr(method, "__func__", method).__code__
        called = {*names[:2], "backward"} & {*code.co_names}
        if method.__name__ == "backward" and not called and guilty != "forward" and not half:
            return method  # it does the work itself, and the halves are not asked
    return own[0] if own else getattr(owner, computes)


def pattern(evidence: Evidence) -> tuple[str, str]:
    """Return in words what is wrong, or what is known of it if none of the patterns fits.

    And the method that this speaks of, "" for that which computes the array.
    """
    found = evidence.gradient
    if not np.isfinite(found).all():
        bad = np.count_nonzero(~np.isfinite(found))
        return f"{bad:,} of {found.size:,} are no numbers at all.", ""
    for guess, guilty in PATTERNS.items():
        text = guess(evidence)
        if text:
            return text, guilty
    with np.errstate(all="ignore"):
        ratios = evidence.asked(found) / evidence.truth
    ratios = ratios[np.isfinite(ratios)]
    if not ratios.size:
        return "Not one factor: 0 would be right.", ""
    return f"Not one factor (ratios {ratios.min():.2f} to {ratios.max():.2f}).", ""


def _unused(evidence: Evidence) -> str:
    if not evidence.parameter or np.nan_to_num(evidence.truth).any():
        return ""
    if not any(x.any() and dout.any() for x, dout in zip(evidence.x, evidence.dout, strict=True)):
        return ""  # for each sample the layer gets zeros, or units above are closed: no wonder
    return f"The loss does not depend on {evidence.key} at all. Is it forgotten in forward?"


def _factor(evidence: Evidence) -> str:
    found, truth = evidence.asked(evidence.gradient), evidence.truth
    if not evidence.gradient.any():
        return "Zero everywhere. Is it written at all?"
    there = np.isfinite(truth)
    k = float(np.sum(found[there] * truth[there]) / max(float(np.sum(truth[there] ** 2)), 1e-300))
    if not k or not close(found, k * truth):
        return ""
    size, count = len(evidence.dout), evidence.dout.size
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
    if not evidence.parameter and evidence.key == "p" and count > 2 and np.isclose(k, count):
        return (
            f"One factor, {count}: the number of entries, B x C = {size} x {count // size}. Is the "
            "1/(B C) of the mean missing?"
        )
    if np.isclose(k, round(k)):
        return f"One factor: {round(k)} times what is right."
    return f"One factor: {k:.4g} times what is right."


def _batches(evidence: Evidence) -> str:
    gradient, _ = evidence.before
    if not np.nan_to_num(evidence.truth).any():
        return ""  # then a gradient that no batch has a part in would look the same
    if evidence.agrees(evidence.gradient - gradient):
        return "The sum of two batches: added to what was there. Write =, not +=."
    return "Still that of the batch before (stale)." if evidence.given(gradient) else ""


def _stale(evidence: Evidence) -> str:
    (_, x), dout = evidence.before, evidence.dout
    if evidence.parameter and x.ndim == dout.ndim == 2 and evidence.given(x.T @ dout):
        return "x is that of a batch before (stale): forward must remember x each time."
    return ""


def _sample(evidence: Evidence) -> str:
    x, dout = evidence.x, evidence.dout
    if not evidence.parameter or x.ndim != 2 or dout.ndim != 2:
        return ""
    if evidence.gradient.ndim == 1:  # b is a weight of an input that is always 1
        x = np.ones((len(x), 1))
    shape = evidence.gradient.shape
    for n in {0, len(x) - 1}:
        whole, part = x.T @ dout, np.outer(x[n], dout[n])
        rows, columns = (np.count_nonzero(part.any(axis=axis)) for axis in (1, 0))
        if whole.size != evidence.gradient.size or columns < 2 or rows < min(2, len(part)):
            continue  # in a single row or column, other mistakes look the same
        if evidence.agrees(whole.reshape(shape)) and evidence.given((whole - part).reshape(shape)):
            return f"Sample {n} is left out of the sum. Is a slice off by one?"
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
        if evidence.key == "x" and W.shape == 2 * evidence.dout.shape[1:]:
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
    found, dout, truth = evidence.gradient, evidence.dout, evidence.entries()
    if evidence.key != "x" or dout.shape != found.shape or truth is None:
        return ""
    small = CLOSE * np.abs(dout).max()
    wrong = np.abs(found - truth) > small
    if wrong.sum() > 1 and not (wrong & ((evidence.x > 0) | (dout == 0))).any():
        derivatives = truth[wrong] / dout[wrong]
        if np.ptp(derivatives) < 1e-3:  # the same one everywhere: no chance
            blocked = np.abs(derivatives).max() < 1e-3
            should = (
                "nothing should pass there" if blocked else "the derivative there is another one"
            )
            return f"Wrong only where x is 0 or less: {should}."
    passed = (found == 0) | (found == dout)
    right = np.isnan(truth) | (np.abs(truth) <= small) | (np.abs(truth - dout) <= small)
    if evidence.given(dout * (evidence.x <= 0)) and evidence.agrees(dout * (evidence.x > 0)):
        return "The mask is inverted: it lets dout pass where x is 0 or less, and stops the rest."
    if passed.all() and right.all():
        return "Each entry is dout or 0, but in the wrong places: the mask is of the wrong array."
    return ""


def _softmax(evidence: Evidence) -> str:
    dout, out = evidence.dout, evidence.out
    if evidence.key != "x" or dout.shape != out.shape or evidence.gradient.shape != out.shape:
        return ""
    right = "out * (dout - sum(dout * out)) agrees with the differences."
    if not evidence.agrees(out * (dout - (dout * out).sum(axis=-1, keepdims=True))):
        return ""
    if evidence.given(dout * out * (1 - out)):
        return (
            "As if each output depended on its own input alone. In softmax each depends on all of "
            f"its row: {right}"
        )
    if evidence.given(out * (dout - (dout * out).sum(axis=0))):
        return f"The sum is over the samples, axis 0. In softmax it is over a row, axis -1: {right}"
    return ""


def _places(evidence: Evidence) -> str:
    found, truth = evidence.gradient, evidence.entries()
    if truth is None:
        return ""
    asked = np.isfinite(truth)
    wrong = np.abs(found - truth) > CLOSE * np.abs(truth[asked]).max(initial=0)
    if not wrong.any() or wrong.sum() > asked.sum() / 2:
        return ""
    names = {1: ("entry",), 2: ("row", "column")}.get(found.ndim, ())
    for axis, name in enumerate(names):
        for end in (0, found.shape[axis] - 1):
            if _left_out(found, truth, wrong, axis, end):
                return f"Right but for {name} {end}. Is a slice off by one?"
    if wrong.sum() == 1 and asked.all():
        return f"Right but for the entry {tuple(map(int, np.argwhere(wrong)[0]))}."
    return f"Right in {asked.sum() - wrong.sum():,} of {asked.sum():,} entries."


def _left_out(found: Array, truth: Array, wrong: Array, axis: int, end: int) -> bool:
    """Whether nothing was written at one end, and elsewhere, in several rows and columns, right."""
    others = np.delete(wrong, end, axis)
    right = np.argwhere(~others & (np.abs(np.delete(truth, end, axis)) > 0))
    several = len(right) > 0 and np.ptp(right, axis=0).all()
    return several and not np.take(found, end, axis).any() and not others.any()


PATTERNS = {  # tried in this order; the method that each speaks of, if another than usual
    _unused: "forward",
    _factor: "",
    _batches: "",
    _stale: "forward",
    _changed: "parameter_gradients",
    _transposed: "",
    _axis: "",
    _sample: "",
    _mask: "",
    _softmax: "",
    _places: "",
}
