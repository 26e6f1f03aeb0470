"""The layers. Read basic.py: the contract, and the four layers of examples/fashion_mlp.py."""

from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax

LAYERS: dict[str, type[Layer]] = {one.__name__: one for one in (Flatten, Dense, ReLU, Softmax)}

__all__ = ["LAYERS", "Dense", "Flatten", "Layer", "ReLU", "Softmax"]
