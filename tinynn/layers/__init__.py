"""The layers. Read basic.py: the contract, and the four layers of examples/fashion_mlp.py."""

from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax
from tinynn.layers.rescale import Rescale
from tinynn.layers.reshape import Reshape

LAYERS: dict[str, type[Layer]] = {
    one.__name__: one for one in (Flatten, Dense, ReLU, Softmax, Reshape, Rescale)
}

__all__ = ["LAYERS", "Dense", "Flatten", "Layer", "ReLU", "Rescale", "Reshape", "Softmax"]
