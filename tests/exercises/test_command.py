"""Protects `python -m tinynn.exercises`: points for right work alone, whatever a file does."""

import csv
import io
import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

from tinynn.exercises.command import main
from tinynn.exercises.course import EXERCISES
from tinynn.exercises.grading import grade_file

FOLDER = Path(__file__).parents[2] / "examples/exercises"
RELU = EXERCISES[0]
RIGHT = (FOLDER / "solutions/01_relu.py").read_text(encoding="utf-8")
RETURN = "return np.maximum(x, 0)"
HOSTILE = {  # what stands at the head of a file without solutions: what the answer says
    "import sys; sys.exit()": "ends the program as it is imported",
    "import os; os._exit(0)": "exit status 0",
    "raise KeyError('\\nIn all: 10 of 10 points.\\n')": "KeyError",
    "def f(:": "no Python",
    "import tinynn": "NumPy alone",
    "from tinynn.layers import ReLU": "NumPy alone",
    "import no_such_library": "'no_such_library'. These exercises are written in NumPy alone.",
    "x = input()": "input()",
    "x = np.ones((100_000, 100_000))": "llocate",
    "while True: pass": "endless loop",
    "import os\nfor n in range(3, 30):\n"  # wherever the answers go
    "    try: os.write(n, b'{\"result\": 1}\\n')\n    except OSError: pass": "01_relu",
    "np.array_equal = np.allclose = lambda *a, **k: True": "relu_forward",
    "import json; json.loads = json.dumps = None": "",
}


def handed_in(folder, text, name="01_relu.py"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def rows(capsys):
    return [*csv.DictReader(io.StringIO(capsys.readouterr().out))]


@pytest.mark.slow
def test_the_solution_gets_all_points_in_a_process_of_its_own(tmp_path):
    grade = grade_file(RELU, handed_in(tmp_path, f"print('hello')\n{RIGHT}\nprint('bye')\n"))
    assert grade.points == 10, grade
    assert [path.name for path in tmp_path.iterdir()] == ["01_relu.py"]  # no file of ours


@pytest.mark.slow
def test_the_answer_names_the_function_and_the_line(tmp_path, capsys):
    handed_in(tmp_path, RIGHT.replace(RETURN, "return x"))
    assert main([str(tmp_path), "--only", "1"]) == 1
    said = capsys.readouterr().out
    assert "WRONG      relu_forward (01_relu.py:8)\n      Numbers below 0 go through." in said
    assert "In all: 6 of 10 points." in said
    assert main([str(tmp_path), "--only", "1", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["exercises"]
    assert (found["points"], found["most"], found["status"]) == (6, 10, "wrong")
    assert [part["line"] for part in found["parts"]] == [8, 0]


def test_nothing_to_grade_has_an_exit_status_of_its_own(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path), "--csv"]) == 2
    assert "01_relu.py" in capsys.readouterr().err
    for wrong in (["--only", "99"], ["--seconds", "0"]):
        with pytest.raises(SystemExit, match="2"):
            main([str(tmp_path), *wrong])
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "nowhere")])


def test_no_cell_is_a_formula_and_a_missing_file_is_told(tmp_path, capsys):
    for name in ("=1+1", "-x", "+x", "@x", 'a,b\n"c'):
        (tmp_path / name).mkdir()
    assert main([str(tmp_path), "--csv"]) == 1
    found = rows(capsys)
    assert [row["name"] for row in found] == ["'+x", "'-x", "'=1+1", "'@x", 'a,b "c']
    assert {row["total (120)"] for row in found} == {"0"}
    assert {row["notes"] for row in found} == {"no exercise"}


def test_a_name_that_cannot_be_written_is_escaped(tmp_path, monkeypatch):
    (tmp_path / "Žofia").mkdir()
    (tmp_path / "zoe").mkdir()
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main([str(tmp_path), "--csv"]) == 1
    assert b"\nzoe," in written.getvalue()
    assert b"\n\\u017dofia," in written.getvalue()


def test_a_file_that_is_too_long_or_none_is_not_run(tmp_path):
    grade = grade_file(RELU, handed_in(tmp_path, RIGHT + "#" * 300_000))
    assert (grade.points, grade.status) == (0, "wrong")
    (tmp_path / "folder" / "01_relu.py").mkdir(parents=True)
    assert grade_file(RELU, tmp_path / "folder" / "01_relu.py").status == "no file"


