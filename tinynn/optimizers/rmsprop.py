"""RMSProp: each parameter's step is divided by the usual size of its gradient."""

import numpy as np

from tinynn import checks
from tinynn.optimizers.basic import Optimizer, Rate
from tinynn.parameters import Array
from tinynn.threads import in_two_threads


class RMSProp(Optimizer):
    """Divide the gradient by the root of a running mean of its square.

        V <- rho V + g^2                      the decaying sum of the squares of the gradients
        v = V (1 - rho)                       their running mean, which begins at 0
        w <- w - rate g / (sqrt(v) + epsilon)

    w: params, g: grads, rate: the learning rate at t. As v begins at 0, the first steps are larger:
    the very first is 1 / sqrt(1 - rho) times the rate, 3.2 times with the default. (Adam corrects
    this.)

    learning_rate: default 1e-3, or a function of t. rho: default 0.9, at least 0, below 1. epsilon:
    default 1e-8, positive. Raises InputError outside of these. (Tieleman and Hinton, Neural
    Networks for Machine Learning, lecture 6.5, 2012, where v <- 0.9 v + 0.1 g^2. Kept as a sum, as
    in Adam, it needs one pass fewer over all parameters. The lecture has no epsilon. It is added to
    the root here, as in PyTorch, whose rho, named alpha, is 0.99 by default and whose learning rate
    is 0.01. Keras adds its epsilon, 1e-7, to v within the root.)

    >>> params = np.array([1.0, 2.0])
    >>> RMSProp(learning_rate=0.1, rho=0.75).step(params, grads=np.array([10.0, -0.001]))
    >>> params.round(3)
    array([0.8, 2.2])
    """

    state_names = ("V",)
    hyperparameters = checks.hyperparameters("learning_rate", "rho", "epsilon")

    @checks.short_traceback
    def __init__(self, learning_rate: Rate = 1e-3, rho: float = 0.9, epsilon: float = 1e-8) -> None:
        super().__init__(learning_rate)
        self.rho, self.epsilon = rho, epsilon

    def update(self, params: Array, grads: Array, rate: float) -> None:
        # v = scale V; numerator and denominator are divided by sqrt(scale), as in Adam:
        scale = 1 - self.rho
        epsilon = self.epsilon / scale**0.5
        rate /= scale**0.5

        def step(w: Array, g: Array, V: Array, scratch: Array) -> None:
            V *= self.rho
            V += np.square(g, out=scratch)
            np.sqrt(V, out=scratch)
            scratch += epsilon
            np.divide(g, scratch, out=scratch)
            w -= np.multiply(scratch, rate, out=scratch)

        in_two_threads(step, params, grads, *self.slots.values())

    def equations(self, rate: float) -> tuple[str, ...]:
        update = f"W <- W - {rate:g} dW / (sqrt(v) + {self.epsilon:g})"
        return f"RMSProp {rate:g}", f"{update},  v: running mean of dW^2"
