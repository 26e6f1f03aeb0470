"""Protects saved models: the file is the model, bit for bit, or an error says what is wrong."""

import copy
import io
import json
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import Scale
from tinynn import (
    Adam,
    Checkpoint,
    CrossEntropy,
    Dense,
    Flatten,
    InputError,
    Layer,
    ModelFormatError,
    ReLU,
    Rescale,
    Sequential,
    Softmax,
    Trainer,
    compare_models,
    glorot_uniform,
    load_model,
    save_model,
    zeros,
)
from tinynn.files.checkpoints import load_checkpoint, save_checkpoint


def halves(shape, rng):
    return np.full(shape, 0.5)


def small_model(seed=0, dtype=np.float32):
    layers = [Flatten(), Dense(3), ReLU(), Dense(4, glorot_uniform), Softmax()]
    return Sequential(layers, input_shape=(2, 2), seed=seed, dtype=dtype)


@pytest.fixture
def path(tmp_path):
    """A file with `small_model()` in it."""
    save_model(small_model(), tmp_path / "model.npz")
    return tmp_path / "model.npz"


@pytest.fixture
def checkpoint(tmp_path):
    x, y = np.zeros((4, 2, 2)), np.array([0, 1, 2, 3])
    trainer = Trainer(small_model(), CrossEntropy(), Adam())
    trainer.fit(x, y, epochs=1, batch_size=4, callbacks=[Checkpoint(tmp_path / "run.npz")])
    return tmp_path / "run.npz"


def arrays_in(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def rewrite(path, **changes):
    """Write the file again with some arrays changed; None leaves one out."""
    arrays = {**arrays_in(path), **changes}
    with path.open("wb") as file:
        np.savez(file, **{name: a for name, a in arrays.items() if a is not None})


def architecture(path):
    return json.loads(str(arrays_in(path)["architecture"]))


def refusal(path, error=ModelFormatError):
    """The text with which load_model refuses this file; it names the file."""
    with pytest.raises(error) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# What goes in comes out


@st.composite
def models(draw):
    layers = [Flatten()]
    for units in draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)):
        layers.append(Dense(units, draw(st.sampled_from([glorot_uniform, zeros, halves]))))
        layers.extend([ReLU()] if draw(st.booleans()) else [])
    layers.extend([Softmax()] if draw(st.booleans()) else [])
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return Sequential(layers, shape, seed=draw(st.integers(0, 2**40)), dtype=dtype)


@given(model=models())
@settings(deadline=None)
def test_round_trip_keeps_structure_and_predictions(tmp_path_factory, model):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    save_model(model, path)
    twin = load_model(path, layers=(halves,))
    assert repr(twin) == repr(model)
    assert twin.config() == model.config()
    assert twin.params.dtype == model.params.dtype
    x = np.random.default_rng(0).normal(size=(5, *model.input_shape))
    assert twin.predict(x).tobytes() == model.predict(x).tobytes()


