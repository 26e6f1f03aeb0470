"""examples/predict_image.py: a person's picture becomes what the network knows."""

import re

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

import tinynn
from tinynn import datasets

NAMES = datasets.CLASS_NAMES


@pytest.fixture(scope="module")
def sure(sample_run):
    """Return an image of a bag that the network is right and sure about, and its probability."""
    _, (images, labels) = datasets.load_sample()
    p = tinynn.load_model(sample_run.out / "model.npz").predict(images / np.float32(255))
    chosen = int(np.where(labels == NAMES.index("Bag"), p[:, NAMES.index("Bag")], 0).argmax())
    return images[chosen], float(p[chosen].max())


def first_answers(text):
    return re.findall(r"^\S+: ([^,]+?) ([\d.]+)%", text, re.MULTILINE)


@pytest.mark.outcome
def test_a_picture_of_the_data_set_is_seen_as_it_is(run_example, sample_run, sure, tmp_path):
    image, probability = sure
    Image.fromarray(image).save(tmp_path / "dark.png")
    Image.fromarray(255 - image).save(tmp_path / "light.png")
    process = run_example(
        tmp_path, "predict_image.py", sample_run.out / "model.npz", "dark.png", "light.png"
    )
    assert process.returncode == 0, process.stderr
    assert first_answers(process.stdout) == [("Bag", f"{probability:.1%}"[:-1])] * 2
    assert imread(tmp_path / "runs/predicted.png").std() > 0.05


@pytest.mark.outcome
def test_photographs_of_any_size_and_background(run_example, sample_run, sure, tmp_path):
    image, _ = sure
    big = Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC)
    dark = Image.new("L", (500, 700), 20)
    dark.paste(big, (30, 400), big)
    dark.save(tmp_path / "dark.jpg")
    light = Image.new("RGB", (1200, 400), (245, 240, 235))
    light.paste((30, 40, 90), (700, 60), big)
    light.save(tmp_path / "light.jpg", quality=80)
    clear = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    clear.paste((200, 20, 20, 255), (60, 60), big)
    clear.save(tmp_path / "clear.png")
    names = ["dark.jpg", "light.jpg", "clear.png"]
    process = run_example(tmp_path, "predict_image.py", sample_run.out / "model.npz", *names)
    assert process.returncode == 0, process.stderr
    assert [name for name, _ in first_answers(process.stdout)] == ["Bag"] * 3


def test_what_is_no_picture_or_no_model_is_named(run_example, sample_run, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    process = run_example(tmp_path, "predict_image.py", sample_run.out / "model.npz", "text.png")
    assert process.returncode != 0
    assert "text.png" in process.stderr
    assert "Traceback" not in process.stderr
    process = run_example(tmp_path, "predict_image.py", "text.png", "text.png")
    assert "text.png is no .npz file" in process.stderr
