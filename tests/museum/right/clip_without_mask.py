import numpy as np


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def hard_sigmoid_grad(x):
    return 0.2 * (np.abs(x) < 2.5)


GRADCHECK = {"hard_sigmoid": (np.linspace(-5, 5, 24).reshape(6, 4),)}