@given(model=models(), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_round_trip_keeps_all_bits(tmp_path_factory, model, seed):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    bits = np.random.default_rng(seed).bytes(model.params.nbytes)  # subnormals among them
    model.params.data.cast("B")[:] = bits
    model.params[~np.isfinite(model.params)] = 0
    bits = model.params.tobytes()
    save_model(model, path)
    assert load_model(path, layers=(halves,)).params.tobytes() == bits


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip_keeps_the_rare_numbers(tmp_path, dtype):
    limits = np.finfo(dtype)
    model = Sequential([Dense(2)], input_shape=(3,), dtype=dtype)
    model.params = [
        -0.0,
        limits.smallest_subnormal,
        -limits.tiny,
        limits.max,
        limits.min,
        0,
        1,
        limits.eps,
    ]
    save_model(model, tmp_path / "a.npz")
    assert load_model(tmp_path / "a.npz").params.tobytes() == model.params.tobytes()


def test_a_loaded_model_still_trains(path):
    model = load_model(path)
    before = model.params.copy()
    history = Trainer(model, CrossEntropy(), Adam(0.1)).fit(
        np.ones((4, 2, 2)), np.zeros(4, int), epochs=5, batch_size=4
    )
    assert history["loss"][-1] < history["loss"][0]
    assert (model.layers[1].b != before[12:15]).any()  # the view and the vector are one


def test_saving_changes_nothing_in_the_model(tmp_path):
    model = small_model()
    p = model.forward(np.ones((1, 2, 2)))
    before = model.params.tobytes()
    save_model(model, tmp_path / "a.npz")
    assert model.params.tobytes() == before
    model.backward(np.ones_like(p))  # a pending backward stays valid


def test_a_path_may_be_a_text_and_keeps_its_name(tmp_path):
    save_model(small_model(), f"{tmp_path}/model.bin")
    assert [p.name for p in tmp_path.iterdir()] == ["model.bin"]
    assert compare_models(f"{tmp_path}/model.bin", small_model()).identical


# The file


def test_plain_numpy_opens_the_file_and_finds_the_names(path):
    arrays = arrays_in(path)
    assert set(arrays) == {
        "format", "architecture", "1.Dense.W", "1.Dense.b", "3.Dense.W", "3.Dense.b",
    }  # fmt: skip
    assert arrays["format"].tolist() == 3
    assert arrays["1.Dense.W"].shape == (4, 3)
    assert arrays["1.Dense.W"].dtype == np.float32
    assert np.array_equal(arrays["1.Dense.W"], small_model().layers[1].W)
    told = json.loads(str(arrays["architecture"]))
    assert [entry["layer"] for entry in told["layers"]] == [
        "Flatten", "Dense", "ReLU", "Dense", "Softmax",
    ]  # fmt: skip
    assert told["input_shape"] == [2, 2]


def test_a_checkpoint_is_the_same_plus_the_training_state(path, checkpoint):
    model, run = arrays_in(path), arrays_in(checkpoint)
    assert set(model) < set(run)
    assert all(name.startswith("training") for name in set(run) - set(model))
    assert json.loads(str(run["training"]))["epoch"] == 1


@pytest.mark.parametrize("kind", ["path", "checkpoint"])
def test_members_are_uncompressed_and_nothing_is_pickled(request, kind):
    with zipfile.ZipFile(request.getfixturevalue(kind)) as archive:
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_STORED
            array = np.load(io.BytesIO(archive.read(member)), allow_pickle=False)
            assert array.dtype.kind in "ifU"


# Writing is atomic


def break_in_the_middle(file, **arrays):
    file.write(b"half of the new file")
    raise OSError("No space left on device")


def interrupt(fd):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "breaks", "error"),
    [("numpy.savez", break_in_the_middle, OSError), ("os.fsync", interrupt, KeyboardInterrupt)],
)
def test_a_failure_while_writing_keeps_the_old_file_and_leaves_no_other(
    path, monkeypatch, place, breaks, error
):
    old = path.read_bytes()
    monkeypatch.setattr(place, breaks)
    with pytest.raises(error):
        save_model(small_model(seed=1), path)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX can fsync a folder")
def test_the_content_is_on_the_disk_before_the_name_and_then_the_folder(path, monkeypatch):
    old, real, seen = path.read_bytes(), os.fsync, []

    def look(fd):
        is_old = path.read_bytes() == old
        seen.append(("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file", is_old))
        real(fd)

    monkeypatch.setattr("os.fsync", look)
    save_model(small_model(seed=1), path)
    assert seen == [("file", True), ("folder", False)]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file cannot be replaced")
def test_whoever_reads_the_old_file_while_it_is_replaced_reads_it_whole(path):
    old = path.read_bytes()
    with path.open("rb") as reader:
        save_model(small_model(seed=1), path)
        assert reader.read() == old


def test_a_model_that_cannot_be_written_keeps_the_old_file(path):
    old = path.read_bytes()
    model = Sequential([Scale()], input_shape=(2,))
    vars(model.layers[0])["start"] = object()
    with pytest.raises(ValueError, match=r"0\.Scale: .*object"):
        save_model(model, path)
    assert path.read_bytes() == old


def test_saving_over_an_old_model_replaces_it(path):
    save_model(small_model(seed=1), path)
    assert compare_models(path, small_model(seed=1)).identical
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="umask is POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_model(small_model(), tmp_path / "a.npz")
    finally:
        os.umask(before)
    assert (tmp_path / "a.npz").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix", reason="permissions as Unix has them")
