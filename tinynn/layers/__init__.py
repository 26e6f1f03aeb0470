"""The layers. Read basic.py: the contract, and the four that the main job is made of."""

from tinynn.layers.basic import Dense, Flatten, Layer, ReLU, Softmax

LAYERS: dict[str, type[Layer]] = {one.__name__: one for one in (Flatten, Dense, ReLU, Softmax)}

__all__ = ["LAYERS", "Dense", "Flatten", "Layer", "ReLU", "Softmax"]
