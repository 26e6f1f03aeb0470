"""Activations beside ReLU and Softmax: each changes every number by itself, in any shape (B, ...).

All are right at any size of input, also infinity, without an overflow on the way. NaN stays NaN.
"""

from math import erfc, pi, sqrt

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.logistic import sigmoid
from tinynn.parameters import Array


class LeakyReLU(Layer):
    """out = x where x > 0, and slope x elsewhere: a unit with negative x still learns.

        dx = dout where x > 0, and slope dout elsewhere

    x, out: any shape (B, ...). At x = 0 there is no derivative; slope is used. (Maas, Hannun and
    Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013, section 2.)

    slope: the derivative below 0, default 0.01, above 0 and below 1 (0 would be ReLU, 1 would
    change nothing). Raises InputError for another slope.

    >>> leaky = LeakyReLU(0.1)
    >>> leaky.forward(np.array([[-2.0, 3.0]]))
    array([[-0.2,  3. ]])
    >>> leaky.backward(np.array([[5.0, 5.0]]))
    array([[0.5, 5. ]])
    """

    equations = "out = max(x, slope x)", "dx = dout where x > 0, else slope dout"

    def __init__(self, slope: float = 0.01) -> None:
        checks.check_between("slope", slope, 0, 1)
        self.slope = slope

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.mask = x > 0  # (B, ...)
        return np.maximum(x, float(self.slope) * x)

    def input_gradient(self, dout: Array) -> Array:
        return np.where(self.mask, dout, float(self.slope) * dout)

    def kink_mask(self, x: Array) -> Array:
        return x >= 0  # not x > 0: at 0 out is 0, but the unit is not inactive


class ELU(Layer):
    """out = x where x > 0, and alpha (exp(x) - 1) elsewhere: bends smoothly towards -alpha.

        dx = dout where x > 0, and dout alpha exp(x) elsewhere

    x, out: any shape (B, ...). With alpha = 1 the derivative is 1 on both sides of 0. With another
    alpha it jumps there; alpha is used at 0. (Clevert, Unterthiner and Hochreiter, Fast and
    Accurate Deep Network Learning by Exponential Linear Units, 2016, section 3.)

    alpha: default 1.0, a positive number. Raises InputError for another one.

    >>> elu = ELU()
    >>> elu.forward(np.array([[-1.0, 2.0]])).round(4)  # exp(-1) - 1
    array([[-0.6321,  2.    ]])
    >>> elu.backward(np.array([[1.0, 1.0]])).round(4)
    array([[0.3679, 1.    ]])
    """

    equations = (
        "out = x where x > 0, else alpha (exp(x) - 1)",
        "dx = dout where x > 0, else dout alpha exp(x)",
    )

    def __init__(self, alpha: float = 1.0) -> None:
        checks.check_positive("alpha", alpha)
        self.alpha = alpha

    def forward(self, x: Array, training: bool = True) -> Array:
        x = np.asarray(x, np.result_type(x, np.float32))  # of whole numbers, too
        if training:
            self.x = x
        below = float(self.alpha) * np.expm1(np.minimum(x, 0))  # exp(x) of a large x overflows
        return np.where(x > 0, x, below)

    def input_gradient(self, dout: Array) -> Array:
        derivative = float(self.alpha) * np.exp(np.minimum(self.x, 0))
        return np.where(self.x > 0, dout, dout * derivative)

    def kink_mask(self, x: Array) -> Array | None:
        return None if self.alpha == 1 else x >= 0  # as LeakyReLU's


