"""examples/predict_image.py: a person's picture becomes an input like those of Fashion-MNIST."""

import importlib
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

import tinynn
from tinynn import datasets

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = datasets.CLASS_NAMES


@pytest.fixture(scope="module")
def sure(sample_run):
    """Return an image of a bag that the network is right and sure about, and its probability."""
    _, (images, labels) = datasets.load_sample()
    p = tinynn.load_model(sample_run.out / "model.npz").predict(images / np.float32(255))
    chosen = int(np.where(labels == NAMES.index("Bag"), p[:, NAMES.index("Bag")], 0).argmax())
    return images[chosen], float(p[chosen].max())


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Return a file of an untrained network, an image, and the answer of the network to it."""
    path = tmp_path_factory.mktemp("untrained") / "model.npz"
    layers = [tinynn.Flatten(), tinynn.Dense(10), tinynn.Softmax()]
    model = tinynn.Sequential(layers, input_shape=(28, 28), seed=0)
    tinynn.save_model(model, path)
    _, (images, _) = datasets.load_sample()
    (p,) = model.predict(images[:1] / np.float32(255))
    return path, images[0], (NAMES[p.argmax()], f"{p.max():.1%}"[:-1])


def png(values, colour=0, extra=b""):
    """Return a PNG of 16 bits a number, byte by byte as its standard says: Pillow writes few."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    transparent = chunk(b"tRNS", extra) if extra else b""
    body = chunk(b"IHDR", head) + transparent + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def answers(text):
    """What is said of each picture: {its name: the answers}."""
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


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


