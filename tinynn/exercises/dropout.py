"""Exercise 8: Dropout.

Of 5,000 numbers of a mask the share of zeros is known to about 0.6 percentage points: it must be
right within five standard errors, and the usual mistakes are further apart. The seeds are fixed.
"""

from math import sqrt
from typing import Any

import numpy as np

from tinynn.exercises.drawing import check_generator
from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.words import same, shape_of, shown, unlike
from tinynn.exercises.work import Work
from tinynn.parameters import Array


def kept(x: Array, mask: Array, rate: float) -> Array:
    """The right result for a mask, and the right gradient for one."""
    return x * mask / (1 - rate)


def forward(work: Work) -> None:
    """Eight numbers with the student's own mask; then masks of 5,000; then a rate of 0."""
    x = np.array([[1.0, 2.0, -3.0, 4.0], [-5.0, 6.0, 7.0, 8.0]])
    _check_out(work, x, 0.2)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 20)), 0.3
    check_generator(work, work.call(*values, np.random.default_rng(1)), values, "mask")
    for rate, seeds in ((0.2, (1, 2, 3, 4)), (0.7, (1,))):
        large = rng.normal(size=(50, 100))
        _check_masks(work, [_check_out(work, large, rate, seed) for seed in seeds], rate)
    for other in (rng.normal(size=7), rng.normal(size=(2, 3, 4, 5))):
        _check_out(work, other, 0.5)
    mask = _check_out(work, x, 0.0)
    if not np.all(mask == 1):
        raise work.wrong("With rate = 0 it drops numbers.", "mask")


def _check_out(work: Work, x: Array, rate: float, seed: int = 1) -> Array:
    """Check out by the student's own mask; return the mask."""
    result = work.call(x, rate, np.random.default_rng(seed))
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise work.wrong("It does not return two arrays, out and mask.")
    out, mask = result[0], _as_mask(result[1], x)
    where = f"For x of shape {x.shape} and rate = {rate:g} "
    if mask is None:
        if _as_mask(result[0], x) is not None:
            raise work.wrong("out and mask stand in the wrong order.")
        raise work.wrong(f"{where}mask is wrong. {_of_mask(result[1], x, rate)}", "mask")
    right = kept(x, mask, rate)
    if not same(out, right):
        mistakes = {
            "What is kept is not made larger. So the mean of out is smaller than x.": x * mask,
            "It is divided by rate. With a small rate nearly all is kept: must it become much "
            "larger?": x * mask / max(rate, 1e-9),
            "It is multiplied where it should be divided: so it gets even smaller.":
                x * mask * (1 - rate),
            "out keeps the numbers where mask is 0, and drops those where it is 1.":
                x * (1 - mask) / (1 - rate),
            "out keeps the numbers where mask is 0, and is not made larger.": x * (1 - mask),
            "It is divided by the share that was kept this time by chance. Take the probability.":
                x * mask / mask.mean() if mask.any() else x,
            "x is missing: it is the mask, divided.": mask / (1 - rate),
            "Nothing is dropped.": x / (1 - rate),
            "It is x: nothing is dropped.": x,
            "It is divided twice.": x * mask / (1 - rate) ** 2,
        }  # fmt: skip
        told = next((each for each, wrong in mistakes.items() if same(out, wrong)), "")
        told = told or unlike(out, x) or "The equation gives other numbers for this mask."
        if x.size < 10:
            where = f"For x = {shown(x)}, rate = {rate:g} and "
            where += f"your mask {shown(mask)}, out is {shown(out)}, expected {shown(right)}."
        else:
            where = f"The small example is right, but not x of shape {x.shape}, rate = {rate:g}."
        raise work.wrong(f"out is wrong. {told} {where}", "out")
    return mask


def _as_mask(found: Any, x: Array) -> Array | None:
    """Return a mask as numbers; None if it is no array of 0 and 1 in the shape of x."""
    if not isinstance(found, (np.ndarray, list)) or shape_of(found) != x.shape:
        return None
    mask = np.asarray(found)
    if mask.dtype.kind not in "biuf":
        return None
    return mask * 1.0 if np.isin(mask, (0, 1)).all() else None


def _of_mask(found: Any, x: Array, rate: float) -> str:
    """Say what is wrong with what is no mask."""
    mask = found * 1.0 if isinstance(found, np.ndarray) else found
    if trouble := unlike(mask, x):
        return trouble
    if _as_mask(np.asarray(mask) * (1 - rate), x) is not None:
        return "It is divided already: return the mask of 0 and 1."
    return "It must hold 1 where a number is kept, and 0 where not, and nothing else."


def _check_masks(work: Work, masks: list[Array], rate: float) -> None:
    """Check the share of zeros, and that each number is dropped by itself."""
    first = masks[0]
    share = 1 - float(first.mean())
    if (first == first[0]).all() and 0 < share < 1:
        raise work.wrong("All samples have the same mask. Each number is drawn by itself.", "mask")
    if (first == first[:, :1]).all() and 0 < share < 1:
        raise work.wrong("A sample is kept or dropped as a whole. Each number is drawn by itself.",
                         "mask")  # fmt: skip
    error = 5 * sqrt(rate * (1 - rate) / first.size)
    if abs(share - rate) > error:
        below = 0.5793 if rate == 0.2 else 0.7580  # the share of normal numbers below rate
        mistakes = {
            "rate is taken for the probability to be kept.": 1 - rate,
            "Nothing is dropped.": 0.0,
            "Everything is dropped.": 1.0,
            "Half of the numbers are dropped, whatever rate is.": 0.5,
            "Are normal numbers compared with rate? A probability needs uniform ones.": below,
            "Are these normal numbers? A probability needs uniform ones.": 1 - below,
        }  # fmt: skip
        told = next((each for each, wrong in mistakes.items() if abs(share - wrong) < error), "")
        text = f"With rate = {rate:g}, {share:.3g} of 5,000 numbers of mask are 0."
        raise work.wrong(f"{told} {text}".strip(), "mask")
    counts = [float(mask.sum()) for mask in masks]
    exactly = len(counts) > 1 and np.ptp(counts) == 0
    if exactly or np.ptp(first.sum(axis=1)) == 0:
        raise work.wrong("The number of zeros is exactly the same each time. Each number is drawn "
                         "by itself, whatever becomes of the others.", "mask")  # fmt: skip


