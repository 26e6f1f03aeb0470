"""Protects the steps of SGD and Adam: the papers' equations, in place, in the right precision."""

import json
import tracemalloc
from math import inf, nan, sin, sqrt
from pathlib import Path

import numpy as np
import pytest

from tinynn import SGD, Adam, AdamW, Dense, RMSProp, Sequential

# Six steps over three parameters: gradients that agree, that change sign, that are 0, that differ
# in size by 1e4.
GRADS = [
    [0.1, -2.0, 30.0],
    [0.3, -1.0, -20.0],
    [-0.2, 0.5, 10.0],
    [0.0, 4.0, -5.0],
    [1.5, -0.25, 0.001],
    [-0.7, 0.0, 2.0],
]
START = [1.0, -2.0, 0.5]
MAKERS = {
    "sgd": lambda: SGD(0.01),
    "momentum": lambda: SGD(0.01, momentum=0.9),
    "nesterov": lambda: SGD(0.01, momentum=0.9, nesterov=True),
    "rmsprop": lambda: RMSProp(0.01),
    "adam": lambda: Adam(0.01),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
    "scheduled": lambda: Adam(lambda t: 0.1 / t),
}
KINDS = [SGD, RMSProp, Adam, AdamW]
REFERENCES = Path(__file__).parents[1] / "references/optimizers.json"
PYTORCH = json.loads(REFERENCES.read_text(encoding="utf-8"))["optimizers"]
AS_IN_PYTORCH = {
    "SGD": lambda: SGD(0.01),
    "momentum": lambda: SGD(0.01, momentum=0.9),
    "nesterov": lambda: SGD(0.01, momentum=0.9, nesterov=True),
    "RMSProp": lambda: RMSProp(0.01),
    "RMSProp, large epsilon": lambda: RMSProp(0.01, rho=0.99, epsilon=0.1),
    "Adam": lambda: Adam(0.01),
    "AdamW": lambda: AdamW(0.01),
    "AdamW, large decay": lambda: AdamW(0.05, 0.5, beta1=0.8, beta2=0.95, epsilon=1e-3),
}
each_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def walk(optimizer, start=START, grads=GRADS, dtype=np.float64):
    """Return the parameters after each step."""
    params = np.array(start, dtype)
    path = []
    for g in grads:
        optimizer.step(params, np.array(g, dtype))
        path.append(params.tolist())
    return path


def scalar_sgd(w, gradients, rate, momentum):
    """Sutskever et al., 2013, equations 1 and 2, for one number."""
    velocity = 0.0
    for t, g in enumerate(gradients, start=1):
        velocity = momentum * velocity - rate(t) * g
        w = w + velocity
        yield w


def scalar_adam(w, gradients, rate, beta1, beta2, epsilon):
    """Kingma and Ba, 2015, algorithm 1, for one number."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        w = w - rate(t) * m_hat / (sqrt(v_hat) + epsilon)
        yield w


def scalar_nesterov(theta, gradients, rate, momentum):
    """Sutskever et al., 2013, equations 3 and 4, for one number: theta, looking ahead from it.

    The gradients are those at theta + momentum velocity, the point that is yielded for each step.
    """
    velocity = 0.0
    for t, g in enumerate(gradients, start=1):
        velocity = momentum * velocity - rate(t) * g
        theta = theta + velocity
        yield theta + momentum * velocity


def scalar_rmsprop(w, gradients, rate, rho, epsilon):
    """Tieleman and Hinton, 2012, lecture 6.5, with epsilon added to the root, for one number."""
    mean_square = 0.0
    for t, g in enumerate(gradients, start=1):
        mean_square = rho * mean_square + (1 - rho) * g * g
        w = w - rate(t) * g / (sqrt(mean_square) + epsilon)
        yield w


def scalar_adamw(w, gradients, rate, decay, beta1, beta2, epsilon):
    """Loshchilov and Hutter, 2019, algorithm 2, line 12, with the decay times the whole rate."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        step = m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + epsilon)
        w = w - rate(t) * (step + decay * w)
        yield w


