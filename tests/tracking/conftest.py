"""Stores for the tests of tracking: copies of an empty one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def new_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """new_store() -> the path of a fresh database of its own."""

    def make() -> Path:
        file = tmp_path_factory.mktemp("fresh") / "mlflow.db"
        shutil.copyfile(empty_store, file)
        return file

    return make


@pytest.fixture(scope="module")
def database(new_store: Callable[[], Path]) -> Path:
    """The database that the tests of a file share."""
    return new_store()
