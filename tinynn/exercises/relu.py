"""Exercise 1: ReLU."""

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array


def relu(x: Array) -> Array:
    """The right function, from whose differences the gradient is known."""
    return np.maximum(x, 0)


def forward(work: Work) -> None:
    """Five numbers by hand, 0 among them; then random ones, with three axes."""
    x = np.array([[-2.0, 0.5, 0.0], [3.0, -0.1, 2.0]])
    work.by_hand((x,), [[0.0, 0.5, 0.0], [3.0, 0.0, 2.0]], {
        "Numbers below 0 go through.": x,
        "Numbers below 0 get positive; they must become 0.": np.abs(x),
        "The wrong side is cut off: the numbers above 0.": np.minimum(x, 0),
        "It is the mask (1 where x is above 0), and not the numbers.": (x > 0) * 1.0,
        "Numbers below 0 get small, as in a leaky ReLU; here they must become 0.":
            np.where(x > 0, x, 0.01 * x),
        "Numbers below 0 get small; they must become 0.": np.where(x > 0, x, 0.1 * x),
        "It is one number, the largest of all. Each number must be compared with 0.": x.max(),
        "Numbers above 1 are cut off, too.": np.clip(x, 0, 1),
    })  # fmt: skip
    work.like(relu, (np.random.default_rng(0).normal(0, 3, size=(4, 3, 5)),))


def backward(work: Work) -> None:
    """Four numbers by hand, x = 0 among them; then by finite differences."""
    x, dout = np.array([[-2.0, 0.5], [0.0, 3.0]]), np.array([[5.0, -6.0], [7.0, 8.0]])
    work.by_hand((dout, x), [[0.0, -6.0], [0.0, 8.0]], {
        "All of dout goes through, also where x was cut off. What is the derivative there?": dout,
        "At x = 0 take the derivative 0.": np.where(x >= 0, dout, 0),
        "It is the derivative of out alone: the chain rule has one more factor.": (x > 0) * 1.0,
        "It is a mask of dout. Ask x where the gradient goes through, and what goes through.":
            (dout > 0) * 1.0,
        "ReLU is applied to dout. Ask x, and not dout, where the gradient goes through.":
            np.maximum(dout, 0),
        "The mask is inverted: the gradient goes through where x was cut off.":
            np.where(x <= 0, dout, 0),
        "The numbers of x stand in it. The derivative of x where x > 0 is another number.":
            dout * np.maximum(x, 0),
        "The sign of x stands in it: where x < 0 the derivative is not -1.": dout * np.sign(x),
        "Only the sign is wrong.": -dout * (x > 0),
        "It is forward's result: compute the gradient.": np.maximum(x, 0),
        "It is a mean over the samples. Each sample has its own gradient here.":
            dout * (x > 0) / 2,
    })  # fmt: skip
    work.gradient(relu, (np.random.default_rng(0).normal(size=(2, 3, 4)),))


RELU = Exercise(
    "01_relu",
    "ReLU",
    (
        Part("relu_forward", "x", 4, forward),
        Part("relu_backward", "dout, x", 6, backward),
    ),
)
