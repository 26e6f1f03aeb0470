"""test.npz: what a network says of its test data, as a run leaves it for its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError, as_label
from tinynn.files.atomic import PathLike
from tinynn.files.npz import NpzFile, write_npz
from tinynn.metrics import classes_of
from tinynn.parameters import Array

NAME = "test.npz"
CHANNELS = (1, 3)


@dataclass(frozen=True)
class TestData:
    """The test data: p float32 (N, C), labels (N,), names of the C classes.

    images: uint8 (N, H, W) or (N, H, W, 1 or 3), or None.
    """

    p: Array
    labels: Array
    names: tuple[str, ...]
    images: Array | None


@checks.short_traceback
def write_test_data(
    p: npt.ArrayLike,
    labels: npt.ArrayLike,
    names: Sequence[str],
    images: npt.ArrayLike | None = None,
    *,
    path: PathLike,
) -> None:
    """Leave test data in the folder of a run: its page then shows how good the network is.

    p: probabilities (N, C). labels: classes (N,). names: of the C classes. images: uint8 (N, H, W)
    or (N, H, W, 1 or 3); default None: the page shows no images then. path: test.npz in the folder.
    Raises InputError if these do not fit each other, an OSError if the file cannot be written.
    """
    names = checks.class_names(names, "write_test_data")
    p, labels = checks.class_probabilities(p, labels, "write_test_data")
    arrays = {
        "p_test": p.astype(np.float32),
        "labels": classes_of(labels).astype(np.uint8 if len(names) <= 256 else np.int64),
        "names": np.array(list(names)),
        **({} if images is None else {"images": np.asarray(images)}),
    }
    problem = _problem(arrays)
    if problem:
        raise InputError(f"write_test_data: {problem}.")
    write_npz(path, arrays)


def read_test_data(folder: PathLike) -> TestData | None:
    """Return the test data that a run has left, or None. Raises InputError for another file."""
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    with NpzFile(path) as file:
        arrays = {name: file.read(name) for name in file.members}
    problem = _problem(arrays)
    if problem:
        raise InputError(f"{path} does not hold what a run leaves of its test: {problem}.")
    return TestData(
        arrays["p_test"],
        arrays["labels"].astype(np.intp),
        tuple(as_label(name) for name in arrays["names"].tolist()),
        arrays.get("images"),
    )


def _problem(arrays: dict[str, Array]) -> str:
    """Return what does not fit, in words; "" if all is well."""
    missing = {"p_test", "labels", "names"} - arrays.keys()
    if missing:
        return f"it lacks {', '.join(sorted(missing))}"
    p, labels, names = (arrays[key] for key in ("p_test", "labels", "names"))
    images = arrays.get("images")
    if p.ndim != 2 or p.dtype.kind != "f" or not len(p) or not np.isfinite(p).all():
        return f"p_test should be finite numbers (N, C), but is {p.dtype} {p.shape}"
    if p.min() < 0 or np.abs(p.sum(axis=1, dtype=float) - 1).max() > 1e-3:
        return "p_test should be probabilities, whose rows sum to 1"
    if names.shape != p.shape[1:] or names.dtype.kind != "U":
        return f"names should be {p.shape[1]} texts, but is {names.dtype} {names.shape}"
    if labels.shape != p.shape[:1] or labels.dtype.kind not in "iu":
        return f"labels should be classes ({len(p)},), but is {labels.dtype} {labels.shape}"
    if labels.min() < 0 or labels.max() >= len(names):
        return f"labels should be below {len(names)}, but go from {labels.min()} to {labels.max()}"
    if images is not None:
        of_colour = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in CHANNELS)
        if images.dtype != np.uint8 or not of_colour or len(images) != len(p):
            return (
                f"images should be uint8 ({len(p)}, H, W), with 1 or 3 channels last if there are "
                f"any, but is {images.dtype} {images.shape}"
            )
        if not images.size:
            return "images have no pixels"
    return ""
