"""Protects `python -m tinynn.gradcheck`: each file gets an answer, whatever it does."""

import json

from tinynn.clinic.command import check_file, main
from tinynn.clinic.worker import check_here

RIGHT = """
import numpy as np
print("imported")
def scale_forward(x):
    return x * 2, None
def scale_backward(dout, cache):
    return dout * 2
"""
LOOP = """
def square_forward(x):
    return x * x, x
def square_backward(dout, x):
    while True:
        pass
"""


def written(folder, text):
    path = folder / "work.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_says_by_its_exit_status_what_was_found(tmp_path, capsys):
    assert main([str(written(tmp_path, RIGHT.replace("dout * 2", "dout * 3"))), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    (finding,) = answer["reports"][0]["findings"]
    assert (finding["array"], finding["line"]) == ("x", 7)
    assert not answer["ok"]


def test_an_endless_loop_ends_with_its_line(tmp_path):
    report = check_file(written(tmp_path, LOOP), seconds=0.5)
    (finding,) = report.findings
    assert finding["mistake"] == "endless loop"
    assert finding["line"] in (5, 6)
    assert finding["function"] == "square_backward"
    assert report.status == 1


def test_a_file_that_ends_its_process_is_told(tmp_path):
    (finding,) = check_file(written(tmp_path, "import os\nos._exit(3)\n")).findings
    assert "exit status 3" in finding["sentence"]


def test_a_file_that_cannot_be_imported_is_told_with_its_line(tmp_path):
    for text, mistake in (("x = 1\ndef f(:\n", "syntax"), ("x = 1\n1 / 0\n", "exception")):
        (report,) = check_here(written(tmp_path, text))
        (finding,) = report.findings
        assert (finding.mistake, finding.line) == (mistake, 2)


def test_a_file_without_gradients_has_no_reports(tmp_path):
    assert check_here(written(tmp_path, "def f(x):\n    return x\n")) == []


def test_a_flatten_is_checked_with_samples_that_are_not_flat(tmp_path):
    text = "class Flatten:\n    def forward(self, x):\n        self.shape = x.shape\n"
    text += (
        "        return x.reshape(len(x), -1)\n    def backward(self, dout):\n        return dout"
    )
    (wrong,) = check_here(written(tmp_path, text))
    assert "reshape it to x.shape" in wrong.findings[0].sentence
    (right,) = check_here(written(tmp_path, text + ".reshape(self.shape)\n"))
    assert right.ok


def test_one_broken_function_does_not_hide_the_others(tmp_path):
    text = (
        RIGHT + "\ndef f_forward(x):\n    return nothing\ndef f_backward(dout, c):\n    return c\n"
    )
    right, broken = check_here(written(tmp_path, text))
    assert right.ok
    assert "nothing" in broken.findings[0].sentence
