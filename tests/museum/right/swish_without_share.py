import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class Swish:
    def forward(self, x):
        self.x = x
        return x * sigmoid(x)

    def backward(self, dout):
        s = sigmoid(self.x)
        return dout * (s + self.x * s * (1 - s))
