"""The classes of scikit-learn that an estimator is made of; stand-ins where it is missing."""

from typing import Any

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
except ImportError:  # this file can still be read, as for the reference of all names

    class BaseEstimator:  # type: ignore[no-redef]
        """Tells what is missing when an estimator is made."""

        def __new__(cls, *arguments: Any, **named: Any) -> "BaseEstimator":
            """Raise ImportError."""
            raise ImportError(
                f"{cls.__name__} needs scikit-learn. In the folder of the checkout: "
                "pip install -e '.[sklearn]'"
            )

    class ClassifierMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

    class RegressorMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""


__all__ = ["BaseEstimator", "ClassifierMixin", "RegressorMixin"]
