"""Exercise 9: batch normalisation. A solution."""

import numpy as np


def batchnorm_forward(x, gamma, beta, epsilon):
    """Return out."""
    mean = x.mean(axis=0)  # (D,)
    var = x.var(axis=0)  # (D,)
    normalised = (x - mean) / np.sqrt(var + epsilon)
    out = gamma * normalised + beta
    return out


def batchnorm_backward(dout, x, gamma, epsilon):
    """Return dx, dgamma, dbeta: the second and third term of dx come through mean and var."""
    std = np.sqrt(np.var(x, axis=0) + epsilon)
    normed = (x - np.mean(x, axis=0)) / std  # (B, D)
    dgamma = np.sum(dout * normed, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx = gamma / std * (dout - dbeta / len(x) - normed * dgamma / len(x))
    return dx, dgamma, dbeta


def update_running(running_mean, running_var, x, momentum):
    """Return the new statistics; ddof=1 divides by B - 1."""
    new_mean = momentum * running_mean + (1 - momentum) * x.mean(axis=0)
    new_var = momentum * running_var + (1 - momentum) * x.var(axis=0, ddof=1)
    return new_mean, new_var


def batchnorm_predict(x, gamma, beta, running_mean, running_var, epsilon):
    """Return out for prediction."""
    centred = x - running_mean
    result = gamma * centred / np.sqrt(running_var + epsilon) + beta
    return result
