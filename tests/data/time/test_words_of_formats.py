"""Spellings with words of their own: read, and written back letter by letter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import load
from tsforge.data.table.times import format_times
from tsforge.errors import DataError

MONTHS = pd.date_range("2018-03-01", periods=60, freq="MS")
HOURS = pd.date_range("2024-01-28", periods=200, freq="h")
DAYS = pd.date_range("2024-08-20", periods=60)
QUARTERS = pd.date_range("2001-04-01", periods=60, freq="QS")
TEXTS = {
    "Sept": ([d.strftime("%b %Y").replace("Sep", "Sept") for d in MONTHS], "MS"),
    "days in Sept": ([d.strftime("%d %b %Y").replace("Sep", "Sept") for d in DAYS], "D"),
    "spaces before digits": ([f"{d:%b} {d.day:2d} {d:%Y} {(d.hour + 11) % 12 + 1:2d}:{d:%M%p}" for d in HOURS], "h"),
    "years from 2024": ([d.strftime("%b-%y") for d in pd.date_range("2024-01-01", periods=60, freq="MS")], "MS"),
    "quarters behind a point": ([f"{d.year}.{d.quarter}" for d in QUARTERS], "QS"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_come_back_letter_by_letter(tmp_path, kind: str) -> None:
    """Prevents: forecasts of 'Sep 2024' beside 'Sept 2024', or of 'Jan 01' beside 'Jan  1'."""
    texts, freq = TEXTS[kind]
    pd.DataFrame({"when": texts[:50], "y": np.arange(50.0)}).to_csv(tmp_path / "x.csv", index=False)
    table = load(tmp_path / "x.csv", time="when", target="y")
    steps = np.r_[table.ordinal, table.ordinal[-1] + 1 + np.arange(len(texts) - 50)]
    assert table.schema.frequency.name == freq
    assert format_times(table.schema.frequency.stamps(steps), table.schema).astype("str").tolist() == texts


@pytest.mark.parametrize("file", [True, False])
def test_months_that_lost_their_last_zero(tmp_path, *, file: bool) -> None:
    """Prevents: 2019.1, October beside 2019.09 and 2019.11, taken for a tenth of a year, or coming back as 2019.10."""
    numbers = [float(d.strftime("%Y.%m")) for d in MONTHS]
    source = pd.DataFrame({"when": numbers[:50], "y": np.arange(50.0)})
    if file:
        source.to_csv(tmp_path / "x.csv", index=False)
    table = load(tmp_path / "x.csv" if file else source, time="when", target="y")
    back = format_times(table.schema.frequency.stamps(np.arange(60) + table.ordinal[0]), table.schema)
    assert table.schema.frequency.name == "MS"
    assert back.tolist() == numbers


@pytest.mark.parametrize(
    ("numbers", "bad"),
    [
        ([201910, 201911, 201912, 201913, 202001, 202002, 202003], 201913),
        ([20191, 20192, 20193, 20194, 20195, 20201, 20202, 20203], 20195),
        ([2023123121, 2023123122, 2023123123, 2023123124, 2024010100, 2024010101], 2023123124),
    ],
)
def test_a_number_that_is_no_period_is_named(numbers: list[int], bad: int) -> None:
    """Prevents: months read as weeks, quarters as a count and hours as seconds since 1970, for one mistyped number."""
    with pytest.raises(DataError, match=f"'{bad}' does not read as a time"):
        load(pd.DataFrame({"when": numbers, "y": 1.0}), time="when", target="y")


def test_numbers_that_only_look_like_periods_stay_counts() -> None:
    """Prevents: a running number of six digits refused because some of it reads as months."""
    for first in (201901, 20191, 1999990):
        table = load(pd.DataFrame({"when": np.arange(first, first + 60), "y": 1.0}), time="when", target="y")
        assert (table.schema.time_kind, table.schema.frequency.name) == ("integer", "1")