def by_hand(scalar, **settings):
    """Run a scalar optimizer over every parameter; return the parameters after each step."""
    columns = [list(scalar(w, [g[i] for g in GRADS], **settings)) for i, w in enumerate(START)]
    return list(zip(*columns, strict=True))


def a_thousandth(t):
    return 0.001


def falling(t):
    return 0.2 / t


def test_sgd_is_the_gradient_times_the_rate():
    expected = by_hand(scalar_sgd, rate=lambda t: 0.03, momentum=0.0)
    np.testing.assert_allclose(walk(SGD(0.03)), expected, rtol=1e-14)


@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.99])
def test_momentum_follows_sutskever(momentum):
    expected = by_hand(scalar_sgd, rate=lambda t: 0.03, momentum=momentum)
    np.testing.assert_allclose(walk(SGD(0.03, momentum)), expected, rtol=1e-13)


def test_momentum_under_a_falling_rate_follows_sutskever():
    # here the forms differ: the rate of the time stays in the velocity
    expected = by_hand(scalar_sgd, rate=falling, momentum=0.9)
    np.testing.assert_allclose(walk(SGD(falling, 0.9)), expected, rtol=1e-13)


@pytest.mark.parametrize("rate", [lambda t: 0.03, falling])
def test_nesterov_follows_sutskever(rate):
    expected = by_hand(scalar_nesterov, rate=rate, momentum=0.9)
    path = walk(SGD(rate, 0.9, nesterov=True))
    np.testing.assert_allclose(path, expected, rtol=1e-13)


@pytest.mark.parametrize(("rho", "epsilon"), [(0.9, 1e-8), (0.99, 1e-3), (0.0, 1.0)])
@pytest.mark.parametrize("rate", [lambda t: 0.03, falling])
def test_rmsprop_follows_tieleman_and_hinton(rate, rho, epsilon):
    expected = by_hand(scalar_rmsprop, rate=rate, rho=rho, epsilon=epsilon)
    np.testing.assert_allclose(walk(RMSProp(rate, rho, epsilon)), expected, rtol=1e-13)


@pytest.mark.parametrize("decay", [0, 0.01, 0.5])
@pytest.mark.parametrize("rate", [lambda t: 0.03, falling])
def test_adamw_follows_loshchilov_and_hutter(rate, decay):
    expected = by_hand(scalar_adamw, rate=rate, decay=decay, beta1=0.9, beta2=0.99, epsilon=1e-3)
    path = walk(AdamW(rate, decay, 0.9, 0.99, 1e-3))
    np.testing.assert_allclose(path, expected, rtol=1e-12)


def test_first_steps_by_hand():
    # velocity -0.2 and -0.38: steps 0.9 velocity - 0.2, that is -0.38 and -0.542
    path = walk(SGD(0.1, 0.9, nesterov=True), [1.0], [[2.0], [2.0]])
    np.testing.assert_allclose(path, [[0.62], [0.078]], rtol=1e-14)
    # the root of (1 - 0.75) 4^2 is 2
    np.testing.assert_allclose(walk(RMSProp(0.1, 0.75, 2.0), [1.0], [[4.0]]), [[0.9]], rtol=1e-14)
    # 5 decays by 0.1 0.5 5 = 0.25; Adam's first step is the rate
    np.testing.assert_allclose(walk(AdamW(0.1, 0.5), [5.0], [[4.0]]), [[4.65]], rtol=1e-9)


