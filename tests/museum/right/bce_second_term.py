import numpy as np


def binary_cross_entropy(y_hat, y):
    return -np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))


def binary_cross_entropy_prime(y_hat, y):
    return ((1 - y) / (1 - y_hat) - y / y_hat) / y.size


GRADCHECK = {
    "binary_cross_entropy": (
        np.random.default_rng(0).uniform(0.1, 0.9, (6, 1)),
        np.array([[0], [1], [1], [0], [1], [0]]),
    )
}
