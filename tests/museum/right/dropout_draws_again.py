import numpy as np


class Dropout:
    def __init__(self, rate=0.4):
        self.rate = rate
        self.rng = np.random.default_rng(1)

    def draw(self, shape):
        return (self.rng.random(shape) >= self.rate) / (1 - self.rate)

    def forward(self, x):
        self.mask = self.draw(x.shape)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
