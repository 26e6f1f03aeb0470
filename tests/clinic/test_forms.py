"""Protects the clinic's forms: whatever way people write gradients, the right ones pass, and a
planted mistake is found in the right array, in the right line."""

import inspect

import numpy as np
import pytest

from tinynn import InputError, check_function

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)


def affine(x, W, b):
    return x @ W + b, (x, W)


def affine_backward(dout, cache):
    x, W = cache
    return dout @ W.T, x.T @ dout, dout.sum(axis=0)


def wrong_backward(dout, cache):
    x, W = cache
    dx = dout @ W.T
    dW = -x.T @ dout  # the line to name
    db = dout.sum(axis=0)
    return dx, dW, db


class Attributes:
    def __init__(self, factor=1.0, adds_up=False):
        self.W, self.b, self.factor, self.adds_up = W.copy(), B.copy(), factor, adds_up
        self.dW, self.db = np.zeros_like(W), np.zeros_like(B)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        if not self.adds_up:
            self.dW, self.db = np.zeros_like(W), np.zeros_like(B)
        self.dW += self.factor * self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


class Dict(Attributes):
    def __init__(self, factor=1.0):
        self.params, self.grads, self.factor = {"W": W.copy(), "b": B.copy()}, {}, factor

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.factor * self.x.T @ dout
        self.grads["b"] = dout.sum(axis=0)
        return dout @ self.params["W"].T


class List(Dict):
    def __init__(self, factor=1.0):
        self.params, self.factor = [W.copy(), B.copy()], factor
        self.grads = [None, None]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout):
        self.grads[0] = self.factor * self.x.T @ dout
        self.grads[1] = dout.sum(axis=0)
        return dout @ self.params[0].T


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, None


class WithParameters(Dict):
    def __init__(self, factor=1.0):
        self.W, self.b, self.factor = Parameter(W.copy()), Parameter(B.copy()), factor

    def forward(self, x):
        self.x = x
        return x @ self.W.data + self.b.data

    def backward(self, dout):
        self.W.grad = self.factor * self.x.T @ dout
        self.b.grad = dout.sum(axis=0)
        return dout @ self.W.data.T


class ReturnsNothing:
    def __init__(self, factor=1.0):
        self.weights, self.biases, self.factor = W.copy(), B.reshape(1, -1).copy(), factor

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.factor * self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class Static:
    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return x @ W

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        return dout @ W.T, x.T @ dout


def squared_error(params, x, y):
    out = x @ params["W"] + params["b"]
    dout = 2 * (out - y) / out.size
    return np.mean((out - y) ** 2), {"W": x.T @ dout, "db": dout.sum(axis=0)}


def test_a_pair_passes_and_says_where_the_samples_are():
    report = check_function(affine, X, W, B, backward=affine_backward)
    assert report.ok
    assert [row.name for row in report.rows] == ["x", "W", "b"]
    assert report.conventions == ("Samples are rows.",)
    assert check_function((affine, affine_backward), X, W, B).ok


def test_a_finding_has_the_array_the_mistake_and_the_line():
    report = check_function(affine, X, W, B, backward=wrong_backward)
    (finding,) = report.findings
    lines, first = inspect.getsourcelines(wrong_backward)
    at = next(i for i, line in enumerate(lines) if "the line to name" in line)
    assert (finding.array, finding.line) == ("W", first + at)
    assert finding.file == __file__
    assert finding.function == "wrong_backward"
    assert "sign is wrong" in finding.sentence
    assert report.as_json()["findings"][0]["array"] == "W"
    assert "SUSPECT  dW of wrong_backward (test_forms.py:" in str(report)


