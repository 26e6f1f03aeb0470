"""The network of the page in a real browser: what it computes is what NumPy computes.

Run by `pytest -m browser tests/page/browser`. It needs Debian's chromium and the extra browser.
"""

import copy
import importlib
import io
import json
import sys
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinynn import (
    ELU,
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    datasets,
    load_model,
    save_model,
    scale_pixels,
    write_page,
)
from tinynn.page.document import document
from tinynn.page.network import NETWORK, network_part
from tinynn.page.part import Part
from tinynn.page.write import NETWORK_LIMIT

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = datasets.CLASS_NAMES
RANDOM = (Dropout, RandomFlip, RandomShift, GaussianNoise)
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"></script>"
TINY = np.random.default_rng(0).integers(0, 255, (5, 8, 6), np.uint8)
SETTLED = 900  # milliseconds: longer than the pause before an answer is announced


@pytest.fixture(scope="module")
def images():
    _, (images, labels) = datasets.load_sample()
    return images[:200], labels[:200]


def shaken(model, seed=0):
    """Give a model weights and running statistics such that its answers differ from image to image.

    So that an error in any of them shows, none stays at its first 0 or 1.
    """
    rng = np.random.default_rng(seed)
    for name, view in {**model.named_parameters(), **model.named_buffers()}.items():
        if name.endswith(("gamma", "running_var")):
            view[...] = rng.uniform(0.5, 2, view.shape)
        elif name.endswith((".b", "beta", "running_mean")):
            view[...] = rng.normal(0, 0.3, view.shape)
    return model


def convolution(filters):
    return [Conv2D(filters, 3, bias=False), BatchNorm(), ReLU()]


def dense_network():
    """Return the network of examples/fashion_mlp.py."""
    hidden = [layer for units in (512, 256, 128) for layer in (Dense(units), ReLU())]
    return Sequential([Flatten(), *hidden, Dense(10), Softmax()], input_shape=(28, 28))


def small_network():
    """Return a network whose page is read soon: it shows what that of any other shows."""
    layers = [Flatten(), Dense(64), ReLU(), Dense(10), Softmax()]
    return Sequential(layers, input_shape=(28, 28))


def convolutional_network():
    """Return the network of examples/fashion_cnn.py, --size large."""
    layers = [
        RandomFlip(), RandomShift(1), Rescale(1 / 0.35, -0.28 / 0.35), Reshape((28, 28, 1)),
        *convolution(24), *convolution(24), MaxPool2D(2),
        *convolution(48), *convolution(48), MaxPool2D(2),
        Dropout(0.3), Flatten(), Dense(128, bias=False), BatchNorm(), ReLU(), Dropout(0.3),
        Dense(10), Softmax(),
    ]  # fmt: skip
    return Sequential(layers, input_shape=(28, 28))


def in_prediction(model, x, dp, depth=None):
    """Return the gradient of the input as forward in prediction gives it: nothing is dropped.

    depth: of how many layers, all by default.
    """
    model = copy.deepcopy(model)
    used = [layer for layer in model.layers[:depth] if not isinstance(layer, RANDOM)]
    out = x.astype(model.dtype)
    for layer in used:
        layer.trainable = False  # BatchNorm then uses its running statistics
        out = layer.forward(out)
    for layer in reversed(used):
        dp = layer.input_gradient(dp)
    return dp


