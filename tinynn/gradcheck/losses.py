"""The usual mistake of a loss: its backward forgets an argument on which its forward depends."""

import copy

import numpy as np

from tinynn.gradcheck.evidence import Evidence
from tinynn.losses import Loss


def ignored(evidence: Evidence) -> str:
    """Backward of a loss takes no notice of an argument, or of weights, on which forward depends.

    Each argument that is a number, or numbers, is halved on a copy of the loss.
    """
    loss, p, y = evidence.case.owner(evidence.name), evidence.x, evidence.case.walk.y
    if not isinstance(loss, Loss):
        return ""
    if len(y) > 1 and evidence.is_computed(np.asarray(loss.backward(p.copy(), y[0]))):
        return "It is the same without the weights of samples: multiply sample n by weights[n]."
    for name, value in loss.config().items():
        numbers = isinstance(value, (float, list, tuple, np.ndarray))
        if not numbers or np.asarray(value).dtype.kind not in "if" or not np.any(value):
            continue
        halved = copy.deepcopy(loss)
        vars(halved)[name] = (np.asarray(value) / 2).tolist()
        try:
            same = evidence.is_computed(np.asarray(halved.backward(p.copy(), *y)))
            differs = halved.forward(p.copy(), *y) != loss.forward(p.copy(), *y)
        except ValueError:  # the loss accepts no such argument
            continue
        if same and differs:
            return f"forward depends on {name}, but backward does not. Is {name} missing there?"
    return ""
