"""What decides how a training ends: a resumed run compares it with that of the run it goes on with.

Whatever can be compared by what it does, is: data by their numbers, a schedule by the rates that it
returns. What is told of data and functions stands in fingerprints.py.
"""

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured, differences, plain, with_defaults
from tinynn.fingerprints import checksum, data_told, function_told, unlike_data
from tinynn.nested import is_count
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.vectors import blas_pools

if TYPE_CHECKING:  # for the annotations alone: the trainer stands below
    from tinynn.trainer import Trainer

SCHEDULE = "a function of t"
MOST_RATES = 2**20  # steps of a schedule that are compared


def run_settings(trainer: "Trainer") -> dict[str, Any]:
    """Return what must be the same for the result to be the same; paths may differ.

    Reads all data once, for a checksum. Raises ValueError for a setting that cannot be saved.
    """
    data = {name: data_told(array) for name, array in _data(trainer).items()}
    return {**_descriptions(trainer), "data": data}


def unlike_settings(theirs: dict[str, Any], trainer: "Trainer", same_python: bool) -> list[str]:
    """Return a line for each setting of a checkpoint's run that is another in this one.

    same_python: whether byte code can be compared.
    """
    told = _as_now(_but_data(theirs), trainer), _descriptions(trainer)
    unlike = differences(*told) if same_python else differences(*map(_without_code, told))
    ours = _data(trainer)
    for name in [*theirs["data"], *(name for name in ours if name not in theirs["data"])]:
        unlike += unlike_data(name, theirs["data"].get(name), ours.get(name))
    return unlike


def changed_settings(trainer: "Trainer", settings: dict[str, Any]) -> list[str]:
    """Return a line for each setting that is another than when training began.

    It would be lost on resuming. Not so an optimizer's numbers, which checkpoints keep, and what a
    callback with a `state` of its own has changed of itself. Lists, and what functions hold, may
    grow: they are mostly records.
    """
    rate = trainer.optimizer.learning_rate
    if callable(rate) and trainer.schedule is None:
        return [
            f"optimizer.learning_rate: {settings['optimizer']['learning_rate']} against {SCHEDULE}"
        ]
    for name, function in trainer.functions.items():  # as they were after on_train_begin
        now = getattr(trainer.optimizer, name)
        if callable(now) and now is not function:
            return [f"optimizer.{name}: a function of t against another one"]
    then, now = _but_data(settings), _descriptions(trainer)
    callbacks = taking_part(trainer)
    for told in (then, now):
        told["frozen"] = []  # which layers are trained may change, and checkpoints keep it
        told["optimizer"] = told["optimizer"]["class"]
        told["loss"] = _numbers_and_texts(told["loss"])
        told["callbacks"] = [
            description["class"] if callback.state() else _numbers_and_texts(description)
            for callback, description in zip(callbacks, told["callbacks"], strict=False)
        ]
    return differences(then, now)


def _numbers_and_texts(description: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in description.items() if not isinstance(v, (dict, list))}


def functions_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return the hyper-parameters of an optimizer that are functions."""
    return {name: value for name, value in optimizer.config().items() if callable(value)}


def numbers_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return the hyper-parameters of an optimizer that are no functions."""
    return {name: value for name, value in optimizer.config().items() if not callable(value)}


def loose_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return the numbers and arrays of an optimizer that no checkpoint keeps, arrays by checksum.

    None at all where its class has a `state` of its own, which may keep them.
    """
    if type(optimizer).state is not Optimizer.state:
        return {}
    kept = {"t", "memory", "_unpickled", *optimizer.config()}
    return {
        name: checksum(np.atleast_1d(value)) if isinstance(value, np.ndarray) else value
        for name, value in vars(optimizer).items()
        if name not in kept and isinstance(value, (int, float, np.ndarray))
    }


def taking_part(trainer: "Trainer") -> list[Any]:
    """Return the callbacks that may change something in training."""
    return [callback for callback in trainer.callbacks if not callback.observes]


def _descriptions(trainer: "Trainer") -> dict[str, Any]:
    optimizer = _description(trainer.optimizer)
    if callable(trainer.optimizer.learning_rate):
        optimizer["learning_rate"] = SCHEDULE  # compared by what it returns
    return {
        "loss": _description(trainer.loss),
        "optimizer": optimizer,
        "seed": trainer.seed,
        "batch_size": trainer.batch_size,
        "callbacks": [_description(callback) for callback in taking_part(trainer)],
        "frozen": [layer.name for layer in trainer.model.layers if not layer.trainable],
    }


def _as_now(settings: dict[str, Any], trainer: "Trainer") -> dict[str, Any]:
    """Return a checkpoint's settings with what classes have gained since as arguments."""
    callbacks = zip(settings["callbacks"], taking_part(trainer), strict=False)
    filled = [_filled(told, callback) for told, callback in callbacks]
    return {
        "frozen": [],
        **settings,
        "loss": _filled(settings["loss"], trainer.loss),
        "optimizer": _filled(settings["optimizer"], trainer.optimizer),
        "callbacks": [*filled, *settings["callbacks"][len(filled) :]],
    }


