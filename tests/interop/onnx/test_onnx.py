"""Protects models as ONNX files: onnxruntime predicts the same, and the same bits are read."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import tinynn
from networks import inputs_of, random_network
from tinynn import (
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    InputError,
    LayerNorm,
    MaxPool2D,
    ModelFormatError,
    ReLU,
    Rescale,
    Sequential,
    Softmax,
    Trainer,
    compare_models,
)
from tinynn.interop.onnx import export_onnx, load_onnx
from tinynn.layers import LAYERS

SEEDS = range(48)


def run(path, x):
    """Return what onnxruntime makes of x."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"input": x})
    return out


def operators(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def small(*layers, shape=(3,)):
    return Sequential(layers or [Dense(4), ReLU(), Dense(2)], shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_onnxruntime_predicts_the_same_and_the_file_gives_the_same_model_back(seed, tmp_path):
    model, path = random_network(seed), tmp_path / "model.onnx"
    export_onnx(model, path)
    x = inputs_of(model)
    p, out = model.predict(x), run(path, x)
    assert out.dtype == np.float32
    assert out.shape == p.shape
    assert np.abs(out - p).max() <= 1e-5 * max(1, np.abs(p).max())
    assert run(path, x[:1]).shape == p[:1].shape
    assert run(path, x[:0]).shape == p[:0].shape
    comparison = compare_models(model, load_onnx(path))
    assert comparison.identical, comparison


def test_every_layer_occurs_in_these_networks():
    occurring = {type(layer).__name__ for seed in SEEDS for layer in random_network(seed).layers}
    assert occurring == set(LAYERS)


def test_the_checker_of_onnx_finds_nothing_wrong_and_infers_the_shape(tmp_path):
    export_onnx(small(Conv2D(4, 3), GlobalAveragePool2D(), shape=(5, 6, 2)), tmp_path / "a.onnx")
    whole = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(whole, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(whole, strict_mode=True)
    dims = inferred.graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 4]


def test_a_trained_model_after_batches_of_statistics(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 6, 6, 1)).astype(np.float32), rng.integers(0, 3, 64)
    layers = [Conv2D(4, 3, bias=False), BatchNorm(), ReLU(), Dropout(0.5), Flatten(), Dense(3)]
    model = Sequential([*layers, Softmax()], (6, 6, 1))
    Trainer(model, CrossEntropy(), tinynn.Adam()).fit(x, y, epochs=2, batch_size=16)
    export_onnx(model, tmp_path / "a.onnx")
    np.testing.assert_allclose(run(tmp_path / "a.onnx", x), model.predict(x), atol=1e-6)
    assert compare_models(model, load_onnx(tmp_path / "a.onnx")).identical


@pytest.mark.parametrize(
    ("layers", "transposes"),
    [
        ([Conv2D(4, 3), ReLU(), MaxPool2D(2), Conv2D(3, 2), ReLU(), Flatten(), Dense(2)], 2),
        ([Conv2D(4, 3), BatchNorm(), ReLU(), Dropout(0.5), GlobalAveragePool2D(), Dense(2)], 1),
        ([Flatten(), Dense(2)], 0),
        ([GlobalAveragePool2D()], 0),
        ([Rescale([1.0, 2.0], 0.5), Conv2D(1, 3), Rescale([3.0]), Flatten(), Dense(2)], 1),
        ([Conv2D(3, (6, 5), padding=0), Flatten()], 1),  # one pixel is left
        ([Conv2D(3, 3), Softmax()], 2),
        ([LayerNorm(0.1), Conv2D(3, 3), LayerNorm(0.1), Conv2D(3, 3)], 4),
    ],
)
def test_images_are_transposed_once_before_and_after_each_run(layers, transposes, tmp_path):
    model = small(*layers, shape=(6, 5, 2))
    export_onnx(model, tmp_path / "a.onnx")
    assert operators(tmp_path / "a.onnx").count("Transpose") == transposes
    x = inputs_of(model, 20)
    np.testing.assert_allclose(run(tmp_path / "a.onnx", x), model.predict(x), atol=2e-6)


def test_softmax_returns_no_probability_below_1e_30(tmp_path):
    model = small(Softmax())
    export_onnx(model, tmp_path / "a.onnx")
    x = np.array([[0, 1000, 0]], np.float32)
    assert (run(tmp_path / "a.onnx", x) == model.predict(x)).all()


def test_metadata_tell_classes_shape_version_and_architecture(tmp_path):
    model, path = small(shape=(3,)), tmp_path / "a.onnx"
    export_onnx(model, path, class_names=["no", "oui, ça va"])
    whole = onnx.load(path)
    metadata = {one.key: one.value for one in whole.metadata_props}
    assert json.loads(metadata["class_names"]) == ["no", "oui, ça va"]
    assert json.loads(metadata["input_shape"]) == [3]
    assert metadata["tinynn_version"] == whole.producer_version == tinynn.__version__
    assert json.loads(metadata["architecture"]) == model.config()
    assert [(one.domain, one.version) for one in whole.opset_import] == [("", 20)]
    names = {tensor.name for tensor in whole.graph.initializer}
    assert names == set(model.named_parameters())


def test_frozen_layers_and_arguments_come_back(tmp_path):
    model = small(Conv2D(2, (3, 1), (1, 2), 0), BatchNorm(0.1), Flatten(), shape=(5, 5, 1))
    model.layers[0].trainable = model.layers[2].trainable = False
    export_onnx(model, tmp_path / "a.onnx")
    assert compare_models(model, load_onnx(tmp_path / "a.onnx")).identical


def test_a_rescale_of_every_number_of_an_image_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    scale, offset = rng.uniform(0.1, 2, (64, 64, 3)), rng.normal(size=(64, 64, 3))
    model = small(Rescale(scale, offset), Flatten(), Dense(2), shape=(64, 64, 3))
    export_onnx(model, tmp_path / "a.onnx")
    back = load_onnx(tmp_path / "a.onnx")
    assert compare_models(model, back).identical
    assert np.array_equal(back.layers[0].scale, scale)
    x = rng.normal(size=(5, 64, 64, 3)).astype(np.float32)
    p = model.predict(x)
    assert np.abs(run(tmp_path / "a.onnx", x) - p).max() <= 1e-5 * np.abs(p).max()


def quiet(shape, rng):
    return np.zeros(shape)


def test_an_initializer_of_ones_own_is_asked_for_by_name(tmp_path):
    model = small(Dense(2, quiet))
    export_onnx(model, tmp_path / "a.onnx")
    with pytest.raises(ModelFormatError, match=r"layers=\[quiet\]"):
        load_onnx(tmp_path / "a.onnx")
    assert compare_models(model, load_onnx(tmp_path / "a.onnx", layers=[quiet])).identical


class Swish(ReLU):
    def forward(self, x, training=True):
        return x / (1 + np.exp(-x))


def with_nan():
    model = small()
    model.layers[0].W[0, 0] = np.nan
    return model


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        (lambda: small(Dense(3), Swish()), {}, "1.Swish is a layer of your own"),
        (lambda: small().astype(np.float64), {}, r"model.astype\(np.float32\)"),
        (with_nan, {}, "0.Dense.W holds NaN"),
        (small, {"class_names": ["one"]}, "2 classes, and 1 names"),
        (small, {"class_names": [0, 1]}, "names.0. is 0"),
        (lambda: "model.npz", {}, "model must be a Sequential"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_an_older_file_stays(model, more, words, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"older")
    with pytest.raises(InputError, match=words):
        export_onnx(model(), path, **more)
    assert path.read_bytes() == b"older"
    assert [*tmp_path.iterdir()] == [path]


def test_no_file_is_put_where_none_can_stand(tmp_path):
    with pytest.raises(IsADirectoryError):
        export_onnx(small(), tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        export_onnx(small(), tmp_path / "nowhere/a.onnx")


def of_another_program(path):
    ends = [helper.make_tensor_value_info(n, 1, ["N", 2]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Erf", ["x"], ["y"])], "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, producer_name="pytorch"), path)


def changed(change):
    """Return a function that writes a model's file and then changes it."""

    def write(path):
        export_onnx(small(), path)
        whole = onnx.load(path)
        change(whole)
        path.write_bytes(whole.SerializeToString())

    return write


def set_metadata(key, value):
    def change(whole):
        next(one for one in whole.metadata_props if one.key == key).value = value

    return changed(change)


def a_node_more(whole):
    whole.graph.node[-1].output[0] = "logits"
    whole.graph.node.append(helper.make_node("Tanh", ["logits"], ["output"]))


def another_attribute(whole):
    whole.graph.node[0].attribute.append(helper.make_attribute("alpha", 2.0))


def another_array(array):
    def change(whole):
        new = numpy_helper.from_array(array, whole.graph.initializer[0].name)
        whole.graph.initializer[0].CopyFrom(new)

    return changed(change)


def twice(whole):
    new = numpy_helper.from_array(np.ones((3, 4), np.float32), whole.graph.initializer[0].name)
    whole.graph.initializer.append(new)


def cut_off(whole):
    whole.graph.initializer[0].raw_data = whole.graph.initializer[0].raw_data[:-4]


def another_argument(path):
    export_onnx(small(Rescale(1 / 255), Dense(2)), path)
    whole = onnx.load(path)
    new = numpy_helper.from_array(np.float32(5), "0.Rescale.scale")
    next(t for t in whole.graph.initializer if t.name == new.name).CopyFrom(new)
    path.write_bytes(whole.SerializeToString())


def many_layers():
    return json.dumps({"layers": [{"layer": "ReLU", "config": {}}] * 5000})


def without_numbers(whole):
    whole.graph.initializer[0].raw_data = b""


def no_text(path):
    export_onnx(small(), path)
    path.write_bytes(path.read_bytes().replace(b'{"layers"', b'\xff"layers"'))


def no_text_in_names(path):
    export_onnx(small(), path)
    damaged = path.read_bytes().replace(b"graph_sha256", b"\xffraph_sha256")
    path.write_bytes(damaged.replace(b"Relu", b"\xffelu"))


def outside(whole):
    whole.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (of_another_program, "written by pytorch, with the operators Erf. load_onnx reads"),
        (lambda path: path.write_text("<!DOCTYPE html><p>404"), "web page"),
        (lambda path: path.write_bytes(b""), "has no nodes"),
        (lambda path: path.write_bytes(b"\x08\x09\xff\xff\xff"), "not an ONNX file"),
        (changed(a_node_more), "nodes are others"),
        (changed(another_attribute), "nodes are others"),
        (changed(lambda whole: whole.graph.initializer.pop(1)), "lacks the array 0.Dense.b"),
        (another_array(np.zeros((4, 3), np.float32)), r"FLOAT \(3, 4\), but has FLOAT \(4, 3\)"),
        (another_array(np.zeros((3, 4))), "but has DOUBLE"),
        (another_array(np.full((3, 4), np.inf, np.float32)), "NaN or infinity in 0.Dense.W"),
        (changed(twice), "two arrays with the name 0.Dense.W"),
        (changed(cut_off), "hold 12 numbers in 0.Dense.W, but has 11"),
        (changed(outside), "0.Dense.W in another file"),
        (changed(without_numbers), "hold 12 numbers in 0.Dense.W, but has 0"),
        (another_argument, "other numbers in 0.Rescale.scale than its architecture"),
        (no_text, "its metadata are no text"),
        (no_text_in_names, "written by tinynn, with the operators"),
        (set_metadata("format", "99"), "reads format 3"),
        (set_metadata("architecture", "[" * 300_000), "too long an architecture"),
        (set_metadata("architecture", "1" * 5_000_000), "too long an architecture"),
        (set_metadata("architecture", many_layers()), "4,096 layers at most, and these are 5,000"),
        (set_metadata("architecture", "{"), "cannot be built"),
        (set_metadata("architecture", '{"layers": [{"layer": "Pasta"}]}'), "cannot be built"),
    ],
)
def test_what_export_onnx_did_not_write_is_refused_by_name(write, words, tmp_path):
    path = tmp_path / "a.onnx"
    write(path)
    with pytest.raises(ModelFormatError, match=words) as caught:
        load_onnx(path)
    assert str(path) in str(caught.value)


def test_numbers_that_another_program_changed_are_read(tmp_path):
    path, W = tmp_path / "a.onnx", np.arange(12, dtype=np.float32).reshape(3, 4)
    another_array(W)(path)
    assert (load_onnx(path).layers[0].W == W).all()
