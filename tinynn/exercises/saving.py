"""Exercise 12: saving and loading.

The student's process writes and reads in a folder of ours. What it wrote is read with suspicion:
plain files only, of a limited size, without pickles.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.exercises.asking import CallError
from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.words import kind_of, without_solution
from tinynn.exercises.work import Work, Wrong
from tinynn.parameters import Array

MOST = 10**6  # bytes of a file, and of what is in it
DAMAGE = (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile)


def weights(seed: int = 0) -> dict[str, Array]:
    """Return arrays of several dtypes, with numbers that a text or a rounding would not keep."""
    rng = np.random.default_rng(seed)
    W1 = rng.normal(size=(3, 4)) / 3
    W1[0] = np.nan, np.inf, -0.0, 5e-324
    return {
        "W1": W1,
        "b1": rng.normal(size=4).astype(np.float32),
        "W2": rng.normal(size=(4, 1)),
        "steps": np.array(seed + 7),
    }


@contextmanager
def place(name: str = "weights.npz") -> Iterator[Path]:
    """Yield a path in a folder that is empty."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder, name)


def same_arrays(work: Work, found: dict[str, Any], right: dict[str, Array], where: str) -> None:
    """Compare names, shapes, dtypes and bits; raise what is wrong."""
    if {*found} != {*right}:
        raise work.wrong(f"The names in {where} are {', '.join(map(str, found)) or 'none'}; "
                         f"expected {', '.join(right)}.")  # fmt: skip
    for name, array in right.items():
        got = found[name]
        if not isinstance(got, np.ndarray):
            raise work.wrong(f"{name} in {where} is {kind_of(got)}, expected an array.")
        if (got.shape, got.dtype) != (array.shape, array.dtype):
            raise work.wrong(f"{name} in {where} has dtype {got.dtype} and shape {got.shape}, "
                             f"expected {array.dtype} and {array.shape}.")  # fmt: skip
        if got.tobytes() != array.tobytes():
            raise work.wrong(f"{name} in {where} has other numbers than the array that was saved. "
                             "They must be the same to the last bit.")  # fmt: skip


def read(work: Work, path: Path) -> dict[str, Any]:
    """Return the arrays that save has written; raise what is wrong with the file."""
    beside = sorted(other.name for other in path.parent.iterdir() if other != path)[:5]
    if not path.is_file() or path.is_symlink():
        there = f" There is {', '.join(beside)} in its folder." if beside else ""
        raise work.wrong(f"There is no file at path after save.{there}")
    if beside:
        raise work.wrong(f"Besides the file at path, {', '.join(beside)} stays in its folder.")
    try:
        if path.stat().st_size > MOST:
            raise InputError("It is far too long")
        with zipfile.ZipFile(path) as members:
            if sum(member.file_size for member in members.infolist()) > MOST:
                raise InputError("It is far too long")
        with np.load(path, allow_pickle=False) as file:
            if "arr_0" in file.files:
                raise work.wrong(f"The file holds the names {', '.join(file.files)}, which "
                                 "np.savez gives to arrays without a name.")  # fmt: skip
            return {name: file[name] for name in file.files}
    except DAMAGE as error:
        if "Object arrays" in str(error):
            raise work.wrong(
                "The file holds a pickled object of Python, and not arrays alone. "
                "Give np.savez each array, not a dictionary or a list."
            ) from error
        why = without_solution(f"{error}.".replace("..", "."))
        raise work.wrong(f"The file at path is no .npz file of arrays. {why}") from error


def failed(work: Work, *values: Any) -> CallError | None:
    """Call the function; return the exception that it raised, None if it did not."""
    try:
        work.student.call(work.name, values)
    except CallError as error:
        return error
    return None


def save(work: Work) -> None:
    """A first file; then one in its place; then a save that fails in the middle."""
    with place() as path:
        for seed in (0, 1):
            before = path.stat().st_ino if seed else 0
            _saved(work, weights(seed), path)
            if seed:
                _never_gone(work, path)
            if path.stat().st_ino == before:
                raise work.wrong("The old file is written over. If the program is killed then, "
                                 "half a file is left.")  # fmt: skip
        old = path.read_bytes()
        ragged = {**weights(2), "W3": [[1.0], [2.0, 3.0]]}
        if failed(work, ragged, str(path)) is None:
            raise work.wrong(
                "One of the arrays is a list with rows of different lengths, which "
                "np.savez cannot write, and yet save returns as if all were well."
            )
        if not path.is_file() or path.read_bytes() != old:
            raise work.wrong("If writing fails in the middle, the old file is lost. (It is tried "
                             "with a last array that cannot be written.)")  # fmt: skip
        _still(work, path)


def _never_gone(work: Work, path: Path) -> None:
    """Until the new file is moved to path, the old one must stand there."""
    for kind, old, *new in work.student.moves:
        if kind == "os.rename" and Path(*new).resolve() == path.resolve():
            return
        if Path(old).resolve() == path.resolve():
            raise work.wrong("The old file is gone before the new one is in its place. If the "
                             "program is killed between the two, there is none.")  # fmt: skip


