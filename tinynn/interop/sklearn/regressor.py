"""NeuralNetRegressor: a number for each sample, or several."""

from typing import Any, TypeVar

from tinynn.errors import InputError
from tinynn.interop.sklearn.arguments import fresh
from tinynn.interop.sklearn.base import RegressorMixin
from tinynn.interop.sklearn.estimator import NeuralNet
from tinynn.losses import Loss, MeanSquaredError
from tinynn.optimizers import Adam
from tinynn.parameters import Array

Self = TypeVar("Self", bound="NeuralNetRegressor")


class NeuralNetRegressor(RegressorMixin, NeuralNet):
    """A network that predicts a number for each sample, or, for y (N, K), K numbers.

    layers, optimizer, epochs, batch_size, callbacks, random_state, X, and what it has after fit: as
    in NeuralNetClassifier, but for classes. The output layer is a Dense with K outputs.
    loss: a Loss of numbers; default None, MeanSquaredError.
    validation_fraction: the share of the samples that `fit` holds out of training, at random.

    Scale y too if it is far from the size of 1: sklearn.compose.TransformedTargetRegressor.

    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> net = NeuralNetRegressor((), optimizer=Adam(0.05), random_state=0).fit(X, 3 * X[:, 0] + 1)
    >>> net.predict([[0.5]]).round(2)
    array([2.5])
    """

    def __init__(
        self, layers: Any = (100,), *, loss: Any = None, optimizer: Any = Adam, epochs: int = 100,
        batch_size: int = 32, validation_fraction: float = 0.0, callbacks: Any = (),
        random_state: Any = None,
    ) -> None:  # fmt: skip
        self.layers = layers
        self.loss = loss
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.random_state = random_state

    def partial_fit(self: Self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch, on these samples alone; return the estimator.

        The optimizer goes on with its state. Nothing is held out, whatever validation_fraction is,
        and callbacks that compare epochs, as EarlyStopping does, are not called.
        """
        return self._train(X, y, sample_weight, partial=True)

    def predict(self, X: Any) -> Array:
        """Return the number of each sample (N,); if y had several columns, (N, K)."""
        p = self._predicted(X)
        return p[:, 0] if self._single else p

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _targets(self, y: Array, new: bool) -> Array:
        """Return y (N, K)."""
        from sklearn.utils.validation import column_or_1d

        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if new:
            self._single = y.ndim == 1
        return y.reshape(len(y), -1)

    def _fitting_loss(self, y: Array) -> Loss:
        loss = fresh(MeanSquaredError if self.loss is None else self.loss, Loss, "loss")
        if loss.classifies or loss.boundary is not None:
            raise InputError(f"{loss!r} is no loss of numbers: use MeanSquaredError().")
        return loss

    def _outputs(self, y: Array) -> int:
        return y.shape[1]

    def _as_loss_takes(self, y: Array) -> Array:
        return y
