"""Running statistics of several ranks: those of all their samples together.

BatchNorm's forward on rank r gives mean m_r and variance v_r of its B_r samples. With shares
s_r = B_r / B, the law of total variance gives those of all B samples:

    mean = sum_r s_r m_r        var = sum_r s_r (v_r + (m_r - mean)^2)

The mean of the v_r alone would leave out how far the m_r are apart.
"""

import numpy as np

from tinynn.errors import InputError
from tinynn.layers import Layer
from tinynn.model import Sequential
from tinynn.parameters import Array


def combined(shares: Array, means: Array, variances: Array) -> tuple[Array, Array]:
    """Return mean (C,) and variance (C,) of all samples, given shares (R,), and (R, C) of ranks.

    >>> combined(np.array([0.5, 0.5]), np.array([[1.0], [3.0]]), np.array([[0.0], [2.0]]))
    (array([2.]), array([2.]))
    """
    weights = shares[:, None]  # (R, 1)
    mean = (weights * means).sum(axis=0)
    return mean, (weights * (variances + np.square(means - mean))).sum(axis=0)


class RunningStatistics:
    """The buffers of a model that several ranks train; they are equal on all before each step."""

    def __init__(self, model: Sequential) -> None:
        self.model = model
        self.before = model.buffers.copy()

    def own(self) -> Array:
        """Return what this rank's forward has measured, as one vector of means and variances."""
        parts = [np.ravel(part) for one in self._layers() for part in one.batch_statistics[:2]]
        return np.concatenate([np.empty(0), *parts])

    def update(self, shares: Array, of_all: Array, grown: float) -> None:
        """Update the buffers as they were before the step by the statistics of all samples.

        shares: of the samples, for each rank with some (R,). of_all: what `own` returned there, a
        row each. grown: how many times as many samples all have as this rank has.
        """
        layers, start = self._layers(), 0
        self._refuse_unknown(layers)
        self.model.buffers = self.before
        for layer in layers:
            mean, var, n = layer.batch_statistics
            columns = np.split(of_all[:, start : start + 2 * mean.size], 2, axis=1)
            start += 2 * mean.size
            pair = combined(shares, *columns)
            layer.update_running(
                *(
                    new.reshape(old.shape).astype(old.dtype)
                    for new, old in zip(pair, (mean, var), strict=True)
                ),
                round(n * grown),
            )
        self.before = self.model.buffers.copy()

    def _layers(self) -> list[Layer]:
        """Return the layers whose forward has measured a batch."""
        return [
            layer
            for layer in self.model.layers
            if layer.trainable and "batch_statistics" in vars(layer)
        ]

    def _refuse_unknown(self, known: list[Layer]) -> None:
        """Raise InputError if another layer has changed its buffers: how do several combine?"""
        views, start = self.model.named_buffers(), 0
        names = {f"{layer.name}.{name}" for layer in known for name in layer.buffers()}
        for name, view in views.items():
            before = self.before[start : start + view.size]
            start += view.size
            if name not in names and view.tobytes() != before.tobytes():
                raise InputError(
                    f"{name} changes in training, and DataParallel does not know how those of "
                    "several ranks combine. If it averages over the batch, write in forward "
                    "self.batch_statistics = mean, var, n (of its n numbers), and a method "
                    "update_running(mean, var, n) that updates the buffers, as BatchNorm does."
                )
