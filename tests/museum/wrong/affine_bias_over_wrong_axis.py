def affine_forward(x, W, b):
    out = x @ W + b
    cache = (x, W)
    return out, cache


def affine_backward(dout, cache):
    x, W = cache
    dx = dout @ W.T
    dW = x.T @ dout
    db = dout.sum(axis=1)
    return dx, dW, db
