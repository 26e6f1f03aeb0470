"""The losses. Read basic.py: the contract, and the three most used losses."""

from tinynn.losses.basic import CrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy

__all__ = ["CrossEntropy", "Loss", "MeanSquaredError", "SoftmaxCrossEntropy"]