@pytest.mark.parametrize("name", PYTORCH)
def test_200_steps_agree_with_pytorch(name):
    def gradient(t, i):  # as in tests/references/optimizers.py
        return 0.0 if (t + i) % 7 == 0 else 10.0 ** (i - 6) * (sin(0.3 * t * (i + 1)) + 0.2)

    assert PYTORCH.keys() == AS_IN_PYTORCH.keys()
    grads = [[gradient(t, i) for i in range(12)] for t in range(1, 201)]
    path = walk(AS_IN_PYTORCH[name](), [(i - 5) / 4 for i in range(12)], grads)
    assert PYTORCH[name].keys() == {"1", "2", "10", "50", "200"}
    for t, expected in PYTORCH[name].items():
        np.testing.assert_allclose(path[int(t) - 1], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_nesterov_momentum_has_the_bits_of_its_two_lines(dtype):
    rng = np.random.default_rng(0)
    w, velocity = rng.normal(size=500).astype(dtype), np.zeros(500, dtype)
    params, optimizer = w.copy(), SGD(0.03, 0.9)
    for _ in range(5):
        g = rng.normal(size=500).astype(dtype)
        optimizer.step(params, g)
        velocity *= 0.9
        velocity -= g * 0.03
        w += velocity
    assert params.tobytes() == w.tobytes()


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValueError, match=r"nesterov=True needs a momentum above 0.*momentum=0\.9"):
        SGD(0.1, nesterov=True)
    with pytest.raises(ValueError, match="nesterov must be True or False, got 0"):
        SGD(0.1, 0.9, 0.9)
    assert SGD(0.1, 0.9, np.True_).config()["nesterov"] is True


@pytest.mark.parametrize("decay", [-0.01, nan, inf, "0.1", None])
def test_a_weight_decay_below_0_is_refused(decay):
    with pytest.raises(ValueError, match="weight_decay must be a number, 0 or more"):
        AdamW(weight_decay=decay)


def test_adamw_without_decay_has_the_bits_of_adam():
    for dtype in (np.float32, np.float64):
        assert walk(AdamW(0.01, 0), dtype=dtype) == walk(Adam(0.01), dtype=dtype)


def test_adamw_decays_matrices_and_neither_vectors_nor_frozen_layers():
    model = Sequential([Dense(3), Dense(2), Dense(4)], input_shape=(5,), dtype=np.float64)
    model.params = np.arange(1.0, model.params.size + 1)
    model.layers[1].trainable = False
    before = {name: array.copy() for name, array in model.named_parameters().items()}
    AdamW(0.1, weight_decay=0.5).step(model.params, np.zeros_like(model.params))
    for name, array in model.named_parameters().items():
        factor = 0.95 if name in ("0.Dense.W", "2.Dense.W") else 1.0
        np.testing.assert_allclose(array, factor * before[name], rtol=1e-14)


@pytest.mark.parametrize("make", [RMSProp, AdamW])
def test_moments_too_small_to_matter_become_0(make):
    optimizer, params = make(), np.ones(3, np.float32)
    grads = np.array([1e-19, 1e-19, 1.0], np.float32)
    for _ in range(99):
        optimizer.step(params, grads)
        grads[:2] = 0
    small = np.finfo(np.float32).smallest_normal
    assert ((optimizer.slots["V"][:2] > 0) & (optimizer.slots["V"][:2] < small)).all()
    optimizer.step(params, grads)
    assert (optimizer.slots["V"] != 0).tolist() == [False, False, True]
    assert np.isfinite(params).all()


@pytest.mark.parametrize(
    ("beta1", "beta2", "epsilon"),
    [(0.9, 0.999, 1e-8), (0.0, 0.5, 1e-3), (0.5, 0.0, 1.0), (0.8, 0.9, 0.1)],
)
def test_adam_follows_kingma_and_ba(beta1, beta2, epsilon):
    # the large epsilons show where it is added: outside the root, to the corrected moment
    expected = by_hand(scalar_adam, rate=lambda t: 0.05, beta1=beta1, beta2=beta2, epsilon=epsilon)
    np.testing.assert_allclose(walk(Adam(0.05, beta1, beta2, epsilon)), expected, rtol=1e-13)


