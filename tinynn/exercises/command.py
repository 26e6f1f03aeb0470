"""`python -m tinynn.exercises FOLDER`: grade a student's folder, or with --csv a class's.

Exit status: 0 if all is right, 1 if not, 2 if there is nothing to grade.
"""

import argparse
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from tinynn.clinic.process import SECONDS
from tinynn.errors import escape_control
from tinynn.exercises.course import EXERCISES
from tinynn.exercises.grading import Exercise, grade_file

MOST = 2000  # files that are looked at, to find some of a similar name
UNUSUAL = "It needs more memory", "There is no function"  # sentences that a teacher should see


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tinynn.exercises",
        description="Grade the exercises in a folder: what is right, what is wrong, and where.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--csv", action="store_true", help="FOLDER holds a folder for each student: print a table"
    )
    parser.add_argument("--json", action="store_true", help="print what is found as JSON")
    parser.add_argument(
        "--only", nargs="+", metavar="N", help="grade these exercises alone: --only 1 2"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="limit of time for a file (%(default)g)"
    )
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"there is no folder {options.folder}")
    if not 0 < options.seconds < 1e6:
        parser.error(f"--seconds must be a positive number, got {options.seconds:g}")
    chosen: Sequence[Exercise] = EXERCISES
    if options.only:
        known = {str(int(each.name[:2])): each for each in EXERCISES}
        unknown = [n for n in options.only if n.lstrip("0") not in known]
        if unknown:
            parser.error(f"--only: there is no exercise {unknown[0]}, only {', '.join(known)}")
        chosen = [known[n.lstrip("0")] for n in options.only]
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that it cannot write must not end it
        sys.stdout.reconfigure(errors="backslashreplace")
    if options.csv:
        return _grade_class(options.folder, chosen, options.seconds)
    return _grade_one(options.folder, chosen, options.seconds, options.json)


def _grade_one(folder: Path, exercises: Sequence[Exercise], seconds: float, as_json: bool) -> int:
    """Print what is found, as soon as it is found."""
    names = [f"{each.name}.py" for each in exercises]
    nothing = not any((folder / name).is_file() for name in names)
    if nothing and not as_json:
        text = f"{folder} holds no exercise, which would be called {', '.join(names)}."
        there = [f"There is {name}." for each in exercises for name in _similar(folder, each.name)]
        text = " ".join([text, *there[:1]])
        if any((student / name).is_file() for student in _students(folder) for name in names):
            text += " Is it the folder of a class? Then add --csv."
        print(escape_control(text), file=sys.stderr)
        return 2
    grades = []
    for exercise in exercises:
        grades.append(grade_file(exercise, folder / f"{exercise.name}.py", seconds))
        if not as_json:
            print(grades[-1], flush=True)
    points = sum(grade.points for grade in grades)
    most = sum(each.points for each in exercises)
    if as_json:
        found = [grade.as_json() for grade in grades]
        print(json.dumps({"points": points, "most": most, "exercises": found}, indent=1))
    else:
        print(f"In all: {points} of {most} points.")
    return 2 if nothing else 0 if points == most else 1