class GELU(Layer):
    """out = x s(x): weights x by s(x), the probability that a standard normal number is below x.

        dx = dout (s(x) + x s'(x))

        exact:      s(x) = Phi(x) = erfc(-x / sqrt(2)) / 2
                    s'(x) = phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
        tanh form:  s(x) = (1 + tanh(c (x + 0.044715 x^3))) / 2, where c = sqrt(2 / pi)
                    s'(x) = 2 s(x) (1 - s(x)) c (1 + 3 0.044715 x^2)

    x, out: any shape (B, ...). (Hendrycks and Gimpel, Gaussian Error Linear Units, 2016, section
    2.) erfc is 1 - erf, without the digits that this subtraction would lose.

    exact: default False, the tanh form, which differs from the exact one by less than 0.0005. NumPy
    has no erf, so with exact=True Python's math.erfc is called for one number after another.
    Forward then takes 20 times as long: 3.2 ms instead of 0.17 ms for 64 samples of 512 numbers, on
    one core of a server. Raises InputError if exact is not True or False.

    >>> float(GELU().forward(np.ones((1, 1)))[0, 0].round(4))
    0.8412
    >>> float(GELU(exact=True).forward(np.ones((1, 1)))[0, 0].round(4))
    0.8413
    """

    def __init__(self, exact: bool = False) -> None:
        checks.check_flag("exact of GELU", exact)
        self.exact = exact

    @property
    def equations(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.exact:
            return "out = x Phi(x)", "dx = dout (Phi(x) + x phi(x))"
        s = "s = (1 + tanh(0.79788 (x + 0.044715 x^3))) / 2"
        return f"out = x s, {s}", "dx = dout (s + x s'), s' = 1.59577 s (1 - s) (1 + 0.134145 x^2)"

    def forward(self, x: Array, training: bool = True) -> Array:
        z = np.clip(x, -40.0, 40.0)  # beyond, s is exactly 0 or 1, and x^3 could overflow
        s = self._s(z)
        if training:
            self.z, self.s = z, s
        return np.maximum(x, -40.0) * s  # -inf times 0 would be NaN

    def _s(self, z: Array) -> Array:
        """Return the weight of each number."""
        if self.exact:
            values = [erfc(each) for each in (z / -sqrt(2)).ravel().tolist()]
            return 0.5 * np.array(values, z.dtype).reshape(z.shape)
        return 0.5 * (1 + np.tanh(sqrt(2 / pi) * (z + 0.044715 * z * z * z)))

    def input_gradient(self, dout: Array) -> Array:
        z, s = self.z, self.s
        if self.exact:
            derivative = np.exp(-0.5 * z * z) / sqrt(2 * pi)
        else:
            derivative = 2 * s * (1 - s) * sqrt(2 / pi) * (1 + 3 * 0.044715 * z * z)
        return dout * (s + z * derivative)


class Sigmoid(Layer):
    """out = 1 / (1 + exp(-x)): turns each logit into the probability of its own class.

        dx = dout out (1 - out)

    x, out: any shape (B, ...). Unlike Softmax's, the probabilities of a sample need not sum to 1:
    each says yes or no to one question. Between hidden layers prefer Tanh or ReLU: the derivative
    is 1/4 at most, so gradients vanish. (Goodfellow, Bengio and Courville, Deep Learning, 2016,
    section 3.10 and equation 3.30.)

    >>> sigmoid = Sigmoid()
    >>> sigmoid.forward(np.array([[0.0, -1000.0, 1000.0]]))
    array([[0.5, 0. , 1. ]])
    >>> sigmoid.backward(np.array([[1.0, 1.0, 1.0]]))
    array([[0.25, 0.  , 0.  ]])
    """

    takes, gives = "logits", "independent probabilities"
    equations = "out = 1 / (1 + exp(-x))", "dx = dout out (1 - out)"

    def forward(self, x: Array, training: bool = True) -> Array:
        out = sigmoid(x)
        if training:
            self.out = out.copy()  # a copy, because the caller may change out
        return out

    def input_gradient(self, dout: Array) -> Array:
        return dout * self.out * (1 - self.out)


class Tanh(Layer):
    """out = tanh(x): between -1 and 1, and like x itself near 0.

        dx = dout (1 - out^2)

    x, out: any shape (B, ...). The Dense before it should start from glorot_uniform. (LeCun,
    Bottou, Orr and Müller, Efficient BackProp, 1998, section 4.4: why its outputs, around 0, train
    better than a sigmoid's, around 1/2.)

    >>> tanh = Tanh()
    >>> tanh.forward(np.array([[0.0, 1000.0]]))
    array([[0., 1.]])
    >>> tanh.backward(np.array([[5.0, 5.0]]))
    array([[5., 0.]])
    """

    equations = "out = tanh(x)", "dx = dout (1 - out^2)"

    def forward(self, x: Array, training: bool = True) -> Array:
        out = np.tanh(x, dtype=np.result_type(x, np.float32))  # of whole numbers, too
        if training:
            self.out = out.copy()  # a copy, because the caller may change out
        return out

    def input_gradient(self, dout: Array) -> Array:
        return dout * (1 - self.out * self.out)
