"""Usual mistakes in code that is no layer of tinynn: tried before those of gradcheck/patterns.py.

Each compares a guess with the numbers, as those do: `wrong` is what such a mistake computes, and
`right` what agrees with the differences.
"""

import copy
from dataclasses import replace

import numpy as np

from tinynn.clinic.arguments import Arguments
from tinynn.clinic.case import FunctionCase
from tinynn.clinic.subject import Subject
from tinynn.gradcheck.evidence import CLOSE, Evidence, close
from tinynn.gradcheck.patterns import Pattern


def case_of(evidence: Evidence) -> FunctionCase:
    """Return the steps of the code that the evidence is of."""
    assert isinstance(evidence.case, FunctionCase)
    return evidence.case


def own_name(evidence: Evidence) -> str:
    """Return the name that the caller gave to the array."""
    case = case_of(evidence)
    return case.x if evidence.key in ("x", "p") and case.x else evidence.key


def skip_path(evidence: Evidence) -> str:
    """Of out = x + f(x): the path of x itself is missing, or is there twice."""
    dout = evidence.dout
    if evidence.key != "x" or dout.shape != evidence.gradient.shape:
        return ""
    if not np.abs(evidence.gradient).max() or evidence.is_computed(dout):
        return ""
    if evidence.is_right(evidence.gradient + dout):
        return "dout is missing in it: x also goes to out directly, by x + f(x). Add dout to dx."
    return ""


def decay(evidence: Evidence) -> str:
    """A term k * W^2 in the loss, and another one in the gradient."""
    name, truth = own_name(evidence), evidence.truth
    array = case_of(evidence).as_rows(case_of(evidence).subject.arrays[name])
    if not evidence.parameter and not name.lower().startswith(("w", "theta", "b", "param")):
        return ""
    if array.shape != evidence.gradient.shape or not array.any():
        return ""
    found, at = evidence.at_probes(evidence.gradient), evidence.at_probes(array)
    known = np.isfinite(truth)
    left = truth - found
    k = float(np.vdot(left[known], at[known]) / np.vdot(at[known], at[known]))
    if abs(k) < 1e-4 or known.sum() < 2 or not close(left, k * at):
        return ""
    size = f"{abs(k):.4g}"
    if k > 0:
        return (
            f"{size} * {name} is missing in it: the loss has a term with {name}**2, of which the "
            f"derivative is {size} * {name} more than what is there."
        )
    return (
        f"It has {size} * {name} too much: the loss has no such term with {name}**2 (a bias is "
        "usually not decayed), or a smaller one."
    )


def turned(evidence: Evidence) -> str:
    """Of a convolution: the kernel is not turned by 180 degrees, or the gradient is."""
    case, name = case_of(evidence), own_name(evidence)
    arrays = case.subject.arrays
    if case.of_loss:
        return ""
    axes = [(-2, -1), (0, 1), (1, 2), (-1,)]
    if evidence.parameter and evidence.gradient.ndim >= 2:
        for pair in axes[:3]:
            if evidence.gradient.ndim > max(pair, default=0) and evidence.is_right(
                np.flip(evidence.gradient, pair)
            ):
                return (
                    "It is turned by 180 degrees: flipped along both axes of the image it is right."
                )
    if evidence.key != "x":
        return ""
    for kernel in case.subject.parameters:
        for pair in axes[: 3 if arrays[kernel].ndim > 2 else 1]:
            if arrays[kernel].ndim < 2 or arrays[kernel].ndim <= max(pair):
                continue
            flipped = np.flip(arrays[kernel], pair).copy()
            if np.array_equal(flipped, arrays[kernel]):
                continue
            guess = case.as_rows(case.truth_if(name, {kernel: flipped}))
            if evidence.is_computed(guess):
                return (
                    f"The kernel is not turned: on the way back {kernel} must be turned by 180 "
                    f"degrees, np.flip({kernel}, axis={pair})."
                )
    return ""


def later_steps(evidence: Evidence) -> str:
    """Of a recurrent layer: what comes from the later steps of time is missing."""
    truth, found = evidence.entries(), evidence.gradient
    if truth is None or found.ndim != 3 or evidence.key != "x":
        return ""
    scale = np.nanmax(np.abs(truth), initial=0)
    wrong = np.abs(found - truth) > CLOSE * scale
    for axis in (1, 0):
        by_step = np.moveaxis(wrong, axis, 0).reshape(found.shape[axis], -1).mean(axis=1)
        if not by_step[-1] and (by_step[:-1] > 0.5).all():
            return (
                "Only the last step of time is right: what comes back from the later steps is "
                "missing. Add the gradient of the next step's state to the one of this step."
            )
    return ""


def of_another(evidence: Evidence) -> str:
    """The gradients of two arrays are exchanged."""
    for name, other in evidence.case.walk.gradients.items():
        key = name.rpartition(".")[2]
        if key != evidence.key and evidence.is_right(other):
            case = case_of(evidence)
            key = case.x if key in ("x", "p") else key
            return f"It would be right as the gradient of {key}: are the two exchanged in return?"
    return ""