def test_adam_under_a_falling_rate_follows_kingma_and_ba():
    expected = by_hand(scalar_adam, rate=falling, beta1=0.9, beta2=0.999, epsilon=1e-8)
    np.testing.assert_allclose(walk(Adam(falling)), expected, rtol=1e-13)


def test_adam_agrees_with_pytorch():
    """The table is that of torch.optim.Adam([q], lr=0.01) of PyTorch 2.13, float64, over GRADS."""
    expected = [
        [0.9900000009999999, -1.99000000005, 0.4900000000033333],
        [0.9808221902205589, -1.980678203720851, 0.4885547947067355],
        [0.9782431522889793, -1.9750415899980438, 0.48576970556966376],
        [0.9761305613601561, -1.9777932380275922, 0.48427917833184986],
        [0.9704058118565638, -1.9798199445164975, 0.4830191981762326],
        [0.9680662170255068, -1.9815667033375912, 0.48165792433719373],
    ]
    np.testing.assert_allclose(walk(Adam(0.01)), expected, rtol=1e-14)


def test_momentum_agrees_with_pytorch():
    """The table is that of torch.optim.SGD([q], lr=0.01, momentum=0.9), made in the same way."""
    expected = [
        [0.999, -1.98, 0.19999999999999998],
        [0.9951, -1.952, 0.12999999999999998],
        [0.99359, -1.9318, -0.033000000000000036],
        [0.992231, -1.95362, -0.12970000000000007],
        [0.9760078999999999, -1.970758, -0.21674000000000007],
        [0.9684071099999999, -1.9861822, -0.3150760000000001],
    ]
    np.testing.assert_allclose(walk(SGD(0.01, momentum=0.9)), expected, rtol=1e-14)


def test_the_defaults_are_the_papers():
    assert Adam().config() == {
        "learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
    }  # fmt: skip
    assert SGD().config() == {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False}
    assert RMSProp().config() == {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-8}
    assert AdamW().config() == {**Adam().config(), "weight_decay": 0.01}


@each_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_the_flat_vector_is_the_steps_of_its_parts_bit_for_bit(make, dtype):
    # a step count that is bumped once an array, not once a step, would show here
    rng = np.random.default_rng(0)
    cuts = np.cumsum([35, 5, 1, 259])  # sizes no multiple of a SIMD register
    flat = rng.normal(size=300).astype(dtype)
    parts = [part.copy() for part in np.split(flat, cuts[:-1])]
    optimizer, optimizers = make(), [make() for _ in parts]
    for _ in range(7):
        grads = rng.normal(size=300).astype(dtype)
        optimizer.step(flat, grads)
        for one, part, g in zip(optimizers, parts, np.split(grads, cuts[:-1]), strict=True):
            one.step(part, g.copy())
    assert flat.tobytes() == np.concatenate(parts).tobytes()


@pytest.mark.first_cases(4)
@each_optimizer
def test_a_step_is_in_place_and_allocates_no_vector(make):
    size = 1_000_000
    params, grads = np.ones(size, np.float32), np.full(size, 0.5, np.float32)
    optimizer = make()
    for _ in range(20):  # until both threads have taken part, each with a scratch of its own
        optimizer.step(params, grads)
    memory = {name: (vector, vector.ctypes.data) for name, vector in optimizer.slots.items()}
    before = params.copy()
    tracemalloc.start()
    for _ in range(3):
        optimizer.step(params, grads)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < params.nbytes / 10
    assert (params != before).all()
    for name, (vector, address) in memory.items():
        assert optimizer.slots[name] is vector
        assert vector.ctypes.data == address


@each_optimizer
def test_a_step_leaves_the_gradients_alone(make):
    params, grads = np.array(START), np.array(GRADS[0])
    optimizer = make()
    for _ in range(3):
        optimizer.step(params, grads)
    assert grads.tolist() == GRADS[0]


