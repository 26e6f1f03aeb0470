"""Without its library, each part of interop says which line installs it."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType

import pytest


@pytest.fixture
def without() -> Iterator[Callable[[str, str], ModuleType]]:
    """Load tinynn.interop.<subject> anew, as if a library were not installed."""
    before = dict(sys.modules)

    def load(library: str, subject: str) -> ModuleType:
        for name in before:
            if f"{name}.".startswith(f"tinynn.interop.{subject}."):
                del sys.modules[name]
        for name in [library, *(one for one in before if one.startswith(f"{library}."))]:
            sys.modules[name] = None  # importing it raises ImportError
        return import_module(f"tinynn.interop.{subject}")

    yield load
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.parametrize("estimator", ["NeuralNetClassifier", "NeuralNetRegressor"])
def test_an_estimator_without_scikit_learn_names_the_line_that_installs_it(estimator, without):
    with pytest.raises(ImportError, match=rf"{estimator} .* pip install -e '\.\[sklearn\]'"):
        getattr(without("sklearn", "sklearn"), estimator)((10,), epochs=3)
