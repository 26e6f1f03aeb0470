"""Gradient clipping: a step is made shorter where a gradient is far larger than usual.

    backward -> model.grads -> [what sums or changes gradients] -> clipping -> optimizer.step

Gradients that are NaN or infinite are left as they are. Clipping cannot make a right step of them,
and the message of TrainingDiverged can then still name the array in which they began.
"""

import numpy as np

from tinynn import checks
from tinynn.parameters import Array
from tinynn.training.run import Callback, Run


class _Clipping(Callback):
    """What both clippings share: the limit, and their place among the callbacks."""

    def __init__(self, limit: float) -> None:
        self.limit = checks.check_positive("limit", limit)

    def order(self, trainer: Run) -> int:
        """After those of order 0, which may sum gradients over machines, or change them."""
        return 1


class ClipGradientNorm(_Clipping):
    """Scale the whole gradient down if its norm is above a limit; its direction stays.

        g <- g limit / |g|   if |g| > limit

    g: model.grads, the gradients of all layers as one vector; |g|: the root of the sum of all its
    squares. Frozen layers have gradients of 0, so they do not count.

    limit: a positive number. Raises InputError for anything else. (Pascanu, Mikolov and Bengio, On
    the difficulty of training recurrent neural networks, 2013, algorithm 1. PyTorch's
    clip_grad_norm_ divides by |g| + 1e-6. Keras calls this global_clipnorm; its clipnorm takes the
    norm of each array by itself.)

    Callbacks that change the gradients come first, wherever they stand in the list; if a list has
    several clippings, they act in its order. See `Callback.order`.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential, Trainer
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> trainer = Trainer(model, MeanSquaredError(), SGD(0.1))
    >>> clip = ClipGradientNorm(limit=5)
    >>> _ = trainer.fit([[1e3]], [[1e6]], epochs=1, callbacks=[clip])
    >>> round(float(np.linalg.norm(model.grads)), 4)
    5.0
    """

    def on_gradients(self, trainer: Run) -> None:
        grads = trainer.model.grads
        largest = _largest(grads)
        if not 0 < largest < np.inf:
            return
        scaled = grads / largest  # squares of numbers of at most 1 do not overflow
        norm = float(np.linalg.norm(scaled))  # |g| / largest
        if norm > self.limit / largest:
            np.multiply(scaled, self.limit / norm, out=grads)


class ClipGradientValue(_Clipping):
    """Clip each number of the gradient to between -limit and limit; its direction may change.

        g <- min(max(g, -limit), limit)   for each number g

    limit: a positive number. Raises InputError for anything else. (PyTorch: clip_grad_value_;
    Keras: clipvalue.) If one number is NaN or infinite, the whole gradient stays as it is.

    Callbacks that change the gradients come first, wherever they stand in the list; if a list has
    several clippings, they act in its order. See `Callback.order`.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential, Trainer
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> trainer = Trainer(model, MeanSquaredError(), SGD(0.1))
    >>> clip = ClipGradientValue(limit=0.5)
    >>> _ = trainer.fit([[1e3]], [[1e6]], epochs=1, callbacks=[clip])
    >>> model.grads
    array([-0.5, -0.5], dtype=float32)
    """

    def on_gradients(self, trainer: Run) -> None:
        grads = trainer.model.grads
        if self.limit < _largest(grads) < np.inf:
            np.clip(grads, -self.limit, self.limit, out=grads)


def _largest(grads: Array) -> float:
    """Return the largest |g|; NaN if one number is NaN. It needs no new array.

    >>> _largest(np.array([1.0, -3.0])), _largest(np.array([1.0, np.nan]))
    (3.0, nan)
    """
    return max(float(grads.max()), -float(grads.min()))
