"""The losses. Read basic.py: the contract, and the three most used losses.

Each further family has a file: regression.py (numbers), binary.py (yes or no, for two classes or
for several labels).
"""

from tinynn.losses.basic import CrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from tinynn.losses.binary import BinaryCrossEntropy, SigmoidCrossEntropy
from tinynn.losses.regression import Huber, MeanAbsoluteError

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
]
