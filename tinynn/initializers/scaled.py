"""Initial weights whose standard deviation follows from the shape, beside those of basic.py.

shape: (fan_in, fan_out) of a Dense, or (height, width, channels, filters) of a convolution: there
each output adds up fan_in = height width channels products, and each input acts on fan_out =
height width filters outputs. A normal is drawn whole; Keras cuts it off at two standard deviations.
"""

from math import prod, sqrt

import numpy as np

from tinynn.parameters import Array, Generator, Shape


def he_uniform(shape: Shape, rng: Generator) -> Array:
    """Uniform with Var(W) = 2 / fan_in: for ReLU, as he_normal, but without large weights.

    The limit is sqrt(6 / fan_in), for a uniform distribution from -a to a has the variance a^2 / 3.
    He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015, equation 10.

    >>> W = he_uniform((600, 300), np.random.default_rng(0))
    >>> bool(abs(W).max() <= 0.1), round(float(W.std()), 3)  # sqrt(6 / 600), sqrt(2 / 600)
    (True, 0.058)
    """
    limit = sqrt(6 / prod(shape[:-1]))
    return rng.uniform(-limit, limit, shape)


def glorot_normal(shape: Shape, rng: Generator) -> Array:
    """Normal with Var(W) = 2 / (fan_in + fan_out): glorot_uniform's variance, in a normal's form.

    For layers followed by Tanh, Sigmoid, Softmax or nothing. Glorot and Bengio, Understanding the
    difficulty of training deep feedforward neural networks, 2010, equation 12.

    >>> W = glorot_normal((150, 50), np.random.default_rng(0))
    >>> round(float(W.std()), 2)  # sqrt(2 / 200)
    0.1
    """
    fan_in, fan_out = prod(shape[:-1]), prod(shape[:-2]) * shape[-1]
    return rng.normal(0.0, sqrt(2 / (fan_in + fan_out)), shape)


def lecun_normal(shape: Shape, rng: Generator) -> Array:
    """Normal with Var(W) = 1 / fan_in: outputs have the variance of inputs with mean 0.

    For layers followed by Tanh or nothing. LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998,
    section 4.6, equation 16.

    >>> W = lecun_normal((100, 5000), np.random.default_rng(0))
    >>> round(float(W.std()), 2)  # sqrt(1 / 100)
    0.1
    """
    return rng.normal(0.0, sqrt(1 / prod(shape[:-1])), shape)


def orthogonal(shape: Shape, rng: Generator) -> Array:
    """Orthogonal: W.T W = I, or W W.T = I if W has more columns than rows.

    A square W then changes no length: x @ W is as long as x, and a gradient stays as long on its
    way back, through any number of layers without an activation. A kernel is W in the form
    (fan_in, filters). Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks, 2014.

    W is the Q of a QR decomposition of normal numbers. With the sign of R's diagonal in it, Q is
    distributed uniformly over all such matrices; without, it depends on how R's signs are chosen.
    (Mezzadri, How to Generate Random Matrices from the Classical Compact Groups, 2007, section 5.)

    >>> W = orthogonal((5, 3), np.random.default_rng(0))
    >>> bool(abs(W.T @ W - np.eye(3)).max() < 1e-15)
    True
    """
    rows, columns = prod(shape[:-1]), shape[-1]
    Q, R = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    Q = Q * np.copysign(1, np.diagonal(R))
    return (Q if rows >= columns else Q.T).reshape(shape)
