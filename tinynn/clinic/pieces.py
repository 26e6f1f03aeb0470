"""Usual mistakes with parts of a gradient: halves exchanged, one sample, a mean, overwritten sums.

Each compares a guess with the numbers, as patterns.py does.
"""

import ast
from collections.abc import Iterator

import numpy as np

from tinynn.clinic.arguments import Arguments
from tinynn.clinic.case import FunctionCase
from tinynn.clinic.names import tree_of
from tinynn.clinic.subject import is_number
from tinynn.gradcheck.evidence import CLOSE, Evidence, close
from tinynn.gradcheck.patterns import Pattern
from tinynn.parameters import Array


def halves(evidence: Evidence) -> str:
    """Of a gated layer: the gradients of the two halves of x are exchanged."""
    found = evidence.gradient
    for axis in range(found.ndim):
        half, rest = divmod(found.shape[axis], 2)
        if half and not rest and evidence.is_right(np.roll(found, half, axis)):
            return (
                f"The two halves along axis {axis} are exchanged: concatenate them in the order in "
                "which forward splits them."
            )
    return ""


def one_sample(evidence: Evidence) -> str:
    """Of a bias: the gradient of one sample, not the sum over all."""
    dout = evidence.dout
    if dout.ndim != 2 or len(dout) < 2 or not evidence.is_right(dout.sum(axis=0)):
        return ""
    for n in (0, len(dout) - 1):
        if evidence.is_computed(dout[n]):
            return f"It is that of sample {n} alone: dout.sum(axis=0) agrees with the differences."
    return ""


def constant(evidence: Evidence) -> str:
    """The same number is missing everywhere."""
    left = evidence.truth - evidence.at_probes(evidence.gradient)
    left = left[np.isfinite(left)]
    if len(left) < 4 or not np.ptp(evidence.gradient) or np.ptp(left) > CLOSE * abs(left).max():
        return ""
    return (
        f"It is {abs(left.mean()):.4g} too {'small' if left.mean() > 0 else 'large'} everywhere: a "
        "term whose derivative is constant is missing, or is too much."
    )


def scaled(evidence: Evidence) -> str:
    """The gradient times a number that the shapes, or forward's own scale, explain."""
    found, truth = evidence.at_probes(evidence.gradient), evidence.truth
    known = np.isfinite(truth)
    square = float(np.sum(truth[known] ** 2))
    k = float(np.sum(found[known] * truth[known])) / square if square else 0.0
    if k <= 0 or np.isclose(k, 1) or not close(found, k * truth):
        return ""
    case = evidence.case
    assert isinstance(case, FunctionCase)
    dout, x = evidence.dout, evidence.x
    for name, value in numbers(case):
        for factor, text in ((value, "too much"), (1 / value, "missing")):
            if np.isclose(k, factor) and not np.isclose(abs(value), 1):
                return (
                    f"It is {k:.4g} times the right gradient: is the factor {value:g}, the "
                    f"argument {name}, {text}?"
                )
    for over in ((2, 3), (1, 2), (0, 2, 3), (0, 1, 2)):
        if dout.ndim == 4 and evidence.parameter and not case.of_loss:
            size = int(np.prod([dout.shape[a] for a in over]))
            if size > 1 and np.isclose(k, 1 / size):
                return (
                    f"Too small by the factor {size}: it is the mean over axes {over} of dout, "
                    "where the sum agrees with the differences."
                )
    spread = [a for a in range(x.ndim) if x.ndim == 4 and (dout.ndim == 2 or dout.shape[a] == 1)]
    axes = tuple(a for a in spread if dout.ndim == 4 or x.shape[a] not in dout.shape)
    averaged = int(np.prod([x.shape[a] for a in axes]))
    if evidence.key == "x" and averaged > 1 and np.isclose(k, averaged):
        return (
            f"Too large by the factor {averaged}, the numbers of which forward takes the mean over "
            f"axes {axes}: is the 1/{averaged} missing?"
        )
    if not evidence.parameter and evidence.out.shape == x.shape and not case.of_loss:
        kept = (evidence.out != 0) & (x != 0)
        scales = evidence.out[kept] / x[kept]
        if not kept.all() and scales.size and np.ptp(scales) < 1e-9 and np.isclose(k, scales[0]):
            return f"It is scaled twice, by {k:.4g}: the mask holds 1 / (1 - rate) already."
    if case.of_loss or "sqrt" not in ast.dump(tree_of(case.subject.forward)):
        return ""
    lengths = {n for a in case.subject.arrays.values() if a.ndim > 1 for n in a.shape if n > 1}
    for n in sorted(lengths):
        if np.isclose(k, np.sqrt(n)):
            return (
                f"Too large by the factor {k:.4g}, the root of {n}: is the 1/sqrt({n}) by which "
                "forward scales missing in it?"
            )
    return ""


