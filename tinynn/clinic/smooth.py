"""Usual mistakes in formulas: of softplus, of GELU, of tanh, of a layer that normalises."""

import numpy as np

from tinynn.gradcheck.activations import depends_on_others
from tinynn.gradcheck.evidence import Evidence
from tinynn.gradcheck.patterns import Pattern
from tinynn.parameters import Array


def gelu(evidence: Evidence) -> str:
    """GELU by tanh (Hendrycks and Gimpel, 2016): a constant of its derivative is another one."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or not x.shape == out.shape == dout.shape == evidence.gradient.shape:
        return ""
    root, c = np.sqrt(2 / np.pi), 0.044715
    t = np.tanh(root * (x + c * x**3))
    if not np.allclose(out, 0.5 * x * (1 + t)):
        return ""

    def derivative(inner: Array, th: Array = t) -> Array:
        return dout * (0.5 * (1 + th) + 0.5 * x * (1 - th**2) * inner)

    right = derivative(root * (1 + 3 * c * x**2))
    if not evidence.is_right(right):
        return ""
    known = "with t = tanh(sqrt(2/pi) (x + 0.044715 x^3)), the derivative is (1 + t) / 2 + "
    known += "x (1 - t^2) / 2 * sqrt(2/pi) (1 + 3 * 0.044715 x^2)"
    for inner, text in (
        (root * (1 + c * x**2), "the factor 3 of the cube's derivative is missing"),
        (root * (1 + 2 * c * x**2), "the cube's derivative has the factor 3, not 2"),
        (1 + 3 * c * x**2, "the factor sqrt(2/pi) is missing"),
        (root + 0 * x, "the derivative of the cube is missing"),
    ):
        if evidence.is_computed(derivative(inner)):
            return f"A constant of GELU is wrong: {text}; {known}."
    inner = (evidence.gradient / dout - 0.5 * (1 + t)) / (0.5 * x * (1 - t**2))
    constant = (inner / root - 1) / (3 * x**2)
    if np.ptp(constant) < 1e-6 * abs(constant).max():
        return f"A constant of GELU is wrong: {constant.mean():.5g}, not 0.044715; {known}."
    return f"It is not GELU's derivative: {known}."


def softplus(evidence: Evidence) -> str:
    """Of softplus, log(1 + exp(x)) (Dugas et al., 2001), whose derivative is sigmoid(x)."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or not x.shape == out.shape == dout.shape == evidence.gradient.shape:
        return ""
    s = 1 / (1 + np.exp(-x))
    if not np.allclose(out, np.logaddexp(0, x)):
        return ""
    for wrong, text in (
        (s * (1 - s), "It is s (1 - s) with s = sigmoid(x), the second derivative"),
        (1 - s, "The sign in exp is wrong: it is sigmoid(-x)"),
        (out * (1 - out), "It is the formula of sigmoid, out * (1 - out)"),
        (out, "It is dout * out"),
        (np.exp(x), "It is dout * exp(x), without the division by 1 + exp(x)"),
        (1 / (1 + np.exp(x)) ** 2, "The sign in exp is wrong, and a square is too much"),
        (x > 0, "It is that of ReLU"),
    ):
        if evidence.is_computed(dout * wrong):
            return f"{text}. The derivative of softplus is sigmoid(x) = 1 / (1 + exp(-x))."
    return ""


def product(evidence: Evidence) -> str:
    """Of out = x s(x), as Swish (Ramachandran et al., 2017): the part s(x) is missing."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or not x.shape == out.shape == dout.shape == evidence.gradient.shape:
        return ""
    if not x.all() or depends_on_others(x, out) or not evidence.gradient.any():
        return ""
    if evidence.is_right(evidence.gradient + dout * out / x):
        return (
            "out / x is missing in it: if out = x s(x), as in GELU or Swish, the derivative is "
            "s(x) + x s'(x), and the term s(x) is missing."
        )
    return ""


def power(evidence: Evidence) -> str:
    """The derivative is applied as its reciprocal, or twice."""
    dout, truth = evidence.dout, evidence.entries()
    if evidence.key != "x" or truth is None or dout.shape != evidence.gradient.shape:
        return ""
    slope = truth / dout
    if dout.shape != evidence.out.shape or np.nanmin(slope) == np.nanmax(slope) or not truth.all():
        return ""
    if evidence.is_computed(dout / slope):
        return "It is dout / f'(x), with the reciprocal of the derivative: dout * f'(x) is right."
    if evidence.is_computed(dout * slope**2):
        return "It is dout * f'(x)**2: the derivative is there twice."
    return ""


def unit_length(evidence: Evidence) -> str:
    """Of out = x / |x|: the norm depends on each x, too."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or x.ndim != 2 or not x.shape == out.shape == evidence.gradient.shape:
        return ""
    for axis in (1, 0):
        n = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
        if not n.all() or not np.allclose(out, x / n):
            continue

        def along(other: Array, axis: int = axis) -> Array:
            return other * (dout * other).sum(axis=axis, keepdims=True)

        for wrong, text in (
            (dout / n, "It would be right if the norm were constant, but it depends on each x"),
            (dout, "It is dout alone: the norm depends on each x, and divides"),
            (dout - along(out), "The division by the norm is missing"),
            ((dout - along(x)) / n, "It is projected on x, not on the normalised out"),
            (dout - along(x), "It is projected on x, and not divided by the norm"),
            (dout / n - along(out), "The second term is not divided by the norm"),
            (dout / n - along(x) / n**2, "The second term needs the norm cubed, or out for x"),
        ):
            if evidence.is_computed(wrong):
                return (
                    f"{text}. With out = x / norm, (dout - out * sum(dout * out)) / norm agrees "
                    "with the differences."
                )
    return ""


