import numpy as np

GRADCHECK = {
    "weighted_loss": (
        np.random.default_rng(0).normal(size=(5, 3)),
        np.array([0, 2, 1, 1, 0]),
        np.array([1.0, 2.0, 0.5, 3.0, 0.7]),
    )
}


def weighted_loss(x, y, w):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -(w * np.log(p[np.arange(N), y])).mean()
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    dx *= w[:, None] / N
    return loss, dx
