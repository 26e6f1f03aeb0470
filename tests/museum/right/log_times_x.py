import numpy as np


class Log:
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / x


GRADCHECK = {"Log": (np.array([[1.0, 2, 3], [0.5, 0.2, 4]]),)}
