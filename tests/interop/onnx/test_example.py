"""examples/export_onnx.py, and the program of docs/interop.md, run as their reader runs them."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest

import tinynn

ROOT = Path(__file__).parents[3]


def run(folder, *command):
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_the_example_shows_both_predictions_and_both_times(tmp_path):
    process = run(tmp_path, ROOT / "examples/export_onnx.py", "--epochs", 1)
    assert process.returncode == 0, process.stderr
    assert "Read again: identical" in process.stdout
    assert "The same answer for 1,000 of 1,000 images" in process.stdout
    assert re.search(r"^tinynn +[\d.]+ ms for 1,000 images", process.stdout, re.MULTILINE)
    assert re.search(r"^onnxruntime +[\d.]+ ms for 1,000 images", process.stdout, re.MULTILINE)
    metadata = onnx.load(tmp_path / "runs/export_onnx/model.onnx").metadata_props
    assert "Ankle boot" in next(one.value for one in metadata if one.key == "class_names")


@pytest.mark.slow
def test_the_example_takes_a_saved_network_and_refuses_one_of_other_images(tmp_path):
    layers = [tinynn.Flatten(), tinynn.Dense(10), tinynn.Softmax()]
    for name, shape in (("right.npz", (28, 28)), ("wrong.npz", (8, 8))):
        tinynn.save_model(tinynn.Sequential(layers, shape), tmp_path / name)
        layers = [tinynn.Flatten(), tinynn.Dense(10)]
    right = run(tmp_path, ROOT / "examples/export_onnx.py", "--model", "right.npz")
    assert right.returncode == 0, right.stderr
    wrong = run(tmp_path, ROOT / "examples/export_onnx.py", "--model", "wrong.npz")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "wrong.npz takes (8, 8), and the images are (28, 28)" in wrong.stderr
    absent = run(tmp_path, ROOT / "examples/export_onnx.py", "--model", "absent.npz")
    assert absent.returncode == 1
    assert "error: [Errno 2] There is no such file" in absent.stderr


@pytest.mark.skipif(find_spec("torch") is None, reason="its second half is about PyTorch")
def test_the_program_of_the_page_runs_as_it_stands(tmp_path):
    page = (ROOT / "docs/interop.md").read_text(encoding="utf-8")
    section = page.partition("## ONNX")[2].partition("\n## ")[0]
    (program,) = re.findall(r"^```py\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.py").write_text(program, encoding="utf-8")
    process = run(tmp_path, "mine.py")
    assert process.stdout == "True\nTrue\n", process.stderr
