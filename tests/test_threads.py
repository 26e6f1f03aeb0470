"""Protects the tricks that make long vectors fast: each must give the numbers of its plain form."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from functools import partial
from itertools import combinations
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

from tinynn import (
    SGD,
    Adam,
    BatchNorm,
    CrossEntropy,
    Dense,
    Flatten,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    load_model,
    save_model,
    scale_pixels,
)
from tinynn.threads import (
    WORTH_A_THREAD,
    flush_subnormals,
    in_halves,
    in_two_threads,
    on_a_cache_line,
    second_thread,
)

TINY = np.finfo(np.float32).smallest_normal


@pytest.mark.parametrize("size", [0, 1, 7, WORTH_A_THREAD - 1, WORTH_A_THREAD, WORTH_A_THREAD + 7])
def test_halves_are_views_that_cover_every_number_once(size, two_threads):
    def work(piece, other, scratch):
        threads.add(threading.current_thread())
        sleep(0.02)  # time for the other to begin
        assert len(piece) == len(other) == len(scratch)
        assert scratch.dtype == np.float32
        scratch[:] = 1
        piece += scratch
        piece += other

    threads = set()
    a, b = np.zeros(size, np.float32), np.arange(size, dtype=np.float32)
    in_two_threads(work, a, b)
    assert a.tolist() == (b + 1).tolist()
    assert len(threads) == (2 if size >= WORTH_A_THREAD else 1)


@pytest.mark.parametrize("length", [0, 1, 2, 7])
@pytest.mark.parametrize("numbers", [WORTH_A_THREAD - 1, WORTH_A_THREAD])
def test_halves_of_an_axis_hold_each_index_once(length, numbers, two_threads):
    def work(part):
        threads.add(threading.current_thread())
        sleep(0.02)  # time for the other to begin
        held.extend(range(length)[part])

    threads, held = set(), []
    in_halves(work, length, numbers)
    assert sorted(held) == [*range(length)]
    assert len(threads) == (2 if numbers >= WORTH_A_THREAD else 1)


def test_an_error_in_either_half_is_raised_when_both_have_ended(two_threads):
    def work(piece, scratch):
        sleep(0.02)  # time for the other to begin
        if piece[0] == bad:
            raise ArithmeticError(bad)
        sleep(0.05)
        ended.append(piece[0])

    vector = np.zeros(WORTH_A_THREAD)
    vector[1:] = 1
    for bad in (0, 1):
        ended = []
        with pytest.raises(ArithmeticError, match=str(bad)):
            in_two_threads(work, vector)
        assert set(ended) == {1 - bad}


def test_the_first_thread_does_what_the_second_has_not_begun(two_threads):
    """So nobody waits for a processor that other programs keep busy."""
    busy = threading.Event()
    jobs = second_thread()
    jobs.put(SimpleNamespace(serve=busy.wait))  # the second thread is at work on something else
    vector = np.zeros(WORTH_A_THREAD)
    in_two_threads(lambda piece, scratch: np.add(piece, 1, out=piece), vector)
    assert (vector == 1).all()
    busy.set()
    in_two_threads(lambda piece, scratch: np.add(piece, 1, out=piece), vector)
    assert (vector == 2).all()  # and what it finds when it comes back is done already


@pytest.fixture
def ctrl_c_inside():
    """Let Ctrl-C interrupt in_two_threads, and not the test around it."""

    def raise_inside(number, frame):
        while frame is not None:
            if frame.f_code is in_two_threads.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back

    before = signal.signal(signal.SIGINT, raise_inside)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c(delays, begun):
    begun.wait(5)
    for delay in delays:
        sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("delays", [[0.005], [0.02], [0.005] * 3, [0.001] * 30])
def test_after_an_exception_no_thread_writes_any_more(two_threads, ctrl_c_inside, delays):
    """Ctrl-C, once or again and again, while the first thread waits for the second."""

    def work(piece, scratch):
        if threading.current_thread() is threading.main_thread():
            begun.wait(5)
            return
        begun.set()
        for _ in range(50):
            piece += 1
            sleep(0.001)

    begun, vector = threading.Event(), np.zeros(WORTH_A_THREAD)
    sender = threading.Thread(target=press_ctrl_c, args=(delays, begun))
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        in_two_threads(work, vector)
    assert vector[-1] == 50  # the second part came to its end
    sender.join()


@pytest.mark.slow
@pytest.mark.parametrize("times", [15, pytest.param(150, marks=pytest.mark.slow)])
def test_an_optimizer_that_is_interrupted_at_any_moment_writes_no_more(
    two_threads, ctrl_c_inside, times
):
    params, grads = np.zeros(2**19, np.float32), np.ones(2**19, np.float32)
    optimizer, timing, begun = Adam(), np.random.default_rng(0), threading.Event()
    begun.set()
    for _ in range(times):
        delays = [timing.uniform(0.001, 0.02)] * 2  # of two one may fall between two steps
        sender = threading.Thread(target=press_ctrl_c, args=(delays, begun))
        sender.start()
        with suppress(KeyboardInterrupt):
            while sender.is_alive():
                optimizer.step(params, grads)
        vectors = [params, *optimizer.slots.values()]
        left = [vector.copy() for vector in vectors]
        sleep(0.003)
        assert all((a == b).all() for a, b in zip(left, vectors, strict=True))
        sender.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    "missing", ["threads", pytest.param("threadpoolctl", marks=pytest.mark.slow)]
)
def test_where_no_thread_can_be_started_the_first_does_all_the_work(missing):
    program = """
