"""Settings and fixtures that all tests share."""

import inspect
import os
import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from tinynn import Sequential, checks

ROUNDING = Path(__file__).parent / "rounding"
TEXTS = Path(__file__).parent / "texts"

# Drawn examples: few while one works. CI takes the hundred of hypothesis's own profile as well:
# pytest -m hypothesis --hypothesis-profile=default
settings.register_profile("few", max_examples=25)
settings.load_profile("few")


def pytest_addoption(parser):
    parser.addoption(
        "--finished-run",
        metavar="DIR",
        help="acceptance: check this run of the main job instead of training with seed 0",
    )
    parser.addoption(
        "--rounding",
        metavar="N",
        type=int,
        default=0,
        help="as on the Nth other processor: initial weights are multiplied by 1 + 1e-6 * noise",
    )
    parser.addoption(
        "--renew-texts",
        action="store_true",
        help="write the texts that tests compare into tests/texts, and with -m notebook the "
        "lessons' notebooks; then read git diff",
    )


def pytest_configure(config):
    """One BLAS thread: beside other busy programs two would wait for each other, for minutes.

    Programs that tests start have as many as the machine gives them. With --rounding, round
    otherwise, here and in these programs.
    """
    threadpool_limits(1, user_api="blas")
    if config.getoption("rounding"):
        if config.getoption("renew_texts"):
            raise pytest.UsageError(
                "--renew-texts needs the weights that seeds draw: no --rounding"
            )
        path = [str(ROUNDING), os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        os.environ["TINYNN_TESTS_ROUNDING"] = str(config.getoption("rounding"))
        runpy.run_path(str(ROUNDING / "sitecustomize.py"))


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """Close what pyplot knows: where a test has loaded it, figures of later tests are its, too."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def weights_as_drawn(monkeypatch):
    """Let models start with the very numbers that their seed draws, also under --rounding."""
    monkeypatch.setattr(
        Sequential, "__init__", checks.short_traceback(inspect.unwrap(Sequential.__init__))
    )


@pytest.fixture
def the_text_of(request):
    """Return a function that compares lines with those of a file, or renews it: --renew-texts."""

    def compare(name, text):
        if request.config.getoption("renew_texts"):
            (TEXTS / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        advice = f"If texts/{name} should read otherwise: pytest --renew-texts"
        assert (TEXTS / name).exists(), advice
        assert text.splitlines() == (TEXTS / name).read_text("utf-8").splitlines(), advice

    return compare
