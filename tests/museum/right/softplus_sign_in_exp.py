import numpy as np


def softplus(z):
    return np.logaddexp(0, z)


def softplus_prime(z):
    return 1 / (1 + np.exp(-z))