import sys, threading
import numpy as np
if sys.argv[1] == "threadpoolctl":
    sys.modules["threadpoolctl"] = None  # not installed
else:
    threading.stack_size(2**46)  # more than any system gives
from tinynn import SGD
params = np.zeros(2**18)
SGD(1.0).step(params, np.ones(2**18))
print(params.sum(), threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, missing], capture_output=True, text=True, timeout=60
    )
    threads = 1 if missing == "threads" else 2
    assert done.stdout.split() == [str(-(2.0**18)), str(threads)], done.stderr


def test_an_interruption_leaves_no_result_for_the_next(two_threads):
    """A second Ctrl-C arrives while the first thread waits: a late result must be dropped."""

    def interrupted(piece, scratch):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        raise ArithmeticError("of an earlier job")

    vector = np.zeros(WORTH_A_THREAD)
    with pytest.raises(KeyboardInterrupt):
        in_two_threads(interrupted, vector)
    in_two_threads(lambda piece, scratch: np.add(piece, 1, out=piece), vector)
    assert (vector == 1).all()


def test_the_second_thread_keeps_no_reference_to_its_last_vectors(two_threads):
    vector = np.zeros(WORTH_A_THREAD)
    alive = weakref.ref(vector)
    in_two_threads(lambda piece, scratch: None, vector)
    del vector
    for _ in range(100):
        if alive() is None:
            return
        sleep(0.01)
    raise AssertionError("its memory is never freed")


def test_what_the_first_thread_did_alone_is_not_kept_for_the_second(two_threads):
    """Beside a busy program the second thread may not run for a while."""
    busy, vector = threading.Event(), np.zeros(WORTH_A_THREAD)
    second_thread().put(SimpleNamespace(serve=busy.wait))
    alive = weakref.ref(vector)
    in_two_threads(lambda piece, scratch: None, vector)
    del vector
    assert alive() is None
    busy.set()


def test_the_second_thread_uses_numpys_errstate_of_the_first(two_threads):
    def overflow(piece, scratch):
        piece *= 1e38

    with np.errstate(over="ignore"):  # else: a warning, which is an error here
        in_two_threads(overflow, np.full(WORTH_A_THREAD, 1e38, np.float32))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        in_two_threads(overflow, np.full(WORTH_A_THREAD, 1e38, np.float32))


def test_scratch_is_of_the_vectors_own_dtype_and_kept():
    def keep(piece, scratch):
        assert scratch.dtype == piece.dtype
        assert scratch.shape == piece.shape
        seen.append(scratch.ctypes.data)

    seen = []
    for dtype in (np.float32, np.float64):
        for size in (3000, 3000, 2000):
            in_two_threads(keep, np.zeros(size, dtype))
    assert seen == [seen[0]] * 3 + [seen[3]] * 3
    assert seen[0] != seen[3]


