"""The network within the page, as Python writes it: what is embedded, and what cannot be tried.

tests/page/browser/test_network.py runs it in a browser.
"""

import json
import re
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import (
    GELU,
    SGD,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    InputError,
    Layer,
    MaxPool2D,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    RunPage,
    Sequential,
    Softmax,
    Trainer,
    load_model,
    save_model,
    write_page,
)
from tinynn.layers import LAYERS
from tinynn.page.network import LAYERS as SCRIPTS
from tinynn.page.network import known_layers, network_part
from tinynn.page.scored import write_test_data
from tinynn.page.write import NETWORK_LIMIT

PAGE = Path(tinynn.__file__).parent / "page"
NAMES = ["cat", "dog", "<img src=x onerror=alert(1)>"]
IMAGES = np.arange(3 * 8 * 6, dtype=np.uint8).reshape(3, 8, 6)
# Constructor arguments of layers that have no defaults
ARGUMENTS = {"Dense": (3,), "Conv2D": (3, 3), "MaxPool2D": (2,), "AveragePool2D": (2,),
             "Reshape": ((4,),), "Rescale": (2.0,), "Dropout": (0.5,), "RandomShift": (1,),
             "GaussianNoise": (0.5,)}  # fmt: skip
IN_TRAINING = {"Dropout", "RandomFlip", "RandomShift", "GaussianNoise"}
SHAPED = {"Flatten", "Reshape"}


class Twice(Layer):
    def forward(self, x, training=True):
        return 2 * x

    def input_gradient(self, dout):
        return 2 * dout


def part_of(path, images=IMAGES, labels=(0, 2, 1), names=NAMES, limit=NETWORK_LIMIT):
    return network_part(path, images, labels, names, limit)


def saved(path, *layers, input_shape=(8, 6)):
    save_model(Sequential(layers, input_shape=input_shape), path)
    return path


@pytest.fixture
def path(tmp_path):
    return saved(tmp_path / "model.npz", Flatten(), Dense(3), Softmax())


def test_the_very_bytes_of_the_file_are_embedded_once(path):
    part = part_of(path)
    content = path.read_bytes()
    assert b64decode(part.data["model"]) == content
    everything = json.dumps(part.data) + part.html
    assert everything.count(part.data["model"]) == 1


def test_images_are_bytes_and_labels_numbers(path):
    part = part_of(path, IMAGES[..., None], np.array([0, 2, 1], np.uint8))
    assert b64decode(part.data["images"]) == IMAGES.tobytes()
    assert part.data["labels"] == [0, 2, 1]
    assert (part.data["height"], part.data["width"]) == (8, 6)
    json.dumps(part.data, allow_nan=False)


def test_at_most_200_images_can_be_chosen(path):
    many = np.zeros((300, 8, 6), np.uint8)
    part = part_of(path, many, np.zeros(300, int))
    assert len(b64decode(part.data["images"])) == 200 * 48
    assert len(part.data["labels"]) == 200


def test_a_network_without_test_images_can_be_tried(path):
    part = part_of(path, IMAGES[:0], [])
    assert part.data["labels"] == []


def test_no_text_of_a_run_becomes_markup(tmp_path):
    path = saved(tmp_path / "<b>&model.npz", Flatten(), Dense(3), Softmax())
    part = part_of(path)
    assert "<b>" not in part.html
    assert "&lt;b&gt;&amp;model.npz" in part.html
    assert NAMES[2] not in part.html


def reason(part):
    """Return what a part says that has no network."""
    assert not part.data
    assert not part.scripts
    found = re.fullmatch("<p>The network cannot be tried here. (.*)</p>", part.html)
    return found[1]


def test_a_file_above_the_limit_is_left_out_and_the_page_says_so(path):
    size = path.stat().st_size
    assert part_of(path, limit=size).data
    text = reason(part_of(path, limit=size - 1))
    assert f"{size:,} bytes" in text
    assert f"{size - 1:,}" in text


def test_a_layer_of_the_users_own_is_named(tmp_path):
    path = saved(tmp_path / "model.npz", Flatten(), Twice(), Dense(3), Softmax())
    assert "does not know: Twice." in reason(part_of(path))


def test_the_users_own_layer_of_a_name_of_tinynns_is_not_taken_for_it(tmp_path):
    own = type("ReLU", (Twice,), {"__module__": __name__})
    path = saved(tmp_path / "model.npz", Flatten(), own(), Dense(3))
    assert "does not know: ReLU." in reason(part_of(path))


