"""One array of a model at a batch: what backward says of it, against finite differences.

A row of the checker's report is its worst entry, or direction.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinynn.gradcheck.finite_differences import Measurement, Probe, derivatives, loss_from, side
from tinynn.gradcheck.walk import Walk, gradients_alone, handed
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape

LARGE = 10_000  # parameters: from here on directions, because every entry costs two forward passes


@dataclass(frozen=True)
class GradientRow:
    """One array: its worst relative error, and both numbers there.

    error: |a - n| / max(|a|, |n|, 1e-3 of the array's largest); where that is no more than the
    rounding of the loss explains, it is told as less than the tolerance.

    name: whose, and what the gradient is of: "2.Dense.W", "2.Dense.x" (its input, so this is dx),
    or "loss.p". fed: wrong, but made of a wrong array from above. at: where the worst is, "entry
    (0, 1)" or "direction (3,)". checked and skipped: how many entries, or directions. Where none
    could be compared, error and differences are nan.
    """

    name: str
    shape: Shape
    ok: bool
    error: float
    at: str
    backward: float
    differences: float
    checked: int
    skipped: int
    fed: bool = False

    @property
    def verdict(self) -> str:
        """What the table says of it: ok, WRONG, fed, or "none", if nothing could be compared."""
        if self.ok:
            return "ok"
        return "none" if not self.checked else "fed" if self.fed else "WRONG"


@dataclass(frozen=True)
class Comparison:
    """One array's gradient beside finite differences, and the row that this makes.

    gradient: what backward gave. probes: where was asked. truth: the differences there, nan where
    none could be taken.
    """

    row: GradientRow
    gradient: Array
    probes: list[Probe]
    truth: Array


@dataclass(frozen=True)
class Case:
    """A model, the steps that it took at two batches, and how near is near enough.

    go_back: sets the model back to its step and buffers. walk: the step to be checked. before: the
    one before it, at another batch. untouched: a copy of the model from before both.
    """

    model: Sequential
    loss: Loss
    go_back: Callable[[], None]
    walk: Walk
    before: Walk
    untouched: Sequential
    tolerance: float

    @property
    def small(self) -> bool:
        """Whether every entry can be asked, and not only some directions."""
        return self.model.params.size < LARGE

    @cached_property
    def noise(self) -> float:
        """How far a gradient and a difference may be apart by the rounding of the loss alone."""
        size = max(abs(self.loss.forward(self.walk.p.copy(), *self.walk.y)), 1.0)
        return 10 * float(np.finfo(np.float64).eps) * size / (1e-5 if self.small else 1e-4)

    @cached_property
    def alone(self) -> dict[str, Array]:
        """The gradients that the layers give one by one, each on copies of all arrays."""
        model = copy.deepcopy(self.untouched)
        gradients_alone(model, self.loss, self.before.x, *self.before.y)
        return gradients_alone(model, self.loss, self.walk.x, *self.walk.y)

    def owner(self, name: str) -> Layer | Loss:
        """Return the layer, or the loss, that a row's gradient comes from."""
        i = self.walk.layers[name]
        return self.model.layers[i] if i < len(self.model.layers) else self.loss

    def given(self, name: str) -> Array:
        """Return what the layer of a row, or the loss, was given."""
        return self.walk.x if self.walk.layers[name] == 0 else self.walk.given(name)

    def array(self, name: str) -> Array:
        """Return the array that a row is of."""
        return self.model.named_parameters().get(name, self.given(name))

    @contextmanager
    def measured(self, name: str) -> Iterator[Measurement]:
        """Yield what measures the loss, as it is with the numbers that this row's array has then.

        It goes the model's own way: from the row's layer on, or, if its class has a forward of its
        own, all of that. Only what the first one gets is copied: no layer may write into the data.
        """
        model, i, given = self.model, self.walk.layers[name], self.given(name)
        if name == "loss.p" or getattr(model.forward, "__func__", None) is Sequential.forward:
            yield loss_from(model, self.loss, given, self.walk.y, i)
            return
        between = name not in model.named_parameters() and i > 0
        sides: list[bytes] = []

        def noted(layer: Layer) -> Callable[[Array], Array]:
            def note(x: Array) -> Array:
                sides.append(side(layer, x))
                return x

            return note

        def measure() -> tuple[float, bytes]:
            sides.clear()
            return self.loss.forward(model.forward(self.walk.x), *self.walk.y), b"".join(sides)

        with ExitStack() as stack:
            for layer in model.layers:
                stack.enter_context(handed(layer, noted(layer)))
            stack.enter_context(handed(model.layers[0], np.copy))
            if between:
                stack.enter_context(handed(model.layers[i], lambda _: given.copy()))
            yield measure

    def right_alone(self, found: Comparison) -> bool:
        """Whether a layer gave the right gradient for the dout that it got, wherever that is from.

        A layer that was not asked at all did nothing wrong.
        """
        name = found.row.name
        i, heard = self.walk.layers[name], self.walk.heard
        if i == len(self.model.layers):
            return False
        if i not in heard.given or i not in self.walk.douts:
            return True
        layer, given, dout = self.model.layers[i], self.given(name), self.walk.douts[i]

        def measure() -> tuple[float, bytes]:
            at = side(layer, given)
            return float(np.vdot(layer.forward(given.copy()), dout)), at

        of_x = name not in self.model.named_parameters()
        gave = self.walk.returned[i] if of_x else found.gradient
        return self.compare(name, found.probes, gave, measure).row.ok

    def compare(
        self, name: str, probes: list[Probe], gradient: Array, instead: Measurement | None = None
    ) -> Comparison:
        """Compare an array's gradient with finite differences, of the loss or what is instead."""
        array = self.array(name)
        claimed = np.array([probe.derivative(gradient) for probe in probes])
        with self.measured(name) as loss_there:
            measure = instead or loss_there

            def from_here() -> tuple[float, bytes]:
                self.go_back()
                return measure()

            truth = derivatives(array, probes, claimed, self.tolerance, self.noise, from_here)
        return Comparison(self._row(name, probes, claimed, truth), gradient, probes, truth)

    def _row(self, name: str, probes: list[Probe], claimed: Array, truth: Array) -> GradientRow:
        """Judge one array by its worst probe."""
        compared = ~np.isnan(truth)
        numeric = np.where(compared, truth, claimed)
        # with this floor, what differs by the noise or less passes
        errors = _relative_errors(claimed, numeric, self.noise / self.tolerance)
        at = int(errors.argmax())
        error, checked = float(errors[at]), int(compared.sum())
        if error > self.tolerance:
            error = float(_relative_errors(claimed, numeric)[at])
        return GradientRow(
            name=name,
            shape=self.array(name).shape,
            ok=error <= self.tolerance and checked > 0,
            error=error if checked else np.nan,
            at=probes[at].name,
            backward=float(claimed[at]),
            differences=float(numeric[at]) if checked else np.nan,
            checked=checked,
            skipped=compared.size - checked,
        )


def _relative_errors(a: Array, n: Array, floor: float = 0.0) -> Array:
    """Return |a - n| / max(|a|, |n|, 1e-3 of the largest, floor); inf where a is not finite.

    >>> _relative_errors(np.array([2.0, 0.0, np.nan]), np.array([1.0, 0.001, 0.0]))
    array([0.5, 0.5, inf])
    """
    finite = np.isfinite(a)
    size = np.where(finite, np.maximum(abs(a), abs(n)), 0)
    scale = np.maximum(size, max(1e-3 * size.max(), floor, 1e-300))
    errors = np.full(a.shape, np.inf)
    np.divide(abs(a - n), scale, out=errors, where=finite)
    return errors
