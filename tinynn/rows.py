"""One array of a model at a batch: what backward says of it, against finite differences.

A row of the checker's report is its worst entry, or direction.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from tinynn.differences import Measurement, Probe, loss_from, side, slopes
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape
from tinynn.walk import Walk, handed


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
class Case:
    """A model at a batch, the step that it took there, and how near is near enough.

    y: the answers, and weights of samples if there are any. noise: how far two numbers may be apart
    by the rounding of the loss alone.
    """

    model: Sequential
    loss: Loss
    x: Array
    y: tuple[Array, ...]
    walk: Walk
    tolerance: float
    noise: float

    def given(self, name: str) -> Array:
        """Return what the layer of a row, or the loss, was given."""
        i = self.walk.layers[name]
        return self.x if i == 0 else self.walk.heard.given.get(i, self.walk.p)

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
            yield loss_from(model, self.loss, given, self.y, i)
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
            return self.loss.forward(model.forward(self.x), *self.y), b"".join(sides)

        with ExitStack() as stack:
            for layer in model.layers:
                stack.enter_context(handed(layer, noted(layer)))
            stack.enter_context(handed(model.layers[0], np.copy))
            if between:
                stack.enter_context(handed(model.layers[i], lambda _: given.copy()))
            yield measure

    def right_alone(self, name: str, probes: list[Probe], gradient: Array) -> bool:
        """Whether a layer gave the right gradient for the dout that it got, wherever that is from.

        A layer that was not asked at all did nothing wrong.
        """
        i, heard = self.walk.layers[name], self.walk.heard
        if i == len(self.model.layers):
            return False
        if i not in heard.given or i not in self.walk.douts:
            return True
        layer, given, dout = self.model.layers[i], self.given(name), self.walk.douts[i]

        def measure() -> tuple[float, bytes]:
            at = side(layer, given)
            return float(np.vdot(layer.forward(given.copy()), dout)), at

        gave = self.walk.returned[i] if name not in self.model.named_parameters() else gradient
        return self.compare(name, probes, gave, measure)[0].ok

    def compare(
        self, name: str, probes: list[Probe], gradient: Array, instead: Measurement | None = None
    ) -> tuple[GradientRow, Array]:
        """Judge one array by its worst probe; also return the differences, nan where skipped."""
        array, tolerance, noise = self.array(name), self.tolerance, self.noise
        backward = np.array([probe.slope(gradient) for probe in probes])
        with self.measured(name) as measure:
            differences = slopes(array, probes, backward, tolerance, noise, instead or measure)
        compared = ~np.isnan(differences)
        numeric = np.where(compared, differences, backward)
        finite = np.isfinite(backward)
        size = np.where(finite, np.maximum(abs(backward), abs(numeric)), 0)
        scale = np.maximum(size, 1e-3 * size.max())
        floor = max(noise / tolerance, 1e-300)  # with it, what differs by the noise or less passes
        errors = np.full(backward.shape, np.inf)  # what stays where backward is not a finite number
        apart = abs(backward - numeric)
        np.divide(apart, np.maximum(scale, floor), out=errors, where=finite)
        at = int(errors.argmax())
        error, checked = float(errors[at]), int(compared.sum())
        if tolerance < error < np.inf:
            error = float(apart[at] / scale[at])
        row = GradientRow(
            name=name,
            shape=array.shape,
            ok=error <= tolerance and checked > 0,
            error=error if checked else np.nan,
            at=probes[at].name,
            backward=float(backward[at]),
            differences=float(numeric[at]) if checked else np.nan,
            checked=checked,
            skipped=compared.size - checked,
        )
        return row, differences
