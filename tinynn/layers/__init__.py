"""The layers. Read basic.py: the contract, and the four layers of examples/fashion_mlp.py."""

from tinynn.layers.activations import ELU, GELU, LeakyReLU, Sigmoid, Tanh
from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax

LAYERS: dict[str, type[Layer]] = {
    one.__name__: one
    for one in (
        *(Flatten, Dense, ReLU, Softmax),
        *(LeakyReLU, ELU, GELU, Sigmoid, Tanh),
    )
}

__all__ = [
    "ELU",
    "GELU",
    "LAYERS",
    "Dense",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