def test_a_private_file_stays_private(path):
    path.chmod(0o600)
    save_model(load_model(path), path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="links may need rights elsewhere")
def test_a_link_stays_a_link_and_its_target_is_replaced(path, tmp_path):
    link = tmp_path / "link.npz"
    link.symlink_to(path)
    model = load_model(path)
    model.params += 1
    save_model(model, link)
    assert link.is_symlink()
    assert compare_models(model, path).identical


@pytest.mark.skipif(os.name != "posix", reason="names are counted in bytes there")
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("\u7db2" * 83 + ".npz")  # 253 bytes; 255 is the most
    save_model(small_model(), path)
    assert load_model(path).params.size


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        save_model(small_model(), tmp_path / "nowhere" / "model.npz")


# Files that are no such model


def test_a_missing_path_stays_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.npz")
    with pytest.raises(OSError):
        load_model(tmp_path)  # a folder


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"I am a text.\n",
        b"PK\x03\x04 and no more of a zip file",
        pickle.dumps({"1.Dense.W": [1.0]}),
        b"\x93NUMPY",
    ],
    ids=["empty", "text", "zip's beginning", "pickle", "npy's beginning"],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "model.npz").write_bytes(content)
    refusal(tmp_path / "model.npz")


def test_a_single_array_is_refused(tmp_path):
    with (tmp_path / "model.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert "npz" in refusal(tmp_path / "model.npz").replace(str(tmp_path / "model.npz"), "")


def test_a_pickled_array_inside_is_refused_and_not_run(path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("the pickle was run",)

    rewrite(path, **{"1.Dense.b": np.array([Bomb()] * 3)})
    refusal(path)


@pytest.mark.slow
@pytest.mark.parametrize("step", [29, pytest.param(7, marks=pytest.mark.slow)])
def test_a_file_cut_anywhere_is_refused(path, step):
    whole = path.read_bytes()
    for length in range(0, len(whole), step):
        path.write_bytes(whole[:length])
        refusal(path)


@pytest.mark.slow
@pytest.mark.parametrize("step", [23, pytest.param(5, marks=pytest.mark.slow)])
def test_one_damaged_byte_is_refused_or_harmless(path, step):
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), step):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:  # zip has fields, such as the hour, that matter to nobody
            assert compare_models(load_model(path), small_model()).identical
        except ModelFormatError:
            refused += 1
    assert refused > len(whole) / step / 3


def test_zip_files_of_another_kind_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        archive.writestr("letter.txt", "no array")
    refusal(tmp_path / "model.npz")


def test_arrays_of_another_kind_are_refused(tmp_path):
    np.savez(tmp_path / "model.npz", x=np.zeros(3), y=np.zeros(3))
    assert "not a model of tinynn" in refusal(tmp_path / "model.npz")