def double_rate(t):
    return np.float64(0.01)


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(np.float64(0.01), momentum=np.float64(0.9)),
        SGD(double_rate, momentum=0.9),
        SGD(double_rate, momentum=np.float64(0.9), nesterov=True),
        RMSProp(double_rate, np.float64(0.9), np.float64(1e-8)),
        AdamW(double_rate, weight_decay=np.float64(0.1)),
        Adam(np.float64(0.01), np.float64(0.9), np.float64(0.999), np.float64(1e-8)),
        Adam(double_rate),
    ],
)
def test_float32_stays_float32_with_float64_settings(optimizer):
    params = np.array(START, np.float32)
    for g in GRADS:
        optimizer.step(params, np.array(g, np.float32))
    assert params.dtype == np.float32
    assert {vector.dtype for vector in optimizer.slots.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", KINDS)
def test_float64_settings_give_the_bits_of_python_floats(kind):
    # float64 arithmetic, rounded to float32 at the end, differs in the last bit here and there
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=1000), rng.normal(size=(6, 1000))
    paths = [
        walk(kind(rate), start, grads, np.float32)
        for rate in (0.01, np.float64(0.01), lambda t: 0.01, double_rate)
    ]
    assert paths.count(paths[0]) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_learning_rate_function_gets_the_step_count_from_1(kind):
    seen = []

    def rate(t):
        seen.append(t)
        return 0.1

    walk(kind(rate))
    assert seen == [1, 2, 3, 4, 5, 6]


def test_rate_returns_the_learning_rate_of_a_step():
    assert [SGD(falling).rate(t) for t in (1, 2, 6)] == [0.2, 0.1, 0.2 / 6]
    assert SGD(np.float64(0.5)).rate(6) == 0.5
    assert type(SGD(double_rate).rate(1)) is float


@each_optimizer
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_loaded_state_goes_on_bit_for_bit(make, steps):
    params = np.array(START, np.float32)
    grads = [np.array(g, np.float32) for g in GRADS]
    first = make()
    for g in grads[:steps]:
        first.step(params, g)
    second, twin = make(), params.copy()
    second.load_state(first.state())
    for g in grads[steps:]:
        first.step(params, g)
        second.step(twin, g)
    assert params.tobytes() == twin.tobytes()
    assert first.t == second.t == 6


@each_optimizer
def test_state_and_load_state_copy(make):
    optimizer, other = make(), make()
    walk(optimizer, dtype=np.float32)
    state = optimizer.state()
    frozen = {name: np.array(value).tobytes() for name, value in state.items()}
    other.load_state(state)
    for one in (optimizer, other):
        one.step(np.ones(3, np.float32), np.ones(3, np.float32))
        assert {name: np.array(value).tobytes() for name, value in state.items()} == frozen


@pytest.mark.parametrize(
    ("kind", "vectors"),
    [(SGD, ["velocity"]), (RMSProp, ["V"]), (Adam, ["M", "V"]), (AdamW, ["M", "V"])],
)
def test_state_holds_the_step_count_and_each_vector(kind, vectors):
    optimizer = kind()
    assert optimizer.state() == {"t": 0}
    walk(optimizer)
    state = optimizer.state()
    assert list(state) == ["t", *vectors]
    assert state["t"] == 6
    assert all(state[name].shape == (3,) for name in vectors)


@each_optimizer
def test_the_state_of_a_fresh_optimizer_makes_a_used_one_fresh(make):
    used = make()
    walk(used)
    used.load_state(make().state())
    assert walk(used) == walk(make())


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(0.5, momentum=0.25),
        SGD(0.5, momentum=0.25, nesterov=True),
        SGD(a_thousandth),
        RMSProp(0.5, 0.1, 0.2),
        Adam(0.5, 0.1, 0.2, 0.3),
        Adam(a_thousandth),
        AdamW(0.5, 0.1, 0.2, 0.3, 0.4),
    ],
)
def test_config_makes_a_twin(optimizer):
    twin = type(optimizer)(**optimizer.config())
    assert twin.config() == optimizer.config()
    assert walk(twin) == walk(type(optimizer)(**optimizer.config()))


