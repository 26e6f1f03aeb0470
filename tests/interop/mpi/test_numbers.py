"""Protects the numbers of a training on several ranks, of which real processes are started."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from interop.mpi import scenes
from tinynn import InputError

SCENES = Path(scenes.__file__)
AS_ONE = [
    "classes",
    "numbers_with_weights",
    "shares",
    "clipped_and_averaged",
    "stopped_early",
    "images",
]
OTHERS = [
    "normalised_inputs",
    "own_statistics",
    "same_bits",
    "masks",
    "one_asks_to_stop",
    "all_raise",
    "starts_with_rank_0",
    "replayed",
    "an_unknown_buffer",
    "one_changes_weights",
    "files",
    "in_groups",
    "different",
]


@pytest.fixture(scope="module")
def of(run, tmp_path_factory):
    """Return a function that returns what each of n ranks found; all scenes are one job."""
    jobs = {}

    def of(n, name):
        if n not in jobs:
            folder = tmp_path_factory.mktemp(f"ranks{n}")
            status, out, errors = run(folder, n, SCENES, folder, *AS_ONE, *OTHERS)
            assert status == 0, errors
            jobs[n] = folder, out, errors
        folder, out, errors = jobs[n]
        texts = (folder / f"{name}-{rank}.json" for rank in range(n))
        return [json.loads(text.read_text()) for text in texts], folder, out, errors

    return of


@pytest.fixture(params=[1, 2, 3, 4], scope="module")
def n(request):
    return request.param


@pytest.fixture(params=[2, 3, 4], scope="module")
def several(request):
    return request.param


def distance(ours, theirs):
    """Return the largest difference of all numbers in two results of one form."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        return max((distance(ours[key], theirs[key]) for key in ours), default=0.0)
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        return max(map(distance, ours, theirs), default=0.0)
    return float(ours != theirs) if isinstance(ours, str) else abs(ours - theirs)


@pytest.mark.parametrize("name", AS_ONE)
def test_n_ranks_have_the_numbers_of_one_process(name, n, of):
    one = getattr(scenes, name)(None, 0)
    results, *_ = of(n, name)
    assert one["steps"] >= 12
    for result in results:
        assert distance(result, one) <= (0 if n == 1 else 1e-12)
        assert result == results[0]  # with the same bits


def test_running_statistics_are_those_of_all_samples_together(n, of):
    one = scenes.normalised_inputs(None, 0)
    for result in of(n, "normalised_inputs")[0]:
        np.testing.assert_allclose(result["buffers"], one["buffers"], rtol=1e-12)
    own = scenes.own_statistics(None, 0)
    for result in of(n, "own_statistics")[0]:
        assert distance(result, own) <= 1e-12


def test_all_ranks_have_the_same_bits_after_every_step(several, of):
    results, *_ = of(several, "same_bits")
    assert len(set(results[0]["16"])) == 8
    assert len(set(results[0]["2"])) == 52
    assert all(result == results[0] for result in results)


def test_masks_differ_between_ranks_and_are_a_function_of_the_seed(several, of):
    results, *_ = of(several, "masks")
    for result in results:
        assert result["again"] == result["once"]
        assert result["other seed"] != result["once"]
        first, second = result["once"]
        assert first != second
    once = [json.dumps(result["once"]) for result in results]
    assert len(set(once)) == several
    assert once[0][:20] == json.dumps(scenes.masks(None, 0)["once"])[:20]


def test_training_stops_on_all_ranks_after_the_step_in_which_one_asks(several, of):
    for result in of(several, "one_asks_to_stop")[0]:
        assert result == {"steps": [7, 10], "stops": [True, True]}


def test_an_error_that_all_raise_can_be_caught_and_training_goes_on(several, of):
    one = scenes.classes(None, 0)
    for result in of(several, "all_raise")[0]:
        assert distance(result, one) <= 1e-12


def test_the_weights_at_the_start_are_those_of_rank_0(several, of):
    one = scenes.classes(None, 0)
    for result in of(several, "starts_with_rank_0")[0]:
        assert distance(result, one) <= 1e-12