def square(evidence: Evidence) -> str:
    """Of tanh: 1 - out instead of 1 - out^2; of sigmoid: out^2 or 1 - out."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or not x.shape == out.shape == dout.shape == evidence.gradient.shape:
        return ""
    for formula, right, wrongs in (
        (
            "1 - out**2",
            1 - out**2,
            {"1 - out": 1 - out, "out**2": out**2, "1 + out**2": 1 + out**2},
        ),
        ("out * (1 - out)", out * (1 - out), {"1 - out": 1 - out, "out": out}),
    ):
        if evidence.is_right(dout * right):
            for text, wrong in wrongs.items():
                if evidence.is_computed(dout * wrong):
                    return f"It is dout * ({text}): dout * ({formula}) agrees with the differences."
    return ""


def normaliser(evidence: Evidence) -> str:
    """Of BatchNorm and LayerNorm: epsilon at another place, means over the other axis."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or x.ndim != 2 or x.shape != out.shape:
        return ""
    gains = [np.ones(x.shape[1]), *(a for a in evidence.old.values() if a.shape == x.shape[1:])]
    for axis in (0, 1):
        centred = x - x.mean(axis=axis, keepdims=True)
        variance = np.square(centred).mean(axis=axis, keepdims=True)
        for gain in gains:
            g = dout * gain
            h = (out - out.mean(axis=0)) / gain if axis == 0 else None
            if h is None:
                shifts = [np.zeros(x.shape[1]), *gains[1:]]
                options = [(out - shift) / gain for shift in shifts]
            else:
                options = [h]
            for normal in options:
                text = _placed(evidence, g, centred, variance, normal, axis)
                if text:
                    return text
    return ""


def _placed(
    evidence: Evidence, g: Array, centred: Array, variance: Array, normal: Array, axis: int
) -> str:
    size = np.square(normal).mean(axis=axis, keepdims=True)
    if not size.all() or not variance.all():
        return ""
    std = np.sqrt(variance / size)
    if not np.allclose(centred / std, normal):
        return ""

    def back(std: Array, axis: int = axis) -> Array:
        n = centred / std
        means = g.mean(axis=axis, keepdims=True)
        return (g - means - n * (g * n).mean(axis=axis, keepdims=True)) / std

    if not evidence.is_right(back(std)):
        return ""
    if evidence.is_computed(back(std, 1 - axis)):
        return (
            f"The means are over axis {1 - axis}, and forward normalises over axis {axis}: "
            "backward must take its means over the same axis."
        )
    epsilon = float((std**2 - variance).mean())
    others = {
        "sqrt(var)": np.sqrt(variance),
        "sqrt(var) + epsilon": np.sqrt(variance) + epsilon,
        "var + epsilon": std**2,
    }
    in_root = abs(epsilon) > 1e-12 and np.ptp(std**2 - variance) < 1e-6 * abs(epsilon)
    if not in_root:
        epsilon = float((std - np.sqrt(variance)).mean())
        others = {
            "sqrt(var)": np.sqrt(variance),
            "sqrt(var + epsilon)": np.sqrt(variance + epsilon),
        }
    forward = "sqrt(var + epsilon)" if in_root else "sqrt(var) + epsilon"
    n = centred / std
    for text, other in others.items():
        for guess in (
            back(other),
            (g - g.mean(axis=axis, keepdims=True) - n * (g * n).mean(axis=axis, keepdims=True))
            / other,
        ):
            if evidence.is_computed(guess):
                return (
                    f"epsilon is at another place: forward divides by {forward}, and backward by "
                    f"{text}."
                )
    return ""


OF_FORMULAS: dict[Pattern, str] = {
    softplus: "",
    unit_length: "",
    gelu: "",
    product: "",
    power: "",
    square: "",
    normaliser: "",
}
