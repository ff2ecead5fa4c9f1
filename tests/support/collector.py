"""Garbage is looked for in what tests make, not in what lives as long as the process.

Each search goes through all that was imported and through thousands of collected tests, and while these come to be
there are many: they would take as much CPU as the collection itself.
"""

import gc

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
