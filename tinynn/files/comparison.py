"""Are two models the same? Structure, parameters and buffers, byte by byte."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration_json import unequal
from tinynn.files.atomic import PathLike
from tinynn.files.models import arrays_of, load_model
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.reports import Report


@dataclass(frozen=True, repr=False)
class ModelComparison(Report):
    """The result of `compare_models`. Shows as a report; `identical` is True or False.

    arrays, values: how many were compared. differences: a line for each difference.

    >>> print(ModelComparison(arrays=2, values=8, differences=("input_shape[0]: 3 against 4",)))
    DIFFERENT: compared structure, and 8 values in 2 arrays, byte by byte
      input_shape[0]: 3 against 4
    """

    arrays: int
    values: int
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether the structure and every byte of all parameters and buffers are the same."""
        return not self.differences

    def __str__(self) -> str:
        compared = f"structure, and {self.values:,} values in {self.arrays} arrays, byte by byte"
        if self.identical:
            return f"identical: compared {compared}"
        return "\n  ".join([f"DIFFERENT: compared {compared}", *self.differences])


@checks.short_traceback
def compare_models(
    a: Sequential | PathLike,
    b: Sequential | PathLike,
    layers: Iterable[Callable[..., Any]] = (),
) -> ModelComparison:
    """Compare the structure and all numbers of two models. a, b: models, or paths of model files.

    layers: your own Layer classes and initializers that the files use, as in `load_model`.
    Parameters and buffers are compared as bytes: -0.0 differs from 0.0. Seeds are not compared.
    Raises the same errors as `load_model`.

    >>> from tinynn import Dense
    >>> a, b = (Sequential([Dense(2)], input_shape=(3,)) for _ in range(2))
    >>> print(compare_models(a, b))
    identical: compared structure, and 8 values in 2 arrays, byte by byte
    >>> b.layers[0].W[1, 0] = 7
    >>> compare_models(a, b).identical
    False
    """
    layers = checks.own_classes(layers)
    a = a if isinstance(a, Sequential) else load_model(a, layers)
    b = b if isinstance(b, Sequential) else load_model(b, layers)
    differences = unequal({**a.config(), "seed": None}, {**b.config(), "seed": None})
    weights, others = arrays_of(a), arrays_of(b)
    for name in [*weights, *(name for name in others if name not in weights)]:
        differences += _difference(name, weights.get(name), others.get(name))
    return ModelComparison(len(weights), a.params.size + a.buffers.size, tuple(differences))


def _difference(name: str, a: Array | None, b: Array | None) -> list[str]:
    """Return one line that says how two arrays of one name differ; no line if they are equal."""
    if a is None or b is None:
        return [f"{name}: only in the {'second' if a is None else 'first'}"]
    if a.shape != b.shape or a.dtype != b.dtype:
        return [f"{name}: {a.dtype} {a.shape} against {b.dtype} {b.shape}"]
    bits = f"u{a.itemsize}"
    differing = np.argwhere(
        np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)
    )
    if not len(differing):
        return []
    at = tuple(map(int, differing[0]))
    share = f"{len(differing):,} of {a.size:,} values"
    return [f"{name}: {share}, first at {at}: {a[at]} against {b[at]}"]
