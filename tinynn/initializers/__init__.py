"""Initial weights. Read basic.py: what matters, and the functions that most networks need.

An initializer is called with a shape and a random Generator, and returns an array: a function, or
an object with arguments of its own, such as normal(std=0.01), which files keep with them.
"""

from collections.abc import Callable
from typing import TypeAlias

from tinynn.initializers.basic import glorot_uniform, he_normal, zeros
from tinynn.initializers.fixed import constant, normal
from tinynn.initializers.scaled import glorot_normal, he_uniform, lecun_normal, orthogonal
from tinynn.parameters import Array, Generator, Shape

Initializer: TypeAlias = Callable[[Shape, Generator], Array]
INITIALIZERS: dict[str, Initializer | type] = {
    f.__name__: f
    for f in (
        *(zeros, glorot_uniform, he_normal),
        *(he_uniform, glorot_normal, lecun_normal, orthogonal),
        *(normal, constant),
    )
}

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "normal",
    "orthogonal",
    "zeros",
]
