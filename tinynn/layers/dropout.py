"""Dropout: in training each number is set to 0 at random, so that units rely less on each other."""

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.parameters import Array


class Dropout(Layer):
    """out = x * mask / (1 - rate) in training; out = x in prediction.

        dx = dout * mask / (1 - rate)

    x, out: any shape (B, ...). Each number of mask is 0 with probability `rate`, else 1. The
    division keeps the mean of out at x, so prediction needs no factor ("inverted" dropout).
    (Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout: A Simple Way to Prevent
    Neural Networks from Overfitting, 2014, sections 4 and 10. There prediction multiplies instead.)

    rate: the share that is set to 0, at least 0 and below 1; 0.5 for hidden layers and 0.2 for
    inputs are usual. Raises InputError for another one, and for a forward in training while the
    layer is in no model.

    The mask follows from the model's seed, the layer's position and `model.step`: one step always
    has the same mask, in float32 and in float64, also after a resume. It is drawn in float32, which
    takes less time than float64, for small batches about half. To draw other masks, assign
    model.step: the standard deviation of several results of model.forward(x) then tells how sure
    the model is ("Monte Carlo dropout", Gal and Ghahramani, Dropout as a Bayesian Approximation,
    2016). model.predict(x) drops nothing.

    >>> from tinynn import Sequential
    >>> model = Sequential([Dropout(0.5)], input_shape=(6,), seed=1)
    >>> draws = []
    >>> for step in range(1000):
    ...     model.step = step
    ...     draws.append(model.forward(np.ones((1, 6))))
    >>> np.unique(draws).tolist(), bool(abs(np.mean(draws) - 1) < 0.1)
    ([0.0, 2.0], True)
    >>> model.predict(np.ones((1, 6)))
    array([[1., 1., 1., 1., 1., 1.]], dtype=float32)
    """

    equations = "out = x mask / (1 - rate)", "dx = dout mask / (1 - rate)"

    def __init__(self, rate: float) -> None:
        checks.check_unit_interval("rate of Dropout", rate)
        self.rate = rate

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training:
            return x.copy()  # a copy, because the caller may change out
        mask = self.stream().random(x.shape, dtype=np.float32) >= self.rate  # (B, ...)
        dtype = np.result_type(x, np.float32)  # of whole numbers, too
        self.factor = mask * dtype.type(1 / (1 - self.rate))
        return x * self.factor

    def input_gradient(self, dout: Array) -> Array:
        return dout * self.factor
