import numpy as np


class Conv2D:
    def __init__(self, n_filters=2, channels=2, k=3):
        self.W = np.random.randn(n_filters, channels, k, k) * 0.3
        self.b = np.zeros(n_filters)

    def forward(self, x):
        self.x = x
        N, C, H, W = x.shape
        F, _, k, _ = self.W.shape
        out = np.zeros((N, F, H - k + 1, W - k + 1))
        for i in range(H - k + 1):
            for j in range(W - k + 1):
                patch = x[:, :, i : i + k, j : j + k]
                out[:, :, i, j] = np.tensordot(patch, self.W, axes=([1, 2, 3], [1, 2, 3])) + self.b
        return out

    def backward(self, dout):
        k = self.W.shape[2]
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        self.db = dout.sum(axis=(0, 2, 3))
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                d = dout[:, :, i, j]
                self.dW += np.tensordot(d, self.x[:, :, i : i + k, j : j + k], axes=([0], [0]))
                dx[:, :, i : i + k, j : j + k] += np.tensordot(d, self.W, axes=([1], [0]))
        return dx


GRADCHECK = {"Conv2D": (Conv2D(), np.random.default_rng(0).normal(size=(2, 2, 4, 4)))}
