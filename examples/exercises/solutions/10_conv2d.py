"""Exercise 10: Conv2D. A solution."""

import numpy as np


def frame(x, padding):
    """Return x in its frame."""
    B, R, S, C = x.shape
    x_framed = np.zeros((B, R + 2 * padding, S + 2 * padding, C))
    x_framed[:, padding : padding + R, padding : padding + S] = x
    return x_framed


def conv_forward(x, W, b, padding):
    """Return out: at each place, the windows of all images with all kernels."""
    framed = frame(x, padding)
    kh, kw, _, F = W.shape
    P, Q = framed.shape[1] - kh + 1, framed.shape[2] - kw + 1
    out = np.zeros((len(x), P, Q, F))
    for p in range(P):
        for q in range(Q):
            windows = framed[:, p : p + kh, q : q + kw]  # (B, kh, kw, C)
            out[:, p, q] = np.tensordot(windows, W, axes=3) + b
    return out


def conv_backward(dout, x, W, padding):
    """Return dx, dW, db: what each place adds to them."""
    framed = frame(x, padding)
    kh, kw, _, _ = W.shape
    dx_framed, dW = np.zeros(framed.shape), np.zeros(W.shape)
    for p in range(dout.shape[1]):
        for q in range(dout.shape[2]):
            here = dout[:, p, q]  # (B, F)
            seen = framed[:, p : p + kh, q : q + kw]  # (B, kh, kw, C)
            dW += np.tensordot(seen, here, axes=(0, 0))  # over the images
            dx_framed[:, p : p + kh, q : q + kw] += np.tensordot(here, W, axes=(1, 3))
    dx = dx_framed[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]
    db = dout.sum(axis=(0, 1, 2))
    return dx, dW, db
