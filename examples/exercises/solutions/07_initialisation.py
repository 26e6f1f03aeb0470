"""Exercise 7: the first weights. A solution."""

import numpy as np


def he_normal(fan_in, fan_out, rng):
    """Return W: rng.normal takes the standard deviation, the root of the variance."""
    W = rng.normal(0, np.sqrt(2 / fan_in), size=(fan_in, fan_out))
    return W


def glorot_uniform(fan_in, fan_out, rng):
    """Return W: a^2 / 3 = 2 / (fan_in + fan_out)."""
    a = np.sqrt(6 / (fan_in + fan_out))
    W = rng.uniform(-a, a, size=(fan_in, fan_out))
    return W


def standard_deviation(fan_in, slope):
    """Return the standard deviation (He et al. 2015, equation 15).

    Half of the mean square of z is left as it was, the other half times slope^2.
    """
    std = np.sqrt(2 / ((1 + slope**2) * fan_in))
    return std


def network(sizes, rng):
    """Return W and b."""
    W, b = [], []
    last = len(sizes) - 2
    for layer in range(last + 1):
        rule = glorot_uniform if layer == last else he_normal
        W.append(rule(sizes[layer], sizes[layer + 1], rng))
        b.append(np.zeros(sizes[layer + 1]))
    return W, b
