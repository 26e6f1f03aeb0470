"""The main job, on the sample: each of its phases writes and prints what it should."""

import csv
import json
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

import tinynn
from tinynn import datasets

NO_PICTURES = "import sys\nsys.modules['matplotlib'] = None\n"  # they take half of the time
STEPS = ["load", "preprocess", "model", "train", "save", "verify", "evaluate", "plot", "predict"]
PICTURES = [
    "accuracy.png", "confusion.png", "health.png", "predictions.png", "weights.png", "worst.png",
]  # fmt: skip
OF_THE_PAGE = ["health.json", "report.html", "run.jsonl", "test.npz"]


def metrics(run):
    return json.loads((run.out / "metrics.json").read_text())


@pytest.mark.outcome
def test_steps_come_in_order_and_say_what_they_did(sample_run):
    assert re.findall(r"^== (\w+)", sample_run.text, re.MULTILINE) == STEPS
    for said in (
        "6,000 training and 1,000 test images, from the sample that comes with tinynn",
        "5,500 images to learn from, 500 held out",
        "567,434",
        "Learning rate: rises to 0.0007 in the 172 steps of epoch 1, then falls to 0 as half a "
        "cosine, by the end of epoch 2.",
        "epoch 1/2",
        "epoch 2/2",
        "most confused:",
        "HEALTHY   No problem was found.",
        "identical: compared structure, and 567,434 values in 8 arrays, byte by byte",
        "identical: predictions on 1,000 test images, 10,000 values, byte by byte",
    ):
        assert said in sample_run.text


def test_all_that_a_run_makes_is_in_its_folder(sample_run):
    made = sorted(path.name for path in sample_run.out.iterdir())
    assert made == sorted(
        [*PICTURES, *OF_THE_PAGE, "checkpoint.npz", "lock", "log.csv", "metrics.json", "model.npz"]
    )
    assert [path.name for path in sample_run.out.parent.iterdir()] == ["fashion_mlp"]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_not_blank(sample_run, name):
    pixels = imread(sample_run.out / name)
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 300
    assert pixels[..., :3].std() > 0.05