def test_a_member_that_is_no_array_is_refused(path):
    arrays = arrays_in(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name in arrays:
            archive.writestr(name, "no array")
    refusal(path)


CHANGES = {
    "missing": ({"1.Dense.b": None}, ["lacks", "1.Dense.b"]),
    "surplus": ({"4.Dense.W": np.zeros(3)}, ["4.Dense.W"]),
    "renamed": ({"1.Dense.b": None, "1.Dense.c": np.zeros(3, "f4")}, ["1.Dense.b"]),
    "shape": ({"1.Dense.b": np.zeros(4, "f4")}, ["1.Dense.b", "(3,)", "(4,)"]),
    "same size": ({"1.Dense.W": np.zeros((3, 4), "f4")}, ["1.Dense.W", "(4, 3)", "(3, 4)"]),
    "one number": ({"1.Dense.b": np.zeros((), "f4")}, ["1.Dense.b", "(3,)", "()"]),
    "dtype": ({"1.Dense.b": np.zeros(3)}, ["1.Dense.b", "float32", "float64"]),
    "no format": ({"format": None}, ["'format'"]),
    "no architecture": ({"architecture": None}, ["'architecture'"]),
    "future": ({"format": np.array(4)}, ["format 4", "reads formats 1 to 3", "update"]),
    "no number": ({"format": np.array("one")}, ["format", "<U3"]),
    "no JSON": ({"architecture": np.array("{layers")}, ["architecture as JSON"]),
    "empty JSON": ({"architecture": np.array("{}")}, ["architecture", "layers"]),
    "other JSON": ({"architecture": np.array("[1, 2]")}, ["architecture"]),
    "null": ({"architecture": np.array("null")}, ["architecture"]),
    "number": ({"architecture": np.array(7)}, ["architecture"]),
}


@pytest.mark.parametrize(("changes", "words"), CHANGES.values(), ids=CHANGES)
def test_a_file_with_other_arrays_is_refused(path, changes, words):
    rewrite(path, **changes)
    text = refusal(path)
    for word in words:
        assert word in text


ARCHITECTURES = {
    "unknown layer": (lambda a: a["layers"][1].update(layer="Conv"), ["'Conv'", "layers=[Conv]"]),
    "unknown initializer": (
        lambda a: a["layers"][1]["config"].update(initializer={"function": "ones"}),
        ["'ones'", "layers=[ones]"],
    ),
    "unknown argument": (lambda a: a["layers"][1]["config"].update(axis=1), ["axis"]),
    "units": (lambda a: a["layers"][1]["config"].update(units=-1), ["units", "-1"]),
    "no layers": (lambda a: a.update(layers=[]), ["not in its architecture", "1.Dense"]),
    "misfit": (lambda a: a["layers"].pop(0), ["0.Dense", "Flatten()"]),
    "shape": (lambda a: a.update(input_shape=None), []),
    "seed": (lambda a: a.update(seed=-1), []),
    "dtype": (lambda a: a.update(dtype="float16"), ["float16"]),
    "no dtype": (lambda a: a.update(dtype="speed"), ["speed"]),
    "layer is a list": (lambda a: a["layers"][1].update(layer=["Dense"]), []),
    "config is a list": (lambda a: a["layers"][1].update(config=[3]), []),
    "entry is a number": (lambda a: a["layers"].append(3), []),
    "a function for a layer": (lambda a: a["layers"][2].update(layer="zeros"), []),
}


@pytest.mark.parametrize(("change", "words"), ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_an_architecture_that_cannot_be_built_is_refused(path, change, words):
    told = architecture(path)
    change(told)
    rewrite(path, architecture=np.array(json.dumps(told)))
    text = refusal(path)
    for word in words:
        assert word in text


def test_a_checkpoint_is_refused_as_a_model_and_the_error_says_how_to_go_on(checkpoint):
    assert "resume_from" in refusal(checkpoint)


def test_a_model_is_refused_as_a_checkpoint(path):
    trainer = Trainer(small_model(), CrossEntropy(), Adam())
    before = trainer.model.params.tobytes()
    with pytest.raises(ModelFormatError, match="model, not a checkpoint"):
        trainer.fit(np.zeros((4, 2, 2)), np.zeros(4, int), 2, batch_size=4, resume_from=path)
    assert trainer.model.params.tobytes() == before
    assert trainer.step == 0


CHECKPOINT_CHANGES = {
    "missing": {"3.Dense.W": None},
    "shape": {"1.Dense.b": np.zeros(4, "f4")},
    "no JSON": {"training": np.array("{")},
    "no optimizer array": {"training.optimizer.M": None},
}


@pytest.mark.parametrize("changes", CHECKPOINT_CHANGES.values(), ids=CHECKPOINT_CHANGES)
def test_a_broken_checkpoint_leaves_the_model_in_memory_as_it_was(checkpoint, changes):
    rewrite(checkpoint, **changes)
    model = small_model()
    model.params += 1
    before = model.params.tobytes()
    with pytest.raises(ModelFormatError, match=r"run\.npz"):
        load_checkpoint(checkpoint, model)
    assert model.params.tobytes() == before


@pytest.mark.slow
def test_a_rescale_of_every_number_of_an_image_is_saved_and_resumed(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(5, 2, (8, 64, 64, 3)), np.arange(8) % 2
    mean, std = images.mean(axis=0), images.std(axis=0)
    scaled = Rescale(1 / std, -mean / std)
    model = Sequential([scaled, Flatten(), Dense(2), Softmax()], (64, 64, 3))
    save_model(model, tmp_path / "model.npz")
    back = load_model(tmp_path / "model.npz")
    assert compare_models(model, back).identical
    assert np.array_equal(back.layers[0].scale, scaled.scale)
    for epochs, which in ((1, model), (2, back)):
        Trainer(which, CrossEntropy(), Adam()).fit(
            images, labels, epochs, callbacks=[Checkpoint(tmp_path / "run.npz")],
            resume_from=tmp_path / "run.npz" if epochs == 2 else None,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        ([Rescale(np.ones((300, 300, 3), int))], (300, 300, 3), "values, and .* 262,144 at most"),
        ([Rescale(np.full((200, 400, 3), 1 / 3))], (200, 400, 3), "4,194,304 and"),
        ([ReLU() for _ in range(4097)], (1,), "4,096 layers at most, and these are 4,097"),
    ],
    ids=["values", "characters", "layers"],
)
def test_a_model_that_could_not_be_read_again_is_not_written(layers, shape, words, path):
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        save_model(Sequential(layers, shape), path)
    assert path.read_bytes() == before


def test_a_checkpoint_of_another_architecture_is_refused_with_the_difference(checkpoint):
    other = Sequential([Flatten(), Dense(5), Softmax()], input_shape=(2, 2))
    with pytest.raises(ValueError, match="another model") as caught:
        load_checkpoint(checkpoint, other)
    assert str(checkpoint) in str(caught.value)


def test_a_training_state_comes_back_with_its_arrays(tmp_path):
    state = {
        "epoch": 3,
        "lists": [{"m": np.array([1.5, -0.0])}, None, True, "text", 0.1],
        "nested": {"v": np.arange(3), "empty": {}, "none": []},
    }
    save_checkpoint(small_model(seed=2), state, tmp_path / "run.npz")
    twin, back, _ = load_checkpoint(tmp_path / "run.npz", small_model(seed=2))
    assert twin.params.tobytes() == small_model(seed=2).params.tobytes()
    assert back["lists"][0]["m"].tobytes() == np.array([1.5, -0.0]).tobytes()
    assert back["nested"]["v"].tolist() == [0, 1, 2]
    assert (back["epoch"], back["lists"][1:]) == (3, [None, True, "text", 0.1])
    assert (back["nested"]["empty"], back["nested"]["none"]) == ({}, [])


# Layers and initializers of one's own


def own_model():
    return Sequential([Dense(3, halves), Scale(start=2.5)], input_shape=(2,))


def test_layers_and_initializers_of_ones_own_come_back_when_handed_in(tmp_path):
    model = own_model()
    model.params += 1
    save_model(model, tmp_path / "a.npz")
    twin = load_model(tmp_path / "a.npz", layers=(Scale, halves))
    assert isinstance(twin.layers[1], Scale)
    assert twin.layers[1].start == 2.5
    assert twin.layers[0].initializer is halves
    assert twin.params.tobytes() == model.params.tobytes()
    x = np.ones((3, 2))
    assert twin.predict(x).tobytes() == model.predict(x).tobytes()


@pytest.mark.parametrize(("given", "missing"), [((halves,), "Scale"), ((Scale,), "halves")])
def test_without_them_the_error_says_what_to_hand_in(tmp_path, given, missing):
    save_model(own_model(), tmp_path / "a.npz")
    with pytest.raises(ModelFormatError, match=rf"'{missing}'.*layers=\[{missing}\]"):
        load_model(tmp_path / "a.npz", layers=given)


def test_a_layer_of_ones_own_is_never_taken_for_the_layer_of_tinynn_with_that_name(tmp_path):
    class ReLU(Layer):
        def forward(self, x, training=True):
            return 7 * x

        def input_gradient(self, dout):
            return 7 * dout

    def save_and_load():  # an error in either is right, another network is not
        save_model(Sequential([Dense(3), ReLU()], input_shape=(2,)), tmp_path / "a.npz")
        load_model(tmp_path / "a.npz")

    with pytest.raises(ValueError):
        save_and_load()


class Piecewise(Scale):
    """A layer of one's own with several functions among its arguments."""

    def __init__(self, functions=()):
        self.functions = functions
        self.start = 1.0


def test_functions_in_a_list_of_arguments_come_back_as_functions(tmp_path):
    save_model(Sequential([Piecewise([zeros, halves])], input_shape=(2,)), tmp_path / "a.npz")
    (layer,) = load_model(tmp_path / "a.npz", layers=(Piecewise, halves)).layers
    assert layer.functions == [zeros, halves]


class Gain(Scale):
    """A layer of one's own that takes a value of any kind."""

    def __init__(self, table, start=1.0):
        self.table = table
        self.start = start


@pytest.mark.parametrize("table", [{0: 5.0}, (0, 1), {"a": (1, [2])}, [halves], np.float32(0.1)])
def test_arguments_come_back_as_they_were_given(tmp_path, table):
    model = Sequential([Gain(table)], input_shape=(2,))
    save_model(model, tmp_path / "a.npz")
    twin = load_model(tmp_path / "a.npz", layers=(Gain, halves))
    assert twin.layers[0].table == table
    assert twin.config() == model.config()
    assert compare_models(model, twin).identical


class Activation(Layer):
    """Its only argument has a name that the file format uses, too."""

    def __init__(self, function):
        self.function = function

    def forward(self, x, training=True):
        return x + 0

    def input_gradient(self, dout):
        return dout + 0


def test_a_single_argument_named_function_is_not_taken_for_a_function(tmp_path):
    save_model(Sequential([Activation(halves)], input_shape=(2,)), tmp_path / "a.npz")
    twin = load_model(tmp_path / "a.npz", layers=(Activation, halves))
    assert twin.layers[0].function is halves


def another(name):
    def function(shape, rng):
        return np.full(shape, 3.0)

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            [Dense(2, halves), Dense(2, another("halves"))],
            "1.Dense: initializer: another function is also called",
        ),
        ([Gain([another("a"), another("a")])], "0.Gain: table: another function is also called a"),
        ([Gain(b"raw")], "0.Gain: table: b'raw' cannot be written to a file. A text can be."),
        ([Gain({"a": {1, 2}})], "0.Gain: table: {1, 2} cannot be written to a file. A list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_not_come_back_is_refused_before_anything_is_written(path, layers, said):
    old = path.read_bytes()
    with pytest.raises(ValueError) as error:
        save_model(Sequential(copy.deepcopy(layers), input_shape=(2,)), path)
    assert said in str(error.value)
    assert path.read_bytes() == old


# what the version before tuples and arrays came back wrote of Gain({0: 5.0, "k": (1, 2)}), and of
# Gain(np.array([1.5, 2.0]))
BEFORE = (
    '{"layers": [{"layer": "Dense", "config": {"units": 2, "initializer": {"function": '
    '"glorot_uniform"}}}, {"layer": "Gain", "config": {"table": {"0": 5.0, "k": [1, 2]}, "start": '
    '1.0}}, {"layer": "Gain", "config": {"table": [1.5, 2.0], "start": 1.0}}, {"layer": "ReLU", '
    '"config": {}}], "input_shape": [3], "seed": 4, "dtype": "float32"}'
)


def test_a_file_of_the_version_before_loads_as_it_did(tmp_path):
    arrays = {"format": np.array(1), "architecture": np.array(BEFORE)}
    arrays["0.Dense.W"] = np.arange(6, dtype=np.float32).reshape(3, 2)
    arrays["0.Dense.b"] = np.ones(2, np.float32)
    arrays["1.Gain.factor"] = arrays["2.Gain.factor"] = np.ones(2, np.float32)
    np.savez(tmp_path / "a.npz", **arrays)
    model = load_model(tmp_path / "a.npz", layers=(Gain,))
    assert [layer.table for layer in model.layers[1:3]] == [{"0": 5.0, "k": [1, 2]}, [1.5, 2.0]]
    again = [Dense(2, glorot_uniform), Gain({0: 5.0, "k": (1, 2)}), Gain(np.array([1.5, 2.0]))]
    again = Sequential([*again, ReLU()], input_shape=(3,), seed=4)
    again.params = model.params
    assert compare_models(model, again).identical  # what it was made from, written the other way


# Comparing


def test_identical_models_say_so_and_what_was_compared(path):
    comparison = compare_models(path, small_model())
    assert comparison.identical
    assert (comparison.arrays, comparison.values) == (4, 4 * 3 + 3 + 3 * 4 + 4)
    assert str(comparison) == (
        "identical: compared structure, and 31 values in 4 arrays, byte by byte"
    )


@pytest.mark.parametrize("mix", ["models", "path first", "path second", "paths"])
def test_one_flipped_bit_is_found_and_named(path, mix):
    a, b = small_model(), small_model()
    b.layers[3].W.view("u4")[2, 1] ^= 1
    save_model(b, path.with_name("b.npz"))
    first = path if mix in ("path first", "paths") else a
    second = path.with_name("b.npz") if mix in ("path second", "paths") else b
    comparison = compare_models(first, second)
    assert not comparison.identical
    (line,) = comparison.differences
    assert line == (
        f"3.Dense.W: 1 of 12 values, first at (2, 1): "
        f"{a.layers[3].W[2, 1]} against {b.layers[3].W[2, 1]}"
    )
    assert str(comparison).splitlines() == [
        "DIFFERENT: compared structure, and 31 values in 4 arrays, byte by byte", f"  {line}",
    ]  # fmt: skip


def test_every_array_that_differs_is_named_with_its_count():
    a, b = small_model(), small_model()
    b.layers[1].b += 1
    b.layers[3].b[[1, 3]] = 9
    lines = compare_models(a, b).differences
    assert [line.split(",")[0] for line in lines] == [
        "1.Dense.b: 3 of 3 values", "3.Dense.b: 2 of 4 values",
    ]  # fmt: skip
    assert "first at (1,)" in lines[1]


def test_minus_zero_differs_from_zero():
    a, b = small_model(), small_model()
    b.layers[1].b[0] = -0.0
    assert not compare_models(a, b).identical


def test_nan_is_compared_by_its_bytes():
    a, b = small_model(), small_model()
    a.params[0] = b.params[0] = np.nan
    assert compare_models(a, b).identical
    b.params.view("u4")[0] ^= 1  # another NaN
    assert not compare_models(a, b).identical


def test_the_seed_is_not_compared():
    a, b = small_model(seed=0), small_model(seed=1)
    b.params = a.params
    assert compare_models(a, b).identical


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Dense(3), Dense(4, zeros)], "zeros"),  # the same shapes, another initializer
        ([Dense(2), Dense(4)], "units"),
        ([Dense(3), ReLU(), Dense(4)], "layers"),
        ([Dense(3)], "1.Dense.W: only in the first"),
    ],
)
def test_another_structure_is_a_difference_in_words(layers, words):
    a = Sequential([Dense(3), Dense(4)], input_shape=(2,))
    comparison = compare_models(a, Sequential(layers, input_shape=(2,)))
    assert not comparison.identical
    assert words in str(comparison)