def test_what_is_no_model_is_said(tmp_path):
    missing = tmp_path / "nowhere.npz"
    assert "No such file" in reason(part_of(missing))
    text = tmp_path / "<i>.npz"
    text.write_text("label,pixel")
    assert "is not an .npz file" in reason(part_of(text))
    assert "<i>" not in reason(part_of(text))


@pytest.mark.parametrize(
    ("images", "word"),
    [
        (np.zeros((3, 8, 6, 3), np.uint8), "grey"),
        (np.zeros((3, 4), np.uint8), "grey"),
        (np.zeros((3, 8, 6), np.float32), "float32"),
        (np.zeros((3, 7, 6), np.uint8), "takes samples of shape (8, 6)"),
        (np.zeros((3, 8, 500), np.uint8), "pixels a side"),
    ],
)
def test_samples_that_cannot_be_drawn_are_named(path, images, word):
    assert word in reason(part_of(path, images))


def test_outputs_that_are_no_classes_are_named(path):
    assert "(3,)" in reason(part_of(path, labels=[0, 1, 0], names=NAMES[:2]))


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 1), (48,)])
def test_a_network_of_images_in_any_shape_can_be_tried(tmp_path, shape):
    path = saved(tmp_path / "model.npz", Flatten(), Dense(3), input_shape=shape)
    assert part_of(path).data


@pytest.fixture
def run(tmp_path, path):
    """Return the folder of a finished run: its log, its network, and what that says of its test."""
    (tmp_path / "log.csv").write_text("epoch,loss\n1,0.5\n")
    p = load_model(path).predict(IMAGES / np.float32(255))
    write_test_data(p, [0, 2, 1], NAMES, IMAGES, path=tmp_path / "test.npz")
    return tmp_path


def page_of(run, **options):
    write_page(run, run / "report.html", **options)
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_of_a_run_has_its_network(run):
    page = page_of(run)
    assert '<section id="network"' in page
    assert b64encode((run / "model.npz").read_bytes()).decode() in page


def test_the_page_of_a_run_that_left_no_network_has_no_such_section(run):
    (run / "model.npz").unlink()
    assert '<section id="network"' not in page_of(run)


def data_of(page):
    """Return what the network's scripts find in a page."""
    found = re.search('<script type="application/json" id="data-network">(.*?)</script>', page)
    return json.loads(found[1])


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 1)])
def test_the_network_of_a_run_without_test_images_can_be_drawn_for(run, shape):
    saved(run / "model.npz", Flatten(), Dense(3), input_shape=shape)
    p = np.full((3, 3), 1 / 3)
    write_test_data(p, [0, 2, 1], NAMES, path=run / "test.npz")  # without images
    data = data_of(page_of(run))
    assert (data["height"], data["width"], data["images"], data["labels"]) == (8, 6, "", [])
    assert data["names"] == ["cat", "dog", "<img src=x onerror=al..."]
    (run / "test.npz").unlink()
    page = page_of(run)
    assert data_of(page)["names"] == ["class 0", "class 1", "class 2"]
    assert '<div class="try-gallery" hidden>' in page
    assert "choose a test image" not in page
    assert "The run has left no test images to choose from" in page


@pytest.mark.parametrize("shape", [(48,), (8, 6, 3), (2, 2), (8, 500), (4, 4, 4, 1)])
def test_a_network_of_other_samples_has_no_drawing_area_without_test_images(run, shape):
    (run / "test.npz").unlink()
    saved(run / "model.npz", Flatten(), Dense(3), input_shape=shape)
    assert '<section id="network"' not in page_of(run)


@pytest.mark.parametrize(
    ("layers", "white"),
    [
        ([Rescale(1 / 255), Flatten()], 255),
        ([Flatten(), Rescale(np.full(48, 1 / 90), -1.5)], 255),
        ([Rescale(1 / 0.35, -0.8), Flatten()], 1),
        ([Flatten()], 1),
        ([Flatten(), Dense(2), Rescale(1 / 255)], 1),
    ],
)
def test_what_white_is_to_a_network_without_test_images_is_told(run, layers, white):
    (run / "test.npz").unlink()
    saved(run / "model.npz", *layers, Dense(3))
    page = page_of(run)
    assert data_of(page)["white"] == white
    assert f"black is 0 to the network, and white is {white}." in page


def test_what_is_left_out_without_test_images_is_said_too(run):
    (run / "test.npz").unlink()
    assert "network_limit=" in page_of(run, network_limit=10)
    (run / "model.npz").write_text("label,pixel")
    assert '<section id="network"' not in page_of(run)


