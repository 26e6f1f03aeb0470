"""A learning rate that is a function, for checkpoints: a table of its rates, step by step."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.nested import is_count
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.training.fingerprints import checksum

MOST_RATES = 2**20  # steps of a schedule that are compared


class ScheduleTable:
    """The rates that a function returns for the steps that a run can reach.

    It is asked for each of them once, in their order, and for no other. A function that answers
    otherwise when a step comes has a memory, which no checkpoint keeps.
    """

    def __init__(
        self, function: Callable[[int], float], first: int, last: int, epochs: int
    ) -> None:
        self.function = function
        self.first, self.epochs = first, epochs
        self.last = max(last, first - 1)
        rates = []
        for t in range(first, min(self.last, first + MOST_RATES - 1) + 1):
            try:
                rates.append(checks.scheduled_rate(function, t))
            except ValueError:  # raised again if the run comes to that step
                break
        self.rates: Array = np.array(rates, np.float64)

    def record(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: some of the answers, and a digest of all up to there."""
        places = [2**k - 1 for k in range(len(self.rates).bit_length()) if 2**k <= len(self.rates)]
        if len(self.rates):
            places.append(len(self.rates) - 1)
        asked = {str(self.first + i): self._answer(i) for i in places}
        return {"first": self.first, "last": self.last, "epochs": self.epochs, "asked": asked}

    @staticmethod
    def check(record: Any, scheduled: bool) -> None:
        """Raise InputError unless this is a `record`, or None where there was no schedule."""
        fit = scheduled == (record is not None)
        if record is not None:
            fit = (
                fit
                and all(is_count(record[name]) for name in ("first", "last", "epochs"))
                and all(step.isdecimal() for step in record["asked"])
                and all(len(answer) == 2 for answer in record["asked"].values())
            )
        if not fit:
            raise InputError(f"its schedule is {record!r:.100}")

    def differences(self, theirs: Mapping[str, Any]) -> list[str]:
        """Say in a line where its rates part from those of a checkpoint's `record`, if they do."""
        before = self.first
        for step, (rate, digest) in theirs["asked"].items():
            i = int(step) - self.first
            if not 0 <= i < len(self.rates):
                break
            ours, our_digest = self._answer(i)
            if ours != rate:
                return [f"optimizer.learning_rate at t = {step}: {rate} against {ours}"]
            if our_digest != digest:
                return [f"optimizer.learning_rate: not the same from t = {before} to {step}"]
            before = int(step)
        return []

    def refuse_other_answer(self, optimizer: Optimizer) -> None:
        """Raise InputError if the step just taken had another rate than was said before."""
        i = optimizer.t - self.first
        if optimizer.learning_rate is not self.function or not 0 <= i < len(self.rates):
            return
        now, said = optimizer.rate(optimizer.t), float(self.rates[i])
        if now != said:
            raise InputError(
                f"learning_rate is a function that said {said:g} for step {optimizer.t} when "
                f"training began, and {now:g} when the step came: it has a memory, which no "
                "checkpoint can keep. Let it depend on t alone; or let a callback set "
                "trainer.optimizer.learning_rate to numbers, which are kept."
            )

    def _answer(self, i: int) -> list[Any]:
        return [float(self.rates[i]), checksum(self.rates[: i + 1])[:16]]
