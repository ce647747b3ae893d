"""Figures are taken one after another in one process, whatever pyproject.toml says of the tests."""


def pytest_xdist_auto_num_workers() -> int:
    return 0