FORMS = {
    Attributes: ["W", "b"],
    Dict: ["W", "b"],
    List: ["params[0]", "params[1]"],
    WithParameters: ["W", "b"],
    ReturnsNothing: ["weights", "biases"],
}


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("kind", FORMS)
def test_an_objects_parameters_and_gradients_are_found_where_it_keeps_them(kind):
    thing = kind()
    before = {k: str(v) for k, v in vars(thing).items()}
    report = check_function(thing, X)
    assert report.ok
    assert {row.name for row in report.rows} == {*FORMS[kind], *report_input(kind)}
    assert {k: str(v) for k, v in vars(thing).items()} == before
    (finding,) = check_function(kind(factor=2.0), X).findings
    assert finding.array == FORMS[kind][0]
    assert "2 times the right gradient" in finding.sentence


def report_input(kind):
    return ["inputs"] if kind is ReturnsNothing else ["x"]


def test_gradients_that_add_up_are_a_convention_and_one_alone_is_not():
    report = check_function(Attributes(adds_up=True), X)
    assert report.ok
    assert "Gradients add up: set them to 0 before each step." in report.conventions
    assert all(row.error < 1e-6 for row in report.rows)


def test_static_methods_with_a_context():
    assert check_function(Static, X, W).ok


def test_a_whole_networks_loss_with_gradients_by_name():
    report = check_function(squared_error, {"W": W, "b": B}, X, RNG.normal(size=(5, 3)))
    assert report.ok
    assert [row.name for row in report.rows] == ["W", "b"]
    assert "The loss is the mean over the batch." in report.conventions


def test_samples_in_columns_and_means_over_them_are_conventions():
    def linear(A, W, b):
        return W @ A + b, (A, W)

    def linear_backward(dZ, cache):
        A, W = cache
        m = A.shape[1]
        return W.T @ dZ, dZ @ A.T / m, dZ.sum(axis=1, keepdims=True) / m

    report = check_function(linear, X.T, W.T, B.reshape(-1, 1), backward=linear_backward)
    assert report.ok
    assert "Samples are columns." in report.conventions
    assert any("means over the batch" in note for note in report.conventions)


def test_float32_inputs_are_cast_and_code_that_casts_by_itself_is_told():
    single = [a.astype(np.float32) for a in (X, W, B)]
    report = check_function(affine, *single, backward=affine_backward)
    assert report.ok
    assert all(row.error < 1e-6 for row in report.rows)

    def casts(x):
        return x.astype(np.float32) ** 2, x

    assert check_function(casts, X, backward=lambda dout, x: 2 * x * dout).ok
    report = check_function(casts, X, backward=lambda dout, x: x * dout)
    assert not report.ok
    assert "It computes in float32: the tolerance is 0.01." in report.conventions


def test_a_derivative_without_dout_is_a_form_too():
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def derivative(x):
        return sigmoid(x) * (1 - sigmoid(x))

    assert check_function(sigmoid, X, backward=derivative).ok
    assert not check_function(sigmoid, X, backward=lambda x: sigmoid(x) * (1 + sigmoid(x))).ok


def test_what_goes_wrong_in_the_code_is_a_finding():
    def raises(dout, cache):
        raise KeyError("gone")

    (finding,) = check_function(affine, X, W, B, backward=raises).findings
    assert (finding.mistake, finding.function) == ("exception", "raises")
    assert "KeyError: 'gone'" in finding.sentence

    def too_many(dout, cache):
        return (dout,) * 4

    (finding,) = check_function(affine, X, W, B, backward=too_many).findings
    assert finding.sentence == "It returns 4 gradients for 3 arrays."

    count = iter(range(1000))

    def other_each_time(x):
        return x * next(count), None

    (finding,) = check_function(other_each_time, X, backward=lambda dout, c: dout).findings
    assert finding.mistake == "not repeatable"

    def prints(x):
        print("here")
        return x, None

    report = check_function(prints, X, backward=lambda dout, c: dout)
    assert report.ok
    assert "here" in report.printed


