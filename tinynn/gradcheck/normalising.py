"""The usual mistakes in the backward of a layer that normalises, such as BatchNorm.

It is known by its numbers, not by its class: out = gain * normalised + shift for two of its
parameters (or for 1 and 0), where normalised has mean 0 over each channel, or over each row.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from tinynn.gradcheck.evidence import CLOSE, Evidence
from tinynn.parameters import Array


class _Norm(NamedTuple):
    """What a layer does: normalised has the shape of x; std that of the means over axes."""

    gain: str
    shift: str
    factor: Array
    normalised: Array
    std: Array
    axes: tuple[int, ...]


def normalising(evidence: Evidence) -> str:
    """Return which mistake it is, "" if it is none of these or if the layer does not normalise."""
    norm = _norm_of(evidence)
    if norm is None:
        return _frozen(evidence)
    if evidence.key == "x":
        return _of_input(evidence, norm)
    rows = tuple(range(evidence.dout.ndim - 1))
    terms = {norm.gain: evidence.dout * norm.normalised, norm.shift: evidence.dout}
    if evidence.key not in terms or not evidence.is_right(terms[evidence.key].sum(axis=rows)):
        return ""
    if evidence.is_computed(terms[evidence.key].mean(axis=rows)):
        return (
            f"It is a mean, and should be a sum: {evidence.key} acts on each of these numbers. The "
            "loss has divided by the batch size already."
        )
    if evidence.key == norm.gain and evidence.is_computed((evidence.dout * evidence.x).sum(rows)):
        return (
            f"It is computed with x instead of the normalised x: {norm.gain} is multiplied by the "
            "normalised x, so sum(dout * normalised) agrees with the differences."
        )
    return ""


def _of_input(evidence: Evidence, norm: _Norm) -> str:
    g = evidence.dout * norm.factor
    by_mean = g.mean(axis=norm.axes, keepdims=True)
    by_var = norm.normalised * (g * norm.normalised).mean(axis=norm.axes, keepdims=True)
    if not evidence.is_right((g - by_mean - by_var) / norm.std):
        return ""
    for left, forgotten in ((0, "the mean and the variance"), (by_var, "the mean"),
                            (by_mean, "the variance")):  # fmt: skip
        if evidence.is_computed((g - left) / norm.std):
            depend = "depend" if "and" in forgotten else "depends"
            return (
                f"It would be right if {forgotten} were constant, but {depend} on each x, too. "
                "With g = dout * gamma, (g - mean(g) - normalised * mean(g * normalised)) / std "
                "agrees with the differences."
            )
    return ""


def _frozen(evidence: Evidence) -> str:
    """Of a layer that normalises with statistics that do not depend on x, as a frozen BatchNorm."""
    x, axes = evidence.x, tuple(range(evidence.x.ndim - 1))
    if evidence.key != "x":
        return ""
    for _, factor, _, normalised in _affine_forms(evidence):
        ranges = [np.ptp(a, axis=axes, keepdims=True) for a in (x, normalised)]
        if not (ranges[0].all() and ranges[1].all()):
            continue
        std = ranges[0] / ranges[1]
        if np.ptp(x / std - normalised, axis=axes).max() > CLOSE:
            continue
        g = evidence.dout * factor
        by_var = normalised * (g * normalised).mean(axis=axes, keepdims=True)
        wrong = (g - g.mean(axis=axes, keepdims=True) - by_var) / std
        if evidence.is_right(g / std) and evidence.is_computed(wrong):
            return (
                "It would be right if forward had normalised by the mean and the variance of this "
                "batch. Here both are constant, as the running statistics of a frozen BatchNorm "
                "(trainable = False): dout * gamma / std agrees with the differences."
            )
    return ""


def _affine_forms(evidence: Evidence) -> Iterator[tuple[str, Array, str, Array]]:
    """Yield each way to see out as factor * normalised + shift: gain, factor, shift, normalised."""
    x, out = evidence.x, evidence.out
    if x.ndim < 2 or x.shape != out.shape:
        return
    vectors = {name: view for name, view in evidence.old.items() if view.shape == x.shape[-1:]}
    one, zero = np.ones(x.shape[-1]), np.zeros(x.shape[-1])
    for (gain, factor), (shift, term) in product([*vectors.items(), ("", one)],
                                                 [*vectors.items(), ("", zero)]):  # fmt: skip
        if not (gain and gain == shift) and factor.all():
            yield gain, factor, shift, (out - term) / factor


def _norm_of(evidence: Evidence) -> _Norm | None:
    x = evidence.x
    for gain, factor, shift, normalised in _affine_forms(evidence):
        for axes in (tuple(range(x.ndim - 1)), (x.ndim - 1,)):
            centred = x - x.mean(axis=axes, keepdims=True)
            sizes = [np.square(a).mean(axis=axes, keepdims=True) for a in (centred, normalised)]
            if not sizes[1].all():
                continue
            std = np.sqrt(sizes[0] / sizes[1])
            if np.abs(centred / np.maximum(std, 1e-300) - normalised).max() < CLOSE:
                return _Norm(gain, shift, factor, normalised, std, axes)
    return None
