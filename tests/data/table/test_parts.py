"""Some columns and some rows of a Parquet file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsforge.data.table import parts
from tsforge.errors import DataError


def frame() -> pd.DataFrame:
    random = np.random.default_rng(1)
    rows = pd.DataFrame({"region": random.choice(["EU", "US"], 300), "shop": random.integers(0, 5, 300)})
    rows.loc[::7, "region"] = None
    return rows.assign(sold=random.normal(size=300), note="x")


@pytest.mark.parametrize("value", ["EU", None, "none such"])
def test_rows_with_a_value(value: str | None, tmp_path: Path) -> None:
    """Prevents: rows lost in groups that statistics rule out, above all those without a value."""
    data = frame().sort_values("region", ignore_index=True)  # whole groups without a value at the end
    data.to_parquet(tmp_path / "d.parquet", index=False, row_group_size=40)
    wanted = data[data["region"].isna() if value is None else data["region"] == value]
    if value == "none such":
        with pytest.raises(DataError, match="no rows"):
            parts.read_part(str(tmp_path / "d.parquet"), "d", ["sold"], {}, {"region": value})
        return
    found = parts.read_part(str(tmp_path / "d.parquet"), "d", ["sold"], {}, {"region": value}).data
    assert list(found) == ["sold", "region"]
    np.testing.assert_array_equal(found["sold"], wanted["sold"])


def test_a_csv_that_contradicts_its_folder_is_refused(tmp_path: Path) -> None:
    """Prevents: all rows taken for those of the folder, whatever stands in the file."""
    frame().assign(region="US").to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(DataError, match="holds other values than its folder region=EU"):
        parts.read_part(tmp_path / "d.csv", "d.csv", None, {"region": "EU"}, {})
    assert set(parts.read_part(tmp_path / "d.csv", "d.csv", None, {"region": "US"}, {}).data["region"]) == {"US"}


def test_a_file_without_rows_contradicts_nothing(tmp_path: Path) -> None:
    """Prevents: a column that no row has, taken for one that holds other values than the folder."""
    from tsforge.data.table import folder, parquet

    frame()[:0].to_parquet(tmp_path / "d.parquet", index=False)
    import pyarrow.parquet as pq

    part = folder.Part(tmp_path / "d.parquet", "d", (("region", "EU"),))
    assert len(parquet.with_keys(pq.read_table(tmp_path / "d.parquet"), part, frozenset())) == 0


def test_ids_of_two_files_are_compared_as_numbers(tmp_path: Path) -> None:
    """Prevents: series 1 and 1.0, of two files, taken for two."""
    for kind in (int, float):
        frame().astype({"shop": kind}).to_parquet(tmp_path / f"{kind.__name__}.parquet", index=False)
    keys = [parts.keys(parts.read_part(str(tmp_path / f"{n}.parquet"), n, ["shop"], {}, {}), ("shop",))
            for n in ("int", "float")]  # fmt: skip
    assert sorted(keys[0]) == sorted(keys[1]) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("kind", ["Int64", "float64"])
def test_whole_numbers_with_gaps_stay_whole(kind: str, tmp_path: Path) -> None:
    """Prevents: 1.0 as the name of a folder, and numbers beyond 2**53 that are another's."""
    large = 2**53 + 1 if kind == "Int64" else 2**40
    zones = pd.array([1, None, large, 1], dtype="Int64").astype(kind)
    pd.DataFrame({"zone": zones, "name": ["a", "a", None, "a"]}).to_parquet(tmp_path / "d.parquet", index=False)
    found = parts.rows(str(tmp_path / "d.parquet"), ["zone", "name"])
    assert found == [(1, "a"), (None, "a"), (large, None)]
    assert [type(zone) for zone, _ in found] == [int, type(None), int]


def test_columns_of_folders(tmp_path: Path) -> None:
    data = frame().drop(columns="region")
    data.to_parquet(tmp_path / "d.parquet", index=False)
    keys = {"region": "EU", "year": 2024, "area": None}
    found = parts.read_part(str(tmp_path / "d.parquet"), "d", ["shop", "region", "year"], keys, {})
    assert {name: found.data[name].dropna().unique().tolist() for name in keys} == {
        "region": ["EU"],
        "year": [2024],
        "area": [],
    }
    assert parts.keys(found, ("region", "shop")) == [f"EU\x1f{shop}" for shop in data["shop"].unique()]
    with pytest.raises(DataError, match="other values than its folder shop=9"):
        parts.read_part(str(tmp_path / "d.parquet"), "d", ["shop"], {"shop": 9}, {})


def test_hashes_tell_texts_apart() -> None:
    texts = [f"R{i}\x1f{i % 7}" for i in range(10_000)]
    assert len(set(parts.hashes(texts).tolist())) == len(texts)
    assert parts.hashes(texts[5:6])[0] == parts.hashes(texts)[5]
