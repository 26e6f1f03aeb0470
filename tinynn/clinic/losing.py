"""Usual mistakes in the gradient of a loss: of probabilities, of an absolute value, of a hinge.

Each compares a guess with the numbers, as patterns.py does.
"""

from collections.abc import Iterator

import numpy as np

from tinynn.clinic.arguments import Arguments
from tinynn.clinic.case import FunctionCase
from tinynn.gradcheck.evidence import CLOSE, Evidence
from tinynn.gradcheck.patterns import Pattern
from tinynn.parameters import Array


def targets(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    """Yield the other arguments of a loss that have the shape of this array."""
    case = evidence.case
    assert isinstance(case, FunctionCase)
    arguments = getattr(case.subject, "arguments", None)
    if evidence.key != "p" or not case.of_loss or not isinstance(arguments, Arguments):
        return
    for name, value in zip(arguments.names, arguments.values, strict=True):
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and name != case.x:
            value = case.as_rows(value.astype(np.float64))
            if value.shape == evidence.gradient.shape:
                yield name, value


def _proportional(evidence: Evidence, guess: Array) -> bool:
    """Whether a guess is the right gradient, but for one positive number."""
    there, truth = evidence.at_probes(guess), evidence.truth
    known = np.isfinite(truth) & np.isfinite(there)
    size = float(np.vdot(there[known], there[known]))
    k = float(np.vdot(there[known], truth[known])) / size if size else 0.0
    return k > 0 and evidence.is_right(k * guess)


def _computed(evidence: Evidence, guess: Array) -> bool:
    """Whether a guess is what backward computed, but for one positive number."""
    size = float(np.vdot(guess, guess))
    k = float(np.vdot(guess, evidence.gradient)) / size if size else 0.0
    return k > 0 and evidence.is_computed(k * guess)


def binary(evidence: Evidence) -> str:
    """Of binary cross-entropy: the gradient of the logits, or one of the two terms."""
    p = evidence.x
    if (
        evidence.key != "p"
        or p.shape != evidence.gradient.shape
        or (p <= 0).any()
        or (p >= 1).any()
    ):
        return ""
    for name, y in targets(evidence):
        yes, no = y / p, (1 - y) / (1 - p)
        if not _proportional(evidence, no - yes):
            continue
        right = f"-{name} / p + (1 - {name}) / (1 - p)"
        for guess, text in (
            (
                p - y,
                f"It is p - {name}, the gradient of the logits before the sigmoid. That of p is",
            ),
            (-yes, f"The term of (1 - {name}) log(1 - p) is missing: the gradient is"),
            (no, f"The term of {name} log(p) is missing: the gradient is"),
            (-no - yes, "The sign of the second term is wrong: the gradient is"),
            (no + yes, "The sign of the first term is wrong: the gradient is"),
        ):
            if _computed(evidence, guess):
                return f"{text} {right}, and 1/B of it if the loss is a mean."
    return ""


def absolute(evidence: Evidence) -> str:
    """Of the absolute error: the difference itself, not its sign."""
    for name, y in targets(evidence):
        left = evidence.x - y
        if _proportional(evidence, np.sign(left)) and _computed(evidence, left):
            return (
                f"It is the difference to {name} itself, as for the squared error. The derivative "
                "of the absolute value is its sign: np.sign."
            )
    return ""


def signs(evidence: Evidence) -> str:
    """The sizes are right, and some signs are not."""
    truth = evidence.entries()
    if truth is None or not (np.abs(truth) > 0).any():
        return ""
    scale = np.nanmax(np.abs(truth))
    known = np.isfinite(truth)
    found = evidence.gradient
    if (np.abs(np.abs(found) - np.abs(truth))[known] > CLOSE * scale).any():
        return ""
    wrong = known & (np.abs(found - truth) > CLOSE * scale)
    if wrong.sum() < 2 or wrong.sum() == known.sum():
        return ""
    negative = {f"the difference to {n}": evidence.x < y for n, y in targets(evidence)}
    if evidence.key in ("x", "p") and evidence.x.shape == wrong.shape:
        negative["it"] = evidence.x < 0
    fits = [f", where {what} is negative" for what, at in negative.items() if at[wrong].all()]
    where = fits[0] if fits else ""
    return (
        f"Its size is right everywhere, its sign is wrong in {wrong.sum()} of {known.sum()} "
        f"entries{where}. Is np.sign missing, as in the derivative of an absolute value?"
    )


OF_LOSSES: dict[Pattern, str] = {binary: "", absolute: "", signs: ""}
