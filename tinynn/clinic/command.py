"""`python -m tinynn.gradcheck FILE.py`: all code with gradients in a file, in a process of its own.

Exit status: 0 if all is right, 1 if a mistake was found, 2 if nothing could be checked.
"""

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinynn.clinic.process import MEGABYTES, SECONDS, START, end, start, why_no_answer
from tinynn.clinic.report import FunctionReport
from tinynn.errors import escape_control
from tinynn.reports import Report


@dataclass(frozen=True, repr=False)
class FileReport(Report):
    """What was found in a file. reports: those of FunctionReport.as_json, each with its "text"."""

    path: str
    reports: tuple[dict[str, Any], ...]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """All mistakes: array, mistake, file, line, function, sentence."""
        return [finding for report in self.reports for finding in report["findings"]]

    @property
    def ok(self) -> bool:
        """Whether something was checked, and all of it is right."""
        return bool(self.reports) and not self.findings

    @property
    def status(self) -> int:
        """The exit status."""
        return 0 if self.ok else 1 if self.reports else 2

    def __str__(self) -> str:
        if not self.reports:
            return (
                f"{self.path} has no code with gradients: no pair f and f_backward, no class with "
                "forward and backward, no function that returns (loss, gradients)."
            )
        return escape_control("\n\n".join(report["text"] for report in self.reports))


def check_file(
    path: str | Path, seconds: float = SECONDS, megabytes: int = MEGABYTES
) -> FileReport:
    """Check a file in a process of its own, with a limit of time and memory.

    What the file does, an endless loop, an exception, an end of its process, is a finding.
    """
    path = Path(path)
    with TemporaryDirectory() as folder:
        answer, loop = Path(folder) / "answer.json", Path(folder) / "loop.txt"
        given = [str(answer), str(seconds), str(megabytes), str(loop)]
        process = start(path, "tinynn.clinic.worker", given)
        late = False
        try:
            process.wait(seconds + START)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            end(process)
        if answer.exists():
            reports = json.loads(answer.read_text(encoding="utf-8"))
            return FileReport(str(path), tuple(reports))
        finding = why_no_answer(path, loop, process.returncode, seconds, late)
    report = FunctionReport(path.stem, "a file", (), (finding,))
    return FileReport(str(path), ({**report.as_json(), "text": str(report)},))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tinynn.gradcheck",
        description="Check the gradients of all code in a file, and name the usual mistakes.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="limit of time (%(default)g)"
    )
    options = parser.parse_args(arguments)
    wrong = "" if options.file.is_file() else f"there is no file {options.file}"
    if options.file.is_dir():
        wrong = f"{options.file} is a folder: give the files in it, one at a time"
    if not 0 < options.seconds < 1e6:
        wrong = f"--seconds must be a positive number, got {options.seconds:g}"
    if wrong and options.json:
        answer = {"file": str(options.file), "ok": False, "reports": [], "error": f"{wrong}."}
        print(json.dumps(answer, indent=1))
        return 2
    if wrong:
        parser.error(wrong)
    report = check_file(options.file, options.seconds)
    if options.json:
        without_text = [{k: v for k, v in r.items() if k != "text"} for r in report.reports]
        print(json.dumps({"file": report.path, "ok": report.ok, "reports": without_text}, indent=1))
    else:
        print(report)
    return report.status
