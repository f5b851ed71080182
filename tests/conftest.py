"""Helpers for the whole suite."""

from __future__ import annotations

import math
import os
import shutil

# Before torch is imported: waiting threads spin, so two test processes on two cores would slow each other twentyfold.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("COLUMNS", None)  # which pytest-xdist gives its workers, and by which lines would be broken

from collections.abc import Callable
from pathlib import Path

import pytest

from tsforge.runtime import console

# What a command says of its work in a pipe comes after a time, which would make what tests read depend on the machine.
console.Pulse.FIRST = math.inf

Write = Callable[..., Path]


@pytest.fixture
def write_csv(tmp_path: Path) -> Write:
    """write_csv(text or bytes, name="t.csv", encoding="utf-8") -> the path of a new file."""

    def write(content: str | bytes, name: str = "t.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as `tsforge` makes it, to be copied: making one takes seconds."""
    from tsforge.tracking import store

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.connect(f"sqlite:///{file}")
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder with the user in it, and no other store named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def store_at_home(home: Path, empty_store: Path) -> Path:
    """The store of that folder, which is there already."""
    return Path(shutil.copyfile(empty_store, home / "mlflow.db"))


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and couriers do not import everything anew: for tests that prove something else than how they start."""
    from tests.helpers.forked import start
    from tsforge.runtime import processes

    monkeypatch.setattr(processes, "start", start)