def test_config_holds_the_arguments():
    assert Adam(0.5, 0.1, 0.2, 0.3).config() == {
        "learning_rate": 0.5, "beta1": 0.1, "beta2": 0.2, "epsilon": 0.3,
    }  # fmt: skip
    assert SGD(a_thousandth, 0.25).config() == {
        "learning_rate": a_thousandth, "momentum": 0.25, "nesterov": False,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0, -0.1, inf, nan, "0.1", None])
def test_an_invalid_learning_rate_is_refused(kind, rate):
    with pytest.raises(ValueError, match="learning_rate must be a positive number"):
        kind(rate)


@pytest.mark.parametrize("rate", [-0.1, nan, inf])
def test_a_function_that_returns_no_learning_rate_is_refused(rate):
    params = np.array(START)
    with pytest.raises(ValueError, match="learning_rate"):
        SGD(lambda t: rate).step(params, np.array(GRADS[0]))
    assert params.tolist() == START


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda value: SGD(0.1, momentum=value), "momentum"),
        (lambda value: RMSProp(rho=value), "rho"),
        (lambda value: AdamW(beta1=value), "beta1"),
        (lambda value: Adam(beta1=value), "beta1"),
        (lambda value: Adam(beta2=value), "beta2"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, 1, 1.5, nan])
def test_a_decay_out_of_range_is_refused(make, name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and below 1, got"):
        make(value)


@pytest.mark.parametrize("epsilon", [0, -1e-8, inf, nan])
def test_an_epsilon_that_is_not_positive_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon must be a positive number"):
        Adam(epsilon=epsilon)


@each_optimizer
def test_gradients_of_another_length_are_refused_before_anything_changes(make):
    optimizer, params = make(), np.ones(3)
    with pytest.raises(ValueError, match="params of 3 numbers, grads of 2"):
        optimizer.step(params, np.ones(2))
    assert (params == 1).all()
    assert optimizer.state() == {"t": 0}


@each_optimizer
def test_an_optimizer_refuses_a_second_model_of_another_size(make):
    optimizer, params = make(), np.ones(4)
    walk(optimizer)
    with pytest.raises(ValueError, match=r"params of 4 numbers.*Make a new optimizer"):
        optimizer.step(params, np.ones(4))
    assert (params == 1).all()
    assert optimizer.t == 6


@pytest.mark.parametrize(("ours", "theirs"), [(SGD, Adam), (Adam, SGD)])
def test_another_optimizers_state_is_refused_and_nothing_changes(ours, theirs):
    optimizer, other = ours(), theirs()
    walk(optimizer)
    walk(other)
    before = {name: np.array(value).tolist() for name, value in optimizer.state().items()}
    with pytest.raises(ValueError, match="Is it the state of another optimizer"):
        optimizer.load_state(other.state())
    assert {name: np.array(value).tolist() for name, value in optimizer.state().items()} == before


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("params", "grads", "said"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), "params is float64 (2, 3). Write params = params.resh"),
        (np.array([1, 2], np.int8), np.ones(2), "params is int8 (2,). Write params = np.asarray(p"),
        ([1.0, 2.0], np.ones(2), "params is a list. Write params = np.asarray(params, float)."),
        (np.ones(2), [1.0, 2.0], "grads is a list. Write grads = np.asarray(grads)."),
        (np.ones(2), np.ones((2, 1)), "grads is float64 (2, 1). Write grads = grads.reshape(-1)."),
        (np.ones(()), np.ones(()), "params is float64 (). Write params = params.reshape(-1)."),
    ],
)
def test_what_is_no_flat_vector_of_floats_is_refused(make, params, grads, said):
    optimizer, before = make(), np.array(params)
    with pytest.raises(ValueError) as error:
        optimizer.step(params, grads)
    assert f"{type(optimizer).__name__} needs flat vectors of floats, but {said}" in str(
        error.value
    )
    assert np.array_equal(params, before)
    assert optimizer.t == 0