def backward(work: Work) -> None:
    """Four numbers by hand, of a rate that is not its own rest; then three axes."""
    dout, mask = np.array([[4.0, -8.0], [2.0, 6.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    work.by_hand((dout, mask, 0.2), [[5.0, 0.0], [0.0, 7.5]], {
        "A factor is missing: by which number is x multiplied in forward, where it is kept?":
            dout * mask,
        "What was dropped gets a gradient, too. It had no influence on the loss.": dout / 0.8,
        "All of dout goes through, as if nothing was dropped.": dout,
        "It is multiplied where it should be divided.": dout * mask * 0.8,
        "It is divided by rate.": dout * mask / 0.2,
        "It is multiplied by rate.": dout * mask * 0.2,
        "It is divided twice.": dout * mask / 0.64,
        "The mask is inverted: the gradient goes where x was dropped.": dout * (1 - mask) / 0.8,
        "The mask is inverted, and a factor is missing.": dout * (1 - mask),
        "It is the derivative of out alone: the chain rule has one more factor.": mask / 0.8,
        "It is the mask. The chain rule has more factors.": mask,
        "It is divided by the share of mask that is 1. What is it divided by in forward?":
            dout * mask / 0.5,
        "It is a mean over the samples. Each sample has its own gradient here.":
            dout * mask / 0.8 / 2,
        "Only the sign is wrong.": -dout * mask / 0.8,
    })  # fmt: skip
    rng = np.random.default_rng(0)
    mask = (rng.random((3, 4, 5)) > 0.7).astype(float)
    work.like(kept, (rng.normal(size=(3, 4, 5)), mask, 0.7))


def predict(work: Work) -> None:
    """Three numbers by hand."""
    x = np.array([[4.0, -8.0, 2.0]])
    work.by_hand((x, 0.2), [[4.0, -8.0, 2.0]], {
        "It gets smaller, as in the paper, where training does not divide. Here training divides.":
            x * 0.8,
        "It is divided, as in training. There it makes up for what is dropped; and here?": x / 0.8,
        "It is multiplied by rate.": x * 0.2,
        "It is divided by rate.": x / 0.2,
    })  # fmt: skip
    work.like(lambda x, rate: x, (np.random.default_rng(0).normal(size=(2, 3, 4)), 0.7))


def noise(work: Work) -> None:
    """rate / (1 - rate) is 9/16, of which the root is 3/4; then another rate, and 0."""
    x = np.array([[-4.0, 1.0, 0.0]])
    size, right = np.abs(x), np.array([[3.0, 0.75, 0.0]])
    found = work.call(x, 0.36)
    if not unlike(found, x) and np.allclose(found, right, rtol=0.1):
        four, one, _ = np.ravel(found)
        if not same(four, 4 * one):  # no formula: for four times x it gives four times as much
            raise work.wrong("It is near, but not right. Is it measured by random numbers? Work "
                             "out on paper what it is exactly.", "std")  # fmt: skip
    work.by_hand((x, 0.36), [[3.0, 0.75, 0.0]], {
        "A standard deviation is never negative.": 0.75 * x,
        "It is the variance. The standard deviation is its root.": 0.5625 * x**2,
        "It is the root of the mean of out^2. How far is out from its mean?": size / 0.8,
        "It is the mean of out^2. How far is out from its mean?": x**2 / 0.64,
        "It is that of x mask. In out, what is kept is larger than x.": size * 0.48,
        "It is that of x mask, and negative. In out, what is kept is larger than x.": x * 0.48,
        "The case in which x is kept is missing: then out is not x either.": size * 0.6,
        "The case in which x is dropped is missing.": size * 0.45,
        "It is the mean distance. Take the root of the mean of its square.": size * 0.72,
        "The root of the factor is missing.": size * 0.5625,
        "x is missing: a large number gets much noise, and 0 gets none.": np.full((1, 3), 0.75),
        "The two probabilities have changed places.": size * 4 / 3,
        "The two cases are not equally probable.": size * sqrt((1 + 0.5625**2) / 2),
        "It is 0 in the mean, but not each time.": 0 * x,
    })  # fmt: skip
    x = np.random.default_rng(0).normal(size=(4, 3))
    work.like(lambda x, rate: np.abs(x) * np.sqrt(rate / (1 - rate)), (x, 0.7))
    work.like(lambda x, rate: 0 * x, (x, 0.0), where="rate = 0")


DROPOUT = Exercise(
    "08_dropout",
    "Dropout",
    (
        Part("dropout_forward", "x, rate, rng", 4, forward),
        Part("dropout_backward", "dout, mask, rate", 2, backward),
        Part("dropout_predict", "x, rate", 1, predict),
        Part("noise", "x, rate", 3, noise),
    ),
)
