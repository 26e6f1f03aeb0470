"""Two steps of someone's code, in the form in which the patterns of gradcheck read them.

The patterns know layers whose samples are rows: x (B, D), W (D, U), b (U,). So code whose samples
are columns is transposed for them, and a b of shape (1, U) or (U, 1) loses an axis.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinynn.clinic.subject import Step, Subject
from tinynn.gradcheck.evidence import Evidence, close
from tinynn.gradcheck.finite_differences import derivatives, entries
from tinynn.gradcheck.rows import Comparison, row_of
from tinynn.gradcheck.walk import Recording, Walk
from tinynn.parameters import Array

SAMPLE = 144  # entries of a large array


@dataclass(frozen=True)
class Parameters:
    """Arrays by name, as a model has them."""

    arrays: dict[str, Array]

    def named_parameters(self) -> dict[str, Array]:
        """Return them."""
        return self.arrays


@dataclass(frozen=True)
class FunctionCase:
    """Code, the step to be checked, and the step before it, with other inputs.

    x: the name of the first input, "" if there is none. columns: whether samples are columns.
    """

    subject: Subject
    x: str
    dout: Any
    step: Step
    other: dict[str, Array]
    step_before: Step
    columns: bool
    tolerance: float
    size: float  # of the step h of a difference, times 1e-5

    @property
    def of_loss(self) -> bool:
        """Whether the output is one number."""
        return not np.ndim(self.step.out)

    def key(self, name: str) -> str:
        """Return the name that patterns know: x, or p for what a loss gets."""
        if name != self.x:
            return name
        return "p" if self.of_loss else "x"

    def owner(self, name: str) -> Any:
        """Return the code itself: no layer, no loss."""
        return self.subject

    @cached_property
    def walk(self) -> Walk:
        """The step to be checked."""
        return self._walk(self.subject.arrays, self.dout, self.step)

    @cached_property
    def before(self) -> Walk:
        """The step before it."""
        return self._walk(self.other, self.dout, self.step_before)

    @cached_property
    def untouched(self) -> Parameters:
        """The parameters from before both."""
        arrays = self.subject.arrays
        return Parameters({f"it.{n}": self.as_rows(arrays[n]) for n in arrays if n != self.x})

    def _walk(self, arrays: dict[str, Array], dout: Any, step: Step) -> Walk:
        x = self.as_rows(arrays[self.x]) if self.x else np.zeros((0, 0))
        out = x if self.of_loss else self.as_rows(np.asarray(step.out))
        dout = self.as_rows(np.asarray(dout)) if np.ndim(dout) else x
        gradients = {
            f"it.{self.key(n)}": self.as_rows(np.asarray(g)) for n, g in step.gradients.items()
        }
        new = {f"it.{n}": self.as_rows(array) for n, array in step.new.items() if n != self.x}
        places = {f"it.{self.key(n)}": 0 for n in self.subject.arrays}
        recording = Recording({0: x}, {0: out}, {0: dout})
        return Walk(x, (), recording, x, {0: dout}, {}, gradients, {}, places, new)

    def as_rows(self, array: Array) -> Array:
        """Return an array as code with samples in rows would have it."""
        if not array.ndim:
            return array.reshape(1)
        if array.ndim == 2 and 1 in array.shape and array.shape != (1, 1):
            return array.ravel() if array.shape != np.shape(self.dout) else array
        return array.T if self.columns and array.ndim == 2 else array

    @cached_property
    def noise(self) -> float:
        """By how much a gradient and a difference may differ by the rounding of L."""
        dtype = np.asarray(self.step.out).dtype
        size = float(np.abs(np.asarray(self.step.out, np.float64) * self.dout).sum())
        eps = float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)
        return 10 * eps * max(size, 1.0) / (1e-5 * self.size)

    def number(self, arrays: dict[str, Array]) -> float:
        """Return L = sum(out * dout)."""
        return float(np.vdot(np.asarray(self.subject.out(arrays), np.float64), self.dout))

    def measured(self, arrays: dict[str, Array]) -> Callable[[], tuple[float, bytes]]:
        """Return a function that measures L for what these arrays hold then."""
        return lambda: (self.number(arrays), b"")

    def compare(self, name: str, gradient: Array) -> Comparison:
        """Compare a gradient with finite differences of L."""
        arrays = {n: a.copy() for n, a in self.subject.arrays.items()}
        array = arrays[name]
        most = SAMPLE if array.size > 400 else None
        probes = entries(np.full(array.shape, self.size), most, np.random.default_rng(0))
        analytic = np.array([probe.derivative(gradient) for probe in probes])
        truth = derivatives(array, probes, analytic, self.tolerance, self.noise,
                            self.measured(arrays))  # fmt: skip
        row = row_of(name, array.shape, probes, analytic, truth, self.noise, self.tolerance)
        return Comparison(row, gradient, probes, truth)

    def evidence(self, found: Comparison, known: list[str]) -> Evidence:
        """Return what the patterns need to know of one wrong gradient."""
        name = found.row.name
        gradient = self.as_rows(found.gradient)
        places = np.arange(found.gradient.size).reshape(found.gradient.shape)
        order = self.as_rows(places)
        where = {int(order[at]): at for at in np.ndindex(order.shape)}
        probes = [replace(p, at=where[int(places[p.at])]) for p in found.probes]
        row = replace(found.row, name=f"it.{self.key(name)}")
        mine = Comparison(row, gradient, probes, found.truth)
        self.walk.gradients[row.name] = gradient
        if close(self.before.gradients[row.name], gradient) and self._is_constant(name):
            self.before.gradients[row.name] = np.full(gradient.shape, np.nan)  # not a stale one
        return Evidence(self, mine, [f"it.{self.key(n)}" for n in known])

    def _is_constant(self, name: str) -> bool:
        """Whether the differences are the same for the other inputs."""
        other = {n: a for n, a in self.other.items() if n != name}
        return name != self.x and close(self.truth_if(name, other), self.truth_if(name, {}))

    def truth_if(self, name: str, changed: dict[str, Array]) -> Array:
        """Return the differences for one array if other arrays were these."""
        arrays = {n: a.copy() for n, a in {**self.subject.arrays, **changed}.items()}
        probes = entries(np.full(arrays[name].shape, self.size))
        analytic = np.zeros(len(probes))
        here = self.measured(arrays)
        truth = derivatives(arrays[name], probes, analytic, self.tolerance, np.inf, here)
        return truth.reshape(arrays[name].shape)