def _grade_class(folder: Path, exercises: Sequence[Exercise], seconds: float) -> int:
    """Print a row for each student, as soon as it is graded."""
    students, names = _students(folder), [each.name for each in exercises]
    if not students:
        alone = any((folder / f"{name}.py").is_file() for name in names)
        text = " It is a student's own: leave out --csv." if alone else ""
        print(f"{folder} holds no folder of a student.{text}", file=sys.stderr)
        return 2
    most, all_right = sum(each.points for each in exercises), True
    table = csv.writer(sys.stdout, lineterminator="\n")
    columns = [f"{each.name} ({each.points})" for each in exercises]
    table.writerow(["name", *columns, f"total ({most})", "notes"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda student: _of_student(student, names, seconds), students)
        for student, grades in _with_bar(students, found):
            points = [grade["points"] for grade in grades]
            all_right = all_right and sum(points) == most
            row = [cell(student.name), *points, sum(points), cell(_notes(grades, student))]
            table.writerow(row)
            sys.stdout.flush()
    return 0 if all_right else 1


def _with_bar(
    students: list[Path], found: Iterable[list[dict[str, Any]]]
) -> Iterable[tuple[Path, list[dict[str, Any]]]]:
    """Return each student with what was found; if tqdm is installed, a terminal shows how far."""
    pairs = zip(students, found, strict=True)
    try:
        from tqdm import tqdm
    except ImportError:
        return pairs
    without = sys.stdout.isatty() or None  # there the rows tell; None: if stderr is no terminal
    return tqdm(pairs, total=len(students), unit=" students", leave=False, disable=without)


def _students(folder: Path) -> list[Path]:
    """Return the folders of students: none that is hidden, or that a program has made."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _of_student(student: Path, names: list[str], seconds: float) -> list[dict[str, Any]]:
    """Grade a student's folder in a process of its own: a file may end the one that started it."""
    nothing = {"points": 0, "status": "no file", "trouble": "", "parts": []}
    if not any((student / f"{name}.py").exists() for name in names):
        return [{"name": name, **nothing} for name in names]
    numbers = [str(int(name[:2])) for name in names]
    command = [sys.executable, "-m", "tinynn.exercises", str(student), "--json"]
    command += ["--seconds", str(seconds), "--only", *numbers]
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).stdout
        found: list[dict[str, Any]] = json.loads(said)["exercises"]
    except (OSError, ValueError) as error:
        text = "the process that grades this student has ended. Does a file end other processes?"
        text = text if isinstance(error, ValueError) else str(error)
        return [{"name": name, **nothing, "trouble": text} for name in names]
    return found


def _notes(grades: list[dict[str, Any]], student: Path) -> str:
    """Say what the points do not tell: what is not there, or could not be run."""
    notes = {grade["name"]: _note(grade) for grade in grades}
    elsewhere = {name: _similar(student, name) for name, note in notes.items() if note == "no file"}
    if len(elsewhere) == len(notes) > 1:
        found = [path for paths in elsewhere.values() for path in paths]
        return "no exercise" + _there_is(found)
    if len({*notes.values()}) == 1 < len(notes):
        return next(iter(notes.values()))
    told = [f"{name}: {note}{_there_is(elsewhere.get(name, []))}" for name, note in notes.items()]
    return "; ".join(text for text, note in zip(told, notes.values(), strict=True) if note)


def _note(grade: dict[str, Any]) -> str:
    """Say of one exercise what its points do not tell."""
    if grade["trouble"]:
        return str(grade["trouble"])
    told = [
        f"{part['function']}: {part['sentence']}"
        for part in grade["parts"]
        if part["lost"] or any(text in part["sentence"] for text in UNUSUAL)
    ]
    status = [grade["status"]] if grade["status"] not in ("right", "wrong") else []
    return " ".join([*status, *told])


def _there_is(files: list[str]) -> str:
    """Name some of the files."""
    more = " ..." if len(files) > 3 else ""
    return f", but there is {', '.join(files[:3])}{more}" if files else ""


def _similar(folder: Path, name: str) -> list[str]:
    """Return an exercise's files of a similar name, or one folder deeper: "mine/01_relu.py"."""
    found = []
    paths = (path for pattern in ("*", "*/*") for path in folder.glob(pattern))
    for path in islice(paths, MOST):
        parts = path.relative_to(folder).parts
        same_number = re.match(rf"0*{int(name[:2])}(\D|$)", path.stem)
        similar = same_number or _letters(name[2:]) in _letters(path.stem)
        hidden = any(part.startswith((".", "__")) for part in parts)
        if similar and not hidden and parts != (f"{name}.py",):
            with suppress(OSError):  # a folder that may not be read
                found += ["/".join(parts)] * path.is_file()
    return sorted(found)


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def cell(text: str) -> str:
    """Return a text that a spreadsheet shows, and does not take for a formula.

    >>> cell("anna"), cell("=1+1"), cell("@sum")
    ('anna', "'=1+1", "'@sum")
    """
    text = " ".join(escape_control(text).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