def test_an_epsilon_in_a_logarithm_is_no_mistake():
    def log_loss(p, y):
        return -np.sum(y * np.log(p + 1e-7)) / len(p), -y / p / len(p)

    p = RNG.uniform(0.02, 0.1, (5, 3))
    report = check_function(log_loss, p, np.eye(3)[[0, 1, 2, 0, 1]])
    assert report.ok
    assert any("five digits" in note for note in report.conventions)


def test_nothing_is_changed_that_the_clinic_is_given():
    np.random.seed(1)  # noqa: NPY002
    arrays, state = [X.copy(), W.copy(), B.copy()], np.random.get_state()[1].copy()  # noqa: NPY002
    check_function(affine, *arrays, backward=affine_backward)
    for array, before in zip(arrays, (X, W, B), strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((affine, X, W, B), "backward=backward"),
        ((Attributes, X), "Give it an object"),
        ((object(), X), "no method forward(x)"),
        (((affine, affine_backward), [1, 2], [1, 2], [1, 2]), "no array of floating-point"),
        (((affine, affine_backward), X[:0], W, B), "x of affine must hold numbers"),
        (((affine, affine_backward), X * np.nan, W, B), "x of affine must hold numbers"),
    ],
)
def test_code_of_none_of_the_forms_is_refused(arguments, words):
    with pytest.raises(InputError) as error:
        check_function(*arguments)
    assert words in str(error.value)


def test_a_backward_that_takes_a_learning_rate_tells_its_gradients_by_what_it_subtracts():
    class Updates(Attributes):
        def backward(self, dout, learning_rate):
            dx = dout @ self.W.T
            self.W -= learning_rate * self.factor * self.x.T @ dout
            self.b -= learning_rate * dout.sum(axis=0)
            return dx

    assert {row.name for row in check_function(Updates(), X).rows} == {"x", "W", "b"}
    assert check_function(Updates(), X).ok
    (finding,) = check_function(Updates(factor=-1.0), X).findings
    assert (finding.array, "sign" in finding.sentence) == ("W", True)


def test_the_one_gradient_of_a_loss_is_that_of_the_prediction():
    def mse(y_true, y_pred):
        return np.mean((y_true - y_pred) ** 2)

    def mse_prime(y_true, y_pred):
        return 2 * (y_pred - y_true) / y_true.size

    (row,) = check_function(mse, X, 2 * X, backward=mse_prime).rows
    assert (row.name, row.ok) == ("y_pred", True)


def test_code_without_any_gradient_is_not_called_right():
    (finding,) = check_function(affine, X, W, B, backward=lambda dout, cache: None).findings
    assert finding.mistake == "no gradient"


def test_a_single_number_has_a_gradient():
    report = check_function(lambda x: (x**2, x), np.array(2.0), backward=lambda d, x: 2 * x * d)
    assert report.ok
    assert report.rows