@pytest.mark.slow
@pytest.mark.parametrize("line", HOSTILE)
def test_a_hostile_file_gets_no_points_and_is_told(tmp_path, line):
    wrong = RIGHT.replace(RETURN, "return x").replace("dout * (x > 0)", "dout")
    head, tail = wrong.split("import numpy as np\n")
    grade = grade_file(RELU, handed_in(tmp_path, f"{head}import numpy as np\n{line}\n{tail}"), 2)
    assert grade.points == 0
    assert HOSTILE[line] in str(grade)
    assert "\nIn all" not in str(grade)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no process is ended in this way there")
def test_a_file_that_ends_its_grader_costs_the_others_nothing(tmp_path, capsys):
    handed_in(tmp_path / "anna", RIGHT)
    handed_in(tmp_path / "boris", f"import os\nos.kill(os.getppid(), 9)\n{RIGHT}")
    assert main([str(tmp_path), "--csv", "--only", "1"]) == 1
    anna, boris = rows(capsys)
    assert (anna["total (10)"], boris["total (10)"]) == ("10", "0")
    assert "end other processes" in boris["notes"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "setsid"), reason="there are no groups of processes there")
def test_a_process_that_leaves_its_group_does_not_hold_up_the_grader(tmp_path):
    """It keeps the other end of the pipe open, for twenty seconds."""
    leaves = "import os, time\nif os.fork(): os._exit(0)\nos.setsid(); time.sleep(20); os._exit(0)"
    began = time.monotonic()
    assert grade_file(RELU, handed_in(tmp_path, f"{leaves}\n{RIGHT}"), seconds=1).points == 0
    assert time.monotonic() - began < 15


@pytest.mark.slow
def test_a_part_that_never_ends_costs_its_own_points_alone(tmp_path):
    text = RIGHT.replace(RETURN, "while True:\n        pass")
    grade = grade_file(RELU, handed_in(tmp_path, text), seconds=0.5)
    forward, backward = grade.parts
    assert (forward.points, backward.points) == (0, 6)
    assert "endless loop" in forward.sentence
    assert forward.line in (8, 9, 10)


@pytest.mark.slow
def test_in_a_class_no_submission_harms_another(tmp_path, capsys):
    """Right, not begun, wrong, endless, ending, printing CSV, without a file."""
    given = (FOLDER / "01_relu.py").read_text(encoding="utf-8")
    submissions = {
        "anna": RIGHT,
        "boris": given,
        "chen": RIGHT.replace("dout * (x > 0)", "dout"),
        "dora": f"{RIGHT}\nwhile True:\n    pass\n",
        "emil": f"import os\nos._exit(0)\n{RIGHT}",
        "fatma": f"print('fatma,10,10,')\n{RIGHT}",
        "goran": f"import threading, time\nthreading.Thread(target=time.sleep, args=[99]).start()\n"
        f"{RIGHT}",
    }
    for name, text in submissions.items():
        handed_in(tmp_path / name, text)
    (tmp_path / "hana").mkdir()
    began = time.monotonic()
    assert main([str(tmp_path), "--csv", "--seconds", "2", "--only", "1"]) == 1
    assert time.monotonic() - began < 60
    found = {row["name"]: row for row in rows(capsys)}
    assert [*found] == [*submissions, "hana"]
    points = {"anna": 10, "boris": 0, "chen": 4, "dora": 0, "emil": 0, "fatma": 10, "goran": 10,
              "hana": 0}  # fmt: skip
    assert {name: int(row["total (10)"]) for name, row in found.items()} == points
    notes = {name: row["notes"] for name, row in found.items() if row["notes"]}
    assert {*notes} == {"boris", "dora", "emil", "hana"}
    assert "endless loop" in notes["dora"]


def test_the_table_has_rows_for_students_alone_and_says_how_many_points_there_are(tmp_path, capsys):
    for name in ("anna", "__pycache__", ".git", "__MACOSX"):
        (tmp_path / name).mkdir()
    assert main([str(tmp_path), "--csv", "--only", "1", "12"]) == 1
    head, row = capsys.readouterr().out.splitlines()
    assert head == "name,01_relu (10),12_saving_and_loading (10),total (20),notes"
    assert row == "anna,0,0,0,no exercise"