def _beside(work: Work, path: Path) -> None:
    """The file that is moved to path must come from its folder."""
    for kind, old, *new in work.student.moves:
        comes = kind == "os.rename" and Path(*new).resolve() == path.resolve()
        if comes and path.parent.resolve() not in Path(old).resolve().parents:
            raise work.wrong(
                "The new file is not written beside the old one, but in another "
                "folder. If that is on another disk, it is no single move."
            )


def _saved(work: Work, arrays: dict[str, Array], path: Path) -> None:
    """Save, read, compare. An exception is told with what stands in the folder."""
    try:
        found = work.call(arrays, str(path))
    except Wrong as wrong:
        _beside(work, path)
        for other in path.parent.iterdir():
            if f"{other.stem}'" in wrong.sentence:  # in quotes, where its name is longer
                text = f"{wrong.sentence} But the folder holds {other.name}: who has added "
                raise Wrong(f"{text}{other.suffix}?", wrong.line) from wrong
        raise
    same_arrays(work, read(work, path), arrays, "the file")
    _beside(work, path)
    if not isinstance(found, str) or found != str(path):
        raise work.wrong(f"It returns {kind_of(found)}, expected path.")


def _still(work: Work, path: Path) -> None:
    """After a failure saving must work again, whatever that has left in the folder."""
    error = failed(work, weights(3), str(path))
    if error:
        raise work.wrong(f"After a save that failed in the middle, the next one raises {error}: it "
                         "must also work if an unfinished file stands there.")  # fmt: skip


def load(work: Work) -> None:
    """Arrays of several dtypes; then a file that holds a pickled object."""
    with place() as path:
        for seed, fewer in ((0, ()), (1, ("W2", "b1"))):
            arrays = {name: a for name, a in weights(seed).items() if name not in fewer}
            np.savez(path, **arrays)  # type: ignore[arg-type]
            _dictionary(work, work.call(str(path)), arrays)
        _refused_pickle(work, path)


def _dictionary(work: Work, found: Any, arrays: dict[str, Array]) -> None:
    if not isinstance(found, dict):
        lazy = " (It reads an array only when it is asked for one.)" if "NpzFile" in kind_of(
            found) else ""  # fmt: skip
        raise work.wrong(f"It returns {kind_of(found)}, expected a dictionary of arrays.{lazy}")
    same_arrays(work, found, arrays, "the result")


class Trace:
    """An object whose pickle holds code: who unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


def _refused_pickle(work: Work, path: Path) -> None:
    """A file in which an array of objects stands."""
    trace = path.with_name("code_has_run")
    np.savez(path, W1=weights()["W1"], b1=np.array([Trace(trace)], dtype=object))
    error = failed(work, str(path))
    begin = "The file holds a pickled object, of whoever wrote it"
    if trace.exists():
        raise work.wrong(f"{begin}, and its code has run: it has made the folder {trace.name}. "
                         "Refuse it before it is unpickled.")  # fmt: skip
    if error is None:
        raise work.wrong(f"{begin}, and no error is raised. Raise a ValueError.")
    if error.kind != "ValueError":
        raise work.wrong(f"{begin}. It raises {error}, expected a ValueError.")


def restore(work: Work) -> None:
    """A file that fits, one by one files that do not."""
    mine, right = weights(1), weights(0)
    W2 = right["W2"]
    with place() as path:
        np.savez(path, **dict(reversed(right.items())))  # type: ignore[arg-type]
        _dictionary(work, work.call(mine, str(path)), right)
        for names, array, what in (
            ("W2", None, "lacks W2"),
            ("W3", W2, "holds W3, which is not in weights"),
            ("W2 W3", W2, "holds W3, and not W2"),
            ("W2", W2.ravel(), "holds W2 with the shape (4,), and not (4, 1)"),
            ("W2", W2.reshape(2, 2), "holds W2 with the shape (2, 2), and not (4, 1)"),
            ("W2", W2[:1], "holds W2 with the shape (1, 1), and not (4, 1)"),
            ("W2", W2.astype(np.float32), "holds W2 in float32, and not in float64"),
            ("b1", right["b1"].astype(float), "holds b1 in float64, and not in float32"),
        ):
            *fewer, name = names.split()
            arrays = {key: a for key, a in {**right, name: array}.items()
                      if a is not None and key not in fewer}  # fmt: skip
            np.savez(path, **arrays)  # type: ignore[arg-type]
            error = failed(work, mine, str(path))
            if error is None:
                raise work.wrong(f"It accepts a file that {what}. Raise a ValueError.")
            if error.kind != "ValueError":
                raise work.wrong(f"The file {what}. It raises {error}, expected a ValueError.")
            if not any(name in str(error) for name in names.split()):
                raise work.wrong(f"The file {what}. The text of the error does not name {name}: "
                                 f"{str(error).removeprefix('ValueError: ')}")  # fmt: skip


SAVING = Exercise(
    "12_saving_and_loading",
    "Saving and loading",
    (
        Part("save", "weights, path", 4, save),
        Part("load", "path", 2, load),
        Part("restore", "weights, path", 4, restore),
    ),
)
