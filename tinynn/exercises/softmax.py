"""Exercise 3: softmax and cross-entropy."""

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array

LN2, LN5 = 0.6931471805599453, 1.6094379124341003


def shifted(z: Array, by: Array) -> Array:
    """Return p, computed of z - by."""
    e = np.exp(z - by)
    return e / e.sum(axis=1, keepdims=True)


def right_softmax(z: Array) -> Array:
    """p."""
    return shifted(z, z.max(axis=1, keepdims=True))


def right_loss(z: Array, y: Array) -> float:
    """L, of the logits: from its differences the gradient is known."""
    return float(-np.mean(np.sum(y * np.log(right_softmax(z)), axis=1)))


def softmax(work: Work) -> None:
    """exp(-ln 2) is 1/2, so a row is 1, 1/2, 1/2 over 2; then large logits."""
    z = np.array([[0.0, -LN2, -LN2], [0.0, 0.0, 0.0]])
    e = np.exp(z)
    work.by_hand((z,), [[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]], {
        "The exponentials are not divided by their sum.": e,
        "The sum is over all rows. Each sample has a sum of its own.": e / e.sum(),
        "The sum is over the samples, and not over the classes of one sample.": e / e.sum(axis=0),
        "It is divided by the mean, and not by the sum.": e / e.mean(axis=1, keepdims=True),
        "The sign of z is wrong: a large logit must give a large p.": right_softmax(-z),
        "It is the logarithm of p.": np.log(right_softmax(z)),
        "It is a sigmoid of each logit by itself. The classes of a row share one sum.":
            1 / (1 + np.exp(-z)),
        "It is the prediction, the class with the largest logit, and no probability.":
            np.array([0, 0]),
    })  # fmt: skip
    rng = np.random.default_rng(0)
    for samples in (1, 6):
        work.like(right_softmax, (rng.normal(size=(samples, 4)),))
    far = np.array([[1000.0, 999.0, -1000.0], [-1000.0, 0.0, 1000.0], [-1000.0, -1002.0, -1001.0]])
    work.like(right_softmax, (far,), {
        "exp becomes infinite, and infinity over infinity is NaN.":
            lambda z: shifted(z, 0 * z),
        "The largest logit of all rows is subtracted. In a row that is far below it each exp is "
        "then 0. Each row has a largest logit of its own.":
            lambda z: shifted(z, z.max()),
        "The smallest logit of a row is subtracted. exp of one far above it is still infinite.":
            lambda z: shifted(z, z.min(axis=1, keepdims=True)),
        "The mean of a row is subtracted. exp of a logit far above it is still infinite.":
            lambda z: shifted(z, z.mean(axis=1, keepdims=True)),
        "The first logit of a row is subtracted. exp of one far above it is still infinite.":
            lambda z: shifted(z, z[:, :1]),
        "The last logit of a row is subtracted. exp of one far above it is still infinite.":
            lambda z: shifted(z, z[:, -1:]),
    }, where="logits of 1000 and -1000")  # fmt: skip


