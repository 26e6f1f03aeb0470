"""Grade a student's file: each part of an exercise is right, wrong or not begun.

A part is one function. It gets all its points or none, whatever the other parts are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinynn.clinic.process import MEGABYTES, SECONDS
from tinynn.errors import escape_control
from tinynn.exercises.asking import Apart, Lost, Student
from tinynn.exercises.work import NotBegun, Work, Wrong
from tinynn.reports import Report

LARGEST = 200_000  # bytes of a file


@dataclass(frozen=True)
class Part:
    """One function to write. arguments: their names, "dout, x". check: raises what is wrong."""

    function: str
    arguments: str
    points: int
    check: Callable[[Work], None]
    changes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return tuple(self.arguments.replace(",", " ").split())


@dataclass(frozen=True)
class Exercise:
    """An exercise. name: of its file, without .py. title: for people."""

    name: str
    title: str
    parts: tuple[Part, ...]

    @property
    def points(self) -> int:
        """The points of all parts."""
        return sum(part.points for part in self.parts)


@dataclass(frozen=True)
class Graded:
    """What was found of one part. status: "right", "wrong", "not begun". line: 0 if not known.

    lost: whether it gave no answer: an endless loop, or it has ended its process.
    """

    part: Part
    status: str
    line: int = 0
    sentence: str = ""
    lost: bool = False

    @property
    def points(self) -> int:
        """The points that it gets."""
        return self.part.points if self.status == "right" else 0


@dataclass(frozen=True, repr=False)
class Grade(Report):
    """What was found of one exercise. trouble: of the whole file; then there are no parts."""

    exercise: Exercise
    parts: tuple[Graded, ...]
    trouble: str = ""
    line: int = 0

    @property
    def points(self) -> int:
        """The points of all its parts."""
        return sum(part.points for part in self.parts)

    @property
    def status(self) -> str:
        """In a word: "right", "wrong", "partly begun", "not begun" or "no file"."""
        found = {part.status for part in self.parts}
        if not found:
            return "wrong" if self.trouble else "no file"
        if "wrong" in found or len(found) == 1:
            return "wrong" if "wrong" in found else found.pop()
        return "partly begun"

    def as_json(self) -> dict[str, Any]:
        """Return it as a dict that JSON can hold."""
        parts = [{"function": part.part.function, "status": part.status, "points": part.points,
                  "most": part.part.points, "line": part.line, "sentence": part.sentence,
                  "lost": part.lost}
                 for part in self.parts]  # fmt: skip
        exercise = self.exercise
        return {"name": exercise.name, "status": self.status, "points": self.points,
                "most": exercise.points, "trouble": self.trouble, "parts": parts}  # fmt: skip

    def __str__(self) -> str:
        head = f"{self.exercise.name}  {self.exercise.title}: {self.status}"
        lines = [f"{head}, {self.points} of {self.exercise.points} points."]
        file = f"{self.exercise.name}.py"
        place = f" ({file}:{self.line})" if self.line else ""
        if self.trouble:
            lines += [f"  {'WRONG':<9}  {file}{place}", f"      {_on_one_line(self.trouble)}"]
        if self.status != "not begun":
            for part in self.parts:
                word = part.status.upper() if part.status == "wrong" else part.status
                place = f" ({file}:{part.line})" if part.line else ""
                lines.append(f"  {word:<9}  {part.part.function}{place}")
                lines += [f"      {_on_one_line(part.sentence)}"] if part.sentence else []
        return escape_control("\n".join(lines))


def _on_one_line(text: str) -> str:
    """Return a text without ends of lines: an exception's text must not look like a grade."""
    return " ".join(text.split())


def grade_student(exercise: Exercise, student: Student) -> Grade:
    """Grade a file that answers already. Raises Lost if it gives no more answers."""
    return Grade(exercise, _explained([_graded(part, student) for part in exercise.parts], student))


def _graded(part: Part, student: Student) -> Graded:
    renamed = ""
    try:
        work = Work(student, part.function, part.names, part.changes)
        renamed = work.renamed
        part.check(work)
    except NotBegun as error:
        return Graded(part, "not begun", error.line)
    except Wrong as error:
        return Graded(part, "wrong", error.line, renamed + error.sentence)
    except Exception as error:  # one strange answer must not end the grading of a class
        text = f"It returns what cannot be graded ({type(error).__name__}: {error})."
        return Graded(part, "wrong", 0, text[:500])
    return Graded(part, "right")


def _explained(parts: list[Graded], student: Student) -> tuple[Graded, ...]:
    """Say of a wrong part that it calls another one that is not right, which may be the reason.

    No more is said of it: what it returns tells nothing of its own lines.
    """
    bad = {part.part.function for part in parts if part.status == "wrong"}
    found = []
    for part in parts:
        calls = student.calls(part.part.function)
        called = next((name for name in calls if name in bad), "")
        if part.status == "wrong" and called:
            text = f"It calls {called}, which is not right yet: repair {called} first."
            part = replace(part, sentence=text, line=calls[called])
        found.append(part)
    return tuple(found)


def grade_file(
    exercise: Exercise, path: Path, seconds: float = SECONDS, megabytes: int = MEGABYTES
) -> Grade:
    """Grade a file in a process of its own; a part that ends it costs only its own points."""
    try:
        if not path.is_file():
            return Grade(exercise, ())
        if path.stat().st_size > LARGEST:
            return Grade(exercise, (), "The file is too long to be a solution.")
        if trouble := _no_text(path.read_bytes()):
            return Grade(exercise, (), trouble)
        return _grade_apart(exercise, path, seconds, megabytes)
    except OSError as error:
        return Grade(exercise, (), f"It cannot be read: {error}.")


def _no_text(data: bytes) -> str:
    """Say why a file's bytes are no text of Python, before Python says it less plainly."""
    if not data.strip():
        return "The file is empty."
    try:
        data.decode()
        coded = b"\0" not in data
    except UnicodeDecodeError:
        coded = b"coding" in data[:200] and b"\0" not in data  # it tells its coding to Python
    return "" if coded else "The file is no UTF-8 text. Save it as UTF-8 in your editor."


def _grade_apart(exercise: Exercise, path: Path, seconds: float, megabytes: int) -> Grade:
    parts: list[Graded] = []
    process: Apart | None = None
    student: Student | None = None
    try:
        for part in exercise.parts:
            try:
                process = process or Apart(path, seconds, megabytes)
            except Lost as error:
                return Grade(exercise, (), error.finding.sentence, error.finding.line)
            try:
                student = process.student
                parts.append(_graded(part, student))
            except Lost as error:
                found = error.finding
                parts.append(Graded(part, "wrong", found.line, found.sentence, lost=True))
                process.close()
                process = None
    finally:
        if process:
            process.close()
    return Grade(exercise, _explained(parts, student) if student else ())
