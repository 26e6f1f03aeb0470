"""Protects `python -m tinynn.gradcheck`: each file gets an answer, whatever it does."""

import json
import os
import time
from pathlib import Path

import pytest

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


def written(folder, text, name="work.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_says_by_its_exit_status_what_was_found(tmp_path, capsys):
    assert main([str(written(tmp_path, RIGHT.replace("dout * 2", "dout * 3"))), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    (finding,) = answer["reports"][0]["findings"]
    assert (finding["array"], finding["line"]) == ("x", 7)
    assert not answer["ok"]


@pytest.mark.slow
def test_an_endless_loop_ends_with_its_line(tmp_path):
    report = check_file(written(tmp_path, LOOP), seconds=0.5)
    (finding,) = report.findings
    assert finding["mistake"] == "endless loop"
    assert finding["line"] in (5, 6)
    assert finding["function"] == "square_backward"
    assert report.status == 1


@pytest.mark.slow
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


def sentences(folder, text):
    return [f.sentence for report in check_here(written(folder, text)) for f in report.findings]


def test_inputs_of_the_file_are_given_by_the_stem_by_a_class_or_refused(tmp_path):
    text = RIGHT.replace("* 2, None", "* float(x.shape == (2, 9)), None").replace(
        "dout * 2", "dout"
    )
    assert sentences(tmp_path, text + 'GRADCHECK = {"scale": (np.ones((2, 9)),)}\n') == []
    assert sentences(tmp_path, text + 'GRADCHECK = {"scale": np.ones((2, 9))}\n') == []
    assert (
        "'scal', which is no code" in sentences(tmp_path, RIGHT + 'GRADCHECK = {"scal": ()}\n')[0]
    )
    assert "must be a dict" in sentences(tmp_path, RIGHT + "GRADCHECK = 3\n")[0]
    static = "class Scale:\n    @staticmethod\n    def forward(ctx, x):\n        return 2 * x\n"
    static += "    @staticmethod\n    def backward(ctx, dout):\n        return 2 * dout\n"
    static += 'import numpy as np\nGRADCHECK = {"Scale": (Scale, np.ones(3))}\n'
    assert sentences(tmp_path, static) == []


def test_a_helper_beside_a_pair_is_not_taken_for_its_forward(tmp_path):
    text = "def double(x):\n    return x + x\ndef double_forward(x):\n    return double(x), None\n"
    text += "def double_backward(dout, cache):\n    return 2 * dout\n"
    (report,) = check_here(written(tmp_path, text))
    assert (report.name, report.ok) == ("double_forward", True)


def test_a_gate_gets_weights_by_the_names_of_its_arguments(tmp_path):
    text = "def gate_forward(x, Wg, bg, Wh, bh):\n    g, h = x @ Wg + bg, x @ Wh + bh\n"
    text += "    return g * h, (x, Wg, Wh, g, h)\ndef gate_backward(dout, cache):\n"
    text += "    x, Wg, Wh, g, h = cache\n    dg, dh = dout * h, dout * g\n"
    text += "    return dg @ Wg.T + dh @ Wh.T, x.T @ dg, dg.sum(0), x.T @ dh, dh.sum(0)\n"
    (report,) = check_here(written(tmp_path, text))
    assert report.ok
    assert [row.shape for row in report.rows] == [(5, 4), (4, 3), (3,), (4, 3), (3,)]


def test_forward_may_stand_within_a_name(tmp_path):
    text = RIGHT.replace("scale_forward", "scale_forward_naive")
    text = text.replace("scale_backward", "scale_backward_naive")
    (report,) = check_here(written(tmp_path, text))
    assert (report.name, report.ok) == ("scale_forward_naive", True)


def test_methods_may_be_called_forward_propagation(tmp_path):
    text = "class Double:\n    def forward_propagation(self, x):\n        return 2 * x\n"
    text += "    def backward_propagation(self, error, learning_rate):\n        return 2 * error\n"
    (report,) = check_here(written(tmp_path, text))
    assert (report.ok, len(report.rows)) == (True, 1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="the system has no process groups")
def test_nothing_that_the_file_starts_goes_on_after_its_end(tmp_path):
    text = "import subprocess, sys, threading, time\n"
    text += "threading.Thread(target=time.sleep, args=(60,)).start()\n"
    text += "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    text += "open('child', 'w').write(str(p.pid))\n"
    begin = time.monotonic()
    assert check_file(written(tmp_path, text + RIGHT)).ok
    assert time.monotonic() - begin < 20
    child = int((tmp_path / "child").read_text())  # beside the file: it runs in its own folder
    state = Path(f"/proc/{child}/stat")
    for _ in range(100):
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"process {child} goes on")


@pytest.mark.slow
def test_a_signal_is_no_endless_loop(tmp_path):
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    (finding,) = check_file(written(tmp_path, text)).findings
    assert finding["mistake"] == "ended"
    assert "SIGTERM" in finding["sentence"]


@pytest.mark.slow
def test_the_file_has_no_arguments_and_no_answers_to_input(tmp_path):
    text = "import argparse\nargparse.ArgumentParser().parse_args()\n" + RIGHT
    assert check_file(written(tmp_path, text)).ok
    (finding,) = check_file(written(tmp_path, "x = 1\nname = input()\n")).findings
    assert "asks for input()" in finding["sentence"]
    assert finding["line"] == 2


def test_megabytes_of_output_are_cut(tmp_path):
    text = RIGHT.replace("    return x * 2", "    print('x' * 1_000_000)\n    return x * 2")
    (report,) = check_here(written(tmp_path, text))
    assert report.ok
    assert len(report.printed) == 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["no.py"], "no file"), (["."], "is a folder"), ([__file__, "--seconds", "nan"], "positive")],
)
def test_what_cannot_be_checked_is_told_in_json_too(arguments, words, capsys):
    assert main([*arguments, "--json"]) == 2
    assert words in json.loads(capsys.readouterr().out)["error"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy.py", "a b.py"])
def test_a_file_may_have_the_name_of_a_module(tmp_path, name):
    for other in ("json.py", "faulthandler.py"):
        written(tmp_path, "1 / 0\n", other)
    (report,) = check_file(written(tmp_path, RIGHT, name)).reports
    assert (report["ok"], report["name"]) == (True, "scale_forward")


def test_a_name_that_is_written_twice_is_told(tmp_path):
    (report,) = check_here(written(tmp_path, RIGHT + RIGHT))
    assert report.ok
    assert "scale_forward is written more than once, in lines 4, 11: the last counts." in (
        report.conventions
    )


OWN_LAYERS = """
import numpy as np
from tinynn import Layer, ReLU, MeanSquaredError


class MyReLU(ReLU):
    def input_gradient(self, dout):
        return dout * (dout > 0)


class Scale(Layer):
    def parameter_shapes(self, input_shape):
        return {"g": input_shape}

    def initialize(self, rng):
        self.g = 1

    def forward(self, x, training=True):
        self.x = x
        return x * self.g

    def parameter_gradients(self, dout):
        self.dg[...] = (dout * self.x).sum(axis=0)

    def input_gradient(self, dout):
        return dout * self.g


class MyLoss(MeanSquaredError):
    def backward(self, p, y):
        return p - y
"""


def test_the_readers_own_layers_get_their_line_or_the_check_that_is_for_them(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_LAYERS, encoding="utf-8")
    relu, scale, loss = check_file(path).reports
    said = relu["text"]
    assert "SUSPECT  dx of MyReLU.input_gradient (own.py:8)." in said
    assert "check_gradients(Sequential([Scale(...)], input_shape=...)" in scale["text"]
    assert "check_gradients(model, MyLoss(...), x, y)" in loss["text"]
    assert "has shape ()" not in loss["text"]
