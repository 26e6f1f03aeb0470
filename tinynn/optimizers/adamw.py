"""AdamW: Adam, and weights that decay by themselves, whatever their gradients are."""

from tinynn import checks
from tinynn.optimizers.basic import Adam, Rate
from tinynn.parameters import Array, layout_of


class AdamW(Adam):
    """Adam with decoupled weight decay: each step first makes the weights a little smaller.

        w <- w - rate weight_decay w          for arrays of two axes or more
        w <- w - rate m / (sqrt(v) + epsilon) as in Adam

    w: params, rate: the learning rate at t, m and v: the moments, which Adam's docstring explains.
    A decay that is added to the gradient instead, as a term of the loss is, would be divided by
    sqrt(v) like the gradient: weights with large gradients would hardly decay.

    Weights decay; biases, gamma and beta, which are vectors (one axis), do not. Frozen layers do
    not decay. params that no model made, as in a test, are one array without a known shape: all of
    it decays.

    learning_rate: default 1e-3, or a function of t. weight_decay: default 0.01, 0 or more. beta1,
    beta2, epsilon: as in Adam. Raises InputError outside of these. (Loshchilov and Hutter,
    Decoupled Weight Decay Regularization, 2019, algorithm 2. There the decay is multiplied by the
    schedule alone, without Adam's alpha; here by the whole rate, as in PyTorch, so a weight_decay
    of the paper is to be divided by alpha. PyTorch decays all arrays that it is given, also
    biases. Keras' default is 0.004.)

    >>> import numpy as np
    >>> params = np.array([1.0, -2.0])
    >>> AdamW(learning_rate=0.1, weight_decay=0.5).step(params, grads=np.array([10.0, 0.0]))
    >>> params.round(4)
    array([ 0.85, -1.9 ])
    """

    hyperparameters = checks.hyperparameters(*Adam.hyperparameters, "weight_decay")

    @checks.short_traceback
    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        weight_decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon)
        self.weight_decay = weight_decay

    def update(self, params: Array, grads: Array, rate: float) -> None:
        kept = 1 - rate * self.weight_decay
        for name, place, axes, trainable in layout_of(params):
            if trainable and (axes > 1 or not name):  # without a name: no model made it
                params[place] *= kept
        super().update(params, grads, rate)

    def equations(self, rate: float) -> tuple[str, ...]:
        step = f"m / (sqrt(v) + {self.epsilon:g})"
        return (
            f"AdamW {rate:g}",
            f"W <- W - {rate:g} ({step} + {self.weight_decay:g} W),  m and v: first and second "
            "moment of dW; the last term only for arrays of two axes or more",
        )