def test_files_that_are_not_pictures_or_models_are_named(run_here, untrained, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    process = run_here(tmp_path, "predict_image.py", untrained[0], "text.png")
    assert process.returncode != 0
    assert "text.png" in process.stderr
    assert "Traceback" not in process.stderr
    process = run_here(tmp_path, "predict_image.py", "text.png", "text.png")
    assert "text.png is not an .npz file" in process.stderr


@pytest.mark.slow
def test_sixteen_bits_and_fractions_are_seen_as_eight_bits_are(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    program = importlib.import_module("predict_image")
    _, (images, _) = datasets.load_sample()

    def seen(name):
        return program.as_fashion_mnist(program.read_picture(tmp_path / name))

    for image in images[::5]:
        wide = image.astype(np.uint16)
        Image.fromarray(257 * wide).save(tmp_path / "all.png")  # 255 is 65,535
        (tmp_path / "shifted.png").write_bytes(png(wide << 8))  # 255 is 65,280
        assert np.array_equal(seen("all.png"), image)
        assert np.array_equal(seen("shifted.png"), image)

    image, opaque = images[0].astype(np.uint16), np.full((28, 28), 65_535)
    kinds = {
        "as-it-was.png": image,  # numbers up to 255 in a file of 16 bits
        "16.tif": 257 * image,
        "big-endian.tif": (257 * image).astype(">u2"),
        "int.tif": 257 * image.astype(np.int32),
        "fractions.tif": image.astype(np.float32) / 255,
        "float.tif": image.astype(np.float32),
    }
    for name, values in kinds.items():
        Image.fromarray(values).save(tmp_path / name)
    for name, channels, colour in (
        ("la.png", [257 * image, opaque], 4),
        ("rgb.png", [257 * image] * 3, 2),
        ("rgba.png", [*[257 * image] * 3, opaque], 6),
    ):
        kinds[name] = channels
        (tmp_path / name).write_bytes(png(np.stack(channels, axis=2), colour))
    for mode in ("CMYK", "P", "LA", "PA"):
        kinds[f"{mode}.tif"] = mode
        Image.fromarray(images[0]).convert(mode).save(tmp_path / f"{mode}.tif")
    for name in kinds:
        assert np.array_equal(seen(name), images[0]), name


def test_a_picture_of_sixteen_bits_gets_the_answer_of_its_eight(
    run_example, sample_run, sure, tmp_path
):
    image, _ = sure
    Image.fromarray(image).save(tmp_path / "8.png")
    Image.fromarray(257 * image.astype(np.uint16)).save(tmp_path / "16.png")
    process = run_example(
        tmp_path, "predict_image.py", sample_run.out / "model.npz", "8.png", "16.png"
    )
    said = answers(process.stdout)
    assert said["8.png"] == said["16.png"]
    assert said["16.png"].startswith("Bag")


def test_a_transparent_pixel_of_sixteen_bits_is_white(run_example, sample_run, sure, tmp_path):
    image, _ = sure
    Image.fromarray(image).save(tmp_path / "8.png", transparency=0)
    (tmp_path / "16.png").write_bytes(png(257 * image.astype(np.uint16), extra=b"\0\0"))
    process = run_example(
        tmp_path, "predict_image.py", sample_run.out / "model.npz", "8.png", "16.png"
    )
    said = answers(process.stdout)
    assert said["8.png"] == said["16.png"]


def test_pictures_of_other_kinds_are_seen(run_example, sample_run, sure, tmp_path):
    image, _ = sure
    big = Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC)
    big.convert("1").save(tmp_path / "1.png")
    big.convert("CMYK").save(tmp_path / "cmyk.jpg")
    big.save(tmp_path / "moves.gif", save_all=True, append_images=[big.rotate(90)], duration=9)
    light = Image.fromarray(255 - np.asarray(big))  # whose background is to be seen through
    light.convert("P").save(tmp_path / "p.png", transparency=255)
    big.save(tmp_path / "exif.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")  # points nowhere
    big.save(tmp_path / "a$b$_.png")
    names = ["1.png", "cmyk.jpg", "moves.gif", "p.png", "exif.jpg", "a$b$_.png"]
    process = run_example(tmp_path, "predict_image.py", sample_run.out / "model.npz", *names)
    assert process.returncode == 0, process.stderr
    assert [name for name, _ in first_answers(process.stdout)] == ["Bag"] * len(names)


@pytest.mark.slow
def test_the_damaged_are_named_and_the_others_answered(run_here, untrained, tmp_path):
    model, image, answer = untrained
    Image.fromarray(image).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(image).resize((300, 300)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    (tmp_path / "folder.png").mkdir()
    head = b"IHDR" + struct.pack(">II", 20_000, 20_000) + whole[24:29]
    (tmp_path / "huge.png").write_bytes(
        whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]
    )
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "nan.tif")
    bad = {
        "empty.png": "cannot identify",
        "text.png": "cannot identify",
        "cut.png": "truncated",
        "cut.jpg": "truncated",
        "folder.png": "Is a directory",
        "nowhere.png": "No such file",
        "huge.png": "it has 20,000 x 20,000 pixels; at most 100,000,000 are read. Make it smaller",
        "nan.tif": "its numbers go from nan to nan; expected 0 to 1, 0 to 255 or 0 to 65,535",
    }
    process = run_here(tmp_path, "predict_image.py", model, *bad, "good.png")
    assert process.returncode == 1
    assert first_answers(process.stdout) == [answer]
    assert imread(tmp_path / "runs/predicted.png").std() > 0.05
    told = process.stderr.splitlines()
    assert len(told) == len(bad)
    for line, (name, why) in zip(told, bad.items(), strict=True):
        assert line.startswith(f"error: {name} cannot be read as a picture: ")
        assert why in line


def test_an_output_that_cannot_be_written_costs_no_answer(run_example, sample_run, sure, tmp_path):
    Image.fromarray(sure[0]).save(tmp_path / "bag.png")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    for out in ("file/a.png", "folder.png"):
        process = run_example(
            *(tmp_path, "predict_image.py", sample_run.out / "model.npz", "bag.png"),
            *("--out", out),
            MPLBACKEND="nonsense",
        )
        assert process.returncode == 1
        assert first_answers(process.stdout)[0][0] == "Bag"
        assert process.stderr.startswith(f"error: {out} could not be drawn. ")
        assert "Traceback" not in process.stderr


def test_files_that_are_read_are_not_overwritten(run_here, untrained, tmp_path):
    model, image, _ = untrained
    Image.fromarray(image).save(tmp_path / "bag.png")
    os.link(tmp_path / "bag.png", tmp_path / "bag too.png")
    process = run_here(tmp_path, "predict_image.py", model, "bag.png", "--out", "bag too.png")
    assert "would overwrite a file that this program reads" in process.stderr
