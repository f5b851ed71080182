"""Small tables."""

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


def hourly(days: int = 16, seed: int = 0, *, gap: bool = False) -> pd.DataFrame:
    """A day's wave with noise: time, load. With a gap three values are missing on the second day."""
    n = 24 * days
    load = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 24) + np.random.default_rng(seed).normal(size=n)
    load[30 : 33 if gap else 30] = np.nan
    return pd.DataFrame({"time": pd.date_range("2024-03-01", periods=n, freq="h"), "load": load.round(3)})


def daily(names: tuple[str, ...] = ("north", "south"), n: int = 90, seed: int = 0) -> pd.DataFrame:
    """A week's wave with noise for each name: item, date as text with the day first, sold."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2024-01-01", periods=n, freq="D").strftime("%d/%m/%Y")
    wave = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 7)
    parts = [
        pd.DataFrame({"item": name, "date": dates, "sold": (wave + rng.normal(size=n)).round(2)}) for name in names
    ]
    return pd.concat(parts, ignore_index=True)
