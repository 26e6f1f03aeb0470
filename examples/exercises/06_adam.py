"""Exercise 6: Adam. (Lesson 8; 10 points.)

For each array of parameters, Adam keeps two moving averages of its shape: m of the gradients and v
of their squares. In a moving average old numbers count less and less. Both are 0 before the first
step. One step is

    m     <- beta1 m + (1 - beta1) dw              dw is dL/dw.
    v     <- beta2 v + (1 - beta2) dw^2
    m_hat  = m / (1 - beta1^t)                     t counts the steps: the first one has t = 1.
    v_hat  = v / (1 - beta2^t)
    w     <- w - learning_rate m_hat / (sqrt(v_hat) + epsilon)

(Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1. A power, here ^, is
** in Python.) m and v begin at 0, so they are too small at first: m_hat and v_hat are corrected.
(What is m after t steps if dw is 1 at each? Work out t = 1 and t = 2.) The arrows change what is
kept for the next step; m_hat and v_hat serve this step alone. epsilon is small: without it, where
v is 0, there would be 0 / 0.

1. moments: the first two lines.
2. adam_step: all five lines, for one array, or for one number, such as b.
3. train: so many steps of the neuron of exercise 4, whose loss and gradients are given below. All
   parameters move at the same time, and each has an m and a v of its own.

Write the lines of the three functions in place of the placeholders. Leave the arrays that you are
given as they were: make new ones. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # train uses these, the usual ones


def loss_and_gradients(x, y, w, b):
    """Return L, dw (D,) and db, one number. x: (B, D). y: (B,). (Given.)"""
    error = x @ w + b - y  # (B,)
    return np.mean(error**2), 2 * x.T @ error / len(x), 2 * np.mean(error)


def moments(dw, m, v, beta1, beta2):
    """Return the new m and the new v, in this order. (3 points.)"""
    raise NotImplementedError("your lines")


def adam_step(w, dw, m, v, t, learning_rate, beta1, beta2, epsilon):
    """Return the new m, the new v and the new w, in this order. (4 points.)

    m, v: as the step before has returned them. t: the number of this step, from 1.
    """
    raise NotImplementedError("your lines")


def train(x, y, w, b, learning_rate, steps):
    """Return w, b: the parameters after so many steps of Adam from w and b. (3 points.)"""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])
    for steps in (1, 2, 3, 200):
        w, b = train(x, y, np.zeros(1), 0.0, 0.1, steps)
        loss = loss_and_gradients(x, y, w, b)[0]
        print(f"after {steps:>3} steps w = {w[0]:.4f}, b = {b:.4f}, loss {loss:.2g}")
