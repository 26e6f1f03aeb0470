"""The optimizers. Read basic.py: the contract, gradient descent and Adam."""

from tinynn.optimizers.basic import SGD, Adam, Optimizer

__all__ = ["SGD", "Adam", "Optimizer"]
