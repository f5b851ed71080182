"""Reading: however a table is written, the same frame comes out; what cannot be read is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.helpers.tables import days, load, text
from tests.torture import pool
from tsforge.data.table.reading import read
from tsforge.data.table.table import load_like
from tsforge.errors import DataError

ROWS = [(day, i + 0.5) for i, day in enumerate(days(12))]
PLAIN = text("date,größe", [f"{d},{v}" for d, v in ROWS])
EXPECTED = [v for _, v in ROWS]


def values(source: object, target: str = "größe") -> list[float]:
    return load(source, target=target).target[:, 0].tolist()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_line_ends_and_encodings(write_csv, delimiter: str, end: str, encoding: str) -> None:
    """A table from any spreadsheet reads the same, its column names included."""
    content = PLAIN.replace(",", delimiter).replace("\n", end)
    assert values(write_csv(content.encode(encoding))) == EXPECTED


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_comma(write_csv, delimiter: str) -> None:
    """1,5 must not become a text or the number 15."""
    rows = [f"{d}{delimiter}{v}".replace(".", ",") for d, v in ROWS]
    assert values(write_csv(text(f"date{delimiter}größe", rows))) == EXPECTED


def test_decimal_comma_first_seen_late(write_csv) -> None:
    """Whole numbers for many lines do not hide that 2,5 is written with a comma further down."""
    rows = [f"{d};{i}" for i, d in enumerate(days(200))]
    rows[150] = f"{days(200)[150]};2,5"
    assert values(write_csv(text("date;y", rows)), "y")[150] == 2.5


def test_thousands_or_decimals_are_asked_for(write_csv) -> None:
    """1,234 with semicolons may be both, where no other number says which."""
    path = write_csv(text("date;y", [f"{d};1,{100 + i}" for i, d in enumerate(days(9))]))
    with pytest.raises(DataError, match=r"'1,100' could be 1\.1 or 1100") as caught:
        values(path, "y")
    assert "data.decimal" in caught.value.hint
    assert load(path, target="y", decimal=",").target[0, 0] == 1.1
    assert load(path, target="y", decimal=".").target[0, 0] == 1100


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    assert values(path) == EXPECTED
    path.write_bytes(gzip.compress(PLAIN.encode())[:-20])
    with pytest.raises(DataError, match="damaged"):
        read(path)


def test_late_umlaut_in_an_old_encoding(write_csv) -> None:
    """The first 64 KB are ASCII; a later byte that is not UTF-8 must not stop the table."""
    rows = [f"{d},{i},plain" for i, d in enumerate(days(6000, "1990-01-01"))]
    rows[-1] = rows[-1].replace("plain", "größe")
    table = load(write_csv(text("date,y,note", rows), encoding="cp1252"), target="y", past="note")
    assert table.covariates["note"].labels == ("größe", "plain")


def test_parquet_pandas_polars_agree(tmp_path: Path) -> None:
    """The same rows, whichever way they come."""
    frame = pd.DataFrame({"date": pd.to_datetime([d for d, _ in ROWS]), "größe": EXPECTED})
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.parquet", pl.from_pandas(frame), pl.from_pandas(frame).lazy()):
        table = load(source)
        assert table.target[:, 0].tolist() == EXPECTED
        assert table.schema.frequency.name == "D"


PARQUET = {
    "categories": lambda f: f.assign(id=f["id"].astype("category")),
    "an index": lambda f: f.set_index("t"),
    "two indices": lambda f: f.set_index(["id", "t"]),
    "a zone": lambda f: f.assign(t=f["t"].dt.tz_localize("Europe/Berlin")),
    "nanoseconds": lambda f: f.assign(t=f["t"].astype("M8[ns]")),
    "seconds before 1970": lambda f: f.assign(t=(f["t"] - pd.Timedelta(days=30_000)).astype("M8[s]")),
    "days of Python": lambda f: f.assign(t=[t.date() for t in f["t"]]),
    "texts with gaps": lambda f: f.assign(id=f["id"].astype(object).where(f["y"] > 10, None)),
    "whole numbers with gaps": lambda f: f.assign(y=f["y"].astype(int).astype("Int64").mask(f["y"] > 100)),
    "types of Arrow": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "texts of their own": lambda f: f.assign(id=[f"x{i}" for i in range(len(f))]),
}


@pytest.mark.parametrize("kind", PARQUET)
def test_parquet_is_what_pandas_reads(tmp_path: Path, kind: str) -> None:
    """Prevents: a column, an index or a type of a Parquet file lost beside pandas' own reader."""
    plain = pd.DataFrame({"id": ["a", "b"] * 100, "t": pd.date_range("2020", periods=200), "y": np.arange(200) + 0.5})
    path = tmp_path / "t.parquet"
    PARQUET[kind](plain).to_parquet(path)
    expected = pd.read_parquet(path)
    named = expected.reset_index() if expected.index.names != [None] else expected
    actual = read(path).data
    assert list(actual.columns) == list(named.columns)
    for name in named:
        same = actual[name].astype(named[name].dtype) if actual[name].dtype == "category" else actual[name]
        pd.testing.assert_series_equal(same, named[name])


