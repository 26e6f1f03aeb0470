"""Protects Rescale: numbers by hand, any scale that fits a sample, and bytes as they are."""

import warnings

import numpy as np
import pytest

from tinynn import (
    SGD,
    Adam,
    CrossEntropy,
    Dense,
    Doctor,
    Flatten,
    InputError,
    MeanSquaredError,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    check_gradients,
    datasets,
    diagnose,
    load_model,
    save_model,
    scale_pixels,
    standardise,
)


def alone(layer, shape, dtype=np.float64):
    return Sequential([layer], input_shape=shape, dtype=dtype)


def test_rescale_by_hand():
    model = alone(Rescale(0.5, -1), (2,))
    assert model.forward(np.array([[2.0, 4.0], [0.0, -2.0]])).tolist() == [[0, 1], [-1, -2]]
    assert model.input_gradient(np.array([[3.0, 5.0], [1.0, 0.0]])).tolist() == [
        [1.5, 2.5],
        [0.5, 0],
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float32, np.float64])
def test_whole_numbers_that_no_model_has_converted_are_scaled_as_floats(dtype):
    x = np.array([[0, 51, 127]], dtype)  # in uint8 1 / 255 would be 0
    out = Rescale(1 / 255, 0.5).forward(x)
    assert out.dtype.kind == "f"
    np.testing.assert_allclose(out, [[0.5, 0.7, 0.5 + 127 / 255]], rtol=1e-6)
    assert Rescale(0.5).backward(np.ones((1, 3), dtype)).tolist() == [[0.5] * 3]
    ages = np.array([[20, 1], [40, 2]], dtype)
    np.testing.assert_allclose(standardise(ages).forward(ages), [[-1, -1], [1, 1]], atol=1e-5)


def test_one_number_a_feature():
    model = alone(Rescale([2, 10], offset=np.array([0.5, -1])), (2,))
    assert model.forward(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [[2.5, 19], [6.5, 39]]
    assert model.input_gradient(np.ones((2, 2))).tolist() == [[2, 10], [2, 10]]


def test_one_number_a_channel_or_a_pixel():
    x = np.ones((2, 2, 2, 3))
    channels = alone(Rescale(np.array([1.0, 2.0, 3.0])), (2, 2, 3))
    assert channels.forward(x)[1, 0, 1].tolist() == [1, 2, 3]
    pixels = alone(Rescale(np.array([[[1.0], [2.0]], [[3.0], [4.0]]])), (2, 2, 3))
    assert pixels.forward(x)[1].tolist() == [[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]]


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 2, 2, 1), (0,)])
def test_an_array_that_fits_no_sample_is_refused_at_build(shape):
    layer = Rescale(np.ones(shape) if 0 not in shape else 1.0, np.ones(shape))
    with pytest.raises(InputError, match=r"0\.Rescale: (scale|offset) has shape .* does not fit"):
        alone(layer, (4, 4, 1) if shape == (3,) else (2,))


def test_an_array_may_not_make_a_sample_larger():
    with pytest.raises(InputError, match=r"scale has shape \(3,\), which does not fit samples of"):
        alone(Rescale(np.ones(3)), (28, 28, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, "1", None, [1, [2]], True, 1j, [1.0, np.nan]])
@pytest.mark.parametrize("name", ["scale", "offset"])
def test_what_is_no_number_is_refused(name, bad):
    with pytest.raises(InputError, match=rf"{name} of Rescale must be a finite number, or an arr"):
        Rescale(**{"scale": 1.0, name: bad})


def test_a_scale_of_0_is_refused_with_its_usual_cause():
    with pytest.raises(InputError, match=r"1 // 255 is 0; 1 / 255 is not"):
        Rescale(1 // 255)
    Rescale([0, 1])  # one feature is not used


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [np.float64(0.3), np.full(3, 0.3), 1 / 3])
def test_numbers_of_another_precision_leave_the_models_dtype(scale, dtype):
    model = alone(Rescale(scale, scale), (3,), dtype)
    out = model.forward(np.ones((2, 3)))
    assert out.dtype == model.input_gradient(out).dtype == dtype
    assert out[0, 0] == pytest.approx(2 * np.max(scale), rel=1e-6)


def test_a_file_keeps_every_digit(tmp_path):
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=4), rng.uniform(1, 2, 4)
    model = Sequential([Rescale(1 / std, -mean / std), Dense(2)], input_shape=(4,))
    save_model(model, tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert np.array_equal(loaded.layers[0].scale, 1 / std)
    assert np.array_equal(loaded.layers[0].offset, -mean / std)
    x = rng.normal(size=(5, 4))
    assert np.array_equal(loaded.predict(x), model.predict(x))


class Column:
    """Like a column of a table: NumPy can make an array of it, a file cannot hold it."""

    def __init__(self, numbers):
        self.numbers = np.array(numbers)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype)


