"""The usual mistakes in the derivative of an activation, which changes each number by itself.

As in patterns.py, each compares a guess with the numbers: `wrong` is what such a mistake computes,
and `right` what would agree with the differences.
"""

import numpy as np

from tinynn.gradcheck.evidence import Evidence
from tinynn.parameters import Array


def activation(evidence: Evidence) -> str:
    """Say which usual mistake of an activation this is; "" if it is none of them."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or not x.shape == out.shape == dout.shape == evidence.gradient.shape:
        return ""
    with np.errstate(all="ignore"):
        return (
            _of_x(evidence, x, out) or _product(evidence, x, out) or _below_zero(evidence, x, out)
        )


def _of_x(evidence: Evidence, x: Array, out: Array) -> str:
    """The derivative is a formula of out, but is computed from x."""
    for formula, right, wrong in (
        ("out * (1 - out)", out * (1 - out), x * (1 - x)),
        ("1 - out**2", 1 - out**2, 1 - x**2),
    ):
        if _fits(evidence, right, wrong):
            return (
                f"It is computed from x instead of out: dout * ({formula}) agrees with the "
                "differences."
            )
    return ""


def _product(evidence: Evidence, x: Array, out: Array) -> str:
    """For out = x s(x), as GELU, the derivative is s(x) + x s'(x), of which one part is missing."""
    share = np.where(x == 0, 0, out / x)
    if depends_on_others(x, out):
        return ""
    if np.ptp(share[x != 0]) < 0.1 or len(np.unique(share.round(3))) < 4:
        return ""  # a straight line, or two, as ReLU: s'(x) is 0
    if not evidence.is_computed(np.where(x == 0, evidence.gradient, evidence.dout * share)):
        return ""
    return (
        "It is dout * out / x. If out = x s(x), as in GELU, the derivative is s(x) + x s'(x): the "
        "term x s'(x) is missing."
    )


def depends_on_others(x: Array, out: Array) -> bool:
    """Whether out is x times one number for each row or column, as x divided by its norm.

    >>> x = np.array([[3.0, 4.0], [1.0, 2.0]])
    >>> depends_on_others(x, x / np.array([[5.0], [2.0]])), depends_on_others(x, x**2)
    (True, False)
    """
    if x.ndim < 2 or not x.all() or 1 in x.shape[-2:]:
        return False
    share = out / x
    return any(bool((np.ptp(share, axis=axis) < 1e-9).all()) for axis in (-1, -2))


def _below_zero(evidence: Evidence, x: Array, out: Array) -> str:
    """Mistakes of LeakyReLU and ELU, which are x above 0."""
    above = x > 0
    below = ~above & (x != 0)
    if np.count_nonzero(below) < 2 or not np.array_equal(out[above], x[above]):
        return ""
    slopes = out[below] / x[below]
    if np.ptp(slopes) < 1e-9 and slopes[0]:
        if _fits(evidence, np.where(above, 1, slopes[0]), np.where(above, slopes[0], 1)):
            return (
                f"The mask is inverted: the derivative is 1 where x is above 0, and "
                f"{slopes[0]:.4g} elsewhere."
            )
        return ""
    alpha = _alpha(x[below], out[below])
    if not alpha:
        return ""
    right = np.where(above, 1, out + alpha)
    for wrong, text in (
        (out, "It is dout * out there: the derivative of alpha (exp(x) - 1) is out + alpha"),
        (np.zeros_like(x), "It is 0 there, as for ReLU: the derivative is out + alpha"),
        (np.exp(x), "It is dout * exp(x) there, without alpha: the derivative is alpha exp(x)"),
        (np.ones_like(x), "It is dout there: the derivative is out + alpha"),
    ):
        if _fits(evidence, right, np.where(above, 1, wrong)):
            return f"Wrong only where x is 0 or less. {text}, here with alpha = {alpha:.4g}."
    if _fits(evidence, right, np.where(above, alpha * np.exp(x), 1)):
        return (
            "The mask is inverted: the derivative is 1 where x is above 0, and alpha exp(x) "
            "elsewhere."
        )
    return ""


def _alpha(x: Array, out: Array) -> float:
    """Return alpha if out is alpha (exp(x) - 1); 0 if it is not."""
    ratios = out / np.expm1(x)
    return float(ratios[0]) if np.ptp(ratios) < 1e-9 * abs(ratios[0]) else 0.0


def _fits(evidence: Evidence, right: Array, wrong: Array) -> bool:
    """Whether dout * right agrees with the differences, and backward computed dout * wrong."""
    dout = evidence.dout
    return evidence.is_computed(dout * wrong) and evidence.is_right(dout * right)
