"""Exercise 9: batch normalisation.

The numbers by hand: two units, epsilon = 1, and variances of 8, so that std = 3:

    x          mean   var   std   normalised     gamma   beta   out        dout    dx
    3   10     5  6   8     3     -2/3   4/3     3  6    1 -1   -1   7     3  0    13/9   -2/3
    3    4                        -2/3  -2/3                    -1  -5     0  3    -14/9  -8/3
    9    4                         4/3  -2/3                     5  -5     3  6    1/9    10/3

    dbeta = 6, 9    dgamma = 2, -6    dx = gamma / std (dout - dbeta / 3 - normalised dgamma / 3)

Prediction: x = 7, 2 with running_mean 1, 4 and running_var 8, 15: std 3, 4, normalised 2, -1/2.
"""

from typing import Any

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array

X, EPSILON = np.array([[3.0, 10.0], [3.0, 4.0], [9.0, 4.0]]), 1.0
GAMMA, BETA = np.array([3.0, 6.0]), np.array([1.0, -1.0])
CENTRED = X - X.mean(axis=0)
DOUT = np.array([[3.0, 0.0], [0.0, 3.0], [3.0, 6.0]])


def batchnorm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """The right function, from whose differences the gradients are known."""
    std = np.sqrt(x.var(axis=0) + epsilon)
    return gamma * (x - x.mean(axis=0)) / std + beta


def averages(running_mean: Array, running_var: Array, x: Array, momentum: float) -> Any:
    """The right running statistics."""
    n = len(x)
    return (
        momentum * running_mean + (1 - momentum) * x.mean(axis=0),
        momentum * running_var + (1 - momentum) * x.var(axis=0) * n / (n - 1),
    )


def predicted(
    x: Array, gamma: Array, beta: Array, mean: Array, var: Array, epsilon: float
) -> Array:
    """The right prediction."""
    return gamma * (x - mean) / np.sqrt(var + epsilon) + beta


def gradients(std: Any, normalised: Array, parts: Any = (1, 1), gamma: Array = GAMMA) -> Any:
    """Return dx, dgamma, dbeta. parts: how often the terms through mean and var are taken."""
    dgamma, dbeta = (DOUT * normalised).sum(axis=0), DOUT.sum(axis=0)
    through = parts[0] * dbeta / 3, parts[1] * normalised * dgamma / 3
    return gamma / std * (DOUT - through[0] - through[1]), dgamma, dbeta