@pytest.mark.parametrize("given", [Column([1.0, 2.0]), np.array([1.0, 9.0, 2.0, 9.0])[::2]])
def test_a_column_of_a_table_and_a_part_of_an_array_are_kept_as_arrays_and_saved(given, tmp_path):
    model = Sequential([Rescale(given, given), Dense(2)], input_shape=(2,))
    layer = model.layers[0]
    assert type(layer.scale) is type(layer.offset) is np.ndarray
    save_model(model, tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").layers[0].scale.tolist() == [1, 2]


@pytest.mark.parametrize("kind", [np.array, list])
def test_what_the_caller_changes_later_changes_nothing(kind):
    scale = kind([1.0, 2.0])
    layer = Rescale(scale)
    scale[0] = 7
    assert layer.forward(np.ones((1, 2))).tolist() == [[1, 2]]


# Images in bytes


def classifier(*first, units=32):
    layers = [*first, Flatten(), Dense(units), ReLU(), Dense(10), Softmax()]
    return Sequential(layers, input_shape=(28, 28), seed=1)


@pytest.fixture(scope="module")
def images():
    (x, y), _ = datasets.load_sample()
    assert x.dtype == np.uint8
    return x[:600], y[:600]


@pytest.mark.slow
def test_images_in_bytes_train_as_scaled_ones_do_and_nobody_is_warned(images):
    x, y = images
    doctor, losses = Doctor(), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model, given in (
            (classifier(Rescale(1 / 255)), x),
            (classifier(), scale_pixels(x)),
        ):
            trainer = Trainer(model, CrossEntropy(), Adam(1e-3))
            held_out = given[500:], y[500:]
            history = trainer.fit(
                given[:500], y[:500], 2, validation_data=held_out, callbacks=[doctor]
            )
            losses.append(history.epochs[-1]["loss"])
            report = doctor.report()
            assert not report.problems, report
            assert report.record.steps[0].input_max <= 1
            assert 0.1 < report.record.validation_input_std < 1
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_the_order_of_flatten_and_rescale_does_not_matter(images):
    x, y = images
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers = [Flatten(), Rescale(1 / 255), Reshape((784,)), Dense(10), Softmax()]
        model = Sequential(layers, input_shape=(28, 28), seed=1)
        other = [Rescale(1 / 255), Flatten(), Dense(10), Softmax()]
        twin = Sequential(other, input_shape=(28, 28))
        twin.params[:] = model.params
        losses = [
            Trainer(one, CrossEntropy(), SGD(0.01)).fit(x, y, 1)["loss"] for one in (model, twin)
        ]
    assert losses[0] == losses[1]
    assert np.array_equal(model.params, twin.params)


@pytest.mark.filterwarnings("ignore:The loss of epoch")
@pytest.mark.parametrize("first", [[], [Rescale(1.0)], [Rescale(2)]])
def test_bytes_that_no_layer_scales_are_still_warned_of(images, first):
    with pytest.warns(UserWarning, match="x holds bytes, 0 to 255"):
        Trainer(classifier(*first), CrossEntropy(), SGD(1e-5)).fit(*images, 1)


@pytest.mark.filterwarnings("ignore:The loss of epoch")
def test_dark_images_that_no_layer_scales_are_still_warned_of(images):
    x, y = images
    with pytest.warns(UserWarning, match="x holds bytes, 0 to 63"):
        Trainer(classifier(), CrossEntropy(), SGD(1e-5)).fit(x // 4, y, 1)


@pytest.mark.slow
def test_bytes_can_be_predicted_checked_and_diagnosed(images):
    x, y = images
    model, plain = classifier(Rescale(1 / 255)), classifier()
    assert model.predict(x) == pytest.approx(plain.predict(scale_pixels(x)), rel=1e-4, abs=1e-6)
    small = Sequential([Rescale(1 / 255), Flatten(), Dense(3), Softmax()], input_shape=(4, 4))
    report = check_gradients(small, CrossEntropy(), x[:5, 10:14, 10:14], y[:5] % 3)
    assert report.ok, report
    assert report.skipped == 0
    assert not diagnose(model, CrossEntropy(), x, y).problems
    unscaled = [finding.name for finding in diagnose(plain, CrossEntropy(), x, y).problems]
    assert unscaled[0] == "inputs"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("first", "rate", "told"), [([Rescale(1 / 255)], 50.0, False), ([], 0.9, True)]
)
def test_a_divergence_is_not_laid_to_bytes_that_a_layer_scales(images, first, rate, told):
    x, y = images
    model = Sequential([*first, Flatten(), Dense(10), Dense(10)], input_shape=(28, 28))
    with pytest.raises(TrainingDiverged) as error:
        Trainer(model, MeanSquaredError(), SGD(rate)).fit(x, np.eye(10)[y], 9)
    assert ("scaling x to about 0 to 1" in str(error.value)) == told
