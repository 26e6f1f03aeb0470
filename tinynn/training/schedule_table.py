"""The table of a learning-rate schedule, step by step. Checkpoints compare schedules by it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration_json import unequal
from tinynn.errors import InputError
from tinynn.files.nested import is_count
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.schedules import Schedule
from tinynn.training.fingerprints import checksum

MOST_RATES = 2**20  # steps of a schedule that are compared


class ScheduleTable:
    """The rates that a function of t returns for the steps that a run can reach.

    The function is called once for each of these steps, in their order, and for no others. If it
    returns another rate when the step comes, it keeps state of its own, which no checkpoint keeps.
    description: the class and the configuration of a schedule that has one.
    """

    def __init__(
        self,
        function: Callable[[int], float],
        first: int,
        last: int,
        epochs: int,
        description: dict[str, Any] | None = None,
    ) -> None:
        self.function, self.description = function, description
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
        """Return some of the rates for a checkpoint, each with a digest of all rates up to it."""
        places = [2**k - 1 for k in range(len(self.rates).bit_length()) if 2**k <= len(self.rates)]
        if len(self.rates):
            places.append(len(self.rates) - 1)
        asked = {str(self.first + i): self._rate_and_digest(i) for i in places}
        steps = {"first": self.first, "last": self.last, "epochs": self.epochs, "asked": asked}
        return {**steps, "description": self.description}

    @staticmethod
    def check(record: Any, scheduled: bool) -> None:
        """Raise InputError unless this is a `record`; if not `scheduled`, unless it is None."""
        fit = scheduled == (record is not None)
        if record is not None:
            fit = (
                fit
                and all(is_count(record[name]) for name in ("first", "last", "epochs"))
                and all(step.isdecimal() for step in record["asked"])
                and all(len(pair) == 2 for pair in record["asked"].values())
                and isinstance(record.get("description"), (dict, type(None)))
            )
        if not fit:
            raise InputError(f"its schedule is {record!r:.100}")

    def differences(self, theirs: Mapping[str, Any]) -> list[str]:
        """Return lines that say where schedules or rates differ from a checkpoint's `record`."""
        return self._other_description(theirs) or self._other_rates(theirs)

    def _other_description(self, theirs: Mapping[str, Any]) -> list[str]:
        """Compare configurations, if both have one; of steps that fit told, the rates decide."""
        then, now = theirs.get("description"), self.description
        if then is None or now is None:
            return []
        if None in (then.get("steps"), now.get("steps")):
            then, now = ({k: v for k, v in one.items() if k != "steps"} for one in (then, now))
        return unequal(then, now, "optimizer.learning_rate")

    def _other_rates(self, theirs: Mapping[str, Any]) -> list[str]:
        before = self.first
        for step, (rate, digest) in theirs["asked"].items():
            i = int(step) - self.first
            if not 0 <= i < len(self.rates):
                break
            ours, our_digest = self._rate_and_digest(i)
            if ours != rate:
                remedy = self._remedy(theirs)
                return [f"optimizer.learning_rate at t = {step}: {rate} against {ours}{remedy}"]
            if our_digest != digest:
                return [f"optimizer.learning_rate: not the same from t = {before} to {step}"]
            before = int(step)
        return []

    def _remedy(self, theirs: Mapping[str, Any]) -> str:
        """Say what to write where another number of epochs has changed a schedule's steps."""
        schedule, epochs = self.function, theirs["epochs"]
        if not isinstance(schedule, Schedule) or schedule.steps or epochs == self.epochs:
            return ""
        kind, steps = type(schedule).__name__, theirs["last"] - theirs["first"] + 1
        told = f", or {kind}(..., steps={steps})" if theirs["first"] == 1 else ""
        return (
            f"; fit tells {kind} its number of steps, which follows from epochs, {epochs} against "
            f"{self.epochs}. Write epochs={epochs}{told}"
        )

    def refuse_other_answer(self, optimizer: Optimizer) -> None:
        """Raise InputError if the last step had another rate than the function returned before."""
        i = optimizer.t - self.first
        if optimizer.learning_rate is not self.function or not 0 <= i < len(self.rates):
            return
        now, before = optimizer.rate(optimizer.t), float(self.rates[i])
        if now != before:
            raise InputError(
                f"The function learning_rate returned {before:g} for step {optimizer.t} when "
                f"training began, but {now:g} when the step came: it keeps state of its own, which "
                "no checkpoint can save. Let it depend on t alone; or let a callback set "
                "trainer.optimizer.learning_rate to numbers, which checkpoints save."
            )

    def _rate_and_digest(self, i: int) -> list[Any]:
        return [float(self.rates[i]), checksum(self.rates[: i + 1])[:16]]
