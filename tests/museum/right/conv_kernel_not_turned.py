import numpy as np

rng = np.random.default_rng(0)
SIZES = (2, 4, 5, 2), (3, 3, 2, 2), (2,)
GRADCHECK = {"conv_forward": [rng.normal(size=size) for size in SIZES]}


def conv_forward(x, w, b):
    N, H, W, _ = x.shape
    k = w.shape[0]
    out = np.zeros((N, H - k + 1, W - k + 1, w.shape[3]))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            out[:, i, j] = np.tensordot(x[:, i : i + k, j : j + k], w, 3) + b
    return out, (x, w)


def conv_backward(dout, cache):
    x, w = cache
    k = w.shape[0]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    turned = w[::-1, ::-1]
    padded = np.pad(dout, ((0, 0), (k - 1, k - 1), (k - 1, k - 1), (0, 0)))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            patch = padded[:, i : i + k, j : j + k]
            dx[:, i, j] = np.tensordot(patch, turned, ([1, 2, 3], [0, 1, 3]))
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            dw += np.tensordot(x[:, i : i + k, j : j + k], dout[:, i, j], ([0], [0]))
    return dx, dw, dout.sum(axis=(0, 1, 2))
