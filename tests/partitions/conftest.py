"""A model of a small table, and the table in partitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge

Write = Callable[..., Path]

REGIONS = ("EU", "US", "A P")  # one needs quoting in the name of a folder
STEPS, HORIZON = 30, 4


def table(count: int = 4, regions: tuple[str, ...] = REGIONS, seed: int = 0) -> pd.DataFrame:
    """Daily series of several regions, each with a number that other regions have too."""
    random = np.random.default_rng(seed)
    days = pd.date_range("2024-01-01", periods=STEPS, freq="D").as_unit("us")
    rows = []
    for region in regions:
        for shop in range(count):
            values = 20 + 5 * np.sin(np.arange(STEPS) * 2 * np.pi / 7 + shop) + random.normal(size=STEPS).cumsum()
            rows.append(pd.DataFrame({"region": region, "shop": shop, "day": days, "sold": values.round(2)}))
    return pd.concat(rows, ignore_index=True)


def settings(kind: str) -> dict[str, object]:
    return {
        "data.id": ("region", "shop"), "data.time": "day", "data.target": "sold", "data.horizon": HORIZON,
        "data.context": 14, "model.kind": kind, "train.max_steps": 4, "baselines": (),
    }  # fmt: skip


@pytest.fixture(scope="session")
def theta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a closed form that was fitted on other series."""
    out = tmp_path_factory.mktemp("theta") / "m"
    tsforge.fit(tsforge.build(settings("theta")), table(6, ("EU", "XX"), seed=9), out=out)
    return out


@pytest.fixture(scope="session")
def gru(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network, hardly trained."""
    out = tmp_path_factory.mktemp("gru") / "m"
    tsforge.fit(tsforge.build(settings("gru")), table(6, ("EU", "XX"), seed=9), out=out)
    return out


def write_hive(folder: Path, data: pd.DataFrame) -> Path:
    """The table as Hive has it, a folder for each region, in its name alone."""
    for region, rows in data.groupby("region", sort=False):
        part = folder / f"region={str(region).replace(' ', '%20')}"
        part.mkdir(parents=True)
        rows.drop(columns="region").to_parquet(part / "part-0.parquet", index=False)
    return folder


def collected(folder: Path) -> pd.DataFrame:
    """All forecasts of a folder in one frame, read by another library's reader of Hive folders."""
    from pyarrow import dataset

    found = dataset.dataset(folder, format="parquet", partitioning="hive").to_table().to_pandas()
    return found.astype({"region": "str"})


def as_one(model: Path, data: pd.DataFrame) -> pd.DataFrame:
    """The forecasts of the table in one piece; in double precision, as partitions have them, of the same values."""
    found = tsforge.predict(model, data).frame
    return found.astype(dict.fromkeys(found.select_dtypes("float32").columns, "float64"))


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Raises AssertionError where one bit differs; the order of rows and columns is free."""
    keys = ["region", "shop", "day"]
    one, other = (frame.sort_values(keys, ignore_index=True)[sorted(wanted.columns)] for frame in (found, wanted))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
