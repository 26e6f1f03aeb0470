"""Exercise 2: Dense."""

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array


def dense(x: Array, W: Array, b: Array) -> Array:
    """The right function, from whose differences the gradients are known."""
    return x @ W + b


def forward(work: Work) -> None:
    """Two samples, three units by hand; then one sample and random numbers."""
    x, b = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([10.0, 20.0, 30.0])
    W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    work.by_hand((x, W, b), [[19.0, 32.0, 45.0], [6.0, 15.0, 24.0]], {
        "The bias is missing.": x @ W,
        "The bias is subtracted.": x @ W - b,
        "The bias comes in twice.": x @ W + 2 * b,
        "Only the first number of b is added.": x @ W + b[0],
        "All numbers of b are added to each unit. Each unit has its own.": x @ W + b.sum(),
        "It is one number for each unit, a sum over the samples. Each sample has its own row.":
            (x @ W + b).sum(axis=0),
        "It is the mean over the numbers of a sample. The equation has a sum.": x @ W / 2 + b,
        "It is right if transposed: samples are rows.": (x @ W + b).T,
        "It is no weighted sum, but a ReLU of it. Here nothing is cut off.":
            np.maximum(x @ W, 0) + b,
        "Only the first sample is used.": (x[:1] @ W + b).repeat(2, axis=0),
    })  # fmt: skip
    rng = np.random.default_rng(0)
    for samples in (1, 5):
        arrays = rng.normal(size=(samples, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
        work.like(dense, arrays)


def backward(work: Work) -> None:
    """By finite differences; sizes that are all different, so that a wrong axis shows."""
    rng = np.random.default_rng(0)
    work.gradient(dense, (rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)))


DENSE = Exercise(
    "02_dense",
    "Dense",
    (
        Part("dense_forward", "x, W, b", 3, forward),
        Part("dense_backward", "dout, x, W", 7, backward),
    ),
)
