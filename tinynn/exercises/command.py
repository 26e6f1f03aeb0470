"""`python -m tinynn.exercises FOLDER`: grade a student's folder, or with --csv a class's.

Exit status: 0 if all is right, 1 if not, 2 if there is nothing to grade.
"""

import argparse
import csv
import sys
from pathlib import Path

from tinynn.clinic.process import SECONDS
from tinynn.errors import escape_control
from tinynn.exercises.course import EXERCISES
from tinynn.exercises.grading import Grade, grade_file


def grade_folder(folder: Path, seconds: float = SECONDS) -> list[Grade]:
    """Grade all exercises of one student, each in a process of its own."""
    return [grade_file(each, folder / f"{each.name}.py", seconds) for each in EXERCISES]


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
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="limit of time for a file (%(default)g)"
    )
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"there is no folder {options.folder}")
    if not 0 < options.seconds < 1e6:
        parser.error(f"--seconds must be a positive number, got {options.seconds:g}")
    grade = _grade_class if options.csv else _grade_one
    return grade(options.folder, options.seconds)


def _grade_one(folder: Path, seconds: float) -> int:
    """Print what is found, as soon as it is found."""
    if not any((folder / f"{each.name}.py").is_file() for each in EXERCISES):
        names = f"{EXERCISES[0].name}.py to {EXERCISES[-1].name}.py"
        print(f"{folder} has no exercise: their files are called {names}.", file=sys.stderr)
        return 2
    points = 0
    for exercise in EXERCISES:
        grade = grade_file(exercise, folder / f"{exercise.name}.py", seconds)
        print(grade, flush=True)
        points += grade.points
    print(f"In all: {points} of {_most()} points.")
    return 0 if points == _most() else 1


def _grade_class(folder: Path, seconds: float) -> int:
    """Print a row for each student, as soon as it is graded."""
    students = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not students:
        print(f"{folder} holds no folder of a student.", file=sys.stderr)
        return 2
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["name", *(each.name for each in EXERCISES), "total", "notes"])
    all_right = True
    for student in students:
        grades = grade_folder(student, seconds)
        total = sum(grade.points for grade in grades)
        all_right = all_right and total == _most()
        row = [cell(student.name), *(grade.points for grade in grades), total, _notes(grades)]
        table.writerow(row)
        sys.stdout.flush()
    return 0 if all_right else 1


def _notes(grades: list[Grade]) -> str:
    """Say what the points do not tell: which files are not there, which could not be run."""
    notes = [f"{g.exercise.name}: no file" for g in grades if g.status == "no file"]
    notes += [f"{g.exercise.name}: {g.trouble}" for g in grades if g.trouble]
    return cell("; ".join(notes))


def _most() -> int:
    return sum(each.points for each in EXERCISES)


def cell(text: str) -> str:
    """Return a text that a spreadsheet shows, and does not take for a formula.

    >>> cell("anna"), cell("=1+1"), cell("@sum")
    ('anna', "'=1+1", "'@sum")
    """
    text = " ".join(escape_control(text).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