@pytest.mark.parametrize("white", [1, 255])
def test_the_network_gets_pixels_as_the_run_gave_them(run, white):
    p = load_model(run / "model.npz").predict(IMAGES * np.float32(white / 255))
    write_test_data(p, [0, 2, 1], NAMES, IMAGES, path=run / "test.npz")
    assert f'"white":{white}.0' in page_of(run)


def test_a_network_that_cannot_be_tried_can_be_saved_byte_for_byte(tmp_path):
    path = saved(tmp_path / "own.npz", Flatten(), Twice(), Dense(3))
    link = 'download="own.npz" href="data:application/octet-stream;base64,{}"'
    assert link.format(b64encode(path.read_bytes()).decode()) in part_of(path).html
    assert "download" not in part_of(path, limit=10).html


def test_whoever_writes_a_page_sets_the_limit(run):
    size = (run / "model.npz").stat().st_size
    assert f"network_limit={size}" in page_of(run, network_limit=0)
    assert "data-network" in page_of(run, network_limit=size)
    with pytest.raises(InputError, match="network_limit must be a whole number of 0 or more"):
        page_of(run, network_limit=-1)


def test_a_page_that_is_written_while_training_goes_on_holds_no_network(run):
    model = load_model(run / "model.npz")
    trainer = Trainer(model, CrossEntropy(), SGD())
    trainer.fit(IMAGES / np.float32(255), [0, 2, 1], 1, callbacks=[RunPage(run / "live.html")])
    assert "data-network" not in (run / "live.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_the_runs_own_answers_show_whether_the_network_takes_bytes(path, white):
    p = load_model(path).predict(IMAGES * np.float32(white / 255))
    part = network_part(path, IMAGES, [0, 1, 2], NAMES, NETWORK_LIMIT, p)
    assert part.data["white"] == white
    assert "another class" not in part.html


def test_answers_that_are_not_those_of_the_runs_test_are_counted(path):
    p = np.roll(load_model(path).predict(IMAGES / np.float32(255)), 1, axis=1)
    part = network_part(path, IMAGES, [0, 1, 2], NAMES, NETWORK_LIMIT, p)
    assert "For 3 of these 3 test images it says another class" in part.html


def test_an_equation_is_that_of_prediction(tmp_path):
    layers = [Reshape((8, 6, 1)), RandomShift(1), Conv2D(2, 3, bias=False), BatchNorm(), ReLU()]
    path = saved(tmp_path / "model.npz", *layers, MaxPool2D(2), Flatten(), Dense(3))
    equations = part_of(path).data["equations"]
    assert equations[2:4] == [
        "out = sum(window W)",
        "out = gamma (x - running_mean) / std + beta",
    ]


def test_the_page_knows_every_layer_of_tinynn():
    """But for those named here: a new layer may be without a script, and the page then says so."""
    without = set()
    assert {*known_layers()} | without == {*LAYERS}


def all_scripts():
    return "".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)


def script_of(layer):
    """Return what a script has of a layer, from its name to the next one's."""
    script = all_scripts()
    begin = re.search(rf"^    {layer}: \(", script, re.MULTILINE)
    after = re.search(r"^    [A-Z]\w+: \(|^  \}\)?;", script[begin.end() :], re.MULTILINE)
    return script[begin.start() : begin.end() + after.start()]


@pytest.mark.parametrize("name", sorted({*LAYERS} - IN_TRAINING - SHAPED))
def test_each_forward_and_gradient_stands_below_the_equation_of_its_class(name):
    layer = LAYERS[name](*ARGUMENTS.get(name, ()))
    layer.trainable = False  # BatchNorm then tells its equations in prediction
    script = script_of(name)
    forward, backward = layer.equations[:2]
    assert re.search(rf"// {re.escape(forward)}\n\s+(forward)?\(", script), forward
    assert re.search(rf"// {re.escape(backward)}\n\s+(inputGradient)?\(", script), backward


def test_both_forms_of_gelu_stand_below_their_equations():
    script = script_of("GELU")
    for equation in GELU(exact=True).equations:
        assert f"// {equation}\n" in script


def test_the_equations_of_layers_that_change_no_number():
    script = all_scripts()
    assert all(f"// {Flatten().equations[k]}" in script for k in (0, 1))
    assert Reshape((4,)).equations[0].removeprefix("out = x, ") in script
