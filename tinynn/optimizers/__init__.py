"""The optimizers. Read basic.py first: the contract, gradient descent and Adam."""

from tinynn.optimizers.adamw import AdamW
from tinynn.optimizers.basic import SGD, Adam, Optimizer
from tinynn.optimizers.rmsprop import RMSProp

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSProp"]
