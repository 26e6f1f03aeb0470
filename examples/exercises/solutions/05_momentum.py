"""Exercise 5: SGD with momentum. A solution."""

import numpy as np


def loss_and_gradients(x, y, w, b):
    """Return L, dw (D,) and db, one number. x: (B, D). y: (B,). (Given.)"""
    error = x @ w + b - y  # (B,)
    return np.mean(error**2), 2 * x.T @ error / len(x), 2 * np.mean(error)


def momentum_step(w, dw, v, learning_rate, momentum):
    """Return the new v and the new w."""
    v = momentum * v - learning_rate * dw
    w = w + v
    return v, w


def train(x, y, w, b, learning_rate, momentum, steps):
    """Return w, b."""
    vw, vb = np.zeros_like(w), 0.0
    for _ in range(steps):
        _, dw, db = loss_and_gradients(x, y, w, b)
        vw, w = momentum_step(w, dw, vw, learning_rate, momentum)
        vb, b = momentum_step(b, db, vb, learning_rate, momentum)
    return w, b


def final_velocity(dw, learning_rate, momentum):
    """Return v: it solves v = momentum v - learning_rate dw."""
    v = -learning_rate * dw / (1 - momentum)
    return v
