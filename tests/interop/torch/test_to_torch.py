"""Protects models as PyTorch modules: predictions, gradients, steps of training, and back."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from networks import inputs_of, random_network
from tinynn import (
    SGD,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    InputError,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    compare_models,
    glorot_uniform,
)
from tinynn.interop.torch import from_torch, to_torch
from tinynn.layers import LAYERS

SEEDS = range(48)
SHIFTS = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def predicted(module, x):
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


def frozen_in_part(model, rng):
    for layer in model.layers:
        layer.trainable = bool(rng.random() < 0.7)
    return model


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_module_predicts_the_same_and_is_the_same_model_again(seed, dtype):
    model = frozen_in_part(random_network(seed, dtype), np.random.default_rng(seed))
    module = to_torch(model)
    x = inputs_of(model)
    p, out = model.predict(x), predicted(module, x)
    assert out.dtype == p.dtype
    assert out.shape == p.shape
    assert np.abs(out - p).max() <= TOLERANCE[dtype] * max(1, np.abs(p).max())
    comparison = compare_models(model, from_torch(module, model.input_shape))
    assert comparison.identical, comparison


def test_every_layer_occurs_in_these_networks():
    occurring = {type(layer).__name__ for seed in SEEDS for layer in random_network(seed).layers}
    assert occurring == set(LAYERS)


def with_gradients(module):
    """Return a copy of a module in which each parameter holds its gradient."""
    twin = copy.deepcopy(module)
    for to, of in zip(twin.parameters(), module.parameters(), strict=True):
        to.data = torch.zeros_like(of) if of.grad is None else of.grad.clone()
    return twin


@pytest.mark.parametrize("seed", range(40))
def test_gradients_are_those_of_tinynn(seed):
    rng = np.random.default_rng(seed)
    model = frozen_in_part(random_network(seed, np.float64, random_layers=False), rng)
    module = to_torch(model).train()
    x = inputs_of(model, 7)
    out = model.forward(x)
    dp = rng.normal(size=out.shape)
    model.backward(dp)
    seen = torch.from_numpy(x).requires_grad_()
    torch.autograd.backward(module(seen), torch.from_numpy(dp))
    scale = max(1, np.abs(model.grads).max(initial=0))
    theirs = from_torch(with_gradients(module), model.input_shape)
    np.testing.assert_allclose(theirs.params, model.grads, rtol=0, atol=1e-11 * scale)
    dx = model.input_gradient(dp)
    largest = max(1, np.abs(dx).max())
    np.testing.assert_allclose(seen.grad.numpy(), dx, rtol=0, atol=1e-11 * largest)


def image_network(dtype=np.float64):
    layers = [Conv2D(4, 3, 2, bias=False), BatchNorm(0.8), ReLU(), MaxPool2D(2, 1), Conv2D(3, 2)]
    layers += [BatchNorm(0.9, 0.01), Flatten(), Dense(6), BatchNorm(0.3), ReLU(), Dense(3)]
    return Sequential(layers, (8, 7, 2), seed=3, dtype=dtype)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("frozen", [(), (0, 1)])
def test_steps_of_training_give_the_same_weights_and_running_statistics(momentum, frozen):
    model, rng = image_network(), np.random.default_rng(0)
    for position in frozen:
        model.layers[position].trainable = False
    module = to_torch(model).train()
    ours, loss = SGD(0.1, momentum), SoftmaxCrossEntropy()
    theirs = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1, momentum)
    start = model.params.copy(), model.buffers.copy()
    for _ in range(5):
        x, y = rng.normal(size=(6, 8, 7, 2)), rng.integers(0, 3, 6)
        model.backward(loss.backward(model.forward(x), y))
        ours.step(model.params, model.grads)
        theirs.zero_grad()
        nn.CrossEntropyLoss()(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        theirs.step()
    back = from_torch(module, model.input_shape)
    np.testing.assert_allclose(back.params, model.params, rtol=0, atol=1e-11)
    np.testing.assert_allclose(back.buffers, model.buffers, rtol=0, atol=1e-11)
    assert np.abs(model.params - start[0]).max() > 0.01
    assert np.abs(model.buffers - start[1]).max() > 0.01
    np.testing.assert_allclose(predicted(module.eval(), x), model.predict(x), atol=1e-11)


def test_batch_norm_by_hand_has_the_variance_divided_by_n_minus_1():
    model = Sequential([BatchNorm(momentum=0.75, epsilon=3.0)], (1,), dtype=np.float64)
    norm = to_torch(model).train()[0]
    assert (norm.momentum, norm.eps) == (0.25, 3.0)
    out = norm(torch.tensor([[1.0], [3.0]], dtype=torch.float64))
    assert out.detach().numpy().ravel().tolist() == [-0.5, 0.5]  # (x - 2) / sqrt(1 + 3)
    # 0.75 * 0 + 0.25 * 2, and 0.75 * 1 + 0.25 * (the squares' sum 2, divided by 2 - 1)
    assert (norm.running_mean.item(), norm.running_var.item()) == (0.5, 1.25)


def test_kernels_by_hand_are_not_transposed():
    model = Sequential([Conv2D(1, (2, 3), padding=0)], (2, 3, 1))
    W = np.arange(6, dtype=np.float32).reshape(2, 3)
    model.layers[0].W = W[:, :, None, None]
    conv = to_torch(model)[1]
    assert (conv.weight[0, 0].detach().numpy() == W).all()
    dense = Sequential([Dense(2)], (3,))
    dense.layers[0].W = W.T
    assert (to_torch(dense)[0].weight.detach().numpy() == W).all()


def test_the_module_is_what_one_would_write_by_hand():
    layers = [Conv2D(8, 3), BatchNorm(), ReLU(), MaxPool2D(2), Dropout(0.25), Conv2D(4, 3, 1, 1)]
    model = Sequential([*layers, GlobalAveragePool2D(), Dense(10), Softmax()], (28, 28, 1))
    names = [type(module).__name__ for module in to_torch(model)]
    assert names == [
        *("ChannelsFirst", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Dropout", "Conv2d"),
        *("AdaptiveAvgPool2d", "Flatten", "Linear", "Softmax"),
    ]


def test_the_module_has_copies_and_is_in_evaluation_mode():
    model = image_network(np.float32)
    before = model.params.copy()
    state = torch.random.get_rng_state()
    module = to_torch(model)
    assert torch.equal(torch.random.get_rng_state(), state)  # no random number was drawn
    assert not any(part.training for part in module.modules())
    assert all(isinstance(p, nn.Parameter) for p in module.parameters())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    assert (model.params == before).all()


def test_frozen_layers_need_no_gradient_and_a_frozen_batch_norm_stays_as_it_is():
    model = image_network()
    for position in (0, 1):
        model.layers[position].trainable = False
    module = to_torch(model).train()
    flags = [p.requires_grad for p in module.parameters()]
    assert flags == [False] * 3 + [True] * (len(flags) - 3)
    x = inputs_of(model, 5)
    np.testing.assert_allclose(
        module(torch.from_numpy(x)).detach().numpy(), model.forward(x), atol=1e-12
    )
    back = from_torch(module, model.input_shape)
    np.testing.assert_allclose(back.buffers, model.buffers, atol=1e-12)
    assert [layer.trainable for layer in back.layers] == [False] * 2 + [True] * 9
    module.requires_grad_(True)  # the weights, but Frozen keeps its statistics
    back = from_torch(module, model.input_shape)
    assert [layer.trainable for layer in back.layers[:3]] == [True, False, True]


def test_arguments_come_back_as_they_were_written():
    layers = [Conv2D(2, (3, 3), initializer=glorot_uniform), MaxPool2D((2, 2), 2), BatchNorm(0.1)]
    model = Sequential([*layers, AveragePool2D(2, (2, 2)), Flatten(), Dense(1)], (9, 9, 1))
    model.layers[1].trainable = False
    assert compare_models(model, from_torch(to_torch(model), (9, 9, 1))).identical


def test_what_was_changed_in_pytorch_counts_not_what_it_was_made_of():
    model = Sequential([Conv2D(2, (3, 3)), BatchNorm(0.1), MaxPool2D((2, 2))], (9, 9, 1))
    module = to_torch(model)
    module[2].momentum, module[3].stride = 0.5, (1, 2)
    back = from_torch(module, (9, 9, 1))
    assert (back.layers[1].momentum, back.layers[2].stride) == (0.5, (1, 2))


def test_rescale_keeps_its_numbers_in_float64():
    model = Sequential([Rescale(1 / 255, [0.1, 0.2])], (2,))
    module = to_torch(model).double()
    out = predicted(module, np.array([[1.0, 2.0]]))
    assert out.tolist() == [[1 / 255 + 0.1, 2 / 255 + 0.2]]


def test_the_module_can_be_pickled_and_its_weights_saved(tmp_path):
    layers = [Rescale(0.5), RandomShift(1), Conv2D(2, 3, 2), BatchNorm(), Flatten(), Dense(2)]
    model = Sequential(layers, (5, 5, 1))
    model.layers[3].trainable = False
    module, x = to_torch(model), inputs_of(model, 3)
    assert (predicted(pickle.loads(pickle.dumps(module)), x) == predicted(module, x)).all()
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    other = to_torch(Sequential.from_config({**model.config(), "seed": 9}))
    other.load_state_dict(torch.load(tmp_path / "weights.pt"))
    assert (predicted(other, x) == predicted(module, x)).all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2)])
def test_random_layers_act_in_training_as_those_of_tinynn(shape):
    torch.manual_seed(0)
    x = torch.arange(1.0, 200 * np.prod(shape) + 1).reshape(200, *shape)
    flip = to_torch(Sequential([RandomFlip()], shape))
    assert torch.equal(flip(x), x)
    out = flip.train()(x)
    kept = (out == x).reshape(200, -1).all(1)
    assert torch.equal(out[~kept], x[~kept].flip(2))
    assert 60 < kept.sum() < 140  # of 200, each with probability 1/2: within 5 deviations
    shift = to_torch(Sequential([RandomShift(2)], shape))
    assert torch.equal(shift(x), x)
    seen = set()
    for image, moved in zip(x, shift.train()(x), strict=True):
        (place,) = [place for place in SHIFTS if same_but_moved(image, moved, *place)]
        seen.add(place)
    assert len(seen) == 25


def same_but_moved(image, moved, down, right):
    """Whether `moved` is the image, so many pixels down and to the right, with zeros around it."""
    expected = torch.zeros_like(image)
    H, W = image.shape[:2]
    for i in range(H):
        for j in range(W):
            if 0 <= i - down < H and 0 <= j - right < W:
                expected[i, j] = image[i - down, j - right]
    return torch.equal(expected, moved)


def test_noise_and_dropout_act_in_training_alone():
    torch.manual_seed(0)
    x = torch.ones(1000, 20, dtype=torch.float64)
    noise = to_torch(Sequential([GaussianNoise(0.5)], (20,), dtype=np.float64))
    drop = to_torch(Sequential([Dropout(0.25)], (20,), dtype=np.float64))
    assert torch.equal(noise(x), x)
    assert torch.equal(drop(x), x)
    out = noise.train()(x) - x
    assert abs(out.mean()) < 0.02  # 0.5 / sqrt(20,000) = 0.0035 is its deviation
    assert abs(out.std() - 0.5) < 0.02
    assert set(drop.train()(x).unique().tolist()) == {0.0, 1 / 0.75}


class Swish(ReLU):
    pass


def test_a_layer_of_ones_own_is_refused_by_name_and_place():
    model = Sequential([Dense(3), Swish()], (2,))
    with pytest.raises(InputError, match=r"1\.Swish is a layer of your own, and to_torch"):
        to_torch(model)
    with pytest.raises(InputError, match="model must be a Sequential"):
        to_torch(nn.Linear(2, 3))


def test_an_empty_batch_and_samples_of_one_number():
    model = Sequential([Conv2D(2, 2, 2), BatchNorm(), Flatten(), Dense(1)], (5, 5, 1))
    assert predicted(to_torch(model), np.zeros((0, 5, 5, 1), np.float32)).shape == (0, 1)
    model = Sequential([Reshape((1,)), Dense(2)], ())
    x = np.ones(3, np.float32)
    np.testing.assert_allclose(predicted(to_torch(model), x), model.predict(x), rtol=1e-6)
    assert compare_models(model, from_torch(to_torch(model), ())).identical
