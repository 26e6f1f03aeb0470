"""NeuralNetClassifier: one class of several, or any number of labels."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from tinynn.errors import InputError
from tinynn.functions import softmax
from tinynn.interop.sklearn.arguments import fresh, made
from tinynn.interop.sklearn.base import ClassifierMixin
from tinynn.interop.sklearn.estimator import NeuralNet
from tinynn.logistic import sigmoid
from tinynn.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from tinynn.optimizers import Adam
from tinynn.parameters import Array

Self = TypeVar("Self", bound="NeuralNetClassifier")


class NeuralNetClassifier(ClassifierMixin, NeuralNet):
    """A network that predicts classes: one of C, or, for y (N, K) of 0 and 1, any of K labels.

    layers: the hidden layers. Either widths, default (100,): Dense and ReLU for each; () for none.
        Or a list of tinynn's layers, which are copied (of model.layers[:-2] only the arguments,
        not the weights). A Dense with an output for each class is put after them, and Softmax
        or Sigmoid if the loss needs it.
    loss: a Loss; default None, SoftmaxCrossEntropy, or SigmoidCrossEntropy for labels. Of two
        classes, a loss of yes or no has the second, classes_[1], as yes.
    optimizer: an Optimizer or its class; default Adam. A search can set optimizer__learning_rate.
    epochs: default 100. batch_size: default 32.
    validation_fraction: the share of the samples that `fit` holds out of training, from each class
        alike, and scores after each epoch: val_loss and val_accuracy in history_. Default 0.
    callbacks: default (). `fit` uses copies: callbacks_. EarlyStopping() needs validation_fraction,
        or monitor="loss".
    class_weight: the weight of each class by its label; a class that is not named has 1.
        "balanced": N / (C times its number of samples). Default None, all 1. For labels see
        sklearn.utils.class_weight.compute_sample_weight. They are multiplied by sample_weight.
    random_state: decides the initial weights, the samples held out, their order and all masks; the
        same whole number gives the same bits. Default None: other ones each time.

    X: (N, F), an array, a DataFrame, or a sparse matrix, of which only batches are made dense. The
    network computes in float32 if X is float32, otherwise in float64. Scale X, for instance by a
    StandardScaler before this in a Pipeline.

    After fit: classes_ (C,); model_, the Sequential, for save_model and so on; history_, the
    History; loss_curve_, the training loss of each epoch; callbacks_; n_features_in_;
    feature_names_in_, if X is a DataFrame.

    >>> X = np.array([[-1.0], [-0.5], [0.5], [1.0]] * 10)
    >>> y = np.array(["below", "below", "above", "above"] * 10)
    >>> net = NeuralNetClassifier((8,), optimizer=Adam(0.02), epochs=40, random_state=1).fit(X, y)
    >>> net.predict([[-0.7], [0.7]])
    array(['below', 'above'], dtype='<U5')
    >>> net.score(X, y)
    1.0
    """

    classes_: Array

    def __init__(
        self, layers: Any = (100,), *, loss: Any = None, optimizer: Any = Adam, epochs: int = 100,
        batch_size: int = 32, validation_fraction: float = 0.0, callbacks: Any = (),
        class_weight: Any = None, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.layers = layers
        self.loss = loss
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.class_weight = class_weight
        self.random_state = random_state

    def partial_fit(
        self: Self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train for one more epoch, on these samples alone; return the estimator.

        classes: all classes that will ever come; needed at the first call, unless `fit` came before
        or y has several labels. The optimizer goes on with its state. Nothing is held out, whatever
        validation_fraction is, and callbacks that compare epochs, as EarlyStopping does, are not
        called. class_weight="balanced" balances the samples of this call.
        """
        labels = np.shape(y)[1:] not in ((), (1,))
        if not (hasattr(self, "model_") or classes is not None or labels):
            raise InputError("classes must be passed on the first call to partial_fit.")
        return self._train(X, y, sample_weight, partial=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """Return the class of each sample (N,); of labels, 1 for each that is likely, (N, K)."""
        p = self.predict_proba(X)
        return (p > 0.5).astype(int) if self._several else self.classes_[p.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class (N, C), in the order of classes_."""
        p = self._predicted(X)
        if self._loss.boundary is None:
            return softmax(p) if self._loss.takes == "logits" else p
        p = sigmoid(p) if self._loss.takes == "logits" else p
        return p if self._several else np.hstack([1 - p, p])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        loss = made(self.loss)
        yes_or_no = getattr(loss, "boundary", None) is not None
        tags.classifier_tags.multi_class = not yes_or_no
        tags.classifier_tags.multi_label = yes_or_no or loss is None
        return tags

    def _targets(self, y: Any, new: bool, classes: Any = None) -> Array:
        """Return the number of each sample's class (N,), or 0 and 1 for labels (N, K)."""
        from sklearn.utils.multiclass import check_classification_targets, type_of_target
        from sklearn.utils.validation import column_or_1d

        check_classification_targets(y)
        kind = type_of_target(y)
        if "multioutput" in kind:
            raise InputError(f"y is {kind}: a network predicts one class, or labels of 0 and 1.")
        several = kind == "multilabel-indicator"
        if several:
            y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        else:
            y = column_or_1d(y, warn=True)
        given = np.unique(classes) if classes is not None else None
        if new:
            found = np.arange(y.shape[1]) if several else np.unique(y)
            self.classes_ = found if given is None else given
            self._several = several
            if len(self.classes_) < 2 and not several:
                raise InputError(f"y has 1 class, {self.classes_[0]}; a classifier needs two.")
        elif given is not None and not np.array_equal(given, self.classes_):
            raise InputError(f"classes were {self.classes_} at first, and are now {given}.")
        if several != self._several or (several and y.shape[1] != len(self.classes_)):
            raise InputError(
                f"y is {kind}, of shape {y.shape}, which does not fit the classes {self.classes_} "
                "of the first call."
            )
        if several:
            return y.astype(np.float64)
        known = np.isin(y, self.classes_)
        if not known.all():
            raise InputError(f"y has {y[~known][0]}, which is not in classes: {self.classes_}.")
        return np.searchsorted(self.classes_, y)

    def _weights(self, y: Array, sample_weight: Any, partial: bool) -> Array | None:
        from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

        weights = super()._weights(y, sample_weight, partial)
        one_class = weights is not None and not self._several and len({*y[weights > 0]}) < 2
        if one_class and not partial:  # a part may lack classes
            raise InputError("Only one class has a sample whose sample_weight is above zero.")
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, Mapping) and not self._several:
            known = self.classes_
            of_samples = compute_class_weight(self.class_weight, classes=known, y=known)[y]
        else:
            of_samples = compute_sample_weight(self.class_weight, y)
        return of_samples if weights is None else weights * of_samples

    def _fitting_loss(self, y: Array) -> Loss:
        default = SigmoidCrossEntropy if self._several else SoftmaxCrossEntropy
        loss = fresh(default if self.loss is None else self.loss, Loss, "loss")
        if self._several and loss.boundary is None:
            raise InputError(f"{loss!r} does not fit labels of 0 and 1: use SigmoidCrossEntropy().")
        if loss.boundary is None and not loss.classifies:
            raise InputError(f"{loss!r} is no loss of classes: use CrossEntropy().")
        if not self._several and loss.boundary is not None and len(self.classes_) > 2:
            raise InputError(
                f"Only binary classification is supported. {loss!r} is for two classes, or for "
                f"labels of 0 and 1, but y has {len(self.classes_)} classes: use CrossEntropy()."
            )
        return loss

    def _outputs(self, y: Array) -> int:
        one = self._loss.boundary is not None and not self._several
        return 1 if one else len(self.classes_)

    def _as_loss_takes(self, y: Array) -> Array:
        return y[:, None] if self._loss.boundary is not None and not self._several else y
