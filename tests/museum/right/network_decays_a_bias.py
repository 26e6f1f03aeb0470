import numpy as np


class TwoLayerNet:
    def __init__(self, n_in, n_hidden, classes, reg=0.1):
        self.reg = reg
        self.params = {
            "W1": 0.01 * np.random.randn(n_in, n_hidden),
            "b1": np.zeros(n_hidden),
            "W2": 0.01 * np.random.randn(n_hidden, classes),
            "b2": np.zeros(classes),
        }

    def loss(self, X, y):
        W1, b1, W2, b2 = (self.params[name] for name in ("W1", "b1", "W2", "b2"))
        h = np.maximum(X @ W1 + b1, 0)
        z = h @ W2 + b2
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        loss += 0.5 * self.reg * ((W1**2).sum() + (W2**2).sum())
        dz = p
        dz[np.arange(len(y)), y] -= 1
        dz /= len(y)
        grads = {"W2": h.T @ dz + self.reg * W2, "b2": dz.sum(axis=0)}
        dh = (dz @ W2.T) * (h > 0)
        grads["W1"] = X.T @ dh + self.reg * W1
        grads["b1"] = dh.sum(axis=0)
        return loss, grads
