"""Folders of Parquet files: the same table as one file holds, and what is wrong with them named by file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import load
from tsforge.data.table import folder
from tsforge.data.table.reading import read
from tsforge.errors import DataError


def table(shops: int = 4, steps: int = 20) -> pd.DataFrame:
    names = np.repeat([f"s{i}" for i in range(shops)], steps)
    days = np.tile(pd.date_range("2024-01-01", periods=steps), shops)
    values = np.random.default_rng(1).normal(size=shops * steps).round(3)
    region = np.repeat(["west", "east"], shops * steps // 2)
    return pd.DataFrame({"shop": names, "day": days, "y": values, "region": region})


def write_parts(data: pd.DataFrame, at: Path, count: int) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    for i, rows in enumerate(np.array_split(np.arange(len(data)), count)):
        data.iloc[rows].to_parquet(at / f"part-{i}.parquet")
    return at


def test_files_of_a_folder_are_one_table(tmp_path: Path) -> None:
    """Rows keep their order and types, whether texts repeat or not, and ids count across files."""
    data = table()
    data.to_parquet(tmp_path / "one.parquet")
    whole, parts = read(tmp_path / "one.parquet"), read(write_parts(data, tmp_path / "parts", 3))
    assert [str(v) for v in whole.data.dtypes] == [str(v) for v in parts.data.dtypes]
    for name in data.columns:
        assert whole.data[name].astype(str).tolist() == parts.data[name].astype(str).tolist()
    one, several = (load(at, target="y", static="region") for at in (tmp_path / "one.parquet", tmp_path / "parts"))
    assert np.array_equal(one.target, several.target)
    assert one.schema == several.schema
    assert one.covariates["region"].labels == several.covariates["region"].labels


def test_names_of_folders_are_columns(tmp_path: Path) -> None:
    """store=4/region=a%20b as written by pandas, with whole numbers as numbers and others as texts."""
    data = table().assign(store=np.repeat([4, 10, 7, 2], 20), region=np.repeat(["a b", "c", "a b", "c"], 20))
    data = data.drop(columns="shop")
    data.to_parquet(tmp_path / "hive", partition_cols=["store", "region"])
    (tmp_path / "hive" / "_SUCCESS").write_text("")
    frame = read(tmp_path / "hive").data
    assert frame["store"].dtype == np.int64
    keys = ["store", "day"]
    again = frame.astype({"region": str}).sort_values(keys)[["day", "y", "store", "region"]].reset_index(drop=True)
    expected = data.sort_values(keys)[["day", "y", "store", "region"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


def test_rows_are_named_by_their_file(tmp_path: Path) -> None:
    data = table().astype({"y": object})
    data.loc[47, "y"] = "oops"
    data["y"] = data["y"].astype(str)
    at = write_parts(data, tmp_path / "parts", 4)
    with pytest.raises(DataError, match=r"row 8 of part-2\.parquet: 'oops' is not a number"):
        load(at, target="y", id="shop")


@pytest.mark.parametrize("case", ["column", "kind", "damaged", "empty file", "keys", "nothing", "contradiction"])
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    """No file is left out, and none is read as something that it is not."""
    at = tmp_path / "parts"
    write_parts(table(), at, 2)
    other = at / "part-2.parquet"
    if case == "column":
        table().drop(columns="region").to_parquet(other)
        words = r"part-2\.parquet: column 'region' stands in part-0\.parquet and not in part-2\.parquet"
    elif case == "kind":
        table().astype({"y": str}).to_parquet(other)
        words = r"part-2\.parquet: column 'y' holds texts, and decimals in part-0\.parquet"
    elif case == "damaged":
        other.write_bytes((at / "part-0.parquet").read_bytes()[:-9])
        words = r"part-2\.parquet: not a readable Parquet file"
    elif case == "empty file":
        other.write_bytes(b"")
        words = r"part-2\.parquet: not a readable Parquet file"
    elif case == "keys":
        write_parts(table(), at / "store=4", 1)
        words = r"hold other columns for one file than for another: part-0\.parquet \(none\), store=4/part-0\.parquet"
    elif case == "nothing":
        at = tmp_path / "csv"
        at.mkdir()
        (at / "a.csv").write_text("x,y\n")
        words = r"csv: a directory without a Parquet file; it holds a\.csv"
    else:
        at = tmp_path / "hive"
        write_parts(table(), at / "region=west", 1)
        words = r"column 'region' holds other values than its folder region=west"
    with pytest.raises(DataError, match=words) as caught:
        read(at)
    assert caught.value.hint


def test_what_is_no_parquet_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = write_parts(table(), tmp_path / "parts", 2)
    (at / "notes.txt").write_text("x")
    (at / ".hidden").write_text("x")
    (at / "parts.tsforge").mkdir()
    (at / "parts.tsforge" / "x.parquet").write_bytes(b"PAR1")
    with caplog.at_level(logging.WARNING, "tsforge"):
        assert [part.name for part in folder.parts(at)] == ["part-0.parquet", "part-1.parquet"]
    assert caplog.messages == [f"{at}: files that are no Parquet are not read: notes.txt"]


def test_texts_that_some_files_code(tmp_path: Path) -> None:
    """Prevents: Arrow's error about types of a sound table: categories in one file, plain texts in another."""
    data = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20), "y": np.arange(20.0), "shop": ["a", "b"] * 10})
    data[:10].astype({"shop": "category"}).to_parquet(tmp_path / "1.parquet", index=False)
    data[10:].to_parquet(tmp_path / "2.parquet", index=False)
    assert sorted(load(tmp_path, id="shop", target="y").ids[0]) == ["a", "b"]


def test_times_of_two_zones_are_an_error(tmp_path: Path) -> None:
    """Prevents: a traceback of Arrow, or times of one file moved by those of another."""
    times = pd.date_range("2024-01-01", periods=20, freq="h")
    pd.DataFrame({"time": times, "y": 1.0}).to_parquet(tmp_path / "1.parquet", index=False)
    later = pd.DataFrame({"time": (times + pd.Timedelta(days=1)).tz_localize("UTC"), "y": 1.0})
    later.to_parquet(tmp_path / "2.parquet", index=False)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "time" in str(caught.value)
