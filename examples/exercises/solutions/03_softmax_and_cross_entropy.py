"""Exercise 3: softmax and cross-entropy. A solution."""

import numpy as np


def softmax(z):
    """Return p: the largest exponent of each row is 0."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p


def cross_entropy(p, y):
    """Return L: each row has one right class, so this is one number for each sample."""
    right = p[y == 1]  # (B,)
    loss = -np.mean(np.log(right))
    return loss


def logits_gradient(z, y):
    """Return dz: the 1/B is that of the mean."""
    dz = (softmax(z) - y) / len(z)
    return dz