def _filled(told: Any, thing: Configured) -> Any:
    kind = type(thing)
    if not isinstance(told, dict) or told.get("class") != kind.__name__:
        return told
    now = with_defaults(told, kind)
    now.pop("path", None)
    return {k: v if k in told else _argument(v, kind.__name__) for k, v in now.items()}


def _description(thing: Configured) -> dict[str, Any]:
    kind = type(thing).__name__
    config = {
        name: _argument(value, kind) for name, value in thing.config().items() if name != "path"
    }
    return {"class": kind, **config}


def _argument(value: Any, kind: str) -> Any:
    """Return what can be told of an argument: of an array a checksum, of an object its class."""
    if isinstance(value, np.ndarray) and value.ndim:
        return data_told(value)
    if callable(value):
        return function_told(value)
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_argument(item, kind) for item in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _argument(item, kind) for key, item in value.items()}
    try:
        return plain(value, kind)
    except ValueError:
        return {"object": type(value).__name__}


def _but_data(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "data"}


# A schedule


class AskedSchedule:
    """What a learning rate that is a function says of the steps that a run can reach.

    It is asked for each of them once, in their order, and for no other. A function that answers
    otherwise when a step comes has a memory, which no checkpoint keeps.
    """

    def __init__(self, trainer: "Trainer", first: int, last: int) -> None:
        function: Any = trainer.optimizer.learning_rate
        self.function = function
        self.first, self.epochs = first, trainer.epochs
        self.last = max(last, first - 1)
        rates = []
        for t in range(first, min(self.last, first + MOST_RATES - 1) + 1):
            try:
                rates.append(checks.asked_rate(function, t))
            except (
                ValueError
            ):  # it is told if the run comes to that step: others may stop it before
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
        """Raise ValueError unless this is a `record`, or None where there was no schedule."""
        fit = scheduled == (record is not None)
        if record is not None:
            fit = (
                fit
                and all(is_count(record[name]) for name in ("first", "last", "epochs"))
                and all(step.isdecimal() for step in record["asked"])
                and all(len(answer) == 2 for answer in record["asked"].values())
            )
        if not fit:
            raise ValueError(f"its schedule is {record!r:.100}")

    def unlike(self, theirs: Mapping[str, Any]) -> list[str]:
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

    def refuse_other_answer(self, trainer: "Trainer") -> None:
        """Raise ValueError if the step just taken had another rate than was said before."""
        optimizer = trainer.optimizer
        i = optimizer.t - self.first
        if optimizer.learning_rate is not self.function or not 0 <= i < len(self.rates):
            return
        now, said = optimizer.rate(optimizer.t), float(self.rates[i])
        if now != said:
            raise ValueError(
                f"learning_rate is a function that said {said:g} for step {optimizer.t} when "
                f"training began, and {now:g} when the step came: it has a memory, which no "
                "checkpoint can keep. Let it depend on t alone; or let a callback set "
                "trainer.optimizer.learning_rate to numbers, which are kept."
            )

    def _answer(self, i: int) -> list[Any]:
        return [float(self.rates[i]), checksum(self.rates[: i + 1])[:16]]


def schedule_of(trainer: "Trainer", theirs: Mapping[str, Any] | None) -> AskedSchedule | None:
    """Ask the schedule of a run that begins, or of one that goes on where `theirs` was recorded."""
    if not callable(trainer.optimizer.learning_rate):
        return None
    per_epoch = -(-trainer.samples // trainer.batch_size)
    if theirs is None:
        first = trainer.optimizer.t + 1
        return AskedSchedule(
            trainer, first, first - 1 + (trainer.epochs - trainer.epoch) * per_epoch
        )
    last = theirs["last"] + (trainer.epochs - theirs["epochs"]) * per_epoch
    return AskedSchedule(trainer, theirs["first"], last)


def _without_code(value: Any) -> Any:
    """Return settings without the byte code of functions: another Python has another."""
    if isinstance(value, list):
        return [_without_code(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = value.keys() - ({"code"} if value.keys() == {"function", "code", "holds"} else set())
    return {name: _without_code(item) for name, item in value.items() if name in names}


def _data(trainer: "Trainer") -> dict[str, Array]:
    names = ("x", "y", "sample_weight")
    data = dict(zip(names, (trainer.x, trainer.y, *trainer.weights), strict=False))
    held_out = [f"validation {name}" for name in names]
    return {**data, **dict(zip(held_out, trainer.validation or (), strict=False))}


# The machine


def environment() -> dict[str, Any]:
    """Return what decides how sums are rounded: versions, and which code the processor chose."""
    build: Any = np.show_config(mode="dicts")
    pools = blas_pools()
    blas = build["Build Dependencies"]["blas"]
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas.get('version')}",
        "kernel": [pool.get("architecture") for pool in pools],
        "threads": [pool["num_threads"] for pool in pools],
        "instructions": " ".join(build.get("SIMD Extensions", {}).get("found", [])),
    }
