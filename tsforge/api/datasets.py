"""Data sets by name, as frames: `tsforge.datasets.load("air-passengers")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tsforge.data import catalog, frames


def names() -> list[str]:
    """Of every data set; those that do not come with the package have to be fetched: `tsforge data get NAME`."""
    return list(catalog.cards())


def load(name: str) -> Any:
    """A data set as a pandas frame, its columns as its card describes them; times are texts, as written there.

    Raises DataError for a name that does not exist, and for one whose file has not been fetched: nothing is downloaded
    here.
    """
    return frames.of_file(Path(catalog.find(name)))
