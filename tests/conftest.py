"""Settings that all tests share."""


def pytest_addoption(parser):
    parser.addoption(
        "--finished-run",
        metavar="DIR",
        help="acceptance: check this run of the main job instead of training with seed 0",
    )
