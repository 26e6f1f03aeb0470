"""What the classifier and the regressor share: arguments, training, and prediction."""

import copy
from typing import Any, TypeVar

import numpy as np

from tinynn import checks
from tinynn.batches import stratified_split
from tinynn.configuration import Configured
from tinynn.errors import InputError
from tinynn.interop.sklearn.arguments import changed, fresh, hidden_layers, made
from tinynn.interop.sklearn.base import BaseEstimator, RegressorMixin
from tinynn.interop.sklearn.inputs import readable
from tinynn.interop.sklearn.one_thread import ONE_THREAD
from tinynn.interop.sklearn.sparse import as_rows
from tinynn.layers import Dense, Layer, Sigmoid, Softmax
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.training.history import History
from tinynn.training.monitor import Monitor
from tinynn.training.run import Callback
from tinynn.training.trainer import Trainer

Self = TypeVar("Self", bound="NeuralNet")
NESTED = {"loss": Loss, "optimizer": Optimizer}  # a search may set their own arguments
LAST: dict[str, list[type[Layer]]] = {  # layers at the end, by what the loss takes
    "probabilities": [Softmax],
    "independent probabilities": [Sigmoid],
}
ACCEPTED: dict[str, Any] = {  # X: float32 stays, all else becomes float64
    "accept_sparse": "csr", "dtype": (np.float64, np.float32), "order": "C",
}  # fmt: skip


class NeuralNet(BaseEstimator):
    """What NeuralNetClassifier and NeuralNetRegressor have in common."""

    layers: Any
    loss: Any
    optimizer: Any
    epochs: int
    batch_size: int
    validation_fraction: float
    callbacks: Any
    random_state: Any
    model_: Sequential
    history_: History

    def fit(self: Self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network on X (N, F) and y; return the estimator.

        sample_weight: the weight of each sample (N,), 0 or more, not all 0; default None.
        Raises ValueError if arguments or data do not fit, TrainingDiverged as Trainer.fit.
        """
        self.__dict__.pop("model_", None)  # if this training fails, the estimator is not fitted
        return self._train(X, y, sample_weight, partial=False)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments by name; with deep=True also optimizer__learning_rate and so on."""
        params = super().get_params(deep)
        for name in NESTED if deep else ():
            inner = made(params[name])
            for key, value in inner.config().items() if isinstance(inner, Configured) else ():
                params[f"{name}__{key}"] = value
        return params

    def set_params(self: Self, **params: Any) -> Self:
        """Set arguments by name; optimizer__learning_rate=0.01 makes an optimizer with that rate.

        Raises ValueError for a name that does not exist.
        """
        parts = {key: key.partition("__") for key in params}
        nested = {key for key, (name, inner, _) in parts.items() if inner and name in NESTED}
        super().set_params(**{key: value for key, value in params.items() if key not in nested})
        for name, base in NESTED.items():
            given = {parts[key][2]: params[key] for key in nested if parts[key][0] == name}
            if given:
                setattr(self, name, changed(made(getattr(self, name)), given, name, base))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _train(
        self: Self, X: Any, y: Any, sample_weight: Any, partial: bool, **classes: Any
    ) -> Self:  # fmt: skip
        """Train a new model; or, if there is one, train it on. classes: those of partial_fit."""
        from sklearn.utils.validation import validate_data

        new = not hasattr(self, "model_")
        numbers = isinstance(self, RegressorMixin)
        with readable(X, y, numbers):
            X, y = validate_data(
                self, X, y, reset=new, **ACCEPTED, multi_output=True, y_numeric=numbers
            )
        y = self._targets(y, new, **classes)
        weights = self._weights(y, sample_weight, partial)
        if new:
            self._begin(X, y)
        data = [X, self._as_loss_takes(y), *([] if weights is None else [weights])]
        validation = None
        if self.validation_fraction and not partial:
            rest, drawn = self._split(y, self.validation_fraction)
            validation = tuple(as_rows(each[drawn]) for each in data)
            data = [each[rest] for each in data]
        x, targets, *of_samples = map(as_rows, data)
        least = max(self._model.layers, key=lambda layer: layer.least_samples())
        if len(targets) < least.least_samples():
            raise InputError(f"{least.name} cannot be trained with n_samples={len(targets)}.")
        trainer = Trainer(self._model, self._loss, self._optimizer, seed=self._seed)
        trainer.history = self._history  # its epochs go on being counted: each has its own order
        # a Monitor compares the epochs of one fit
        callbacks = [c for c in self.callbacks_ if not (partial and isinstance(c, Monitor))]
        with ONE_THREAD.in_blas():
            trainer.fit(
                x, targets, 1 if partial else self.epochs, self.batch_size, validation, callbacks,
                sample_weight=of_samples[0] if of_samples else None,
            )  # fmt: skip
        self.model_, self.history_ = self._model, self._history
        self.loss_curve_ = self.history_["loss"]
        return self

    def _begin(self, X: Any, y: Array) -> None:
        """Make the model and what trains it, all of it new."""
        from sklearn.utils import check_random_state

        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._loss = self._fitting_loss(y)
        self._optimizer = fresh(self.optimizer, Optimizer, "optimizer")
        self.callbacks_ = copy.deepcopy(checks.instances(self.callbacks, Callback, "callbacks"))
        last = LAST.get(self._loss.takes, ())
        layers = [
            *hidden_layers(self.layers),
            Dense(self._outputs(y)),
            *(layer() for layer in last),
        ]
        self._model = Sequential(layers, (X.shape[1],), seed=self._seed, dtype=X.dtype)
        self._history = History()

    def _split(self, y: Array, share: float) -> tuple[Array, Array]:
        """Return the numbers of samples to train on, and of those that are held out."""
        share = checks.check_unit_interval("validation_fraction", share)
        size = int(np.ceil(share * len(y)))
        if size >= len(y):
            raise InputError(
                f"validation_fraction={share} of n_samples={len(y)} leaves none to train on."
            )
        labels = y if y.ndim == 1 else np.zeros(len(y))  # of classes, each gives its share
        return stratified_split(labels, size, np.random.default_rng(self._seed))

    def _weights(self, y: Array, sample_weight: Any, partial: bool) -> Array | None:
        """Return the weights of the samples (N,); None if there are none."""
        if sample_weight is None:
            return None
        weights = checks.weights(sample_weight, len(y), np.float64, "sample_weight")
        if not weights.any():
            raise InputError("sample_weight is zero for all samples, so none of them counts.")
        return weights

    def _predicted(self, X: Any) -> Array:
        """Return what the model predicts for X (N, F): (N, K)."""
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self, "model_")
        with readable(X):
            rows = as_rows(validate_data(self, X, reset=False, **ACCEPTED))
        with ONE_THREAD.in_blas():
            return self.model_.predict(rows)