def forward(work: Work) -> None:
    """The table above; then random samples, and a single one."""
    by_3, var = CENTRED / 3, X.var(axis=0)
    rows = X - X.mean(axis=1, keepdims=True), np.sqrt(X.var(axis=1, keepdims=True) + EPSILON)
    work.by_hand((X, GAMMA, BETA, EPSILON), [[-1.0, 7.0], [-1.0, -5.0], [5.0, -5.0]], {
        "epsilon is added outside the root. It belongs to the variance.":
            GAMMA * CENTRED / (np.sqrt(var) + EPSILON) + BETA,
        "epsilon is missing, or another one than the argument is taken: with a variance of 0 it "
        "would be divided by 0.":
            GAMMA * CENTRED / np.sqrt(var) + BETA,
        "epsilon is subtracted. It is there to make std larger.":
            GAMMA * CENTRED / np.sqrt(var - EPSILON) + BETA,
        "The root is missing: it is divided by a variance.": GAMMA * CENTRED / 9 + BETA,
        "It is multiplied by std. Normalised numbers have about the standard deviation 1.":
            GAMMA * CENTRED * 3 + BETA,
        "It is as if std were 1. Is it divided by std? Does var hold the squares of x - mean, each "
        "number squared before the sum?": GAMMA * CENTRED + BETA,
        "The mean is not subtracted.": GAMMA * X / 3 + BETA,
        "The mean is added.": GAMMA * (X + X.mean(axis=0)) / 3 + BETA,
        "The mean alone is divided by std. Is there a pair of brackets missing?":
            GAMMA * (X - X.mean(axis=0) / 3) + BETA,
        "The sign of x - mean is wrong.": -GAMMA * by_3 + BETA,
        "Each sample is normalised over its own numbers, as in LayerNorm. Here each unit is "
        "normalised over the samples.": GAMMA * rows[0] / rows[1] + BETA,
        "The mean and the variance are those of all numbers. Each unit has its own.":
            GAMMA * (X - X.mean()) / np.sqrt(X.var() + EPSILON) + BETA,
        "The mean and the standard deviation are those of all numbers, and epsilon is missing. "
        "Each unit has its own.": GAMMA * (X - X.mean()) / X.std() + BETA,
        "The standard deviation is that of all numbers, and epsilon is missing. Each unit has its "
        "own.": GAMMA * CENTRED / X.std() + BETA,
        "The mean is that of all numbers. Each unit has its own.":
            GAMMA * (X - X.mean()) / 3 + BETA,
        "The variance is that of all numbers. Each unit has its own.":
            GAMMA * CENTRED / np.sqrt(X.var() + EPSILON) + BETA,
        "The variance is divided by B - 1. In training it is divided by B.":
            GAMMA * CENTRED / np.sqrt(12 + EPSILON) + BETA,
        "The variance is not divided by B.": GAMMA * CENTRED / np.sqrt(24 + EPSILON) + BETA,
        "It is the normalised x. Are gamma and beta used?": by_3,
        "gamma is missing.": by_3 + BETA,
        "beta is missing.": GAMMA * by_3,
        "gamma and beta are exchanged.": BETA * by_3 + GAMMA,
        "beta is multiplied by gamma, too.": GAMMA * (by_3 + BETA),
        "It is divided by gamma. gamma is a factor.": by_3 / GAMMA + BETA,
    })  # fmt: skip
    rng = np.random.default_rng(0)
    for samples in (7, 1):
        x, gamma, beta = rng.normal(3, 2, (samples, 4)), rng.normal(size=4), rng.normal(size=4)
        where = "" if samples > 1 else "a batch of one sample"
        work.like(batchnorm, (x, gamma, beta, 0.5), where=where)


def wrong_terms() -> dict[str, Any]:
    """Return what dx, dgamma, dbeta are if a term of dx is wrong, or std, or the normalised x."""
    by_3 = CENTRED / 3
    root = np.sqrt(8)
    constant = "It is as if {} were constant. Which of the three ways of x_n is missing?"
    return {
        constant.format("mean and var"): gradients(3, by_3, (0, 0)),
        constant.format("mean"): gradients(3, by_3, (0, 1)),
        constant.format("var"): gradients(3, by_3, (1, 0)),
        "Sums stand where means should. Is the 1 / B of the derivatives there?":
            gradients(3, by_3, (3, 3)),
        "The 1 / B is missing in the term through mean.": gradients(3, by_3, (3, 1)),
        "The 1 / B is missing in the term through var.": gradients(3, by_3, (1, 3)),
        "The sign of the terms through mean and var is wrong. x_n - mean gets smaller as mean "
        "grows.": gradients(3, by_3, (-1, -1)),
        "The sign of the term through mean is wrong. x_n - mean gets smaller as mean grows.":
            gradients(3, by_3, (-1, 1)),
        "The sign of the term through var is wrong. The larger std, the smaller is normalised.":
            gradients(3, by_3, (1, -1)),
        "The term through var is there twice, or its 2 is not halved by that of std.":
            gradients(3, by_3, (1, 2)),
        "The term through var is half as large as it should be: where has the 2 gone?":
            gradients(3, by_3, (1, 0.5)),
        "gamma is missing in it.": gradients(3, by_3, (1, 1), np.ones(2)),
        "It is not divided by std.": gradients(1, by_3),
        "epsilon is missing in std, or another one than the argument is taken.":
            gradients(root, CENTRED / root),
        "epsilon is added outside the root of std.": gradients(root + 1, CENTRED / (root + 1)),
        "The variance is used as if it were std: the root is missing.":
            gradients(9, CENTRED / 9),
        "The variance in std is divided by B - 1. In training it is divided by B.":
            gradients(np.sqrt(13), CENTRED / np.sqrt(13)),
        "The normalised x is wrong, on which it depends: its mean is not subtracted.":
            gradients(3, X / 3),
    }  # fmt: skip


