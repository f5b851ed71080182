"""Small tables for the tests of the data layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tsforge.data.panel import Panel, build
from tsforge.data.schema import DataConfig
from tsforge.data.table import table
from tsforge.data.table.table import Table


def load(source: Any, **config: Any) -> Table:
    return table.load(source, DataConfig(**config))


def lay(source: Any, **config: Any) -> Panel:
    return build(load(source, **config))


def text(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def days(n: int, start: str = "2024-01-01") -> list[str]:
    return [str(d.date()) for d in pd.date_range(start, periods=n, freq="D")]


def walk(lengths: tuple[int, ...] = (60,), freq: str = "D", seed: int = 0) -> pd.DataFrame:
    """A long table of random walks: item, ds, y."""
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({
            "item": f"s{i}", "ds": pd.date_range("2024-01-01", periods=n, freq=freq), "y": rng.normal(size=n).cumsum(),
        })
        for i, n in enumerate(lengths)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
