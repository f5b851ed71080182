"""Stores for the tests of tracking: making one takes seconds, copying one does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tsforge.tracking import store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as `tsforge` makes it, to be copied."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.connect(f"sqlite:///{file}")
    return file


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