@pytest.mark.parametrize(
    ("forward", "inputs", "more", "words"),
    [
        (affine, (X,), {}, "cannot be called with 1 inputs"),
        (np.tanh, (X,), {}, "def f(x)"),
        (affine, (X, W, B), {"backward": 3}, "must be a function"),
        (affine, (X, W, B), {"tolerance": -1}, "above 0 and below 1"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(forward, inputs, more, words):
    with pytest.raises(InputError) as error:
        check_function(forward, *inputs, **{"backward": affine_backward, **more})
    assert words in str(error.value)


def test_a_parameter_without_a_gradient_is_told():
    class Forgets(Attributes):
        def __init__(self):
            self.W, self.b, self.unused = W.copy(), B.copy(), np.ones(2)

        def backward(self, dout):
            self.dW = self.x.T @ dout
            return dout @ self.W.T

    report = check_function(Forgets(), X)
    assert report.ok
    assert report.conventions[0] == "It gives no gradient of b."


def test_gradients_in_a_tuple_belong_to_the_names_in_the_return():
    def regression(w, b, X, y):
        p = X @ w + b
        dw = 2 * X.T @ (p - y) / len(y)
        db = 2 * np.sum(p - y) / len(y)
        return np.mean((p - y) ** 2), (dw, db)

    report = check_function(regression, W[:, 0], 0.5, X, np.array([1, 0, 2, 1, 0]))
    assert report.ok
    assert [row.name for row in report.rows] == ["w"]


def test_an_end_of_the_program_is_a_finding():
    def ends(dout, cache):
        raise SystemExit(0)

    (finding,) = check_function(affine, X, W, B, backward=ends).findings
    assert (finding.function, "SystemExit" in finding.sentence) == ("ends", True)


def test_an_argument_on_which_a_gradient_does_not_depend_is_not_missing_in_it():
    def scaled(x, b, k):
        return k * x + b

    def means(dout, k):
        return k * dout, dout.mean(axis=0)  # a mean for a sum: db never depends on k

    def forgets(dout, k):
        return dout, dout.sum(axis=0)

    (finding,) = check_function(scaled, X[:, :3], B, 2.0, backward=means).findings
    assert (finding.array, finding.mistake) == ("b", "factor")
    (finding,) = check_function(scaled, X[:, :3], B, 2.0, backward=forgets).findings
    assert (finding.array, finding.mistake) == ("x", "without")


def test_what_is_wrong_without_a_known_mistake_is_told_beside_what_is_right():
    def network(params, x, y):
        h = np.tanh(x @ params["W1"])
        left = 2 * (h @ params["W2"] - y) / y.size
        dh = left @ params["W2"].T * (1 - h)  # without the square
        grads = {"W1": x.T @ dh, "b": dh.sum(axis=0), "W2": h.T @ left}
        return np.mean((h @ params["W2"] + 0 * params["b"].sum() - y) ** 2), grads

    parameters = {"W1": W, "b": B, "W2": RNG.normal(size=(3, 2))}
    first = check_function(network, parameters, X, RNG.normal(size=(5, 2))).findings[0]
    assert "Wrong are W1, b, right are W2" in first.sentence


def test_a_gradient_that_depends_on_no_batch_is_not_called_stale():
    def penalty(x, b):
        return np.sum(x**2) + np.sum(b**3), (2 * x, np.sin(b))

    (finding,) = check_function(penalty, X, B).findings
    assert (finding.array, finding.mistake) == ("b", "other")


SHAPES = [(), (1,), (4,), (1, 1), (5, 1), (1, 5), (2, 3, 4), (2, 2, 3, 3), (2, 2, 2, 2, 2)]


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_wrong_gradient_of_a_second_array_of_any_shape_gets_an_answer(shape):
    def forward(x, v):
        return np.tanh(x) @ np.ones((4, 2)) * np.sum(v**3), (x, v)

    def backward(dout, cache):
        x, v = cache
        dx = dout @ np.ones((2, 4)) * (1 - np.tanh(x) ** 2) * np.sum(v**3)
        return dx, np.sin(9 * v) + v

    (finding,) = check_function(forward, X, RNG.uniform(0.2, 1, shape), backward=backward).findings
    assert finding.array == "v"

    def loss(x, v):
        return np.sum(x**2) * np.sum(v**2), (2 * x * np.sum(v**2), np.sin(9 * v) + v)

    (finding,) = check_function(loss, X, RNG.uniform(0.2, 1, shape)).findings
    assert finding.array == "v"


@pytest.mark.first_cases(9)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("forward", [lambda x: x**3, lambda x: np.sum(np.tanh(x) * x), np.mean])
def test_wrong_gradients_of_any_shape_get_an_answer(shape, forward):
    x = np.asarray(RNG.uniform(0.2, 0.8, shape))
    report = check_function(
        lambda x: (forward(x), x), x, backward=lambda dout, x: dout * (np.sin(9 * x) + x)
    )
    assert not report.ok
    assert report.findings[0].array == "x"