def test_arrays_that_only_the_second_has_are_named():
    a, b = (Sequential([Dense(3) for _ in range(n)], input_shape=(2,)) for n in (1, 2))
    assert "1.Dense.b: only in the second" in str(compare_models(a, b))


def test_another_precision_is_a_difference():
    lines = compare_models(small_model(), small_model(dtype=np.float64)).differences
    assert "dtype: float32 against float64" in lines
    assert any(line.startswith("1.Dense.W: float32") for line in lines)


def test_a_model_with_layers_of_ones_own_is_compared_in_memory():
    assert compare_models(own_model(), own_model()).identical


def test_comparing_with_a_broken_file_raises_what_loading_it_raises(path, tmp_path):
    with pytest.raises(FileNotFoundError):
        compare_models(path, tmp_path / "nowhere.npz")
    path.write_bytes(b"")
    with pytest.raises(ModelFormatError):
        compare_models(small_model(), path)


# What a constructor keeps must make the same layer again


class Passes(Layer):
    """Passes x on; the tests are about its constructors."""

    def forward(self, x, training=True):
        return x

    def input_gradient(self, dout):
        return dout


class AnyNumber(Passes):
    def __init__(self, *sizes):
        self.sizes = sizes


class Hands(Passes):
    def __init__(self, *args):
        self.first = args