def wrong_gamma() -> dict[str, Any]:
    """Return what dx, dgamma, dbeta are if gamma is not where it should be."""
    by_3, dnormed = CENTRED / 3, GAMMA * DOUT
    mean, through = dnormed.mean(axis=0), by_3 * (dnormed * by_3).mean(axis=0)
    dx, dgamma, dbeta = gradients(3, by_3)
    return {
        "gamma is missing in the term through var.":
            ((dnormed - mean - through / GAMMA) / 3, dgamma, dbeta),
        "gamma is missing in the term through mean.":
            ((dnormed - mean / GAMMA - through) / 3, dgamma, dbeta),
        "gamma is missing in the terms through mean and var.":
            ((dnormed - (mean + through) / GAMMA) / 3, dgamma, dbeta),
        "gamma is missing in the first of its three terms.":
            ((DOUT - mean - through) / 3, dgamma, dbeta),
        "gamma is in the normalised x, on which it depends: out stands where the normalised x "
        "should.": gradients(3, GAMMA * by_3, (1, 1)),
        "dgamma is wrong, and it depends on it: gamma does not belong in its own gradient.":
            (GAMMA / 3 * DOUT - (mean + GAMMA * through) / 3, GAMMA * dgamma, dbeta),
        "gamma does not belong in its own gradient.":
            (dx, GAMMA * dgamma, dbeta),
    }  # fmt: skip


def backward(work: Work) -> None:
    """The table above; then by finite differences: five samples, and two."""
    dx = np.array([[13, -6], [-14, -24], [1, 30]]) / 9
    dgamma, dbeta, by_3 = np.array([2.0, -6.0]), np.array([6.0, 9.0]), CENTRED / 3
    work.by_hand((DOUT, X, GAMMA, EPSILON), (dx, dgamma, dbeta), {
        **wrong_terms(),
        **wrong_gamma(),
        "dgamma is wrong, and it depends on it: x itself stands in it, and not the normalised x.":
            (GAMMA / 3 * (DOUT - dbeta / 3 - by_3 * (DOUT * X).sum(axis=0) / 3),
             (DOUT * X).sum(axis=0), dbeta),
        "x itself stands in it, and not the normalised x.": (dx, (DOUT * X).sum(axis=0), dbeta),
        "dgamma is wrong, and it depends on it: a mean over the samples, where a sum should be.":
            (GAMMA / 3 * (DOUT - dbeta / 3 - by_3 * dgamma / 9), dgamma / 3, dbeta),
        "dbeta is wrong, and it depends on it: a mean over the samples, where a sum should be.":
            (GAMMA / 3 * (DOUT - dbeta / 9 - by_3 * dgamma / 3), dgamma, dbeta / 3),
        "dbeta is wrong, and it depends on it: it is not summed over the samples.":
            (GAMMA / 3 * (DOUT - DOUT / 3 - by_3 * dgamma / 3), dgamma, DOUT),
        "It is a mean over the samples. gamma and beta act on each of them: add up.":
            (dx, dgamma / 3, dbeta / 3),
        "It is not summed over the samples. It has the shape of its array.":
            (dx, DOUT * by_3, DOUT),
        "The gradients stand in another order than dx, dgamma, dbeta.": (dx, dbeta, dgamma),
        "The gradients stand in another order: dx comes first, then dgamma and dbeta.":
            (dgamma, dbeta, dx),
    }, items="dx, dgamma, dbeta")  # fmt: skip
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(3, 2, (5, 3)), rng.normal(2, 1, 3), rng.normal(size=3)
    for samples in (5, 2):
        work.gradient(batchnorm, (x[:samples], gamma, beta, 0.5))


