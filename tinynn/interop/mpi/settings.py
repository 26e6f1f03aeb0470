"""What the ranks of one training must have alike, and the message that names what they have not.

Each rank trains on its part of the same shuffled batch. So all need the same data in the same
order, the same settings and the same versions: otherwise the numbers would be of no training at
all, and nobody would see it.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from tinynn.configuration import Configured
from tinynn.configuration_json import unequal
from tinynn.errors import InputError, of_file
from tinynn.model import Sequential
from tinynn.origin import is_own
from tinynn.training.fingerprints import checksum, function_fingerprint
from tinynn.training.run import Run
from tinynn.training.settings import affecting_callbacks, describe, environment, run_settings

DATA, START = "data", "start"
HEADING = (
    "The ranks of a training must have the same data, settings and versions. Let all ranks run one "
    "program with one set of arguments, and give each all the data, in the same order: "
    "DataParallel itself takes a rank's part of each batch."
)


def described(run: Run, **versions: str) -> str:
    """Return a run's data (by checksums), settings, place and versions, as JSON."""
    rate, optimizer = run.optimizer.learning_rate, run.optimizer
    place: dict[str, Any] = {"epoch": run.epoch, "step": run.step, "optimizer": optimizer.t}
    if run.resumed:  # otherwise rank 0 sends its weights to all
        slots = [optimizer.slots[name] for name in sorted(optimizer.slots)]
        place["weights"] = checksum(run.model.params, run.model.buffers, *slots)
    return json.dumps(
        {
            "versions": {
                "tinynn": f"{sys.modules['tinynn'].__version__}, source {_source()}",
                "python": platform.python_version(),
                "numpy": np.__version__,
                "blas": environment()["blas"],
                **versions,
            },
            **run_settings(run),
            "rate": _described_rate(rate) if callable(rate) else None,
            "model": _described_model(run.model),
            "epochs": run.epochs,
            "metrics": list(run.metrics),
            "code": _own_code(run),
            "slots": sorted(optimizer.slots),
            START: place,
        }
    )


@cache
def _source() -> str:
    """Return a digest of all files of tinynn: one version may stand on two machines, changed."""
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def _own_code(run: Run) -> dict[str, str]:
    """Return digests of the user's own classes: other code of the same name trains otherwise.

    Of the code alone: what a function holds, such as a variable around it, may be the rank.
    """
    things = [run.loss, run.optimizer, *run.model.layers, *affecting_callbacks(run)]
    return {
        f"{kind.__name__}.{name}": function_fingerprint(part.__code__)["code"]
        for one in things
        for kind in type(one).__mro__
        for name, part in vars(kind).items()
        if is_own(kind) and isinstance(part, FunctionType)
    }


def _described_rate(rate: Any) -> Any:
    return describe(rate) if isinstance(rate, Configured) else function_fingerprint(rate)


def _described_model(model: Sequential) -> dict[str, Any]:
    return {
        "layers": [describe(layer) for layer in model.layers],
        "input_shape": list(model.input_shape),
        "seed": model.seed,
        "dtype": model.dtype.name,
        "parameters": {name: list(view.shape) for name, view in model.named_parameters().items()},
        "buffers": {name: list(view.shape) for name, view in model.named_buffers().items()},
    }


def refuse_different(texts: list[str]) -> None:
    """Raise InputError unless the ranks, each described by a text, have all alike.

    >>> refuse_different(['{"seed": 0, "data": {}}', '{"seed": 1, "data": {}}'])
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: The ranks of a training must have the same data, settings and
        versions. Let all ranks run one program with one set of arguments, and give each all the
        data, in the same order: DataParallel itself takes a rank's part of each batch.
      rank 1: seed: 0 on rank 0, 1 here
    """
    first, *others = [json.loads(text) for text in texts]
    who: dict[str, list[int]] = {}
    for rank, other in enumerate(others, start=1):
        for line in _differences(first, other):
            who.setdefault(line, []).append(rank)
    if who:
        lines = [f"  rank {', '.join(map(str, ranks))}: {line}" for line, ranks in who.items()]
        raise InputError(of_file("\n".join([HEADING, *lines])))


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return a line for each difference between rank 0 and another rank."""
    found = []
    if first.get(START) != other.get(START):
        ours, theirs = first.get(START, {}), other.get(START, {})
        what = unequal({**ours, "weights": ""}, {**theirs, "weights": ""})
        found.append(f"begins elsewhere: {', '.join(map(_worded, what)) or 'with other weights'}")
    data, others = first[DATA], other[DATA]
    for name in [*data, *(name for name in others if name not in data)]:
        if data.get(name) != others.get(name):
            found.append(f"data: {name}: {_data_difference(data.get(name), others.get(name))}")
    ours, theirs = (
        {k: v for k, v in one.items() if k not in (DATA, START)} for one in (first, other)
    )
    return found + [_worded(line) for line in unequal(ours, theirs)]


def _worded(line: str) -> str:
    """Return a line of `unequal` with the ranks in it."""
    return f"{line} here".replace(" against ", " on rank 0, ", 1)


def _data_difference(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> str:
    ours_text, theirs_text = (
        f"{np.dtype(one['dtype'])} {tuple(one['shape'])}" if one else "none"
        for one in (ours, theirs)
    )
    if ours_text == theirs_text:
        return f"other numbers, or in another order ({ours_text})"
    return f"{ours_text} on rank 0, {theirs_text} here"