def repeated(evidence: Evidence) -> str:
    """Of an embedding: an index that comes twice counts once."""
    truth, arguments = evidence.entries(), getattr(case_of(evidence).subject, "arguments", None)
    if truth is None or truth.ndim != 2 or not isinstance(arguments, Arguments):
        return ""
    scale = np.nanmax(np.abs(truth), initial=0)
    rows = {*np.flatnonzero((np.abs(truth - evidence.gradient) > CLOSE * scale).any(axis=1))}
    for name, value in zip(arguments.names, arguments.values, strict=True):
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
            indices, counts = np.unique(value, return_counts=True)
            if rows and rows == {*indices[counts > 1]}:
                return (
                    f"Wrong only in the rows whose index comes more than once in {name}: "
                    f"dW[{name}] += dout counts each index once. Use np.add.at(dW, {name}, dout)."
                )
    return ""


def labels(evidence: Evidence) -> str:
    """Of softmax with cross-entropy: p, not p - y; or the right class's column is wrong."""
    truth, arguments = evidence.entries(), getattr(case_of(evidence).subject, "arguments", None)
    if truth is None or truth.ndim != 2 or not isinstance(arguments, Arguments):
        return ""
    scale = np.nanmax(np.abs(truth), initial=0)
    wrong = np.abs(truth - evidence.gradient) > CLOSE * scale
    for name, value in zip(arguments.names, arguments.values, strict=True):
        if not (isinstance(value, np.ndarray) and value.dtype.kind in "iu"):
            continue
        if value.shape == (len(truth),) and value.min() >= 0 and value.max() < truth.shape[1]:
            here = np.zeros(truth.shape, bool)
            here[np.arange(len(truth)), value] = True
            columns = np.isin(np.arange(truth.shape[1]), value) & ~here
            if wrong.any() and np.array_equal(wrong, columns):
                return (
                    f"Wrong in the columns of all labels, but for each sample's own: [:, {name}] "
                    f"takes whole columns. Write [np.arange(B), {name}]."
                )
            if wrong.any() and not (wrong & ~here).any():
                left = (truth - evidence.gradient)[here]
                if wrong.sum() == here.sum() and np.ptp(left) < CLOSE * scale:
                    return (
                        f"Wrong only in the column of the right class, {name}, by "
                        f"{left.mean():.4g}: is the 1 at [arange(B), {name}] not subtracted? The "
                        "gradient of softmax with cross-entropy is p - one_hot(y)."
                    )
                return (
                    f"Wrong only in the column of the right class, {name}: what comes from each "
                    "of the other classes must be subtracted there."
                )
    return ""


def without(evidence: Evidence) -> str:
    """An argument on which forward depends is not used in backward."""
    case = case_of(evidence)
    subject = case.subject
    arguments = getattr(subject, "arguments", None)
    if not isinstance(arguments, Arguments):
        return ""
    name = own_name(evidence)
    for i, (argument, value) in enumerate(zip(arguments.names, arguments.values, strict=True)):
        is_array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        number = isinstance(value, float)
        if argument == name or not (number or is_array) or not np.any(value):
            continue
        twin = copy.copy(subject)
        changed = value * 0.5 if number or argument not in subject.arrays else None
        if changed is None:
            continue
        values = [*arguments.values]
        values[i] = changed
        twin.arguments = Arguments(arguments.names, tuple(values))  # type: ignore[attr-defined]
        with subject.alike():
            step = twin.begun(subject.arrays).step(subject.arrays, case.dout)
        same = evidence.is_computed(case.as_rows(np.asarray(step.gradients[name])))
        if same and not np.allclose(step.out, case.step.out) and _depends(evidence, twin):
            return (
                f"The output depends on {argument}, but this gradient does not. Is {argument} "
                "missing in it?"
            )
    return ""


def _depends(evidence: Evidence, twin: Subject) -> bool:
    """Whether the differences are others for a twin, the same code with another argument."""
    case, name = case_of(evidence), own_name(evidence)
    if evidence.gradient.size > 400:  # too many to measure: the output is another one
        return True
    other = replace(case, subject=twin).truth_if(name, {})
    return not close(other, case.truth_if(name, {}))


def unweighted(evidence: Evidence) -> str:
    """Weights of samples or classes, one of the arrays, are missing in the gradient."""
    case = case_of(evidence)
    name = own_name(evidence)
    for other, array in case.subject.arrays.items():
        if other == name or case.as_rows(array).ndim != 1 or evidence.parameter:
            continue
        if evidence.gradient.size > 400:
            continue
        guess = case.as_rows(case.truth_if(name, {other: np.ones_like(array)}))
        if evidence.is_computed(guess):
            return (
                f"It would be right if {other} were all 1: the output depends on {other}, but "
                f"this gradient does not. Is {other} missing in it?"
            )
    return ""


def log_softmax(evidence: Evidence) -> str:
    """Of log_softmax: the sum of dout over the row is missing."""
    dout, out = evidence.dout, evidence.out
    if evidence.key != "x" or not dout.shape == out.shape == evidence.gradient.shape:
        return ""
    if out.ndim < 2 or not np.allclose(np.exp(out).sum(axis=-1), 1):
        return ""
    if evidence.is_right(dout - np.exp(out) * dout.sum(axis=-1, keepdims=True)):
        return (
            "dout - exp(out) * sum(dout) agrees with the differences, with the sum over the "
            "classes of each sample: each output depends on all inputs of its sample."
        )
    return ""


OF_FUNCTIONS: dict[Pattern, str] = {  # tried in this order, before gradcheck's
    log_softmax: "",
    of_another: "",
    repeated: "",
    turned: "",
    later_steps: "",
    labels: "",
    unweighted: "",
    without: "",
    skip_path: "",
    decay: "",
}
