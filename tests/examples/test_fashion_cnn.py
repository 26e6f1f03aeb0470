"""examples/fashion_cnn.py on the sample: the phases of the main job, and what a CNN has besides.

What both programs share is tested in test_fashion_mlp.py, test_run_folder.py and
test_interrupted_runs.py.
"""

import csv
import importlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

import tinynn
from tinynn import datasets

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = ["load", "preprocess", "model", "train", "save", "verify", "evaluate", "plot", "predict"]
PICTURES = [
    "accuracy.png", "classes.png", "confusion.png", "health.png", "maps.png", "predictions.png",
    "weights.png", "worst.png",
]  # fmt: skip
OF_THE_PAGE = ["health.json", "report.html", "run.jsonl", "test.npz"]
SHORT = ("--sample", "--epochs", 1, "--out", "run")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(run_example, tmp_path_factory):
    """One run of one epoch on the sample, for all tests that look at its files."""
    folder = tmp_path_factory.mktemp("cnn")
    process = run_example(folder, "fashion_cnn.py", *SHORT)
    assert process.returncode == 0, process.stderr
    return SimpleNamespace(out=folder / "run", text=process.stdout)


def test_steps_come_in_order_and_say_what_they_did(run):
    assert re.findall(r"^== (\w+)", run.text, re.MULTILINE) == STEPS
    for said in (
        "5,500 images to learn from, 500 held out",
        "218,714",  # parameters
        "4,830,720",  # multiplications
        "Learning rate: rises to 0.004 in the first 9 steps, then falls to 0 as half a cosine, by "
        "the end of epoch 1.",
        "Kept: the weights after epoch 1, the last.",
        "What the doctor says of this training:",
        "identical: predictions on 1,000 test images, 10,000 values, byte by byte",
    ):
        assert said in run.text


def test_all_that_a_run_makes_is_in_its_folder(run):
    made = sorted(path.name for path in run.out.iterdir())
    assert made == sorted(
        [*PICTURES, *OF_THE_PAGE, "checkpoint.npz", "lock", "log.csv", "metrics.json", "model.npz"]
    )
    for name in PICTURES:
        assert imread(run.out / name)[..., :3].std() > 0.05


def test_metrics_are_those_of_the_saved_model(run):
    found = json.loads((run.out / "metrics.json").read_text())
    assert (found["size"], found["mirror_images"], found["batch_size"]) == ("small", False, 96)
    assert set(found["seconds"]) == set(STEPS)
    _, (images, labels) = datasets.load_sample()
    p = tinynn.load_model(run.out / "model.npz").predict(images / np.float32(255))
    assert found["test_accuracy"] == np.mean(p.argmax(axis=1) == labels)
    assert found["test_accuracy"] > 0.5  # far above chance, 0.1: any rounding does
    with (run.out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert found["val"]["accuracy"] == float(rows[-1]["val_accuracy"])


def test_a_person_s_picture_and_curves_of_several_runs_work_with_it(run, run_example, tmp_path):
    from PIL import Image

    _, (images, _) = datasets.load_sample()
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    process = run_example(tmp_path, "predict_image.py", run.out / "model.npz", "a.png")
    assert process.returncode == 0, process.stderr
    (p,) = tinynn.load_model(run.out / "model.npz").predict(images[:1] / np.float32(255))
    answer = datasets.CLASS_NAMES[p.argmax()]
    assert f"a.png: {answer} {p.max():.1%}"[:-3] in process.stdout
    process = run_example(tmp_path, "compare_runs.py", run.out)
    assert process.returncode == 0, process.stderr
    assert "1 epoch, val_accuracy" in process.stdout


def test_an_interrupted_run_resumes_to_the_same_bits(run, run_example, at_start, tmp_path):
    """BatchNorm's running statistics, masks and flips included; here it ends in the middle.

    It finds no matplotlib: pictures would take half of its time.
    """
    code = (
        "import os, signal, sys, tinynn\n"
        "sys.modules['matplotlib'] = None\n"
        "real = tinynn.Checkpoint.on_step_end\n"
        "def stop(self, trainer):\n"
        "    real(self, trainer)\n"
        "    if trainer.step == 30:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "if not os.path.exists('stopped'):\n"
        "    open('stopped', 'w').close()\n"
        "    tinynn.Checkpoint.on_step_end = stop\n"
    )
    environment = at_start(tmp_path, code)
    stopped = run_example(tmp_path, "fashion_cnn.py", *SHORT, **environment)
    assert stopped.returncode == 143, stopped.stderr
    assert "Go on with: " in stopped.stderr
    resumed = run_example(tmp_path, "fashion_cnn.py", *SHORT, "--resume", **environment)
    assert resumed.returncode == 3, resumed.stderr  # all is done but pictures
    assert (tmp_path / "run/model.npz").read_bytes() == (run.out / "model.npz").read_bytes()


def test_the_mean_over_the_mirror_image_is_of_two_predictions(monkeypatch, capsys):
    """What --size large answers with."""
    monkeypatch.syspath_prepend(EXAMPLES)
    fashion_cnn = importlib.import_module("fashion_cnn")
    layers = [tinynn.Flatten(), tinynn.Dense(10), tinynn.Softmax()]
    model = tinynn.Sequential(layers, input_shape=(28, 28))
    _, (images, labels) = datasets.load_sample()
    x = images / np.float32(255)
    both = fashion_cnn.with_mirror_images(model, x, labels, "test")
    alone, mirrored = model.predict(x), model.predict(np.flip(x, axis=2))
    np.testing.assert_allclose(both, (alone + mirrored) / 2, atol=1e-6)
    right = [np.mean(p.argmax(axis=1) == labels) for p in (alone, both)]
    assert f"test accuracy {right[0]:.4f}; {right[1]:.4f} as the mean" in capsys.readouterr().out
