"""Settings, and a layer, that all tests share."""

import pytest

from tinynn import Layer


def pytest_addoption(parser):
    parser.addoption(
        "--finished-run",
        metavar="DIR",
        help="acceptance: check this run of the main job instead of training with seed 0",
    )


class InPlaceReLU(Layer):
    """ReLU as many write it: right, though it works in the arrays that it is given."""

    def forward(self, x, training=True):
        self.mask = x > 0
        x *= self.mask
        return x

    def input_gradient(self, dout):
        dout *= self.mask
        return dout


@pytest.fixture
def in_place_relu():
    return InPlaceReLU