def running(work: Work) -> None:
    """0.75 of 4, 2 and of 8, 4; 0.25 of the means 5, 6 and of the variances 12; then random."""
    old_mean, old_var = np.array([4.0, 2.0]), np.array([8.0, 4.0])
    mean = np.array([4.25, 3.0])
    work.by_hand((old_mean, old_var, X, 0.75), (mean, [9.0, 6.0]), {
        "It is divided by B. For prediction a batch's variance is divided by another number.":
            (mean, [8.0, 5.0]),
        "The variance gets smaller by its factor. It is too small already.":
            (mean, 0.75 * old_var + 0.25 * 16 / 3),
        "A standard deviation is averaged, and no variance.":
            (mean, 0.75 * old_var + 0.25 * np.sqrt(8)),
        "A standard deviation is averaged. The variance should be.":
            (mean, 0.75 * old_var + 0.25 * np.sqrt(12)),
        "The old variance is forgotten, or has no weight.": (mean, [3.0, 3.0]),
        "momentum is the weight of the new batch. It is that of the old statistics.":
            ([4.75, 5.0], [11.0, 10.0]),
        "momentum is the weight of both. Together the two weights are 1.":
            ([6.75, 6.0], [15.0, 12.0]),
        "It is that of the batch alone. What came before counts, too.": ([5.0, 6.0], [12.0, 12.0]),
        "It is the old one. Is the new one computed and returned?": (old_mean, old_var),
        "Old and new are added up. Each needs its weight.": ([9.0, 8.0], [20.0, 16.0]),
        "The variance is that of all numbers. Each unit has its own.":
            (mean, 0.75 * old_var + 0.25 * X.var(ddof=1)),
        "The variance is that of all numbers, and its factor is that of B. Each unit has its own.":
            (mean, 0.75 * old_var + 0.25 * X.var() * 3 / 2),
        "B is the number of samples, and not of all numbers in x.":
            (mean, 0.75 * old_var + 0.25 * 8 * 6 / 5),
        "All numbers are averaged. Each unit has its own average, over the samples.":
            ([4.375, 2.875], 0.75 * old_var + 0.25 * X.var()),
        "They stand in the wrong order.": ([9.0, 6.0], mean),
    }, items="running_mean, running_var")  # fmt: skip
    rng = np.random.default_rng(0)
    values = rng.normal(size=3), rng.uniform(1, 2, 3), rng.normal(2, 3, (6, 3)), 0.9
    work.like(averages, values, items="running_mean, running_var")


def predict(work: Work) -> None:
    """One sample by hand; then a batch, in which it must not look at the other samples."""
    x, mean, var = np.array([[7.0, 2.0]]), np.array([1.0, 4.0]), np.array([8.0, 15.0])
    gamma, centred, std = np.array([10.0, 6.0]), x - mean, np.array([3.0, 4.0])
    work.by_hand((x, gamma, BETA, mean, var, EPSILON), [[21.0, -4.0]], {
        "It is beta alone: x minus the mean of its own batch is 0. Use the running statistics.":
            BETA[None],
        "The variance of its own batch is used, and that is 0 here.":
            gamma * centred / EPSILON + BETA,
        "running_var is used as if it were std.": gamma * centred / var + BETA,
        "The root is missing: it is divided by a variance.":
            gamma * centred / (var + EPSILON) + BETA,
        "epsilon is missing, or another one than the argument is taken.":
            gamma * centred / np.sqrt(var) + BETA,
        "epsilon is added outside the root.": gamma * centred / (np.sqrt(var) + EPSILON) + BETA,
        "running_mean is not subtracted.": gamma * x / std + BETA,
        "gamma is missing.": centred / std + BETA,
        "beta is missing.": gamma * centred / std,
        "gamma and beta are exchanged.": BETA * centred / std + gamma,
        "running_mean and running_var are exchanged.":
            gamma * (x - var) / np.sqrt(mean + EPSILON) + BETA,
    })  # fmt: skip
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=size) for size in ((5, 3), 3, 3, 3)]
    work.like(predicted, (*arrays, rng.uniform(1, 2, 3), 0.5))


BATCHNORM = Exercise(
    "09_batchnorm",
    "Batch normalisation",
    (
        Part("batchnorm_forward", "x, gamma, beta, epsilon", 3, forward),
        Part("batchnorm_backward", "dout, x, gamma, epsilon", 4, backward),
        Part("update_running", "running_mean, running_var, x, momentum", 2, running),
        Part("batchnorm_predict", "x, gamma, beta, running_mean, running_var, epsilon", 1, predict),
    ),
)
