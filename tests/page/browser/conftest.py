"""Debian's chromium, headless, and a page opened in it as a reader does: from a file, offline."""

import os
import shutil
from types import SimpleNamespace

import pytest

from tinynn import (
    Adam,
    CrossEntropy,
    CSVLogger,
    Dense,
    Doctor,
    Flatten,
    ReLU,
    RunPage,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    save_model,
    scale_pixels,
    write_page,
)
from tinynn.page.scored import write_test_data

CHROMIUM = os.environ.get("TINYNN_CHROMIUM") or shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]  # fmt: skip
WIDE = {"width": 1600, "height": 1000}


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests. Without one the tests are skipped, and the reason is printed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra browser")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium, or its path in TINYNN_CHROMIUM")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser):
    """Return a function that opens a file; no request, no message and no error may come of it."""
    contexts, heard = [], []

    def open_file(path, viewport=WIDE, **options):
        context = browser.new_context(viewport=viewport, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        allowed = path.resolve().as_uri()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                request.url.split("#")[0] == allowed
                or request.url.startswith("data:")
                or heard.append(f"request: {request.url}")
            ),
        )
        page.goto(allowed)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert heard == []


@pytest.fixture(scope="session")
def finished(tmp_path_factory, train):
    """Two small runs on real images, with all that a run leaves; their pages."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("first", "second")):
        (folder / name).mkdir()
        train(folder / name, seed)
        write_page(folder / name, folder / name / "report.html")
    write_page([folder / "first", folder / "second"], folder / "both.html")
    return SimpleNamespace(
        folder=folder, first=folder / "first/report.html", both=folder / "both.html"
    )


@pytest.fixture(scope="session")
def train():
    """Return a function that trains on some images, and leaves what a page is made of."""
    return leave_run


def leave_run(folder, seed=0, callbacks=(), epochs=3):
    """Train on some images of the sample, and leave what a page is made of."""
    (x, y), (x_test, y_test) = datasets.load_sample()
    x, x_val = scale_pixels(x[:800]), scale_pixels(x[800:1000])
    layers = [Flatten(), Dense(32), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(28, 28), seed=seed)
    watching = [CSVLogger(folder / "log.csv"), Doctor(), RunPage(folder / "report.html")]
    trainer = Trainer(model, CrossEntropy(), Adam(), seed)
    trainer.fit(x, y[:800], epochs, 32, (x_val, y[800:1000]), [*watching, *callbacks])
    p = model.predict(scale_pixels(x_test))
    write_test_data(p, y_test, datasets.CLASS_NAMES, x_test, path=folder / "test.npz")
    save_model(model, folder / "model.npz")
