"""How a statistic changes from layer to layer."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class ChangeByDepth:
    """How a number changes from layer to layer.

    values: the number at each layer, in order: forward, or backward from the loss.
    """

    values: dict[str, float]

    @property
    def factor(self) -> float:
        """The last number divided by the first."""
        first, *_, last = self.values.values()
        return last / first

    @property
    def distance(self) -> float:
        """|log(factor)|: the same for a tenth and for ten times; infinite for a factor of 0."""
        with np.errstate(divide="ignore"):
            return abs(float(np.log(self.factor)))

    def __str__(self) -> str:
        (first, begins), *_, (last, ends) = self.values.items()
        pairs = list(pairwise(self.values.items()))
        steepest = max(
            (ChangeByDepth(dict(pair)) for pair in pairs), key=lambda pair: pair.distance
        )
        if len(pairs) > 1 and not steepest.distance < 0.6 * self.distance < np.inf:
            where = "most of it from {} to {}".format(*steepest.values)
        else:
            where = f"a factor of about {self.factor ** (1 / len(pairs)):.2g} a layer"
        return f"from {begins:.2g} ({first}) to {ends:.2g} ({last}): {where}"


def largest_change(values: dict[str, float]) -> ChangeByDepth | None:
    """Return the change from the first layer to the one that differs most from it, or None.

    >>> print(largest_change({"4.Dense": 0.3, "2.Dense": 0.03, "0.Dense": 0.003}))
    from 0.3 (4.Dense) to 0.003 (0.Dense): a factor of about 0.1 a layer
    >>> print(largest_change({"4.Dense": 0.3, "2.Dense": 0.2, "0.Dense": 0.002}))
    from 0.3 (4.Dense) to 0.002 (0.Dense): most of it from 2.Dense to 0.Dense
    """
    names = list(values)
    if len(names) < 2 or not 1e-30 < values[names[0]] < np.inf:
        return None
    changes = [
        ChangeByDepth({name: values[name] for name in names[: end + 1]})
        for end in range(1, len(names))
    ]
    return max(changes, key=lambda change: change.distance)
