"""Exercise 11: minibatches. A solution."""

import numpy as np


def shuffled(x, y, rng):
    """Return x and y, by one order for both."""
    order = rng.permutation(len(x))
    return x[order], y[order]


def minibatches(x, y, batch_size, rng):
    """Return the batches: a slice beyond the end is shorter, or it would be empty."""
    x, y = shuffled(x, y, rng)
    batches = []
    for first in range(0, len(x), batch_size):
        last = first + batch_size
        batches.append((x[first:last], y[first:last]))
    return batches


def hold_out(y, k, rng):
    """Return rest, held."""
    held = []
    for label in np.unique(y):
        of_class = np.flatnonzero(y == label)
        held.extend(rng.choice(of_class, k, replace=False))
    rest = np.setdiff1d(np.arange(len(y)), held)
    return rest, np.array(held)