def test_a_replay_on_as_many_ranks_has_the_same_bits(n, of):
    assert all(result["same"] for result in of(n, "replayed")[0])
    alone = scenes.trained(None, epochs=3, validation_data=None, callbacks=[alone_until(7)])
    for result in of(n, "replayed")[0]:
        assert abs(result["loss of step 7"] - alone.batch_loss) <= 1e-12


def alone_until(step):
    class Stop(scenes.Callback):
        def on_step_end(self, trainer):
            trainer.stop = trainer.step == step

    return Stop()


def test_a_buffer_that_ranks_cannot_combine_is_named_on_all(several, of):
    for result in of(several, "an_unknown_buffer")[0]:
        assert result["error"].startswith("0.Own.mean changes in training")


def test_weights_that_come_apart_are_found_and_the_rank_is_named(several, of):
    for result in of(several, "one_changes_weights")[0]:
        assert result["error"].startswith("After step 5 the weights of rank")
        assert f"of rank {several - 1} are not those of rank 0" in result["error"]


def test_rank_0_alone_writes_and_prints(several, of):
    _, folder, out, _ = of(several, "files")
    written = {path.name for path in folder.iterdir() if path.suffix != ".json"}
    assert written == {"log.csv", "run-0.npz", "run-5.npz", "run-10.npz"}
    assert len((folder / "log.csv").read_text().splitlines()) == 3
    assert sum(line.startswith("epoch") for line in out.splitlines()) == 2


def test_groups_of_ranks_train_by_themselves(n, of):
    one = scenes.classes(None, 0)
    for result in of(n, "in_groups")[0]:
        assert distance(result["group"], one) <= 1e-12
        assert result["alone"] == one


def test_a_trainer_with_it_can_be_pickled_after_training():
    parallel = scenes.DataParallel()
    parallel.check_every = 7
    trainer = pickle.loads(pickle.dumps(scenes.trained(parallel, epochs=1)))
    assert [one.check_every for one in trainer.callbacks] == [7]
    assert trainer.callbacks[0].ranks == 1


def test_two_of_them_and_no_communicator_are_refused():
    with pytest.raises(InputError) as caught:
        scenes.trained(scenes.DataParallel(), callbacks=[scenes.DataParallel()])
    assert "fit needs one DataParallel" in str(caught.value)
    with pytest.raises(InputError) as caught:
        scenes.DataParallel(2)
    assert "comm must be a communicator of mpi4py" in str(caught.value)


SAYS = {
    "x": "data: x: other numbers, or in another order (float64 (53, 6))",
    "order": "data: x: other numbers, or in another order",
    "length": "data: x: float64 (53, 6) on rank 0, float64 (52, 6) here",
    "dtype": "data: x: float64 (53, 6) on rank 0, float32 (53, 6) here",
    "y": "data: y: other numbers",
    "validation": "data: validation x: other numbers",
    "no validation": "data: validation x: float64 (5, 6) on rank 0, none here",
    "weights": "data: sample_weight: other numbers",
    "batch_size": "batch_size: 13 on rank 0, 14 here",
    "epochs": "epochs: 2 on rank 0, 3 here",
    "order of samples": "seed: 0 on rank 0, 1 here",
    "seed of the model": "model.seed: 0 on rank 0, 1 here",
    "layers": "model.layers[0].units: 8 on rank 0, 9 here",
    "precision": "model.dtype: float64 on rank 0, float32 here",
    "loss": "loss.label_smoothing: 0.0 on rank 0, 0.1 here",
    "optimizer": "optimizer.class: Adam on rank 0, SGD here",
    "learning rate": "optimizer.learning_rate: 0.1 on rank 0, 1.1 here",
    "schedule": "rate.learning_rate: 0.1 on rank 0, 1.1 here",
    "callbacks": "callbacks[1].limit: 1.0 on rank 0, 2.0 here",
    "frozen": "frozen: [] on rank 0, ['0.Dense'] here",
    "version": "versions.tinynn: 0.1.0, source",
}


@pytest.mark.parametrize("name", SAYS)
def test_what_differs_between_ranks_is_refused_on_all_and_named(name, several, of):
    for result in of(several, "different")[0]:
        assert result[name].startswith("InputError: The ranks of a training must have the same")
        assert f"rank {several - 1}: {SAYS[name]}" in result[name]
