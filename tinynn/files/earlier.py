"""Another run's file where a new one is to stand: refused, replaced, or renamed and kept."""

import errno
import itertools
from pathlib import Path
from typing import Any

from tinynn.errors import InputError
from tinynn.files.atomic import PathLike

CHOICES = ("error", "replace", "backup")


def check_if_exists(value: Any) -> str:
    """Return one of CHOICES as it is; an InputError if it is none.

    >>> check_if_exists("append")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: if_exists must be 'error', 'replace' or 'backup', got 'append'.
    """
    if not isinstance(value, str) or value not in CHOICES:
        raise InputError(f"if_exists must be 'error', 'replace' or 'backup', got {value!r:.100}.")
    return str(value)


def make_way(path: PathLike, if_exists: str, caller: str) -> None:
    """Do what if_exists says with the file of another run at `path`: nothing, if it is "replace".

    "error": raises FileExistsError. "backup": log.csv becomes log.1.csv, or the next free number.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "log.csv").write_text("an earlier run")
    ...     make_way(Path(folder, "log.csv"), "backup", "CSVLogger")
    ...     [file.name for file in Path(folder).iterdir()]
    ['log.1.csv']
    """
    if if_exists == "error":
        raise FileExistsError(
            f"{path} exists already, from another run, and is not overwritten. To go on with that "
            "run, give fit its checkpoint as resume_from=. For a new run, give "
            f"{caller} another path, or if_exists='backup', which renames that file, or "
            "if_exists='replace', which overwrites it."
        )
    if if_exists == "backup":
        _rename(Path(path))


def _rename(path: Path) -> None:
    """Give a file the first name with a number that is free."""
    if not path.is_file():
        raise OSError(errno.EINVAL, "This is a device or a pipe, and is not renamed", str(path))
    for number in itertools.count(1):
        backup = path.with_name(f"{path.stem}.{number}{path.suffix}")
        try:
            backup.open("xb").close()  # it is ours now, whoever else looks for a free name
        except FileExistsError:
            continue
        path.replace(backup)
        return
