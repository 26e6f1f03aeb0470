"""Exercise 4: the training loop. A solution."""

import numpy as np


def loss_and_gradients(x, y, w, b):
    """Return L, dw (D,) and db, one number. (Given.)"""
    error = x @ w + b - y  # (B,)
    return np.mean(error**2), 2 * x.T @ error / len(x), 2 * np.mean(error)


def update(w, dw, learning_rate):
    """Return the new w."""
    return w - learning_rate * dw


def train(x, y, w, b, learning_rate, steps):
    """Return w, b, losses."""
    losses = []
    for _ in range(steps):
        loss, dw, db = loss_and_gradients(x, y, w, b)
        losses.append(loss)
        w = update(w, dw, learning_rate)
        b = update(b, db, learning_rate)
    return w, b, losses


def steps_until(x, y, w, b, learning_rate, limit):
    """Return the number of steps."""
    for step in range(1000):
        loss, dw, db = loss_and_gradients(x, y, w, b)
        if loss < limit:
            return step
        w, b = update(w, dw, learning_rate), update(b, db, learning_rate)
    return 1000
