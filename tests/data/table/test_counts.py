"""Times packed into numbers: periods, counts, seconds since 1970."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.data.table.test_choosing import csv, span, written
from tests.helpers.tables import load, text
from tsforge.data.table.table import load_like
from tsforge.errors import DataError

PACKED = {
    "weeks": ([int(f"{y}{w:02d}") for y in (2017, 2018, 2019) for w in range(1, 53)], "W"),
    "weeks of a long year": ([int(f"2020{w:02d}") for w in range(30, 54)] + [202101, 202102, 202103], "W"),
    "quarters": ([int(f"{y}{q}") for y in range(1995, 2010) for q in range(1, 5)], "QS"),
    "days of the year": ([int(t) for t in span("2018-12-01", 90, "D", "%Y%j")], "D"),
    "hours": ([int(t) for t in span("2023-12-20", 400, "h", "%Y%m%d%H")], "h"),
    "minutes": ([int(t) for t in span("2023-12-31 20:00", 500, "min", "%Y%m%d%H%M")], "min"),
    "seconds": ([int(t) for t in span("2023-12-31 23:50", 1500, "s", "%Y%m%d%H%M%S")], "s"),
    "months": ([int(t) for t in span("2016-10-01", 50, "MS", "%Y%m")], "MS"),
    "halves": ([int(f"{y}{h}") for y in range(1991, 2020) for h in (1, 2)], "2QS"),
    "thirds": ([int(f"{y}{t}") for y in range(2001, 2015) for t in (1, 2, 3)], "4MS"),
    "months without zeros": ([int(f"{y}{m}") for y in range(2015, 2020) for m in range(1, 13)], "MS"),
    "weeks without zeros": ([int(f"{y}{w}") for y in (2017, 2018, 2019) for w in range(1, 53)], "W"),
    "weeks of short years": ([int(f"{y}{w:02d}") for y in (17, 18, 19) for w in range(1, 53)], "W"),
    "months of short years": ([int(f"{y}{m:02d}") for y in range(11, 19) for m in range(1, 13)], "MS"),
    "days of short years": ([int(t) for t in span("2019-11-15", 90, "D", "%y%m%d")], "D"),
    "days of years of one digit": ([int(t) for t in span("2004-11-15", 90, "D", "%y%m%d")], "D"),
    "days counted in short years": ([int(t) for t in span("2018-11-15", 90, "D", "%y%j")], "D"),
    "a count from a year and a week on": (list(range(1_801, 2_053)), "1"),
    "a count that looks like days of a month": (list(range(220_101, 220_131)), "1"),
    "years": (list(range(1_988, 2_022)), "1"),
    "a count that looks like months": (list(range(201_900, 202_300)), "1"),
    "a count that looks like days": (list(range(20_240_000, 20_240_400)), "1"),
    "seconds since 1970": (list(range(1_900_000_000, 1_900_000_000 + 300 * 3600, 3600)), "h"),
    "nanoseconds since 1970": ([1_700_000_000_000_000_000 + i * 10**9 * 60 for i in range(200)], "min"),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("typed", [False, True])
def test_periods_packed_into_numbers(write_csv, kind: str, typed: bool) -> None:
    """Prevents: 201952 counted on to 201953, and 2023123123 taken for seconds since 1970."""
    times, name = PACKED[kind]
    source = pd.DataFrame({"t": times[:-2], "y": np.arange(len(times) - 2.0)}) if typed else csv(write_csv, times[:-2])
    table = load(source, target="y")
    assert table.schema.frequency.name == name
    assert np.diff(table.ordinal).tolist() == [1] * (len(times) - 3)
    assert written(table, ahead=2) == times


@pytest.mark.parametrize(("times", "bad"), [
    ([201950, 201951, 201952, 201953, 202001, 202002, 202003, 202004], "201953"),
    ([*(int(t) for t in span("2023-12-25", 300, "h", "%Y%m%d%H")), 2024010624], "2024010624"),
    ([*(int(t) for t in span("2020-01-01", 40, "D", "%Y%m%d")), 20200230, 20200301], "20200230"),
])  # fmt: skip
def test_a_period_that_does_not_exist_is_named(write_csv, times: list[int], bad: str) -> None:
    """Prevents: one wrong period that turns the whole column into a count."""
    with pytest.raises(DataError, match=rf"row {times.index(int(bad)) + 1} \(.*'{bad}' does not read as a time"):
        load(csv(write_csv, times))


@pytest.mark.parametrize("name", ["q", "per", "kw", "stamp", "yrday", "hj"])
@pytest.mark.parametrize(
    "kind", ["quarters", "halves", "months", "weeks", "days of the year", "hours", "weeks without zeros"]
)
def test_packed_periods_under_names_that_say_nothing(write_csv, kind: str, name: str) -> None:
    """Prevents: `no column reads as the time` for a column of periods that is not called period."""
    times, freq = PACKED[kind]
    table = load(csv(write_csv, times, name=name))
    assert (table.schema.time, table.schema.target) == (name, ("y",))
    assert table.schema.frequency.name == freq


def test_numbers_that_are_no_periods(write_csv) -> None:
    """Prevents: numbers of invoices or amounts near 2,000 taken for the times of a table."""
    for numbers in (
        [201_900 + 7 * i for i in range(60)],
        [201_987, 201_903, 201_950, 201_999],
        [2_012.5, 1_999.25, 2_003.1],
    ):
        rows = [f"{n},{i}" for i, n in enumerate(numbers)]
        with pytest.raises(DataError, match=r"no column reads as the time|could be the target"):
            load(write_csv(text("number,y", [f"{r % 7}{rows[r]}" for r in range(len(rows))])))


@pytest.mark.parametrize(("name", "times", "freq"), [
    ("date", span("2022-01-01", 31, "D", "%y%m%d"), "D"), ("Datum", span("2023-02-01", 25, "D", "%y%m%d"), "D"),
    ("day", span("2021-03-01", 60, "D", "%y%j"), "D"), ("week", [f"19{w:02d}" for w in range(1, 53)], "W"),
    ("month", [f"18{m:02d}" for m in range(1, 13)], "MS"),
])  # fmt: skip
def test_names_tell_short_years_from_counts(write_csv, name: str, times: list[str], freq: str) -> None:
    """Prevents: the days of one month counted on to the 32nd, where the column is called date."""
    table = load(csv(write_csv, times, name=name))
    assert table.schema.frequency.name == freq
    assert [str(t) for t in written(table)] == times


@pytest.mark.parametrize("form", ["{y}.{m}", "{y}{m}"])
def test_months_without_zeros_behind_a_point(write_csv, form: str) -> None:
    """Prevents: 2015.10, written with its zero, taken for the January beside it."""
    times = [form.format(y=d.year, m=d.month) for d in pd.date_range("2015-01-01", periods=70, freq="MS")]
    table = load(csv(write_csv, times[:-4]))
    assert table.schema.frequency.name == "MS"
    assert [str(t) for t in written(table, ahead=4)] == times


@pytest.mark.parametrize("first", ["2015-01-01", "2003-10-01", "2019-06-01"])
def test_october_that_became_january_is_not_joined(write_csv, first: str) -> None:
    """Prevents: the mean of January and October where a spreadsheet wrote both as 2015.1."""
    times = [f"{d.year}.{d.month}".removesuffix("0") for d in pd.date_range(first, periods=48, freq="MS")]
    with pytest.raises(DataError, match=r"duplicate times.*time \d{4}\.1 ") as caught:
        load(csv(write_csv, times))
    assert "2015.10" in caught.value.hint
    assert "duplicates" not in caught.value.hint
    assert not caught.value.choices


@pytest.mark.parametrize(("form", "freq"), [("%Y.%m", "MS"), ("%G.%V", "W-MON"), ("%Y.%j", "D")])
def test_periods_with_a_point(write_csv, form: str, freq: str) -> None:
    """Prevents: 2019.10 read as a number smaller than 2019.9, and written as 2019.1."""
    times = span("2018-01-01", 80, freq, form)
    table = load(csv(write_csv, times[:-2]))
    assert np.diff(table.ordinal).tolist() == [1] * 77
    assert written(table, ahead=2) == times


@pytest.mark.parametrize("kind", ["weeks", "months", "days of the year", "hours", "quarters"])
@pytest.mark.parametrize("typed", [False, True])
def test_packed_periods_that_became_decimals(write_csv, kind: str, typed: bool) -> None:
    """Prevents: 202052.0, as a join writes it, counted on to 202053.0 and 202054.0."""
    times, freq = PACKED[kind]
    written_times = [float(t) if typed else f"{t}.0" for t in times]
    source = (
        pd.DataFrame({"t": written_times[:-2], "y": np.arange(len(times) - 2.0)})
        if typed
        else csv(write_csv, written_times[:-2])
    )
    table = load(source, target="y")
    assert table.schema.frequency.name == freq
    assert written(table, ahead=2) == written_times
    later = written_times[-9:]
    again = load_like(pd.DataFrame({"t": later, "y": 1.0}) if typed else csv(write_csv, later), table.schema)
    assert again.ordinal[-1] == table.ordinal[-1] + 2


@pytest.mark.parametrize(("times", "form"), [
    (span("2024-01-01", 40, "D", "%Y%m%d.0"), "%Y%m%d"), (span("2015-01-01", 40, "MS", "%Y.%m"), "%Y.%m"),
    (span("2024-01-01", 40, "D", "%d%m.%Y"), "%d%m.%Y"),
])  # fmt: skip
def test_a_format_is_heard_for_numbers_with_a_point(write_csv, times: list[str], form: str) -> None:
    """Prevents: --time-format passed over without a word."""
    table = load(csv(write_csv, times[:-2]), time="time", time_format=form)
    assert written(table, ahead=2) == times
