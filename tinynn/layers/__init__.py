"""The layers. Read basic.py: the contract, and the four layers of examples/fashion_mlp.py."""

from tinynn.layers.activations import ELU, GELU, LeakyReLU, Sigmoid, Tanh
from tinynn.layers.augmentation import GaussianNoise, RandomFlip, RandomShift
from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax
from tinynn.layers.dropout import Dropout
from tinynn.layers.normalisation import BatchNorm, LayerNorm
from tinynn.layers.rescale import Rescale
from tinynn.layers.reshape import Reshape

KINDS = (Flatten, Dense, ReLU, Softmax, LeakyReLU, ELU, GELU, Sigmoid, Tanh, Reshape, Rescale,
         Dropout, BatchNorm, LayerNorm, RandomFlip, RandomShift, GaussianNoise)  # fmt: skip
LAYERS: dict[str, type[Layer]] = {one.__name__: one for one in KINDS}

__all__ = [
    "ELU",
    "GELU",
    "LAYERS",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "RandomFlip",
    "RandomShift",
    "ReLU",
    "Rescale",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
