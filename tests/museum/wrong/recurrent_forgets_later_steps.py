import numpy as np


def rnn_forward(x, h0, Wx, Wh, b):
    hs, h = [], h0
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs, axis=1), (x, h0, Wx, Wh, hs)


def rnn_backward(dout, cache):
    x, h0, Wx, Wh, hs = cache
    dx, dWx, dWh, db = np.zeros_like(x), 0, 0, 0
    dh_next = np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        dz = dout[:, t] * (1 - hs[t] ** 2)
        dx[:, t] = dz @ Wx.T
        dWx = dWx + x[:, t].T @ dz
        dWh = dWh + (hs[t - 1] if t else h0).T @ dz
        db = db + dz.sum(axis=0)
        dh_next = dz @ Wh.T
    return dx, dh_next, dWx, dWh, db
