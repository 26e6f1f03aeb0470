"""What is wrong with a gradient: the usual mistakes, tried one after another.

Each pattern makes a guess: what backward computed, or what would be right. If a guess agrees with
the numbers to many digits, it is not chance, and the pattern is the answer.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tinynn.gradcheck.activations import activation
from tinynn.gradcheck.convolving import convolving
from tinynn.gradcheck.dropping import dropped
from tinynn.gradcheck.evidence import CLOSE, Evidence, close
from tinynn.gradcheck.losses import ignored
from tinynn.gradcheck.normalising import normalising
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.origin import is_own
from tinynn.parameters import Array


def suspect(evidence: Evidence) -> str:
    """Say which method is wrong, where it is written, and what mistake the numbers show."""
    text, named = pattern(evidence)
    owner = evidence.case.owner(evidence.name)
    method = _method(owner, evidence.key, named, evidence.half)
    code = getattr(method, "__func__", method).__code__
    where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    what = f"d{evidence.key} of {getattr(owner, 'name', type(owner).__name__)}"
    answer = f"SUSPECT  {what}, by {method.__name__} ({where})."
    if not evidence.parameter:
        answer += (
            ' Rows marked "follows" were computed from this array: repair it first, then check '
            "again."
        )
    elif evidence.right and {*evidence.right, evidence.key} == {*evidence.old}:
        answer += f" Only d{evidence.key} is wrong: d{' and d'.join(evidence.right)} is right."
    return f"{answer}\nPATTERN  {text}"


def _method(owner: Layer | Loss, key: str, named: str, half: bool) -> Any:
    """Return the method to look at: if possible, one that the user wrote.

    named: the method that the pattern names, "" for the method that computes the array. half:
    backward is right, and only input_gradient, called alone, is wrong.
    """
    halves = ("parameter_gradients", "input_gradient")
    computes = "backward" if isinstance(owner, Loss) else halves[key == "x"]
    names = [named or computes, computes, "backward", "forward", *halves]
    methods = [getattr(owner, name) for name in names if hasattr(owner, name)]
    own = [method for method in methods if is_own(method)]
    for method in own:
        code = getattr(method, "__func__", method).__code__
        called = {*names[:2], "backward"} & {*code.co_names}
        if method.__name__ == "backward" and not called and named != "forward" and not half:
            return method  # it does the work itself, and does not call the halves
    return own[0] if own else getattr(owner, computes)


def pattern(evidence: Evidence) -> tuple[str, str]:
    """Return in words what is wrong (if no pattern fits, what is known), and the method to name.

    The method is "" if it is the one that computes the array.
    """
    found = evidence.gradient
    if not np.isfinite(found).all():
        bad = np.count_nonzero(~np.isfinite(found))
        return f"{bad:,} of {found.size:,} numbers are NaN or infinite.", ""
    for guess, named in PATTERNS.items():
        text = guess(evidence)
        if text:
            return text, named
    with np.errstate(all="ignore"):
        ratios = evidence.at_probes(found) / evidence.truth
    ratios = ratios[np.isfinite(ratios)]
    if not ratios.size:
        return "No usual mistake: 0 would be right.", ""
    return (
        f"No usual mistake: backward is {ratios.min():.2f} to {ratios.max():.2f} times the "
        "differences."
    ), ""


def _unused(evidence: Evidence) -> str:
    if not evidence.parameter or np.nan_to_num(evidence.truth).any():
        return ""
    if not any(x.any() and dout.any() for x, dout in zip(evidence.x, evidence.dout, strict=True)):
        return ""  # for each sample x is 0, or all units above are inactive: this explains it
    return f"The loss does not depend on {evidence.key} at all. Is it forgotten in forward?"


def _factor(evidence: Evidence) -> str:
    found, truth = evidence.at_probes(evidence.gradient), evidence.truth
    if not evidence.gradient.any():
        return "It is 0 everywhere. Is it written at all?"
    known = np.isfinite(truth)
    k = float(np.sum(found[known] * truth[known]) / max(float(np.sum(truth[known] ** 2)), 1e-300))
    if not k or not close(found, k * truth):
        return ""
    size, count = len(evidence.dout), evidence.dout.size
    if np.isclose(k, 1):
        return "Right to about five digits: an approximation, or a mistake that small inputs hide."
    if np.isclose(k, -1):
        return "Only its sign is wrong."
    if size > 2 and np.isclose(k, size):
        return f"Too large by the factor {size}, the batch size. Is the 1/B of the mean missing?"
    if size > 2 and np.isclose(k, 1 / size):
        return (
            f"Too small by the factor {size}, the batch size. Is it divided by B again? The loss "
            "has done this already."
        )
    if not evidence.parameter and evidence.key == "p" and count > 2 and np.isclose(k, count):
        return (
            f"Too large by the factor {count}, the number of entries, B x C = {size} x "
            f"{count // size}. Is the 1/(B C) of the mean missing?"
        )
    columns = count // max(size, 1)
    if not evidence.parameter and evidence.key == "p" and columns > 2 and np.isclose(k, columns):
        return (
            f"Too large by the factor {columns}, the numbers of a sample, C. The mean is over all "
            "B x C numbers: is the 1/C missing?"
        )
    if np.isclose(k, round(k)):
        return f"It is {round(k)} times the right gradient."
    return f"It is {k:.4g} times the right gradient."


def _batches(evidence: Evidence) -> str:
    gradient, _ = evidence.before
    if not np.nan_to_num(evidence.truth).any():
        return ""  # a gradient that depends on no batch would look the same
    if evidence.is_right(evidence.gradient - gradient):
        return "It is the sum over two batches: added to the old gradient. Write =, not +=."
    return "It is that of the batch before (stale)." if evidence.is_computed(gradient) else ""


def _stale(evidence: Evidence) -> str:
    (_, x), dout = evidence.before, evidence.dout
    if evidence.parameter and x.ndim == dout.ndim == 2 and evidence.is_computed(x.T @ dout):
        return "Its x is that of the batch before (stale): forward must store x each time."
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
        left = whole - part
        if evidence.is_right(whole.reshape(shape)) and evidence.is_computed(left.reshape(shape)):
            return f"Sample {n} is left out of the sum. Is a slice off by one?"
    return ""


def _changed(evidence: Evidence) -> str:
    changed = [name for name, old in evidence.old.items() if (evidence.new[name] != old).any()]
    if not changed:
        return ""
    return (
        f"backward changes {' and '.join(changed)}, and then computes with the new numbers. Only "
        "the optimizer may change parameters."
    )


def _transposed(evidence: Evidence) -> str:
    for name, W in evidence.old.items():
        if evidence.key == "x" and W.shape == 2 * evidence.dout.shape[1:]:
            right, wrong = evidence.dout @ W.T, evidence.dout @ W
            if evidence.is_right(right) and evidence.is_computed(wrong):
                return (
                    f"Exactly right if {name} is transposed: dout @ {name}.T agrees with the "
                    f"differences.\nWHY NO SHAPE ERROR   {name} is square {W.shape}, so the "
                    "shapes fit. Check a 2-3-2 network as well."
                )
    if evidence.gradient.ndim == 2 and evidence.is_right(evidence.gradient.T):
        return (
            "Exactly right if transposed.\nWHY NO SHAPE ERROR   It is square "
            f"{evidence.gradient.shape}, so the shapes fit."
        )
    return ""


def _axis(evidence: Evidence) -> str:
    dout = evidence.dout
    if dout.ndim != 2 or evidence.gradient.ndim != 1:
        return ""
    if evidence.is_right(dout.sum(axis=0)) and evidence.is_computed(dout.sum(axis=1)):
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
        if np.ptp(derivatives) < 1e-3:  # the same everywhere: this is not chance
            is_zero = np.abs(derivatives).max() < 1e-3
            return (
                "Wrong only where x is 0 or less: the derivative there is "
                f"{'0' if is_zero else 'another one'}."
            )
    masked = (found == 0) | (found == dout)
    right = np.isnan(truth) | (np.abs(truth) <= small) | (np.abs(truth - dout) <= small)
    x = evidence.x
    if evidence.is_computed(dout * (x <= 0)) and evidence.is_right(dout * (x > 0)):
        return "The mask is inverted: it keeps dout where x is 0 or less, and sets the rest to 0."
    if masked.all() and right.all():
        return (
            "Each entry is dout or 0, but in the wrong places: the mask was made from another "
            "array."
        )
    return ""


def _softmax(evidence: Evidence) -> str:
    dout, out = evidence.dout, evidence.out
    if evidence.key != "x" or dout.shape != out.shape or evidence.gradient.shape != out.shape:
        return ""
    right = "out * (dout - sum(dout * out)) agrees with the differences."
    if not evidence.is_right(out * (dout - (dout * out).sum(axis=-1, keepdims=True))):
        return ""
    if evidence.is_computed(dout * out * (1 - out)):
        return (
            "It would be right if each output depended only on its own input. In softmax each "
            f"output depends on all inputs of its row: {right}"
        )
    if evidence.is_computed(out * (dout - (dout * out).sum(axis=0))):
        return f"The sum is over the samples, axis 0. In softmax it is over a row, axis -1: {right}"
    return ""


def _places(evidence: Evidence) -> str:
    found, truth = evidence.gradient, evidence.entries()
    if truth is None:
        return ""
    known = np.isfinite(truth)
    wrong = np.abs(found - truth) > CLOSE * np.abs(truth[known]).max(initial=0)
    if not wrong.any() or wrong.sum() > known.sum() / 2:
        return ""
    names = {1: ("entry",), 2: ("row", "column")}.get(found.ndim, ())
    for axis, name in enumerate(names):
        for end in (0, found.shape[axis] - 1):
            if _left_out(found, truth, wrong, axis, end):
                return f"Only {name} {end} is wrong: it is 0. Is a slice off by one?"
    if wrong.sum() == 1 and known.all():
        return f"Only the entry {tuple(map(int, np.argwhere(wrong)[0]))} is wrong."
    return f"Of {known.sum():,} entries, {known.sum() - wrong.sum():,} are right."


def _left_out(found: Array, truth: Array, wrong: Array, axis: int, end: int) -> bool:
    """Whether one end is 0, and all others, in several rows and columns, are right."""
    others = np.delete(wrong, end, axis)
    right = np.argwhere(~others & (np.abs(np.delete(truth, end, axis)) > 0))
    several = len(right) > 0 and np.ptp(right, axis=0).all()
    return several and not np.take(found, end, axis).any() and not others.any()


PATTERNS = {  # tried in this order; with the method to name, "" for the one that computes the array
    _unused: "forward",
    dropped: "",
    convolving: "",
    normalising: "",
    ignored: "",
    _factor: "",
    _batches: "",
    _stale: "forward",
    _changed: "parameter_gradients",
    _transposed: "",
    _axis: "",
    _sample: "",
    activation: "",
    _mask: "",
    _softmax: "",
    _places: "",
}
