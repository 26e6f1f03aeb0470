"""Exercise 4: the training loop. (Lessons 1 and 2; 10 points.)

One neuron gets B samples, each with D numbers, and is to give the numbers y:

    z = x w + b                         x (B, D)    w (D,)    b one number    z, y (B,)
    L = mean over the samples of (z - y)^2

loss_and_gradients below is given; leave it as it is. Gradient descent is what you write: at each
step all parameters move against their gradients, by learning_rate times the gradient. w and b move
at the same time: both gradients of a step belong to the same w and b.

Write the lines of the three functions in place of the placeholders. Leave the arrays that you are
given as they were: make new ones. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def loss_and_gradients(x, y, w, b):
    """Return L, dw (D,) and db, one number. (Given.)"""
    error = x @ w + b - y  # (B,)
    return np.mean(error**2), 2 * x.T @ error / len(x), 2 * np.mean(error)


def update(w, dw, learning_rate):
    """Return the new w after one step of gradient descent. (2 points.)"""
    raise NotImplementedError("your lines")


def train(x, y, w, b, learning_rate, steps):
    """Return w, b, losses: the parameters after so many steps from w and b. (5 points.)

    losses: a list with one number for each step, the loss that the step began with.
    """
    raise NotImplementedError("your lines")


def steps_until(x, y, w, b, learning_rate, limit):
    """Return after how many steps the loss is below limit for the first time. (3 points.)

    0 if it is below limit at the start. 1000 if it is not below limit after 1000 steps.
    """
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])
    print(train(x, y, np.zeros(1), 0.0, 0.1, 3))
    print(steps_until(x, y, np.zeros(1), 0.0, 0.1, 0.01))
