"""`python -m tinynn.gradcheck FILE.py`: all code with gradients in a file, in a process of its own.

Exit status: 0 if all is right, 1 if a mistake was found, 2 if nothing could be checked.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinynn.errors import escape_control
from tinynn.reports import Report

SECONDS, MEGABYTES = 20.0, 2000
ROOT = Path(__file__).parents[2]
WORKER = (  # it starts in the file's folder, where a file may be called json.py: not in sys.path
    "import sys; del sys.path[0]; sys.path.append(sys.argv[1]); "
    "from tinynn.clinic.worker import main; main(sys.argv[2:])"
)
START = 20.0  # seconds that a process may take to begin and to end, on a busy machine


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
        command = [sys.executable, "-c", WORKER, str(ROOT), str(path.resolve())]
        command += [str(answer), str(seconds), str(megabytes), str(loop)]
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        variables = {**os.environ, "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, **quiet, env=variables, start_new_session=True, cwd=path.resolve().parent
        )
        late = False
        try:
            process.wait(seconds + START)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _end(process)
        if answer.exists():
            reports = json.loads(answer.read_text(encoding="utf-8"))
            return FileReport(str(path), tuple(reports))
        where = loop.read_text(encoding="utf-8", errors="replace") if loop.exists() else ""
    return FileReport(str(path), (_unanswered(path, where, process.returncode, seconds, late),))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started, also what goes on after its end."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _unanswered(path: Path, where: str, code: int, seconds: float, late: bool) -> dict[str, Any]:
    """Return the report of a file whose process gave no answer."""
    own = re.search(rf'File "{re.escape(str(path.resolve()))}", line (\d+) in (\S+)', where)
    line, function = (int(own[1]), own[2]) if own else (0, path.stem)
    if where or late:
        mistake = "endless loop"
        text = f"After {seconds:g} seconds it has not ended. Is there an endless loop?"
    elif code < 0:
        mistake = "ended"
        text = (
            f"Its process ended by {_signal(-code)}: an error in compiled code, too little memory, "
            "or the code ends itself."
        )
    else:
        mistake = "ended"
        text = f"The code ends its process, with exit status {code}."
    finding = {"array": "", "mistake": mistake, "file": str(path.resolve()), "line": line,
               "function": function, "sentence": text}  # fmt: skip
    shown = (
        f"{path.stem}, a file: wrong.\nSUSPECT  {function} ({path.name}:{line}).\nPATTERN  {text}"
    )
    return {"name": path.stem, "form": "a file", "ok": False, "findings": [finding], "rows": [],
            "conventions": [], "printed": "", "text": shown}  # fmt: skip


def _signal(number: int) -> str:
    try:
        return f"the signal {signal.Signals(number).name}"
    except ValueError:
        return f"the signal {number}"


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