def test_log_has_one_row_an_epoch_with_the_promised_columns(sample_run):
    with (sample_run.out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = "epoch loss accuracy val_loss val_accuracy learning_rate seconds"
    assert list(rows[0]) == columns.split()
    assert [row["epoch"] for row in rows] == ["1", "2"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[0] == 0.0007  # the warm-up has ended
    assert 0 < rates[1] < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_weights_of_the_last_epoch_are_kept(run_example, at_start, tmp_path, schedule):
    """Also where an epoch before it did better on the images held out: no epoch is chosen."""
    environment = at_start(tmp_path, NO_PICTURES)
    jumpy = ("--learning-rate", 0.02, "--batch-size", 100, "--schedule", schedule)
    four = ("--sample", "--epochs", 4)
    process = run_example(tmp_path, "fashion_mlp.py", *four, *jumpy, **environment)
    assert process.returncode == 3, process.stderr
    run = SimpleNamespace(out=tmp_path / "runs/fashion_mlp")
    with (run.out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "Kept: the weights after epoch 4, the last." in process.stdout
    rates = {row["learning_rate"] for row in rows}
    assert (rates == {"0.02"}) is (schedule == "constant")
    found = metrics(run)
    assert found["schedule"] == schedule
    for part, prefix in (("train", ""), ("val", "val_")):
        for name in ("loss", "accuracy"):
            assert found[part][name] == float(rows[-1][prefix + name])

    (images, labels), _ = datasets.load_sample()
    _, drawn = tinynn.stratified_split(labels, 500, np.random.default_rng(0))
    p = tinynn.load_model(run.out / "model.npz").predict(images[drawn] / np.float32(255))
    assert found["val"]["accuracy"] == np.mean(p.argmax(axis=1) == labels[drawn])


@pytest.mark.outcome
def test_metrics_are_those_of_the_saved_model(sample_run):
    found = metrics(sample_run)
    assert found["data_source"] == "the sample that comes with tinynn"
    assert found["seed"] == 0
    assert found["versions"]["numpy"] == np.__version__
    assert set(found["seconds"]) == set(STEPS)
    assert found["train"]["samples"] == 5500
    assert found["val"]["samples"] == 500

    _, (images, labels) = datasets.load_sample()
    p = tinynn.load_model(sample_run.out / "model.npz").predict(images / np.float32(255))
    assert found["test_accuracy"] == np.mean(p.argmax(axis=1) == labels)
    surprise = -np.log(p[np.arange(1000), labels].astype(float)).mean()
    assert found["test_loss"] == pytest.approx(surprise, rel=1e-6)
    assert found["test_accuracy"] > 0.7  # guessing gives 0.1


@pytest.mark.slow
def test_label_smoothing_counts_in_training_alone(run_example, at_start, tmp_path):
    short = ("--sample", "--epochs", 2, "--batch-size", 100, "--label-smoothing", 0.1)
    environment = at_start(tmp_path, NO_PICTURES)
    process = run_example(tmp_path, "fashion_mlp.py", *short, **environment)
    assert process.returncode == 3, process.stderr
    run = SimpleNamespace(out=tmp_path / "runs/fashion_mlp")
    found = metrics(run)
    assert found["label_smoothing"] == 0.1
    assert found["train"]["loss"] > found["val"]["loss"]  # smoothed targets have an entropy of 0.5
    _, (images, labels) = datasets.load_sample()
    p = tinynn.load_model(run.out / "model.npz").predict(images / np.float32(255))
    surprise = -np.log(p[np.arange(1000), labels].astype(float)).mean()
    assert found["test_loss"] == pytest.approx(surprise, rel=1e-6)


@pytest.mark.slow
def test_same_seed_gives_the_same_file_and_an_earlier_run_is_renamed(
    run_example, at_start, tmp_path
):
    environment = at_start(tmp_path, NO_PICTURES)
    arguments = ("--sample", "--epochs", 1, "--batch-size", 100, "--out", tmp_path / "run")
    for seed in (5, 5):
        process = run_example(tmp_path, "fashion_mlp.py", *arguments, "--seed", seed, **environment)
        assert process.returncode == 3, process.stderr
    assert f"The earlier run in {tmp_path / 'run'} is now {tmp_path / 'run.1'}." in process.stdout
    first, second = (tmp_path / name / "model.npz" for name in ("run.1", "run"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_without_the_data_it_says_so_loudly_and_trains_on_the_sample(
    run_example, at_start, tmp_path
):
    no_data = (  # a machine without Debian's package or a network
        "import pathlib, tinynn.datasets.fashion_mnist as f\n"
        "f.DEBIAN_FOLDER = pathlib.Path('/nowhere')\n"
        "f.MIRRORS = ('http://127.0.0.1:9/',)\n"
        "import tinynn.datasets.download as d\n"
        "d.RETRIES = 0\n"
    )
    process = run_example(
        tmp_path,
        "fashion_mlp.py",
        *("--epochs", 1, "--batch-size", 500),
        **at_start(tmp_path, no_data),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        TINYNN_DATA_DIR="",
    )
    assert process.returncode == 0, process.stderr
    assert "TRAINING ON THE SAMPLE" in process.stdout
    assert "apt-get install dataset-fashion-mnist" in process.stdout
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz" in process.stdout


@pytest.mark.slow
def test_if_matplotlib_is_broken_only_the_pictures_are_missing(run_example, tmp_path):
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib/__init__.py").write_text("raise RuntimeError('broken, and how')")
    arguments = ("--sample", "--epochs", 1, "--batch-size", 500)
    process = run_example(tmp_path, "fashion_mlp.py", *arguments, PYTHONPATH=str(tmp_path))
    run = SimpleNamespace(out=tmp_path / "runs/fashion_mlp")
    assert process.returncode == 3, process.stderr
    for name in PICTURES:
        assert f"{name} COULD NOT BE DRAWN. RuntimeError: broken, and how" in process.stdout
    made = sorted(path.name for path in run.out.iterdir())
    others = ["checkpoint.npz", "lock", "log.csv", "metrics.json", "model.npz"]
    assert made == sorted([*others, *OF_THE_PAGE])
    _, (images, labels) = datasets.load_sample()
    p = tinynn.load_model(run.out / "model.npz").predict(images / np.float32(255))
    assert metrics(run)["test_accuracy"] == np.mean(p.argmax(axis=1) == labels)
    assert "All but confusion.png, " in process.stdout


@pytest.mark.slow
def test_a_notebooks_display_and_a_path_that_cannot_be_printed_cost_nothing(run_example, tmp_path):
    out = tmp_path / os.fsdecode("caf\u00e9 $a$ \u6f22 ".encode() + b"\xe9")
    arguments = ("--sample", "--epochs", 1, "--batch-size", 500, "--out", out)
    environment = {"MPLBACKEND": "module://nowhere.to_be_found", "PYTHONIOENCODING": "ascii"}
    process = run_example(tmp_path, "fashion_mlp.py", *arguments, **environment)
    assert process.returncode == 0, process.stderr
    assert r"caf\xe9 $a$ \u6f22 \udce9/model.npz" in process.stdout
    assert set(PICTURES) < {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--epochs", "0"), "expected a whole number, 1 or more, got '0'"),
        pytest.param(
            *(("--batch-size", "many"), "expected a whole number, 1 or more, got 'many'"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(("--learning-rate", "-1"), "expected a positive number, got '-1'"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(("--label-smoothing", "1"), "expected a number from 0 to below 1, got '1'"),
            marks=pytest.mark.slow,
        ),
        (
            ("--validation-size", "6000", "--sample"),
            "6,000 of 6,000 images cannot be held out of training",
        ),
        (("--data-dir", "nowhere"), "nowhere has no train-images-idx3-ubyte.gz"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_made(run_here, tmp_path, arguments, said):
    process = run_here(tmp_path, "fashion_mlp.py", *arguments)
    assert process.returncode != 0
    assert said in process.stderr
    assert "Traceback" not in process.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_file_that_is_not_the_same_network_ends_the_program(run_example, at_start, tmp_path):
    fault = (  # a saver with a fault: one bit of one weight
        "import tinynn\n"
        "def save(model, path, real=tinynn.save_model):\n"
        "    model.grads = model.params\n"
        "    model.params.view('u4')[123] ^= 1\n"
        "    real(model, path)\n"
        "    model.params = model.grads\n"
        "tinynn.save_model = save\n"
    )
    process = run_example(
        tmp_path,
        "fashion_mlp.py",
        *("--sample", "--epochs", 1, "--batch-size", 500),
        **at_start(tmp_path, fault),
    )
    assert process.returncode != 0
    assert "DIFFERENT" in process.stdout
    assert "does not hold the network that was trained" in process.stderr


def test_help_states_defaults(run_here, tmp_path):
    text = " ".join(run_here(tmp_path, "fashion_mlp.py", "--help").stdout.split())
    for flag, default in (
        ("--epochs", "15"),
        ("--batch-size", "32"),
        ("--learning-rate", "0.0007 if cosine, 0.001 if constant"),
        ("--schedule", "cosine"),
        ("--label-smoothing", "0.0"),
        ("--seed", "0"),
        ("--validation-size", "a twelfth"),
        ("--data-dir", "the usual places"),
        ("--sample", "on all 60000"),
        ("--out", "runs/fashion_mlp"),
    ):
        assert re.search(rf"{flag} .*?\(default: {default}", text), flag
