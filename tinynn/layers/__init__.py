"""The layers. Read basic.py: the contract, and the four layers of examples/fashion_mlp.py."""

from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax
from tinynn.layers.normalisation import BatchNorm, LayerNorm

LAYERS: dict[str, type[Layer]] = {
    one.__name__: one for one in (Flatten, Dense, ReLU, Softmax, BatchNorm, LayerNorm)
}

__all__ = ["LAYERS", "BatchNorm", "Dense", "Flatten", "Layer", "LayerNorm", "ReLU", "Softmax"]