class Tab:
    """A page in the browser, with what it said and asked for."""

    def __init__(self, browser, path, **options):
        options.setdefault("viewport", {"width": 1280, "height": 1300})
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.visit(path)

    def visit(self, path):
        """Go to another page in the same window."""
        self.path, self.said, self.asked = path, [], []
        self.page.goto(path.as_uri())

    def shares(self):
        """Return the percentages that the bars show."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
        )
        texts = self.page.locator(".try-share").all_inner_texts()
        return np.array([float(text.removesuffix(" %")) for text in texts])

    def colours(self, canvas):
        """Return what a canvas of 28 x 28 pixels shows: red, green and blue of each."""
        values = self.page.locator(canvas).evaluate(
            "(one) => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
        )
        return np.array(values, np.uint8).reshape(28, 28, 4)[..., :3]

    def pixels(self):
        """Return the picture on the pad."""
        return self.colours(".try-pad")[..., 0]


def test_without_test_images_one_draws(browser, tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,0.5\n")
    model = shaken(small_network())
    save_model(model, tmp_path / "model.npz")
    write_page(tmp_path, tmp_path / "report.html")
    tab = Tab(browser, tmp_path / "report.html")
    page = tab.page
    assert not page.locator(".try-gallery").is_visible()
    assert page.locator(".try-best strong").inner_text() == "Nothing to see"
    page.locator(".try-pad").scroll_into_view_if_needed()
    x, y, width = middle(page)
    page.mouse.move(x - width / 3, y)
    page.mouse.down()
    page.mouse.move(x + width / 3, y, steps=5)
    page.mouse.up()
    tab.shares()
    drawn = tab.pixels()
    assert drawn.any()
    p = model.predict(scale_pixels(drawn[None]))[0]
    np.testing.assert_allclose(tab.shares(), 100 * p, atol=0.06)
    assert page.locator(".try-best strong").inner_text() == f"class {p.argmax()}"
    assert tab.said == []
    tab.context.close()


def written(path, part):
    path.write_bytes(document(Part("head", "A run", "<h1>A run</h1>"), [part]))
    return path


@pytest.fixture(scope="module")
def tried(browser, images, tmp_path_factory):
    """Return a function that opens the page of a network, once: the page, and the model."""
    folder, tabs = tmp_path_factory.mktemp("page"), {}

    def page_of(network):
        key = network.__name__
        if key not in tabs:
            model = shaken(network())
            model.named_parameters()[f"{len(model.layers) - 2}.Dense.W"][...] *= 4
            save_model(model, folder / f"{key}.npz")
            part = network_part(folder / f"{key}.npz", *images, NAMES, NETWORK_LIMIT)
            tabs[key] = Tab(browser, written(folder / f"{key}.html", part)), model
        return tabs[key]

    yield page_of
    for page, _ in tabs.values():
        page.context.close()


@pytest.fixture
def small(tried):
    """Return the page of a small network as it is first seen, and the model."""
    tab, model = tried(small_network)
    tab.page.reload()
    return tab, model


@pytest.fixture
def tab(small):
    """Return the page alone."""
    return small[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def bare(browser, tmp_path_factory):
    """Return a page with the network's scripts alone, to which tests give models."""
    path = tmp_path_factory.mktemp("bare") / "page.html"
    tab = Tab(browser, written(path, Part("none", "None", "", NETWORK)))
    yield tab.page
    tab.context.close()


def computed(page, model, x, dp, folder):
    """Return what the browser computes from a model's file: outputs, gradients of the input."""
    save_model(model, folder / "model.npz")
    content = b64encode((folder / "model.npz").read_bytes()).decode()
    answer = page.evaluate(
        """([content, xs, dps]) => {
            const network = tinynn.network(tinynn.bytes(content));
            return xs.map((x, n) => [[...network.forward(x)], [...network.inputGradient(dps[n])]]);
        }""",
        [content, *(array.reshape(len(array), -1).tolist() for array in (x, dp))],
    )
    outputs, gradients = (np.array(each) for each in zip(*answer, strict=True))
    return outputs.reshape(len(x), *model.output_shapes[-1]), gradients.reshape(x.shape)


@pytest.mark.parametrize("network", [dense_network, convolutional_network])
def test_probabilities_are_numpys_on_200_test_images(tried, images, network):
    tab, model = tried(network)
    p = model.predict(scale_pixels(images[0]))
    assert p.std(axis=0).mean() > 0.05  # the images do not all have the same answer
    assert len({*p.argmax(axis=1)}) >= 4
    ours = tab.page.evaluate(
        """() => {
            const data = tinynn.data("network");
            const network = tinynn.network(tinynn.bytes(data.model));
            const images = tinynn.bytes(data.images);
            const image = (n) => images.subarray(784 * n, 784 * n + 784);
            const scaled = (n) => Array.from(image(n), (byte) => byte / 255);
            return data.labels.map((_, n) => [...network.forward(scaled(n))]);
        }"""
    )
    np.testing.assert_allclose(np.array(ours), p, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("network", "most"), [(dense_network, 16), (convolutional_network, 50)])
