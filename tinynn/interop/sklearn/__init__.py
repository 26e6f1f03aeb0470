"""Networks as scikit-learn's estimators, for its pipelines, searches and cross-validation.

    pip install -e '.[sklearn]'

An estimator makes a Sequential and a Trainer from its arguments and the data, and changes neither:

    layers -> hidden layers, then the output layer that data and loss ask for -> Sequential
    optimizer, loss, callbacks -> fresh copies -> Trainer.fit -> model_, history_

N samples, F features, C classes, K outputs.
"""

from tinynn.interop.sklearn.classifier import NeuralNetClassifier
from tinynn.interop.sklearn.regressor import NeuralNetRegressor

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]
