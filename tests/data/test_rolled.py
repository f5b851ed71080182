"""Forecasts from rolling origins as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from tsforge.data import rolled


def part(group: str, ids: list[object], values: type, levels: tuple[str, ...] = ("q0.5",)) -> pd.DataFrame:
    """Two rows of a group of a protocol; a third is not exact in single precision."""
    third = np.array([1 / 3, 2e-8], dtype=values)
    model = pd.Categorical.from_codes([0, 0], categories=[f"model of {group}"])
    frame = pd.DataFrame({"group": group, "shop": ids, "model": model, "step": [1, 2], "forecast": third})
    return frame.assign(**dict.fromkeys(levels, third))


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_groups_of_other_types_keep_their_values(tmp_path: Path, ending: str) -> None:
    """Prevents: doubles that are cut to the single precision of the first group, ids that are texts after numbers."""
    parts = [
        part("a", [1, 2], np.float32), part("a", [3, 4], np.float32), part("b", ["x", "07"], np.float64),
        part("c", [5, 6], np.float64, ("q0.1", "q0.5")),
    ]  # fmt: skip
    path = tmp_path / f"windows.{ending}"
    assert rolled.write(iter(parts), path) == 8
    found = pd.read_parquet(path) if ending == "parquet" else pd.read_csv(path, dtype={"shop": str})
    assert found["shop"].tolist() == ["1", "2", "3", "4", "x", "07", "5", "6"]
    assert found["model"].astype(str).tolist() == [f"model of {group}" for group in "aaaabbcc"]
    wanted = np.concatenate([p["forecast"].to_numpy().astype(float) for p in parts])
    np.testing.assert_allclose(found["forecast"], wanted, rtol=0 if ending == "parquet" else 1e-15)
    assert found["q0.1"].isna().tolist() == [True] * 6 + [False] * 2
    assert list(tmp_path.iterdir()) == [path]


def test_parts_alike_keep_their_types(tmp_path: Path) -> None:
    rolled.write(iter([part("a", [1, 2], np.float32), part("a", [3, 4], np.float32)]), tmp_path / "w.parquet")
    schema = parquet.read_schema(tmp_path / "w.parquet")
    assert [str(schema.field(name).type) for name in ("shop", "forecast")] == ["int64", "float"]