def test_an_answer_takes_less_than_one_sees(tried, network, most):
    """The best of 20, in milliseconds: on a machine that does nothing else it is the usual one."""
    times = tried(network)[0].page.evaluate(
        """() => {
            const network = tinynn.network(tinynn.bytes(tinynn.data("network").model));
            const x = Float32Array.from({ length: 784 }, (_, i) => (i % 7) / 7);
            return Array.from({ length: 20 }, () => {
                const began = performance.now();
                network.forward(x);
                return performance.now() - began;
            });
        }"""
    )
    assert min(times) < most


@pytest.mark.parametrize(
    ("network", "dtype", "tolerance"),
    [
        (dense_network, np.float32, 1e-5),
        # in float32 rounding would decide which of two numbers that are nearly equal is the max
        (convolutional_network, np.float64, 1e-9),
    ],
)
def test_the_gradient_of_the_input_is_numpys(bare, images, tmp_path, network, dtype, tolerance):
    model = shaken(network()).astype(dtype)
    rng = np.random.default_rng(1)
    x = scale_pixels(images[0][:3]).astype(dtype)
    x += rng.uniform(0, 0.01, x.shape).astype(dtype)  # no two windows are equal, as black ones are
    dp = rng.normal(size=(3, 10)).astype(dtype)
    _, dx = computed(bare, model, x, dp, tmp_path)
    expected = in_prediction(model, x, dp)
    np.testing.assert_allclose(dx, expected, rtol=0, atol=tolerance * abs(expected).max())


def test_the_oracle_of_gradients_is_the_models_own():
    model = shaken(Sequential([Dense(3), BatchNorm(), Tanh()], input_shape=(4,)))
    rng = np.random.default_rng(0)
    x, dp = (rng.normal(size=(2, n)).astype(np.float32) for n in (4, 3))
    expected = in_prediction(model, x, dp)
    model.layers[1].trainable = False
    model.forward(x)
    np.testing.assert_array_equal(model.input_gradient(dp), expected)