@pytest.mark.slow
@pytest.mark.parametrize("blas_threads", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_there_is_a_second_thread_where_blas_has_more_than_one(blas_threads):
    program = (
        "from tinynn.threads import second_thread; from threadpoolctl import threadpool_limits; "
        f"threadpool_limits({blas_threads}); print(second_thread() is not None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == str(blas_threads > 1), done.stderr


FORK = """
import os, warnings
import numpy as np
from tinynn import SGD
from tinynn.threads import WORTH_A_THREAD, second_thread
from threadpoolctl import threadpool_limits

threadpool_limits(2)
warnings.simplefilter("ignore")  # Python's own, of forking with threads
params, grads = np.zeros(WORTH_A_THREAD), np.ones(WORTH_A_THREAD)
SGD(1.0).step(params, grads)
assert second_thread() is not None
child = os.fork()
SGD(1.0).step(params, grads)
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0 if (params == -2).all() else 1)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_process_steps_on_with_a_thread_of_its_own():
    assert subprocess.run([sys.executable, "-c", FORK], timeout=60).returncode == 0


def test_the_parts_are_cut_at_a_cache_line(two_threads):
    def note(piece, scratch):
        seen.extend([piece.ctypes.data % 64, scratch.ctypes.data % 64])
        sleep(0.02)  # time for the other to begin

    for dtype in (np.float32, np.float64):
        seen = []
        in_two_threads(note, on_a_cache_line(np.zeros(WORTH_A_THREAD + 5, dtype)))
        assert seen == [0, 0, 0, 0]


@pytest.mark.parametrize("values", [np.arange(5.0), np.ones((2, 3), np.float32)])
def test_a_copy_on_a_cache_line_has_the_same_numbers(values):
    copy = on_a_cache_line(values)
    assert copy.ctypes.data % 64 == 0
    assert (copy.shape, copy.dtype) == (values.shape, values.dtype)
    assert copy.tobytes() == values.tobytes()
    assert not np.shares_memory(copy, values)


def long_vectors(model, optimizer):
    return [model.params, model.grads, model.buffers, *optimizer.slots.values()]


def test_all_long_vectors_start_on_a_cache_line_also_in_copies(tmp_path):
    model = Sequential([Dense(5), BatchNorm(), Dense(3)], input_shape=(7,))
    optimizer = Adam()
    optimizer.step(model.params, model.grads)
    copies = [(model, optimizer), copy.deepcopy((model, optimizer))]
    copies.append(pickle.loads(pickle.dumps((model, optimizer))))
    copies.append((model.astype(np.float64), copy.copy(optimizer)))
    save_model(model, tmp_path / "model.npz")
    loaded = Adam()
    loaded.load_state(optimizer.state())
    copies.append((load_model(tmp_path / "model.npz"), loaded))
    for pair in copies:
        assert [vector.ctypes.data % 64 for vector in long_vectors(*pair)] == [0] * 5
        assert pair[1].t == 1
    vectors = [vector for pair in copies for vector in pair[1].slots.values()]
    assert not any(np.shares_memory(a, b) for a, b in combinations(vectors, 2))


def textbook(params, gradients, rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Kingma and Ba's algorithm 1 in float64, with the moments as the paper has them."""
    params = params.astype(np.float64)
    m, v = np.zeros_like(params), np.zeros_like(params)
    for t, grads in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * grads
        v = beta2 * v + (1 - beta2) * grads.astype(np.float64) ** 2
        params = params - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return params


@pytest.mark.parametrize("kind", [Adam, partial(SGD, momentum=0.9)])
def test_optimizer_steps_in_two_threads_at_once_equal_plain_steps_bit_for_bit(
    kind, two_threads, monkeypatch
):
    rng = np.random.default_rng(0)
    start = rng.normal(size=WORTH_A_THREAD + 11).astype(np.float32)
    gradients = [rng.normal(size=start.size).astype(np.float32) for _ in range(5)]
    results = []
    for least in (WORTH_A_THREAD, 2**62):
        monkeypatch.setattr("tinynn.threads.WORTH_A_THREAD", least)
        params, optimizer = start.copy(), kind(0.01)
        for grads in gradients:
            optimizer.step(params, grads)
        results.append(params)
    assert results[0].tobytes() == results[1].tobytes()
    if kind is Adam:
        np.testing.assert_allclose(results[0], textbook(start, gradients), rtol=0, atol=1e-6)


def test_only_subnormal_numbers_are_flushed_and_only_at_every_hundredth_step():
    kept = [0.0, -0.0, TINY, -TINY, 1.0, -1.0, np.inf, -np.inf, np.nan]
    gone = [TINY / 2, -TINY / 2, 1e-45, -1e-45, np.nextafter(TINY, np.float32(0))]
    vector = np.array(kept + gone, np.float32)
    for t in (1, 50, 99, 101, 250):
        before = vector.tobytes()
        flush_subnormals([vector], t)
        assert vector.tobytes() == before
    flush_subnormals([vector], 300)
    expected = np.array(kept + [0.0] * len(gone), np.float32)
    np.testing.assert_array_equal(vector, expected)


@pytest.fixture(scope="module")
def sample():
    (x, y), _ = datasets.load_sample()
    return scale_pixels(x), y


def trained(sample, sweep=flush_subnormals):
    """1,125 steps on real images, whose corners are nearly always black."""
    layers = [Flatten(), Dense(32), ReLU(), Dense(10), Softmax()]
    trainer = Trainer(Sequential(layers, input_shape=(28, 28)), CrossEntropy(), Adam())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinynn.optimizers.basic.flush_subnormals", sweep)
        trainer.fit(*sample, epochs=6)
    return trainer


def subnormal(vector):
    return (vector != 0) & (np.abs(vector) < TINY)


@pytest.mark.slow
@pytest.mark.outcome
def test_flushing_changes_no_weight(sample):
    swept, unswept = trained(sample), trained(sample, sweep=lambda vectors, t: None)
    left, swept_left = (subnormal(run.optimizer.slots["M"]).sum() for run in (unswept, swept))
    assert left > 500  # there was something to sweep, and it was swept
    assert swept_left < left / 10
    assert swept.model.params.tobytes() == unswept.model.params.tobytes()
