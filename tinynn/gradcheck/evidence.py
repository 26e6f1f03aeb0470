"""What is known of one wrong gradient: what its layer got and gave, and how near a guess comes."""

from dataclasses import dataclass

import numpy as np

from tinynn.gradcheck.rows import Case, Comparison
from tinynn.parameters import Array

CLOSE = 1e-5  # relative; chance does not come that near


@dataclass(frozen=True)
class Evidence:
    """One wrong gradient, in the case that it comes from. The patterns ask it what they must know.

    known: the names of the rows that were found right so far.
    """

    case: Case
    found: Comparison
    known: list[str]

    @property
    def name(self) -> str:
        """Whose it is, and of what: "1.Dense.W"."""
        return self.found.row.name

    @property
    def key(self) -> str:
        """What it is of: "x", a layer's input; "p", the loss'; or the parameter's name."""
        return self.name.rpartition(".")[2]

    @property
    def gradient(self) -> Array:
        """What backward gave."""
        return self.found.gradient

    @property
    def truth(self) -> Array:
        """The finite differences at the probes; nan where none could be taken."""
        return self.found.truth

    @property
    def x(self) -> Array:
        """What the layer got."""
        return self.case.walk.given(self.name)

    @property
    def out(self) -> Array:
        """What the layer returned."""
        return self.case.walk.returned_by(self.name)

    @property
    def dout(self) -> Array:
        """The gradient that came from above."""
        return self.case.walk.douts[self.case.walk.layers[self.name]]

    @property
    def before(self) -> tuple[Array, Array]:
        """The gradient, and x, of the batch before."""
        return self.case.before.gradients[self.name], self.case.before.given(self.name)

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
        """Whether backward is right, and only the half of it that is asked for dx alone is not."""
        return self.gradient is not self.case.walk.gradients[self.name]

    @property
    def parameter(self) -> bool:
        """Whether it is the gradient of a parameter, not of what the layer gets."""
        return self.key in self.old

    def asked(self, guess: Array) -> Array:
        """Return what a gradient says at the probes."""
        return np.array([probe.derivative(guess) for probe in self.found.probes])

    def agrees(self, guess: Array) -> bool:
        """Whether a guess at the right gradient is what the differences say."""
        return guess.shape == self.gradient.shape and close(self.asked(guess), self.truth)

    def given(self, guess: Array) -> bool:
        """Whether a guess at what backward computed is what it gave."""
        return guess.shape == self.gradient.shape and close(guess, self.gradient)

    def entries(self) -> Array | None:
        """Return the truth shaped like the gradient, nan where nobody asked; of directions None."""
        places = [probe.at for probe in self.found.probes]
        if places[0] is ...:
            return None
        truth = np.full(self.gradient.shape, np.nan)
        truth[tuple(np.transpose(places))] = self.truth
        return truth


def close(a: Array, b: Array) -> bool:
    """Whether two arrays agree where both are numbers, measured by the largest of b.

    >>> close(np.array([1.0, np.nan]), np.array([1.000001, 2.0]))
    True
    """
    both = np.isfinite(a) & np.isfinite(b)
    scale = np.abs(b[both]).max(initial=0)
    return bool(both.any() and np.abs(a[both] - b[both]).max() <= CLOSE * scale)