SMALL = {  # each layer in several forms: its network's input shape and layers
    "Dense": ((5,), [Dense(3)]),
    "Dense without bias": ((5,), [Dense(3, bias=False)]),
    "ReLU": ((4, 3), [ReLU()]),
    "Softmax": ((5,), [Rescale(5.0), Softmax()]),
    "Softmax of rows": ((2, 5), [Softmax()]),
    "Softmax of large logits": ((3,), [Rescale(1e4), Softmax()]),
    "LeakyReLU": ((4, 3), [LeakyReLU(0.2)]),
    "ELU": ((12,), [Rescale(3.0), ELU(1.7)]),
    "GELU": ((50,), [Rescale(3.0), GELU()]),
    "GELU exact": ((50,), [Rescale(3.0), GELU(exact=True)]),
    "GELU far out": ((8,), [Rescale(100.0), GELU(exact=True)]),
    "Sigmoid": ((12,), [Rescale(10.0), Sigmoid()]),
    "Tanh": ((12,), [Tanh()]),
    "Reshape": ((12,), [Reshape((2, 3, 2)), Conv2D(2, 2)]),
    "Flatten": ((2, 3, 2), [Flatten(), Dense(4)]),
    "Rescale": ((4, 3), [Rescale(0.3, -2.0)]),
    "Rescale of channels": ((2, 2, 3), [Rescale([0.3, 2.0, -1.0], np.array([1.0, 0.0, 5.0]))]),
    "Rescale of samples": ((2, 3), [Rescale(np.arange(6.0).reshape(2, 3), [[1, 2, 3], [4, 5, 6]])]),
    "random layers": ((6, 5, 2), [RandomFlip(), RandomShift(2), GaussianNoise(1.0), Dropout(0.5)]),
    "BatchNorm": ((7,), [BatchNorm()]),
    "BatchNorm of channels": ((3, 4, 5), [BatchNorm(epsilon=0.1)]),
    "LayerNorm": ((7,), [LayerNorm()]),
    "LayerNorm of rows": ((3, 4, 5), [LayerNorm(epsilon=0.1)]),
    "Conv2D": ((5, 6, 3), [Conv2D(4, 3)]),
    "Conv2D without bias": ((5, 6, 3), [Conv2D(4, 3, bias=False)]),
    "Conv2D, even kernel": ((5, 6, 2), [Conv2D(3, 2)]),
    "Conv2D, rectangular": ((7, 6, 2), [Conv2D(3, (3, 2), stride=(2, 1), padding="same")]),
    "Conv2D, stride 2": ((7, 6, 2), [Conv2D(3, 3, stride=2)]),
    "Conv2D, stride above the kernel": ((9, 8, 2), [Conv2D(3, 2, stride=3, padding=0)]),
    "Conv2D, padding 2": ((5, 4, 2), [Conv2D(3, (3, 4), stride=(1, 2), padding=2)]),
    "MaxPool2D": ((5, 6, 3), [MaxPool2D(2)]),
    "MaxPool2D, overlapping": ((7, 6, 2), [MaxPool2D((3, 2), stride=(1, 2))]),
    "AveragePool2D": ((5, 6, 3), [AveragePool2D((2, 3))]),
    "AveragePool2D, overlapping": ((6, 6, 2), [AveragePool2D(3, stride=2)]),
    "GlobalAveragePool2D": ((4, 5, 3), [GlobalAveragePool2D()]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", SMALL)
def test_each_layer_gives_numpys_output_and_gradient(bare, tmp_path, form, dtype):
    input_shape, layers = SMALL[form]
    model = shaken(Sequential(copy.deepcopy(layers), input_shape, seed=3, dtype=dtype))
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, *input_shape)).astype(dtype)
    x[2] = x[2].round()  # so that some numbers are equal, and some 0
    dp = rng.normal(size=(3, *model.output_shapes[-1])).astype(dtype)
    p, dx = computed(bare, model, x, dp, tmp_path)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for ours, expected in ((p, model.predict(x)), (dx, in_prediction(model, x, dp))):
        scale = max(1, abs(expected).max())
        np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * scale)