class AnyName(Passes):
    def __init__(self, **options):
        self.options = options


class ByPlace(Passes):
    def __init__(self, a, /):
        self.a = a


class Doubles(Passes):
    def __init__(self, a, b=1):
        self.a, self.b = a * 2, b


class OnceOnly(Passes):
    def __init__(self, a):
        if a > 1:
            raise KeyError("a is 1 at most")
        self.a = a * 2


class Keeps(Passes):
    def __init__(self, a):
        self.a = a


class MakesWhole(Passes):
    """Its constructor changes its arguments, but a second time it changes nothing more."""

    def __init__(self, size, pair, share):
        self.size, self.pair, self.share = int(size), tuple(pair), min(share, 1.0)


SCATTERED = np.arange(20.0).reshape(4, 5)[:, ::2]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (AnyNumber(1, 2), r"0\.AnyNumber: its constructor takes \*sizes, .*Take one list"),
        (Hands(1, 2), r"0\.Hands: its constructor takes \*args, .*Take one list"),
        (AnyName(a=1), r"0\.AnyName: its constructor takes \*\*options, .*Name each"),
        (ByPlace(1), r"0\.ByPlace: its constructor takes a by position only.*Leave out the /"),
        (Doubles(3), r"0\.Doubles stores a changed a, .*a: 6 against 12.*self\.a = a"),
        (OnceOnly(1), r"0\.OnceOnly cannot be built again .*a is 1 at most"),
        (Keeps([].append), r"0\.Keeps: a: append is a method of an object, \[\]"),
        (Keeps([np.random.default_rng(0).normal]), r"0\.Keeps: a: normal is a method of an object"),
        (Keeps(SCATTERED), r"0\.Keeps: a: .*np\.ascontiguousarray"),
        (Keeps({"k": SCATTERED}), r"0\.Keeps: a: .*np\.ascontiguousarray"),
    ],
)
def test_a_layer_that_would_not_load_as_it_was_is_refused_before_writing(tmp_path, layer, said):
    file = tmp_path / "model.npz"
    with pytest.raises(ValueError, match=said):
        save_model(Sequential([layer, Dense(2)], input_shape=(3,)), file)
    assert not file.exists()


