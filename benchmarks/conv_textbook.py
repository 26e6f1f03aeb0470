"""The convolutional network of conv_contenders.py as a textbook writes it in NumPy.

im2col makes all windows at once, and col2im adds them back window by window; BatchNorm sums over
axes 0, 1 and 2; the maximum keeps a mask, in which ties share the gradient; Adam has two arrays for
each parameter. It is what tinynn's forms are compared with, and is used nowhere else.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Arrays = list[np.ndarray]


class Conv:
    """A convolution of 3 x 3 with padding 1; x (B, H, W, C)."""

    def __init__(self, W: np.ndarray) -> None:
        self.params = [W.copy()]

    def forward(self, x: np.ndarray) -> np.ndarray:
        (W,) = self.params
        seen = sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2))
        self.rows = seen.transpose(0, 1, 2, 4, 5, 3).reshape(-1, W[..., 0].size)
        self.shape = x.shape
        return (self.rows @ W.reshape(-1, W.shape[3])).reshape(*x.shape[:3], W.shape[3])

    def backward(self, dout: np.ndarray) -> np.ndarray:
        (W,), (B, H, V, C) = self.params, self.shape
        flat = dout.reshape(-1, W.shape[3])
        self.grads = [(self.rows.T @ flat).reshape(W.shape)]
        columns = (flat @ W.reshape(-1, W.shape[3]).T).reshape(B, H, V, 3, 3, C)
        dx = np.zeros((B, H + 2, V + 2, C), dout.dtype)
        for i in range(3):
            for j in range(3):
                dx[:, i : i + H, j : j + V] += columns[:, :, :, i, j]
        return dx[:, 1:-1, 1:-1]


class Norm:
    """BatchNorm over batch, rows and columns."""

    def __init__(self, channels: int) -> None:
        self.params = [np.ones(channels, np.float32), np.zeros(channels, np.float32)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        gamma, beta = self.params
        self.std = np.sqrt(x.var(axis=(0, 1, 2)) + np.float32(1e-5))
        self.normalised = (x - x.mean(axis=(0, 1, 2))) / self.std
        return gamma * self.normalised + beta

    def backward(self, dout: np.ndarray) -> np.ndarray:
        gamma, n = self.params[0], dout[..., 0].size
        dgamma, dbeta = (dout * self.normalised).sum(axis=(0, 1, 2)), dout.sum(axis=(0, 1, 2))
        self.grads = [dgamma, dbeta]
        return gamma / self.std * (dout - dbeta / n - self.normalised * dgamma / n)


class ReLU:
    """max(x, 0)."""

    params: Sequence[np.ndarray] = ()
    grads: Sequence[np.ndarray] = ()

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout: np.ndarray) -> np.ndarray:
        return dout * self.mask


class Pool:
    """The maximum of 2 x 2."""

    params: Sequence[np.ndarray] = ()
    grads: Sequence[np.ndarray] = ()

    def forward(self, x: np.ndarray) -> np.ndarray:
        B, H, W, C = x.shape
        windows = x[:, : H // 2 * 2, : W // 2 * 2].reshape(B, H // 2, 2, W // 2, 2, C)
        out = windows.max(axis=(2, 4), keepdims=True)
        mask = windows == out
        self.share, self.shape = mask / mask.sum(axis=(2, 4), keepdims=True), x.shape
        return out[:, :, 0, :, 0]

    def backward(self, dout: np.ndarray) -> np.ndarray:
        B, H, W, C = self.shape
        dx = np.zeros(self.shape, dout.dtype)
        inner = (self.share * dout[:, :, None, :, None]).reshape(B, H // 2 * 2, W // 2 * 2, C)
        dx[:, : H // 2 * 2, : W // 2 * 2] = inner
        return dx


class Dense:
    """x @ W + b; x of any shape (B, ...)."""

    def __init__(self, W: np.ndarray) -> None:
        self.params = [W.copy(), np.zeros(W.shape[1], np.float32)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.flat, self.shape = x.reshape(len(x), -1), x.shape
        return self.flat @ self.params[0] + self.params[1]

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.grads = [self.flat.T @ dout, dout.sum(axis=0)]
        return (dout @ self.params[0].T).reshape(self.shape)


def textbook_step(
    kernels: list[Arrays], dense: Arrays, adam: tuple[float, float, float, float]
) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return a function that takes one training step and returns the loss before it."""
    layers = []
    for stage in kernels:
        for W in stage:
            layers += [Conv(W), Norm(W.shape[3]), ReLU()]
        layers.append(Pool())
    layers += [Dense(dense[0]), ReLU(), Dense(dense[1])]
    m = [[np.zeros_like(p) for p in layer.params] for layer in layers]
    v = [[np.zeros_like(p) for p in layer.params] for layer in layers]
    rate, beta1, beta2, epsilon = adam
    t = 0

    def step(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal t
        t += 1
        out = x[..., None]
        for layer in layers:
            out = layer.forward(out)
        e = np.exp(out - out.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        p[np.arange(len(y)), y] -= 1
        dout = p / len(y)
        for layer in reversed(layers):
            dout = layer.backward(dout)
        for layer, ms, vs in zip(layers, m, v, strict=True):
            for i, g in enumerate(layer.grads):
                ms[i] = beta1 * ms[i] + (1 - beta1) * g
                vs[i] = beta2 * vs[i] + (1 - beta2) * g**2
                m_hat, v_hat = ms[i] / (1 - beta1**t), vs[i] / (1 - beta2**t)
                layer.params[i] -= rate * m_hat / (np.sqrt(v_hat) + epsilon)
        return float(loss)

    return step
