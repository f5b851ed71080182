"""Text files: what repeats and what is a number is held in another way, and read the same."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest

from tests.helpers.tables import days, load, text
from tsforge.data.table.reading import read
from tsforge.errors import DataError


def values(source: object) -> list[float]:
    return load(source, target="y").target[:, 0].tolist()


LONG = 60_000  # rows of a file that is longer than the part that shows how its columns are best held


@pytest.mark.parametrize(
    ("cell", "value"), [('"1,060"', 1060.0), ("+5.5", 5.5), ("1e3", 1000.0), ("NA", None), ("", None), ("5.5\t", 5.5)]
)
def test_what_stands_late_among_decimals(write_csv, cell: str, value: float | None) -> None:
    """Where the first cells are decimals, a column is read as numbers at once: a late cell reads as it always did."""
    times = pd.date_range("2000-01-01", periods=LONG, freq="h").strftime("%Y-%m-%d %H:%M").tolist()
    cells = [f"{0.25 + i % 977}" for i in range(LONG)]
    cells[-3] = cell
    read_back = values(write_csv(text("time,y", [f"{t},{c}" for t, c in zip(times, cells, strict=True)])))
    expected = [0.25 + i % 977 for i in range(LONG)]
    assert read_back[:-3] == expected[:-3]
    assert read_back[-2:] == expected[-2:]
    assert math.isnan(read_back[-3]) if value is None else read_back[-3] == value


@pytest.mark.parametrize("cell", ["Nan", "+nan", "0x10", "1_000", "1.020.000", "10 EUR"])
def test_no_number_late_among_decimals(write_csv, cell: str) -> None:
    """What is no number is named with its line, however far down it stands, and is not taken for a gap."""
    times = pd.date_range("2000-01-01", periods=LONG, freq="h").strftime("%Y-%m-%d %H:%M").tolist()
    rows = [f"{t},{0.25 + i % 977}" for i, t in enumerate(times)]
    rows[-3] = f"{times[-3]},{cell}"
    with pytest.raises(DataError, match=rf"line {LONG - 1}\): '{re.escape(cell)}' is not a number"):
        values(write_csv(text("time,y", rows)))


@pytest.mark.parametrize("ids", [("1.10", "1.1"), ("2.50", "2.5"), ("0.70", "00.7")])
def test_decimals_come_back_as_text_where_they_name_something(write_csv, ids: tuple[str, str]) -> None:
    """1.10 and 1.1 are one number and two names: as ids and as categories, beside a target of decimals."""
    rows = [f"{name},{d},{i + 0.5},{name}" for name in ids for i, d in enumerate(days(20))]
    path = write_csv(text("id,date,y,kind", rows))
    table = load(path, id="id", target="y", past="kind", category="kind")
    assert tuple(table.ids[0]) == ids
    assert table.covariates["kind"].labels == tuple(sorted(ids))
    assert table.target[:, 0].tolist() == [i + 0.5 for _ in ids for i in range(20)]


@pytest.mark.parametrize("space", [" ", "\t", "\u00a0"])
def test_spaces_around_texts_that_repeat(write_csv, space: str) -> None:
    """An id with a space behind it in some rows is one series, not two."""
    rows = [f"a{space if i % 2 else ''},{d},{i + 0.5}" for i, d in enumerate(days(40))]
    rows += [f"b,{d},{i}.5" for i, d in enumerate(days(40))]
    assert tuple(load(write_csv(text("id,date,y", rows))).ids[0]) == ("a", "b")


@pytest.mark.parametrize("empty", [",,", "NA,NA,NA", " , , "])
def test_empty_rows_between_ids_and_decimals(write_csv, empty: str) -> None:
    """A row in which nothing stands is no series, and the lines of the others are counted with it."""
    rows = [f"{name},{d},{i + 0.5}" for name in "ab" for i, d in enumerate(days(20))]
    rows.insert(30, empty)
    path = write_csv(text("id,date,y", rows))
    table = load(path)
    assert tuple(table.ids[0]) == ("a", "b")
    assert len(table.target) == 40
    assert read(path).row(30) == "row 31 (line 33)"
