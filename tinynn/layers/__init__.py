"""The layers. Read basic.py: the contract, and the four layers of examples/fashion_mlp.py."""

from tinynn.layers.activations import ELU, GELU, LeakyReLU, Sigmoid, Tanh
from tinynn.layers.augmentation import GaussianNoise, RandomFlip, RandomShift
from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax
from tinynn.layers.convolution import Conv2D
from tinynn.layers.dropout import Dropout
from tinynn.layers.normalisation import BatchNorm, LayerNorm
from tinynn.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from tinynn.layers.rescale import Rescale
from tinynn.layers.reshape import Reshape

KINDS = (Flatten, Dense, ReLU, Softmax, LeakyReLU, ELU, GELU, Sigmoid, Tanh, Reshape, Rescale,
         Dropout, BatchNorm, LayerNorm, RandomFlip, RandomShift, GaussianNoise,
         Conv2D, MaxPool2D, AveragePool2D, GlobalAveragePool2D)  # fmt: skip
LAYERS: dict[str, type[Layer]] = {one.__name__: one for one in KINDS}

__all__ = [
    "ELU",
    "GELU",
    "LAYERS",
    "AveragePool2D",
    "BatchNorm",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePool2D",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2D",
    "RandomFlip",
    "RandomShift",
    "ReLU",
    "Rescale",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
