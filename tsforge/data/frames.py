"""Frames as Python users hold them: of pandas, or of Polars where the table was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def of_rows(rows: Sequence[Any]) -> pd.DataFrame:
    """Named tuples of one kind, a row each."""
    return pd.DataFrame(rows, columns=rows[0]._fields if rows else None)


def of_file(path: Path) -> pd.DataFrame:
    """A CSV file of one of our own data sets, numbers as numbers and times as they are written."""
    return pd.read_csv(path)


def is_polars(table: Any) -> bool:
    """Whether a table is a frame of Polars, lazy or not."""
    return type(table).__module__.partition(".")[0] == "polars"


def like(frame: pd.DataFrame, *, polars: bool) -> Any:
    """The frame as it is, or as one of Polars with the same columns and types."""
    if not polars:
        return frame
    from polars import from_pandas

    return from_pandas(frame)


def scores(values: Mapping[str, Mapping[str, float]], *, polars: bool) -> Any:
    """By metric and model: of pandas with the metrics as its index, of Polars as a first column `metric`."""
    frame = pd.DataFrame(values)
    return like(frame.rename_axis("metric").reset_index(), polars=True) if polars else frame