SIDE = st.integers(1, 4)
PAIR = st.tuples(SIDE, SIDE)


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(4, 9), st.integers(4, 9), st.integers(1, 3)),
    size=PAIR, stride=PAIR, padding=st.just("same") | st.integers(0, 3), pool=PAIR,
)  # fmt: skip
def test_windows_of_any_geometry_are_numpys(bare, folder, shape, size, stride, padding, pool):
    if padding != "same":
        padding = min(padding, min(size) - 1)  # less than the kernel
    convolution = Conv2D(2, size, stride, padding)
    seen = Sequential([convolution], shape).output_shapes[-1][:2]
    layers = [MaxPool2D(tuple(map(min, pool, seen)), stride), AveragePool2D(1, stride)]
    convolution = Conv2D(2, size, stride, padding)
    model = shaken(Sequential([convolution, *layers], shape, dtype=np.float64))
    rng = np.random.default_rng(0)
    x, dp = (rng.normal(size=(2, *each)) for each in (shape, model.output_shapes[-1]))
    p, dx = computed(bare, model, x, dp, folder)
    np.testing.assert_allclose(p, model.predict(x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(dx, in_prediction(model, x, dp), rtol=0, atol=1e-12)


def test_no_probability_is_below_1e_30(bare, tmp_path):
    model = Sequential([Softmax()], (2,))
    p, _ = computed(bare, model, np.array([[1000.0, 0.0]]), np.ones((1, 2)), tmp_path)
    assert p[0, 1] == model.predict([[1000.0, 0.0]])[0, 1] > 0


def test_the_page_says_nothing_and_asks_for_nothing(tab):
    tab.page.locator(".try-random").click()
    tab.shares()
    assert tab.said == []
    assert {*tab.asked} == {tab.path.as_uri()}


def test_a_test_image_that_is_chosen_is_answered_as_predict_does(small, images):
    tab, model = small
    for n in (7, 42):
        tab.page.get_by_role("button", name=f"Test image {n + 1}:").click()
        p = model.predict(scale_pixels(images[0][n : n + 1]))[0]
        np.testing.assert_allclose(tab.shares(), 100 * p, rtol=0, atol=0.051)
        np.testing.assert_array_equal(tab.pixels(), images[0][n])
        assert tab.page.locator(".try-best strong").inner_text() == NAMES[p.argmax()]
        truth = tab.page.locator(".try-truth").inner_text()
        assert f"Its label: {NAMES[images[1][n]]}." in truth
        right = p.argmax() == images[1][n]
        assert ("right" if right else "wrong") in truth


def test_the_activations_shown_are_the_networks(small, images):
    tab, model = small
    x = scale_pixels(images[0][:1]).reshape(1, 784)
    for layer in model.layers[1:3]:
        x = layer.forward(x, training=False)
    active = int((x > 0).sum())
    tab.shares()
    text = tab.page.locator(".try-layers li", has_text="2.ReLU").inner_text()
    assert f"{active} of 64 active" in text


def test_the_pixels_that_speak_for_a_class_are_those_of_the_gradient(small, images):
    """A strong pixel of the map has the colour of its sign; one that is black has none."""
    tab, model = small
    tab.page.locator(".try-class select").select_option(label="Bag")
    tab.shares()
    x, one_hot = scale_pixels(images[0][:1]), np.zeros((1, 10), np.float32)
    one_hot[0, NAMES.index("Bag")] = 1
    reasons = (in_prediction(model, x, one_hot, depth=-1) * x)[0]
    red, _, blue = tab.colours(".try-map").transpose(2, 0, 1)
    strong = abs(reasons) > 0.3 * abs(reasons).max()
    assert strong.sum() > 5
    assert (blue > red)[strong & (reasons > 0)].all()
    assert (blue < red)[strong & (reasons < 0)].all()
    assert len({*red[reasons == 0]}) == 1


def middle(page):
    box = page.locator(".try-pad").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"]


def test_drawing_with_the_mouse_changes_the_probabilities_and_undo_takes_it_back(tab):
    first = tab.shares()
    assert tab.page.locator(".try-undo").is_disabled()
    x, y, width = middle(tab.page)
    tab.page.mouse.move(x - width / 3, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x + width / 3, y, steps=5)
    tab.page.mouse.up()
    drawn = tab.shares()
    assert abs(drawn - first).max() > 1
    assert (tab.pixels()[14, 6:22] > 200).all()
    assert tab.page.locator(".try-truth").inner_text() == ""  # it is no test image any more
    tab.page.locator(".try-undo").click()
    np.testing.assert_array_equal(tab.shares(), first)
    tab.page.locator(".try-clear").click()
    assert not tab.pixels().any()
    tab.shares()
    assert tab.page.locator(".try-best").inner_text() == "Nothing to see"
    assert "black picture means nothing" in tab.page.locator(".try-truth").inner_text()


def test_the_brush_has_a_width_and_an_eraser(tab):
    tab.page.locator(".try-clear").click()
    x, y, _ = middle(tab.page)
    lit = []
    for radius in ("0.5", "3"):
        tab.page.locator(".try-brush input").fill(radius)
        tab.page.mouse.click(x, y)
        lit.append((tab.pixels() > 0).sum())
    assert 1 <= lit[0] < 12 < lit[1] < 60
    tab.page.locator(".try-erase input").check()
    tab.page.mouse.click(x, y)
    assert not tab.pixels()[12:16, 12:16].any()


def test_a_finger_draws(browser, tab):
    other = Tab(browser, tab.path, has_touch=True, viewport={"width": 390, "height": 800})
    other.page.locator(".try-clear").click()
    other.page.locator(".try-pad").tap()
    assert other.pixels().any()
    other.context.close()


def test_everything_can_be_drawn_by_keyboard(tab):
    tab.page.locator(".try-pad").focus()
    first = tab.shares()
    for key in ("ArrowDown", "ArrowRight", "Space"):
        tab.page.keyboard.press(key)
    assert tab.pixels()[15, 15] == 255
    for _ in range(6):
        tab.page.keyboard.press("Shift+ArrowRight")
    assert (tab.pixels()[15, 15:21] == 255).all()
    assert abs(tab.shares() - first).max() > 0
    tab.page.keyboard.press("Delete")
    assert tab.pixels()[15, 21] == 0
    for _ in range(8):
        tab.page.keyboard.press("Control+z")
    np.testing.assert_array_equal(tab.shares(), first)


def test_every_control_is_reached_by_the_tab_key(tab):
    tab.page.locator(".try-clear").click()  # so that there is something to undo
    tab.page.locator(".try-pad").focus()
    reached = []
    for _ in range(10):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate("document.activeElement.outerHTML"))
    for part in ("try-undo", "try-clear", "try-file", "checkbox", "range", "try-class",
                 "try-filter", "try-random", "Test image", "Save"):  # fmt: skip
        assert sum(part in each for each in reached) == 1, part


def test_test_images_are_one_stop_of_tab_and_arrows_move_among_them(tab):
    assert tab.page.locator(".try-images button[tabindex='0']").count() == 1
    tab.page.locator(".try-images button[tabindex='0']").focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    chosen = tab.page.locator(".try-images button[aria-pressed='true']")
    assert chosen.count() == 1
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert "Test image 1:" not in chosen.get_attribute("aria-label")


def test_images_can_be_those_of_a_class_or_the_wrong_ones(small, images):
    tab, model = small
    shown = tab.page.locator(".try-images button:visible")
    tab.page.locator(".try-filter select").select_option(label="Sandal")
    assert shown.count() == (images[1] == NAMES.index("Sandal")).sum()
    wrong = model.predict(scale_pixels(images[0])).argmax(axis=1) != images[1]
    before = tab.shares()
    tab.page.locator(".try-filter select").select_option(label="those it gets wrong")
    tab.page.locator(".try-count", has_text=f"{wrong.sum()} of 200 images").wait_for()
    assert shown.count() == wrong.sum()
    np.testing.assert_array_equal(tab.shares(), before)


def test_a_class_is_explained_that_is_chosen_from_the_list_or_by_its_row(tab):
    tab.page.locator(".try-class select").select_option(label="Sneaker")
    tab.page.locator(".try-map[aria-label*='for Sneaker:']").wait_for()
    tab.page.locator(".try-bars tr", has_text="Coat").click()
    tab.page.locator(".try-map[aria-label*='for Coat:']").wait_for()
    assert tab.page.locator(".try-class select").input_value() == str(NAMES.index("Coat"))


def test_an_answer_is_announced_once_one_pauses_not_at_each_pixel(tab):
    """While one draws for twenty frames; a slow machine may pause within them."""
    tab.page.wait_for_timeout(SETTLED)
    pauses = tab.page.evaluate(
        """async () => {
            window.heard = [];
            const announcement = document.getElementById("announcement");
            new MutationObserver(() => heard.push(announcement.textContent))
                .observe(announcement, { childList: true });
            const pad = document.querySelector(".try-pad");
            let [last, pauses] = [performance.now(), 0];
            for (let k = 0; k < 20; k++) {
                pad.dispatchEvent(new PointerEvent(k ? "pointermove" : "pointerdown", {
                    pointerId: 1, isPrimary: true, buttons: 1, clientX: 100 + 5 * k, clientY: 500,
                }));
                await new Promise(requestAnimationFrame);
                if (performance.now() - last > 500) pauses += 1;
                last = performance.now();
            }
            return pauses;
        }"""
    )
    for _ in range(20):
        tab.page.wait_for_timeout(SETTLED)
        if heard := tab.page.evaluate("heard"):
            break
    assert 1 <= len(heard) <= 1 + pauses
    assert heard[-1].startswith("The network says ")


def test_every_control_has_a_label(tab):
    unnamed = tab.page.evaluate(
        """() => [...document.querySelectorAll("#network :is(button, input, select, canvas[role])")]
            .filter((one) => !(one.ariaLabel || one.textContent.trim() && one.tagName === "BUTTON"
                || one.labels && [...one.labels].some((label) => label.textContent.trim())))
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_wider_than_the_window(tab, width):
    before = tab.page.viewport_size
    tab.page.set_viewport_size({"width": width, "height": 800})
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.page.set_viewport_size(before)


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("predict_image")
    sys.path.remove(str(EXAMPLES))


def photograph(background, shape, seed=0):
    """Return a picture of a boot-like object, with some noise, on a plain background."""
    rng = np.random.default_rng(seed)
    picture = np.full((*shape, 3), background, float)
    h, w = shape
    picture[h // 5 : h * 4 // 5, w // 3 : w // 2] = (200, 80, 40)
    picture[h * 3 // 5 : h * 4 // 5, w // 3 : w * 4 // 5] = (60, 90, 120)
    picture += rng.normal(0, 4, picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


PICTURES = {
    "light": photograph(240, (150, 200)),
    "dark": photograph(10, (97, 151)),
    "tall": photograph(240, (301, 97)),
    "smaller than the network's": photograph(240, (20, 14)),
    "of the network's size": photograph(230, (28, 28)),
    "plain": Image.new("RGB", (60, 40), "white"),
}


def as_file(picture, kind="PNG"):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return {"name": f"{HOSTILE}.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_becomes_what_the_example_makes_of_it(tab, example, kind):
    tab.page.locator("#try-file").set_input_files(as_file(PICTURES[kind]))
    tab.page.locator(".try-note", has_text=".png: ").wait_for()
    expected = example.as_fashion_mnist(PICTURES[kind])
    # of 255; recent versions of Pillow scale the columns of a tall picture before its rows
    assert abs(tab.pixels().astype(int) - expected).max() <= (16 if kind == "tall" else 2)
    note = tab.page.locator(".try-note").inner_text()
    assert ("Turned into light on dark" in note) == (kind != "dark")
    assert ("No object stands out" in note) == (kind == "plain")
    assert HOSTILE in note
    assert tab.page.title() == "A run"


def test_a_picture_with_transparent_parts_stands_on_white(tab, example, tmp_path):
    picture = PICTURES["light"].convert("RGBA")
    picture.putalpha(Image.new("L", picture.size))
    picture.paste(PICTURES["light"].crop((70, 40, 120, 100)), (70, 40))
    picture.save(tmp_path / "boot.png")
    tab.page.locator("#try-file").set_input_files(tmp_path / "boot.png")
    tab.page.locator(".try-note", has_text="boot.png: ").wait_for()
    expected = example.as_fashion_mnist(example.read_picture(tmp_path / "boot.png"))
    assert abs(tab.pixels().astype(int) - expected).max() <= 2


def dropped(page, target, content, name, kind):
    page.evaluate(
        """([target, content, name, kind]) => {
            const files = new DataTransfer();
            files.items.add(new File([Uint8Array.from(content)], name, { type: kind }));
            const event = { dataTransfer: files, bubbles: true, cancelable: true };
            if (document.querySelector(target).dispatchEvent(new DragEvent("drop", event)))
                throw new Error("the browser would leave the page for the file");
        }""",
        [target, [*content], name, kind],
    )


@pytest.mark.parametrize("target", [".try-pad", "footer"])
def test_a_picture_can_be_dropped_anywhere(tab, example, target):
    picture = as_file(PICTURES["dark"])
    dropped(tab.page, target, picture["buffer"], "boot.png", "image/png")
    tab.page.locator(".try-note", has_text="boot.png: ").wait_for()
    expected = example.as_fashion_mnist(PICTURES["dark"])
    assert abs(tab.pixels().astype(int) - expected).max() <= 2


def test_what_is_no_picture_is_said_and_changes_nothing(tab):
    before = tab.pixels()
    dropped(tab.page, ".try-pad", b"label,pixel1\n9,0\n", f"{HOSTILE}.csv", "text/csv")
    tab.page.locator(".try-note", has_text="cannot be read as a picture").wait_for()
    assert HOSTILE in tab.page.locator(".try-note").inner_text()
    np.testing.assert_array_equal(tab.pixels(), before)
    assert tab.page.title() == "A run"


def test_the_model_that_is_saved_is_the_file_byte_for_byte(tab, tmp_path):
    with tab.page.expect_download() as download:
        tab.page.locator(".try-save button").click()
    download.value.save_as(tmp_path / "saved.npz")
    assert download.value.suggested_filename == "small_network.npz"
    original = tab.path.with_suffix(".npz").read_bytes()
    assert (tmp_path / "saved.npz").read_bytes() == original


@pytest.fixture
def visited(tried, tmp_path):
    """Return a function that opens the page of a network of pictures of 8 x 6 pixels.

    change: what happens to the page before it is tab.
    """
    tab, _ = tried(small_network)
    home = tab.path

    def visit(*layers, names=("a", "b", "c"), change=lambda page: page, white=1):
        save_model(shaken(Sequential(layers, input_shape=(8, 6))), tmp_path / "model.npz")
        labels, limit = [0, 1, 2, 0, 1], NETWORK_LIMIT
        p = load_model(tmp_path / "model.npz").predict(TINY * np.float32(white / 255))
        part = network_part(tmp_path / "model.npz", TINY, labels, names, limit, p)
        path = written(tmp_path / "page.html", part)
        path.write_bytes(change(path.read_bytes()))
        tab.visit(path)
        return tab

    yield visit
    tab.visit(home)


def test_hostile_class_names_stay_text(visited):
    names = [HOSTILE, "</script><!--", "&lt;b&gt; ${names}"]
    tab = visited(Flatten(), Dense(3), Softmax(), names=names)
    tab.page.wait_for_timeout(SETTLED)
    assert tab.page.title() == "A run"
    assert tab.page.locator("#network img").count() == 0
    assert tab.page.locator(".try-bars th").all_inner_texts() == names
    assert tab.said == []


@pytest.mark.parametrize("last", [Softmax, Sigmoid, Flatten])
def test_a_network_that_ends_in_logits_says_so_and_shows_their_softmax(visited, last):
    tab = visited(Flatten(), Dense(3), last())
    shares = tab.shares()
    said = tab.page.locator(".try-logits").is_visible()
    assert said == (last is Flatten)
    assert (shares.sum() == pytest.approx(100, abs=0.2)) == (last is not Sigmoid)


def test_a_network_that_takes_bytes_gets_bytes(visited):
    layers = Rescale(1 / 255), Flatten(), Dense(3), Softmax()
    tab = visited(*layers, white=255)
    p = load_model(tab.path.with_name("model.npz")).predict(TINY)
    np.testing.assert_allclose(tab.shares(), 100 * p[0], rtol=0, atol=0.051)


def cut_off(page):
    start = page.index(b'"model":"') + 9
    return page[: start + 400] + page[page.index(b'"', start) :]


def one_bit(page):
    at = page.index(b'"model":"') + 1209
    return page[:at] + (b"A" if page[at : at + 1] != b"A" else b"B") + page[at + 1 :]


def no_base64(page):
    return page.replace(b'"model":"', b'"model":"?*')


@pytest.mark.parametrize("change", [cut_off, one_bit, no_base64])
def test_a_damaged_network_says_so(visited, change):
    tab = visited(Flatten(), Dense(3), Softmax(), change=change)
    problem = tab.page.locator(".try-problem")
    assert problem.is_visible()
    assert "cannot be read" in problem.inner_text()
    assert not tab.page.locator(".try").is_visible()
    assert tab.said == []


def test_a_layer_that_the_page_does_not_know_is_said_in_the_page(visited):
    """Also if the file gets past Python: a page that an older tinynn wrote, a newer file in it."""
    tab = visited(
        Flatten(), Dense(3), Softmax(),
        change=lambda page: page.replace(b"Softmax: (", b"Other: (").replace(
            b"script-src", b"script-src-elem 'unsafe-inline'; x"
        ),
    )  # fmt: skip
    assert "does not know the layer 2.Softmax" in tab.page.locator(".try-problem").inner_text()


def test_without_javascript_the_part_says_what_it_would_need(browser, tab):
    other = Tab(browser, tab.path, java_script_enabled=False)
    assert "JavaScript" in other.page.locator("#network noscript").inner_text()
    assert not other.page.locator(".try").is_visible()
    other.context.close()


def test_json_of_the_part_is_read_as_it_was_written(tab):
    names = tab.page.evaluate("tinynn.data('network').names")
    assert json.dumps(names) == json.dumps([*NAMES])