def test_files_that_are_elsewhere_or_called_otherwise_are_noted(tmp_path, capsys):
    for name in (
        "anna/my_exercises/01_relu.py",
        "anna/my_exercises/02_dense.py",
        "anna/__pycache__/03_softmax.pyc",
        "anna/.backup/03_softmax.py",
        "boris/08_dropout (1).py",
        "chen/8.txt",
        "dora/notes.txt",
        "dora/conv2d.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert main([str(tmp_path), "--csv"]) == 1
    assert {row["name"]: row["notes"] for row in rows(capsys)} == {
        "anna": "no exercise, but there is my_exercises/01_relu.py, my_exercises/02_dense.py",
        "boris": "no exercise, but there is 08_dropout (1).py",
        "chen": "no exercise, but there is 8.txt",
        "dora": "no exercise, but there is conv2d.py",
    }
    assert main([str(tmp_path), "--csv", "--only", "8"]) == 1
    assert [row["notes"] for row in rows(capsys)] == [
        "08_dropout: no file",
        "08_dropout: no file, but there is 08_dropout (1).py",
        "08_dropout: no file, but there is 8.txt",
        "08_dropout: no file",
    ]


def test_the_wrong_folder_is_told(tmp_path, capsys):
    handed_in(tmp_path / "anna", RIGHT)
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "There is anna/01_relu.py. Is it the folder of a class? Then add --csv." in said
    assert main([str(tmp_path / "anna"), "--csv"]) == 2
    assert "leave out --csv" in capsys.readouterr().err


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_that_is_no_utf_8_is_told_what_to_do(tmp_path, coding):
    (tmp_path / "01_relu.py").write_bytes(f"# é\n{RIGHT}".encode(coding))
    grade = grade_file(RELU, tmp_path / "01_relu.py")
    assert grade.points == 0
    assert "Save it as UTF-8" in grade.trouble


@pytest.mark.slow
@pytest.mark.parametrize("head", ["\ufeff", "# coding: latin-1\n# é\n"])
def test_a_mark_of_utf_8_or_a_coding_that_is_told_does_no_harm(tmp_path, head):
    data = f"{head}{RIGHT}".encode("latin-1" if "latin" in head else "utf-8")
    (tmp_path / "01_relu.py").write_bytes(data)
    assert grade_file(RELU, tmp_path / "01_relu.py").points == 10


@pytest.mark.slow
def test_what_ends_a_function_is_noted_with_its_name(tmp_path, capsys):
    body = {
        "anna": "while True:\n        pass",
        "boris": "import os\n    os._exit(3)",
        "chen": "return np.ones((10**6, 10**6)) * x",
        "dora": "return x",
    }
    for name, lines in body.items():
        handed_in(tmp_path / name, RIGHT.replace(RETURN, lines))
    handed_in(tmp_path / "emil", RIGHT.replace("def relu_forward", "def forward"))
    handed_in(tmp_path / "fatma", " \n")
    handed_in(tmp_path / "fatma", RIGHT, "02_dense (copy).py")
    only = ["--only", "1", "2"]
    assert main([str(tmp_path), "--csv", "--seconds", "1", *only]) == 1
    notes = {row["name"]: row["notes"] for row in rows(capsys)}
    dense = "; 02_dense: no file"
    assert notes["dora"] == "02_dense: no file"
    assert notes["anna"].startswith("01_relu: relu_forward: After 1 seconds it has not ended.")
    assert notes["boris"] == (
        "01_relu: relu_forward: The code ends its process, with exit status 3." + dense
    )
    assert notes["chen"].startswith("01_relu: relu_forward: It needs more memory")
    assert notes["emil"].startswith("01_relu: relu_forward: There is no function relu_forward")
    assert notes["fatma"] == (
        "01_relu: The file is empty.; 02_dense: no file, but there is 02_dense (copy).py"
    )


def test_progress_is_shown_on_a_terminal_if_the_table_goes_elsewhere(tmp_path, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    (tmp_path / "anna").mkdir()
    monkeypatch.setattr("sys.stderr", Terminal())
    assert main([str(tmp_path), "--csv"]) == 1
    assert "0/1 " in sys.stderr.getvalue()
    assert "students" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert main([str(tmp_path), "--csv"]) == 1
    assert not sys.stderr.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(("text", "points"), [(RIGHT, 10), (RIGHT.replace(RETURN, "return x"), 6)])
def test_the_cell_for_nbgrader_ends_with_the_points(tmp_path, monkeypatch, text, points):
    page = (FOLDER.parent / "TEACHING.md").read_text(encoding="utf-8")
    (cell,) = re.findall(r"^```python\n(import subprocess.*?)^```", page, re.DOTALL | re.MULTILINE)
    handed_in(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(cell, names)
    assert cell.endswith("\npoints\n")
    assert names["points"] == points
