"""What is known of one wrong gradient: its layer's arrays, and how close a guess comes."""

from dataclasses import dataclass

import numpy as np

from tinynn.gradcheck.rows import Case, Comparison
from tinynn.parameters import Array

CLOSE = 1e-5  # relative: nothing comes as close as this by chance


@dataclass(frozen=True)
class Evidence:
    """One wrong gradient with its Case: all that the patterns need.

    known: the names of the rows that were found right so far.
    """

    case: Case
    found: Comparison
    known: list[str]

    @property
    def name(self) -> str:
        """The name of the row: the layer, and the array that the gradient is of: "1.Dense.W"."""
        return self.found.row.name

    @property
    def key(self) -> str:
        """The array that the gradient is of: "x", "p" (of the loss), or a parameter's name."""
        return self.name.rpartition(".")[2]

    @property
    def gradient(self) -> Array:
        """The gradient that backward computed."""
        return self.found.gradient

    @property
    def truth(self) -> Array:
        """The finite differences at the probes; nan where none could be taken."""
        return self.found.truth

    @property
    def x(self) -> Array:
        """The layer's input."""
        return self.case.walk.input_of(self.name)

    @property
    def out(self) -> Array:
        """The layer's output."""
        return self.case.walk.output_of(self.name)

    @property
    def dout(self) -> Array:
        """The gradient that the layer got from the layer above."""
        return self.case.walk.douts[self.case.walk.layers[self.name]]

    @property
    def before(self) -> tuple[Array, Array]:
        """The gradient, and x, of the batch before."""
        return self.case.before.gradients[self.name], self.case.before.input_of(self.name)

    @property
    def old(self) -> dict[str, Array]:
        """The layer's parameters before backward."""
        return self._of_layer(self.case.untouched.named_parameters())

    @property
    def new(self) -> dict[str, Array]:
        """The layer's parameters after backward, which should not have changed them."""
        return self._of_layer(self.case.walk.new)

    def _of_layer(self, parameters: dict[str, Array]) -> dict[str, Array]:
        owner = self.name.rpartition(".")[0]
        split = {name: name.rpartition(".") for name in parameters}
        return {key: parameters[name] for name, (who, _, key) in split.items() if who == owner}

    @property
    def right(self) -> list[str]:
        """The keys of this layer's gradients that were found right so far."""
        owner = self.name.rpartition(".")[0]
        return [key for key in self.old if f"{owner}.{key}" in self.known]

    @property
    def half(self) -> bool:
        """Whether backward is right, and only input_gradient, called alone, is wrong."""
        return self.gradient is not self.case.walk.gradients[self.name]

    @property
    def parameter(self) -> bool:
        """Whether it is the gradient of a parameter, not of the layer's input."""
        return self.key in self.old

    def at_probes(self, guess: Array) -> Array:
        """Return the derivatives at the probes, according to a gradient."""
        return np.array([probe.derivative(guess) for probe in self.found.probes])

    def is_right(self, guess: Array) -> bool:
        """Whether a guess at the right gradient agrees with the differences."""
        return guess.shape == self.gradient.shape and close(self.at_probes(guess), self.truth)

    def is_computed(self, guess: Array) -> bool:
        """Whether a guess at what backward computed agrees with its gradient."""
        return guess.shape == self.gradient.shape and close(guess, self.gradient)

    def entries(self) -> Array | None:
        """Return the truth in the gradient's shape, nan where no probe is; None for directions."""
        single = [k for k, probe in enumerate(self.found.probes) if probe.unit.ndim == 0]
        if not single:
            return None
        truth = np.full(self.gradient.shape, np.nan)
        places = [self.found.probes[k].at for k in single]
        truth[tuple(np.transpose(places))] = self.truth[single]
        return truth


def close(a: Array, b: Array) -> bool:
    """Whether two arrays agree where both are numbers, measured by the largest of b.

    >>> close(np.array([1.0, np.nan]), np.array([1.000001, 2.0]))
    True
    """
    both = np.isfinite(a) & np.isfinite(b)
    scale = np.abs(b[both]).max(initial=0)
    return bool(both.any() and np.abs(a[both] - b[both]).max() <= CLOSE * scale)