def numbers(case: FunctionCase) -> Iterator[tuple[str, float]]:
    """Yield the arguments that are single numbers, but 0."""
    arguments = getattr(case.subject, "arguments", None)
    if isinstance(arguments, Arguments):
        for name, value in zip(arguments.names, arguments.values, strict=True):
            if is_number(value) and not isinstance(value, bool) and value:
                yield name, float(value)


def overwritten(evidence: Evidence) -> str:
    """Of windows that overlap: dx[window] = ..., where += is needed."""
    case = evidence.case
    assert isinstance(case, FunctionCase)
    if evidence.key != "x" or case.of_loss or evidence.gradient.size > 400 or case.columns:
        return ""
    dout = np.asarray(case.dout)
    axes: dict[int, list[tuple[int, ...]]] = {
        1: [(0,)],
        2: [(1,), (0,), (0, 1)],
        3: [(1,), (2,)],
        4: [(2, 3), (1, 2)],
    }
    if dout.ndim not in axes or dout.size > 400:
        return ""
    influence = _influence(case).reshape(evidence.gradient.size, *dout.shape) * dout
    if ((np.abs(influence) > 1e-9).reshape(len(influence), -1).sum(axis=1) < 2).all():
        return ""
    for places in axes[dout.ndim]:
        others = [a + 1 for a in range(dout.ndim) if a not in places]
        moved = np.transpose(influence, (0, *(a + 1 for a in places), *others))
        count = int(np.prod([dout.shape[a] for a in places]))
        by_place = moved.reshape(len(influence), count, -1)
        reached = (np.abs(by_place) > 1e-9).any(axis=2)
        if count < 2 or (reached.sum(axis=1) < 2).all():
            continue
        last = count - 1 - reached[:, ::-1].argmax(axis=1)
        guess = by_place[np.arange(len(influence)), last].sum(axis=1)
        if np.allclose(guess, evidence.gradient.ravel(), rtol=CLOSE, atol=1e-7):
            return (
                "Only what the last window gives is there: windows overlap, and each must be "
                "added. Write dx[...] += ..., not =."
            )
    return ""


def _influence(case: FunctionCase) -> Array:
    """Return the derivative of each output by each number of x, (x.size, out.size)."""
    array, rows = case.subject.arrays[case.x], []
    for i in range(array.size):
        outs = []
        for h in (1e-5, -1e-5):
            moved = array.copy()
            moved.reshape(-1)[i] += h
            outs.append(np.asarray(case.subject.out({**case.subject.arrays, case.x: moved})))
        rows.append((outs[0] - outs[1]).ravel() / 2e-5)
    return np.array(rows)


def to_all(evidence: Evidence) -> str:
    """Right where the right gradient is not 0, and not 0 where that is 0."""
    truth = evidence.entries()
    if truth is None or evidence.key != "x":
        return ""
    scale = np.nanmax(np.abs(truth), initial=0)
    wrong = np.abs(evidence.gradient - truth) > CLOSE * scale
    if evidence.dout.shape == truth.shape and not (wrong & (evidence.x > 0)).any():
        return ""  # the mask of ReLU, which gradcheck knows
    if evidence.is_computed(evidence.dout) and not np.any(np.nan_to_num(truth)[evidence.x < 0]):
        return ""
    if scale and wrong.sum() > 1 and (np.abs(truth[wrong]) < CLOSE * scale).all():
        return (
            "Right but for the entries where 0 is right: there the output does not depend on the "
            "input, as a maximum on the smaller numbers. Multiply by the mask of those that count."
        )
    return ""


OF_PIECES: dict[Pattern, str] = {
    halves: "",
    one_sample: "",
    constant: "",
    scaled: "",
    overwritten: "",
    to_all: "",
}
