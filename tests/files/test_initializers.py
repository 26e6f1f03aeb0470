"""Protects initializers with arguments in files: they come back equal, or the file says why not."""

import json

import numpy as np
import pytest

import tinynn
from tinynn import (
    Adam,
    Checkpoint,
    CrossEntropy,
    Dense,
    InputError,
    ModelFormatError,
    Sequential,
    Softmax,
    Trainer,
    compare_models,
    constant,
    load_model,
    normal,
    orthogonal,
    save_model,
)
from tinynn.configuration import Configured


class Alternating(Configured):
    """The user's: +size, -size, ..."""

    def __init__(self, size):
        self.size = size

    def __call__(self, shape, rng):
        return self.size * (1 - 2 * (np.indices(shape).sum(axis=0) % 2))


class Doubling(Alternating):
    def __init__(self, size):
        self.size = 2 * size


def network(initializer, **more):
    return Sequential([Dense(3, initializer, **more), Softmax()], input_shape=(4,))


@pytest.mark.parametrize("initializer", [normal(0.01), constant(-2), Alternating(0.5)], ids=repr)
def test_an_initializer_comes_back_with_its_arguments(tmp_path, initializer):
    model, path = network(initializer), tmp_path / "model.npz"
    save_model(model, path)
    own = [Alternating]
    twin = load_model(path, layers=own if type(initializer) is Alternating else [])
    assert type(twin.layers[0].initializer) is type(initializer)
    assert twin.layers[0].initializer.config() == initializer.config()
    assert repr(twin.layers[0]) == f"Dense(units=3, initializer={initializer!r}, bias=True)"
    assert compare_models(model, twin).identical
    again = Sequential.from_config(json.loads(json.dumps(model.config())), layers=own[:0] or own)
    assert np.array_equal(again.params, network(initializer).params)


def test_models_that_differ_in_an_argument_are_different():
    (line, *_) = compare_models(network(normal(0.01)), network(normal(0.02))).differences
    assert line == "layers[0].config.initializer.config.std: 0.01 against 0.02"


def test_a_users_own_is_written_as_such_and_the_file_says_what_to_hand_in(tmp_path):
    save_model(network(Alternating(1)), tmp_path / "model.npz")
    config = network(Alternating(1)).config()["layers"][0]["config"]
    assert config["initializer"] == {"object": "own.Alternating", "config": {"size": 1}}
    with pytest.raises(ModelFormatError, match=r"'Alternating'.*layers=\[Alternating\]"):
        load_model(tmp_path / "model.npz")


def test_a_users_class_named_as_tinynns_is_not_taken_for_it(tmp_path):
    own = type("normal", (Alternating,), {"__module__": __name__})
    save_model(network(own(1)), tmp_path / "own.npz")
    assert type(load_model(tmp_path / "own.npz", [own]).layers[0].initializer) is own
    with pytest.raises(InputError, match="'normal', which is your own, not tinynn's"):
        load_model(tmp_path / "own.npz")
    save_model(network(normal(1)), tmp_path / "model.npz")
    with pytest.raises(InputError, match="names tinynn's normal, but layers= has your own"):
        load_model(tmp_path / "model.npz", [own])
    assert type(load_model(tmp_path / "model.npz").layers[0].initializer) is tinynn.normal


def test_one_that_stores_a_changed_argument_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"0\.Dense: initializer .*changed size"):
        save_model(network(Doubling(1)), tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()


def test_a_resumed_run_compares_the_arguments(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 3

    def run(initializer, epochs, **more):
        trainer = Trainer(network(initializer), CrossEntropy(), Adam())
        trainer.fit(x, y, epochs, 4, callbacks=[Checkpoint(tmp_path / "run.npz")], **more)
        return trainer.model.params.tobytes()

    whole = run(normal(0.1), 2)
    (tmp_path / "run.npz").unlink()
    run(normal(0.1), 1)
    with pytest.raises(InputError, match=r"std: 0\.1 against 0\.2"):
        run(normal(0.2), 2, resume_from=tmp_path / "run.npz")
    assert run(normal(0.1), 2, resume_from=tmp_path / "run.npz") == whole


def test_a_model_without_biases_is_saved_and_one_with_biases_is_another(tmp_path):
    model = network(orthogonal, bias=False)
    save_model(model, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as file:
        assert "0.Dense.b" not in file
    assert compare_models(tmp_path / "model.npz", model).identical
    assert not compare_models(model, network(orthogonal)).identical
    assert model.params.size == 12
    model.summary()
