"""Exercise 6: Adam. A solution."""

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # train uses these, the usual ones


def loss_and_gradients(x, y, w, b):
    """Return L, dw (D,) and db, one number. x: (B, D). y: (B,). (Given.)"""
    error = x @ w + b - y  # (B,)
    return np.mean(error**2), 2 * x.T @ error / len(x), 2 * np.mean(error)


def moments(dw, m, v, beta1, beta2):
    """Return the new m and the new v."""
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * dw**2
    return m, v


def adam_step(w, dw, m, v, t, learning_rate, beta1, beta2, epsilon):
    """Return the new m, v and w: the corrected averages serve this step alone."""
    m, v = moments(dw, m, v, beta1, beta2)
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return m, v, w


def train(x, y, w, b, learning_rate, steps):
    """Return w, b: one t for both."""
    mw, vw, mb, vb = np.zeros_like(w), np.zeros_like(w), 0.0, 0.0
    rules = learning_rate, BETA1, BETA2, EPSILON
    for t in range(1, steps + 1):
        _, dw, db = loss_and_gradients(x, y, w, b)
        mw, vw, w = adam_step(w, dw, mw, vw, t, *rules)
        mb, vb, b = adam_step(b, db, mb, vb, t, *rules)
    return w, b