def test_a_layer_that_would_not_load_as_it_was_can_be_kept_in_a_checkpoint(tmp_path):
    model = Sequential([AnyNumber(1, 2), Dense(2)], input_shape=(3,))
    save_checkpoint(model, {}, tmp_path / "run.npz")
    assert np.array_equal(load_checkpoint(tmp_path / "run.npz", model)[0].params, model.params)


@pytest.mark.parametrize(
    "layer",
    [
        MakesWhole(2.0, [1, 2], 7),
        Keeps(np.hypot),
        Keeps(len),
        Keeps([np.tanh, float("nan"), None]),
        Doubles(0),
        Keeps(np.eye(3)),
    ],
)
def test_a_layer_that_loads_as_it_was_is_saved(tmp_path, layer):
    model = Sequential([layer, Dense(2)], input_shape=(3,))
    save_model(model, tmp_path / "model.npz")
    twin = load_model(tmp_path / "model.npz", [type(layer), np.hypot, len, np.tanh])
    assert compare_models(model, twin).identical


class Project(Passes):
    """x @ C, in which BLAS adds in an order that depends on the order of C in memory."""

    def __init__(self, C):
        self.C = C

    def output_shape(self, input_shape):
        return (self.C.shape[1],)

    def forward(self, x, training=True):
        return (x @ self.C).astype(x.dtype)

    def input_gradient(self, dout):
        return dout @ self.C.T


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_a_layer_keeps_its_order_in_memory(tmp_path, order):
    C = np.asarray(np.random.default_rng(0).normal(size=(97, 31)), order=order)
    model = Sequential([Project(C)], input_shape=(97,), dtype=np.float64)
    save_model(model, tmp_path / "model.npz")
    twin = load_model(tmp_path / "model.npz", [Project])
    assert twin.layers[0].C.flags.c_contiguous == (order == "C")
    assert twin.layers[0].C.flags.f_contiguous == (order == "F")
    assert np.array_equal(twin.layers[0].C, C)
    x = np.random.default_rng(1).normal(size=(53, 97))
    assert model.predict(x).tobytes() == twin.predict(x).tobytes()
    assert compare_models(model, twin, [Project]).identical
    assert ("order" in model.config()["layers"][0]["config"]["C"]) == (order == "F")


def test_another_order_in_memory_is_a_difference():
    C = np.random.default_rng(0).normal(size=(4, 3))
    a, b = (Sequential([Project(np.asarray(C, order=o))], input_shape=(4,)) for o in "CF")
    assert str(compare_models(a, b)).count("order: None against F") == 1