@pytest.mark.parametrize("cut", [4, 300, -30])
def test_a_damaged_parquet_file_is_named(tmp_path: Path, cut: int) -> None:
    """Prevents: an error of the reader's own for a file that was not written to its end."""
    path = tmp_path / "t.parquet"
    pd.DataFrame({"t": days(50), "y": range(50)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"t\.parquet: not a readable Parquet file"):
        read(path)


def test_index_of_times_is_not_lost(tmp_path: Path) -> None:
    """A frame indexed by time, as resample gives, has its time in the index alone."""
    frame = pd.DataFrame({"y": EXPECTED}, index=pd.DatetimeIndex([d for d, _ in ROWS]))
    assert load(frame).schema.time == "time"
    frame.index.name = "day"
    frame.to_parquet(tmp_path / "t.parquet")
    assert load(frame).schema.time == load(tmp_path / "t.parquet").schema.time == "day"
    assert load(frame["y"]).schema.target == ("y",)
    filtered = pd.DataFrame({"date": [d for d, _ in ROWS], "y": EXPECTED})[3:]
    assert load(filtered).schema.target == ("y",)


def test_frame_of_the_caller_is_left_alone() -> None:
    frame = pd.DataFrame({"date": [d for d, _ in ROWS], 5: EXPECTED}, index=range(3, 15))
    before = frame.copy()
    load(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_sloppy_files_read(write_csv) -> None:
    """What a person's CSV looks like: spaces, quotes, blank and empty lines, an index, trailing commas."""
    rows = [f"{d},{v}" for d, v in ROWS]
    clean = text("date,y", rows)
    sloppy = [
        clean + "\n\n   \n", clean + ",\n,\n", "\n\n" + clean,
        text("date , y", [r.replace(",", " , ") + "  " for r in rows]),
        text('"date","y"', [f'"{d}","{v}"' for d, v in ROWS]),
        text(",date,y", [f"{i},{r}" for i, r in enumerate(rows)]), text("date,y,", [r + "," for r in rows]),
        text("date,y", [r + "," for r in rows]), text("date,y,note", [r + ',"a\nb"' for r in rows]),
    ]  # fmt: skip
    for content in sloppy:
        table = load(write_csv(content))
        assert table.target[:, 0].tolist() == EXPECTED, content[:60]
        assert table.schema.time == "date"


@pytest.mark.parametrize("word", ["", " ", "NA", "N/A", "nan", "null", "None", "-", "--", "?", ".", "NA "])
def test_words_for_missing(write_csv, word: str) -> None:
    """People write a missing value in many ways; each is masked, none is an error or a zero."""
    rows = [f"{d},{v},x" for d, v in ROWS]
    rows[4] = f"{ROWS[4][0]},{word},x"
    assert np.flatnonzero(np.isnan(load(write_csv(text("date,y,n", rows)), target="y").target[:, 0])).tolist() == [4]


WRONG = {
    "empty": ("", "empty"),
    "blank": (" \n \n", "empty"),
    "header only": ("date,y\n", "a header but no rows"),
    "binary": (bytes(range(256)) * 40, "binary data"),
    "archive": (b"PK\x03\x04" + bytes(200), "spreadsheet or archive"),
    "web page": ("<!DOCTYPE html>\n<html></html>\n", "HTML or JSON"),
    "twice": ("date,y,y\n2024-01-01,1,2\n", "column 'y' appears more than once"),
    "data": ("2024-01-01,5\n2024-01-02,6\n2024-01-03,6\n", "the first line holds values, not column names"),
    "data with an id": ("a,2024-01-01,5\na,2024-01-02,6\n", "the first line holds values, not column names"),
    "open quote": ('date,y\n2024-01-01,5\n2024-01-02,"5\n2024-01-03,6\n', "cannot be cut into columns"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_unreadable_files_are_named(write_csv, kind: str) -> None:
    """Every message names the file, says what is wrong and gives a hint."""
    content, says = WRONG[kind]
    path = write_csv(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_ragged_rows_name_their_line(write_csv) -> None:
    """A row too long or too short would shift values into other columns, or lose them."""
    rows = [f"{d},{v},x" for d, v in ROWS]
    for bad in ("2024-03-01,1,2,3", "2024-03-01,1", "2024-03-01"):
        path = write_csv(text("date,y,z", [*rows[:5], "", bad, *rows[5:]]))
        with pytest.raises(DataError, match=rf"line 8 has {bad.count(',') + 1} columns, the header 3"):
            read(path)


def test_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "electricity.csv").write_text(PLAIN)
    with pytest.raises(DataError, match="no such file") as caught:
        read(tmp_path / "elektricity.csv")
    assert "did you mean 'electricity.csv'?" in caught.value.hint
    with pytest.raises(DataError, match="a directory"):
        read(tmp_path)


def test_other_things_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be read from list"):
        read([1, 2, 3])


def test_rows_are_numbered_as_an_editor_shows_them(write_csv) -> None:
    """Blank lines and fields with line breaks must not shift the line that a message names."""
    content = 'date,y,note\n\n2024-01-01,1,"two\nlines"\n2024-01-02,x,\n,,\n2024-01-03,zzz,\n'
    frame = read(write_csv(content))
    lines = content.split("\n")
    assert frame.row(0) == "row 1 (line 3)"
    assert frame.row(1) == "row 2 (line 5)"
    assert lines[5 - 1].startswith("2024-01-02")
    assert frame.row(2) == "row 3 (line 7)"
    assert frame.data["y"].tolist() == ["1", "x", "zzz"]
    assert read(pd.DataFrame({"a": [1]})).row(0) == "row 1"


@pytest.mark.parametrize("word", ["none", "None", "-", "?", "*", "missing", "null", "N/A"])
def test_a_category_may_be_any_word(write_csv, word: str) -> None:
    """A promotion called none is no missing promotion; among categories only an empty field and NaN are."""
    promotions = [word, "sale", "", "<NA>", "NaN", word]
    rows = [f"{d},{i},{p}" for i, (d, p) in enumerate(zip(days(6), promotions, strict=True))]
    table = load(write_csv(text("date,y,promotion", rows)), target="y", past="promotion")
    column = table.covariates["promotion"]
    assert column.labels == tuple(sorted((word, "sale")))
    read_back = [None if np.isnan(v) else column.labels[int(v)] for v in column.values]
    assert read_back == [word, "sale", None, None, None, word]
    only = [f"{d},{i},{word}" for i, d in enumerate(days(6))]  # at predict no other word may be left
    again = load_like(write_csv(text("date,y,promotion", only)), table.schema).covariates["promotion"]
    assert again.labels == (word,)
    assert (again.values == 0).all()


def test_a_damaged_description_of_parquet_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    """Prevents: a process that Arrow ends, as it is asked for the size of a column that cannot be.

    Every 2 of the footer is made 0 in turn: among them is what says that a column may have gaps.
    """
    whole = tmp_path / "whole.parquet"
    times = pd.date_range("2024-01-01", periods=9)
    pd.DataFrame({"t": times, "id": ["a"] * 9, "name": list("abcdefghi"), "y": range(9)}).to_parquet(whole)
    content = whole.read_bytes()
    begin = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    places = [place for place in range(begin, len(content) - 8) if content[place] == 2]

    def attack(case: int, folder: Path) -> str:
        changed = bytearray(content)
        changed[places[case]] = 0
        (folder / "table.parquet").write_bytes(changed)
        read(folder / "table.parquet")
        return "read"

    ends = pool.run(attack, len(places), 1)
    assert not ends.failures
    assert ends.ends["DataError"] > 0
    assert sum(ends.ends.values()) == len(places) > 20