def cross_entropy(work: Work) -> None:
    """-log of 1/2 and of 1/5: ln 2 and ln 5, in all ln 10; then a p of 0 where y is 0."""
    p, y = np.array([[0.5, 0.3, 0.2], [0.625, 0.175, 0.2]]), np.array([[1, 0, 0], [0, 0, 1]])
    work.by_hand((p, y), (LN2 + LN5) / 2, {
        "Only the sign is wrong.": -(LN2 + LN5) / 2,
        "It is the sum over the samples. L is their mean.": LN2 + LN5,
        "It is divided by C, the number of classes. L is a mean over the samples.":
            (LN2 + LN5) / 3,
        "It is the mean over all B x C numbers, and not over the B samples.": (LN2 + LN5) / 6,
        "The logarithm has the base 2. Take the natural one.": (1 + np.log2(5)) / 2,
        "The logarithm has the base 10. Take the natural one.": 0.5,
        "The logarithm is missing.": -0.35,
        "The logarithm is missing: it is the mean of p.": 0.35,
        "It is the logarithm of the mean. L is the mean of the logarithms.": -np.log(0.35),
        "It is the loss of each sample. L is one number.": np.array([LN2, LN5]),
        "All classes are in it. Only the right class of a sample counts.": -np.log(p).mean(),
        "All classes are in it. Only the right class counts.": -np.log(p).sum() / 2,
        "The terms of the wrong classes, log of 1 - p, are in it: they belong to another loss.":
            -np.sum(np.where(y == 1, np.log(p), np.log(1 - p))) / 2,
        "It takes the largest p of each row, and not that of the right class.":
            -np.log([0.5, 0.625]).mean(),
        "It is the squared error.": np.mean((p - y) ** 2),
        "It is the loss of the first sample alone.": LN2,
        "It is the loss of the first sample, divided by B. Does return stand within the loop?":
            LN2 / 2,
        "It is the loss of the last sample alone.": LN5,
        "It is the loss of the last sample, divided by B. Are the losses added up?": LN5 / 2,
        "y stands as an index, and takes whole rows of p. y holds a 0 or a 1 for each class.":
            -np.log(p[y]).mean(),
    })  # fmt: skip
    work.by_hand((np.array([[1.0, 0.0]]), np.array([[1, 0]])), 0.0, {
        "0 times log 0 is NaN. The term of a wrong class must not be computed.": np.nan,
    }, where="a p of 1 and 0")  # fmt: skip
    rng = np.random.default_rng(0)
    p, y = right_softmax(rng.normal(size=(5, 4))), np.eye(4, dtype=int)[[3, 0, 0, 2, 1]]
    work.like(lambda p, y: -np.log(p[np.arange(5), [3, 0, 0, 2, 1]]).mean(), (p, y))


def gradient(work: Work) -> None:
    """Two samples by hand; then by finite differences of the loss."""
    z = np.array([[0.0, -LN2, -LN2], [0.0, 0.0, 0.0]])
    y = np.array([[1, 0, 0], [0, 0, 1]])
    p = right_softmax(z)
    work.by_hand((z, y), [[-0.25, 0.125, 0.125], [1 / 6, 1 / 6, -1 / 3]], {
        "It is the gradient of the sum of the losses. L is their mean: a factor is missing.": p - y,
        "Only the sign is wrong: a larger logit of the right class makes L smaller.": (y - p) / 2,
        "It does not depend on y. The loss does.": p / 2,
        "It is divided by the number of classes. L is a mean over the samples.": (p - y) / 3,
        "It is divided by the number of all numbers. L is a mean over the samples.": (p - y) / 6,
        "It is the gradient of L with respect to p. The chain rule goes on, through softmax.":
            -y / p / 2,
        "It is the gradient of a sum with respect to p. The chain rule goes on, through softmax.":
            -y / p,
        "Softmax is taken as if p of a class depended on its own logit alone. It depends on all "
        "logits of its row.": -y * (1 - p) / 2,
        "It is how p of each class changes with its own logit. It depends on all logits of its "
        "row, and L on y.": p * (1 - p),
        "It is how p of each class changes with its own logit, as a mean. It depends on all "
        "logits of its row, and L on y.": p * (1 - p) / 2,
        "A factor of the derivative of softmax is in it twice: with cross-entropy it cancels.":
            (p - y) * p * (1 - p) / 2,
        "It uses the logits as if they were probabilities.": (z - y) / 2,
    })  # fmt: skip
    z, y = np.random.default_rng(0).normal(size=(4, 3)), np.eye(3, dtype=int)[[2, 0, 0, 1]]
    work.gradient(right_loss, (z, y))


SOFTMAX = Exercise(
    "03_softmax_and_cross_entropy",
    "Softmax and cross-entropy",
    (
        Part("softmax", "z", 3, softmax),
        Part("cross_entropy", "p, y", 3, cross_entropy),
        Part("logits_gradient", "z, y", 4, gradient),
    ),
)
