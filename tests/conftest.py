"""Settings and fixtures that all tests share."""

import errno
import gc
import inspect
import os
import runpy
import sys
from collections import Counter
from functools import partialmethod
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from tinynn import Sequential, checks
from tinynn.threads import second_thread

collect_ignore = ["references"]  # programs for frameworks that the tests do not need

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
        "--first-cases",
        metavar="N",
        type=int,
        help="of each plain test only the first N cases: what another Python breaks, few show",
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
    gc.set_threshold(50_000)  # with Python's 700 a seventh of all time went into looking
    if config.getoption("rounding"):
        if config.getoption("renew_texts"):
            raise pytest.UsageError(
                "--renew-texts needs the weights that seeds draw: no --rounding"
            )
        path = [str(ROUNDING), os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        os.environ["TINYNN_TESTS_ROUNDING"] = str(config.getoption("rounding"))
        runpy.run_path(str(ROUNDING / "sitecustomize.py"))


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config, items):
    """The marker first_cases(n): all cases of this test but the first n are slow.

    With --first-cases=N that is so for each test, if it has more than N.
    """
    plain, most = Counter(), config.getoption("first_cases") or len(items)
    for item in items:
        if item.get_closest_marker("slow"):
            continue
        marker = item.get_closest_marker("first_cases")
        test = item.nodeid.partition("[")[0]
        plain[test] += 1
        if plain[test] > min(most, marker.args[0] if marker else most):
            item.add_marker("slow")


def pytest_collection_finish():
    """Let the garbage collector never look at what stays to the end: thousands of tests."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """Close what pyplot knows: where a test has loaded it, figures of later tests are its, too."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def held(monkeypatch):
    """Return a function that lets another program hold all files for some seconds from now on.

    Nothing can be moved then, and nothing be opened to append to it. Returns the refusals so far.
    """

    def hold(seconds):
        end, refusals = monotonic() + seconds, []

        def unless_held(self, *arguments, real, **named):
            if monotonic() < end and (real.__name__ != "open" or "ab" in arguments):
                refusals.append(self.name)
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return real(self, *arguments, **named)

        for name in ("replace", "rename", "open"):
            patched = partialmethod(unless_held, real=getattr(Path, name))
            monkeypatch.setattr(Path, name, patched)
        return refusals

    return hold


@pytest.fixture
def windows(monkeypatch):
    """Imitate Windows, as far as files go, on a system that has flock and /proc.

    No open file can be moved, replaced or removed, nor a folder with one in it; no folder can be
    opened; locks are msvcrt's.
    """
    fcntl = pytest.importorskip("fcntl")
    if not Path("/proc/self/fd").exists():
        pytest.skip("the imitation looks there for open files")

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def locking(handle, how, count):
        assert os.lseek(handle, 0, os.SEEK_CUR) == 2**31 - 1
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse(handle)

    def unless_open(self, *arguments, real, **named):
        here = {Path(path).resolve() for path in (self, *arguments)}
        for handle in Path("/proc/self/fd").iterdir():
            file = handle.resolve()
            if here & {file, file.parent}:
                refuse(self)
        return real(self, *arguments, **named)

    def open_file(path, *arguments, real=os.open, **named):
        return refuse(path) if Path(path).is_dir() else real(path, *arguments, **named)

    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    msvcrt = SimpleNamespace(LK_NBLCK=2, locking=locking)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr("os.open", open_file)
    for name in ("replace", "rename", "unlink"):
        patched = partialmethod(unless_open, real=getattr(Path, name))
        monkeypatch.setattr(Path, name, patched)


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


@pytest.fixture
def two_threads(monkeypatch):
    """A second thread, whatever the number of BLAS threads is here."""
    monkeypatch.setattr("tinynn.threads.blas_pools", list)
    second_thread.cache_clear()
    yield
    second_thread.cache_clear()
