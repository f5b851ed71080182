"""Times: every format is read, written back as it came, and placed on the right instant."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import load, text
from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import table as tables
from tsforge.data.table.table import Table
from tsforge.data.table.times import format_times
from tsforge.data.time.calendar import wall_clock
from tsforge.errors import DataError

BERLIN = "Europe/Berlin"


def written(table: Table, ahead: int = 0) -> pd.Series:
    """The times of a table as it writes them, and some steps more."""
    ordinals = np.r_[table.ordinal, table.ordinal[-1] + 1 + np.arange(ahead)]
    return format_times(table.schema.frequency.stamps(ordinals), table.schema)


def at(form: str, n: int = 30, freq: str = "D") -> list[str]:
    return list(pd.date_range("2019-12-30", periods=n, freq=freq).strftime(form))


QUARTERS = ("{y}Q{q}", "{y}-Q{q}", "Q{q} {y}")
FORMATS = {
    "iso": (at("%Y-%m-%d"), "D"),
    "iso hours": (at("%Y-%m-%d %H:%M:%S", freq="h"), "h"),
    "iso T": (at("%Y-%m-%dT%H:%M", freq="15min"), "15min"),
    "Z": (at("%Y-%m-%dT%H:%M:%SZ", freq="min"), "min"),
    "fixed offset": (at("%Y-%m-%d %H:%M:%S+05:30", freq="h"), "h"),
    "offset without colon": (at("%Y-%m-%dT%H:%M:%S-0300", freq="h"), "h"),
    "milliseconds": ([t[:-3] for t in at("%Y-%m-%d %H:%M:%S.%f", freq="100ms")], "100ms"),
    "microseconds": (at("%Y-%m-%d %H:%M:%S.%f", freq="100ms"), "100ms"),
    "day first": (at("%d/%m/%Y"), "D"),
    "month first": (at("%m/%d/%Y"), "D"),
    "no zeros": ([f"{d.month}/{d.day}/{d.year}" for d in pd.date_range("2020-01-01", periods=40)], "D"),
    "short years": (at("%m/%d/%y"), "D"),
    "points": (at("%d.%m.%Y %H:%M", n=80, freq="h"), "h"),
    "noon": (at("%m/%d/%Y %I:%M %p", n=400, freq="h"), "h"),
    "words": (at("%d-%b-%Y"), "D"),
    "long words": (at("%B %d, %Y"), "D"),
    "months": (at("%Y-%m", freq="MS"), "MS"),
    "months in words": (at("%b-%Y", freq="MS"), "MS"),
    "months behind a slash": (at("%m/%Y", freq="MS"), "MS"),
    "weeks": (at("%G-W%V", freq="W-MON"), "W"),
    "compact text": (at("%Y%m%d"), "D"),
    **{form: ([form.format(y=y, q=q) for y in range(1990, 1996) for q in range(1, 5)], "QS") for form in QUARTERS},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_text_comes_back_as_it_was(kind: str) -> None:
    """A forecast that writes its times differently cannot be joined to the table it came from."""
    times, name = FORMATS[kind]
    table = load(pd.DataFrame({"ds": times[:-2], "y": np.arange(len(times) - 2.0)}))
    assert table.schema.frequency.name == name
    back = written(table, ahead=2)
    assert back.tolist() == times
    assert pd.api.types.is_string_dtype(back)


NUMBERS = {
    "20240131": ([int(t) for t in at("%Y%m%d")], "D", np.int64),
    "202401": ([int(t) for t in at("%Y%m", freq="MS")], "MS", np.int64),
    "years": (list(range(1949, 1979)), "1", np.int64),
    "every third": (list(range(5, 95, 3)), "3", np.int64),
    "negative": (list(range(-20, 10)), "1", np.int64),
    "seconds since 1970": (list(range(1_700_000_000, 1_700_000_000 + 30 * 3600, 3600)), "h", np.int64),
    "milliseconds since 1970": (list(range(1_700_000_000_000, 1_700_000_030_000, 1000)), "s", np.int64),
    "tenths": ([round(0.1 * i, 1) for i in range(3, 33)], "0.1", np.float64),
    "quarters of a year": ([1990 + i / 4 for i in range(30)], "0.25", np.float64),
    "whole decimals": ([float(i) for i in range(30)], "1", np.float64),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_come_back_as_they_were(kind: str) -> None:
    times, name, dtype = NUMBERS[kind]
    table = load(pd.DataFrame({"t": times[:-2], "y": np.arange(28.0)}), time="t")
    assert table.schema.frequency.name == name
    back = written(table, ahead=2)
    assert back.tolist() == times
    assert back.dtype == dtype


def test_columns_of_times_keep_their_type() -> None:
    """Datetimes stay datetimes, naive or in their zone; a column of dates reads as days."""
    for zone in (None, "UTC", BERLIN, "America/New_York", "+05:30"):
        times = pd.date_range("2024-03-28", periods=90, freq="h", tz=zone)
        table = load(pd.DataFrame({"ds": times[:80], "y": np.arange(80.0)}))
        back = written(table, ahead=10)
        assert list(back) == list(times)
        assert str(back.dt.tz) == str(times.tz)
    dates = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(9)]
    assert load(pd.DataFrame({"ds": dates, "y": range(9)})).schema.frequency.name == "D"


# --- day first or month first ---------------------------------------------------------------------------------


def test_day_first_where_only_that_is_regular() -> None:
    """01/02/2020 ... 01/12/2020 reads both ways; the times that make sense win."""
    days = pd.date_range("2020-02-01", periods=10, freq="D").strftime("%d/%m/%Y")  # month first: 2 Jan, 2 Feb, ...
    assert written(load(pd.DataFrame({"ds": days, "y": range(10)}))).tolist() == list(days)
    long = pd.date_range("2020-02-01", periods=20, freq="D").strftime("%d/%m/%Y")
    schema = load(pd.DataFrame({"ds": long, "y": range(20)})).schema
    assert (schema.time_format, schema.frequency.name) == ("%d/%m/%Y", "D")


def test_what_reads_both_ways_is_said(caplog) -> None:
    firsts = [f"01/{m:02d}/2020" for m in range(1, 13)]
    load(pd.DataFrame({"ds": firsts, "y": range(12)}))
    assert "is read as %m/%d/%Y; it could also be %d/%m/%Y" in caplog.text


def test_a_fitted_reading_is_kept() -> None:
    """A short table at predict reads both ways: it must be read as the training data was."""
    long = pd.date_range("2020-01-01", periods=60, freq="D").strftime("%d/%m/%Y")
    schema = load(pd.DataFrame({"ds": long, "y": range(60)})).schema
    short = pd.DataFrame({"ds": ["01/03/2020", "02/03/2020", "03/03/2020"], "y": [1, 2, 3]})
    assert np.diff(tables.load_like(short, schema).ordinal).tolist() == [1, 1]
    quarters = load(pd.DataFrame({"t": np.arange(40) / 4, "y": range(40)}), time="t").schema
    whole = pd.DataFrame({"t": [0.0, 1.0, 2.0], "y": [1, 2, 3]})
    assert tables.load_like(whole, quarters).ordinal.tolist() == [0, 4, 8]


# --- zones ----------------------------------------------------------------------------------------------------

CHANGES = {"spring": "2024-03-30 12:00", "autumn": "2024-10-26 12:00"}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("freq", ["h", "15min"])
def test_through_a_clock_change(change: str, freq: str) -> None:
    """Hours in a zone lie evenly in UTC: no gap in spring, no duplicate in autumn, however they are written."""
    aware = pd.date_range(CHANGES[change], periods=120, freq=freq, tz=BERLIN)
    n = 110
    sources = {
        "aware": pd.Series(aware),
        "naive": pd.Series(aware.tz_localize(None)),
        "naive text": pd.Series(aware.strftime("%Y-%m-%d %H:%M")),
        "offsets": pd.Series([t.isoformat() for t in aware]),
        "UTC": pd.Series(aware.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")),
    }
    for kind, times in sources.items():
        frame = pd.DataFrame({"ds": times[:n], "y": np.arange(n * 1.0)})
        table = load(frame, timezone=BERLIN)
        assert table.schema.frequency.name == freq, kind
        assert np.diff(table.ordinal).tolist() == [1] * (n - 1), kind
        assert table.target[:, 0].tolist() == list(range(n)), kind
        assert table.schema.frequency.stamps(table.ordinal[:1])[0] == aware[0].value // 1000, kind
        assert written(table, ahead=10).tolist() == times.tolist(), kind


def test_repeated_hour_in_any_layout() -> None:
    """Several series after each other, shuffled, or newest first: the two 02:00 keep their order."""
    aware = pd.date_range("2024-10-26 20:00", periods=20, freq="h", tz=BERLIN)
    naive = aware.tz_localize(None)
    frame = pd.DataFrame({"id": np.repeat(["b", "a"], 20), "ds": [*naive, *naive], "y": np.arange(40.0)})
    table = load(frame, timezone=BERLIN)
    assert table.target[:, 0].tolist() == list(range(40))
    turned = load(frame[::-1].reset_index(drop=True), timezone=BERLIN)
    assert turned.target[:, 0].tolist() == [*range(20, 40), *range(20)]
    between = frame.sort_values("ds", kind="stable").reset_index(drop=True)
    assert load(between, timezone=BERLIN).target[:, 0].tolist() == list(range(40))


def test_repeated_hour_without_a_zone_is_explained() -> None:
    naive = pd.date_range("2024-10-26 20:00", periods=20, freq="h", tz=BERLIN).tz_localize(None)
    with pytest.raises(DataError, match="1 duplicate time: row 8, time 2024-10-27 02:00:00 repeats row 7") as caught:
        load(pd.DataFrame({"ds": naive, "y": range(20)}))
    assert "data.timezone" in caught.value.hint


def test_an_hour_that_does_not_exist() -> None:
    naive = pd.date_range("2024-03-30 20:00", periods=20, freq="h")
    with pytest.raises(DataError, match=r"row 7, time 2024-03-31 02:00:00 does not exist in Europe/Berlin") as caught:
        load(pd.DataFrame({"ds": naive, "y": range(20)}), timezone=BERLIN)
    assert caught.value.hint


def test_days_in_a_zone_are_local_days() -> None:
    """Local midnights are 23 or 25 hours apart in UTC; some do not exist at all."""
    for zone in (BERLIN, "America/Sao_Paulo", "America/Havana"):
        for start in ("2018-10-25", "2018-02-10", "2018-03-08"):
            naive = pd.date_range(start, periods=30, freq="D")
            named = load(pd.DataFrame({"ds": naive[:25], "y": range(25)}), timezone=zone)
            assert named.schema.frequency.name == "D"
            assert written(named, ahead=5).tolist() == list(naive)
    aware = pd.date_range("2024-03-20", periods=30, freq="D", tz=BERLIN)
    table = load(pd.DataFrame({"ds": aware[:25], "y": range(25)}))
    assert (table.schema.frequency.name, table.schema.wall_grid) == ("D", True)
    assert written(table, ahead=5).tolist() == list(aware)
    months = pd.date_range("2024-01-01", periods=20, freq="MS", tz=BERLIN)
    table = load(pd.DataFrame({"ds": [t.isoformat() for t in months], "y": range(20)}), timezone=BERLIN)
    assert table.schema.frequency.name == "MS"


def test_local_days_with_offsets_need_their_zone() -> None:
    """Without a zone they look irregular; the message says how to fix that."""
    aware = pd.date_range("2024-03-20", periods=30, freq="D", tz=BERLIN)
    with pytest.raises(DataError, match="irregular times") as caught:
        load(pd.DataFrame({"ds": [t.isoformat() for t in aware], "y": range(30)}))
    assert "data.timezone" in caught.value.hint


@pytest.mark.parametrize("zone", [BERLIN, "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "UTC-03:00"])
def test_wall_clock_is_pandas(zone: str) -> None:
    """Every hour of two years against pandas' own conversion."""
    times = pd.date_range("2022-12-31", "2025-01-02", freq="30min", tz="UTC")
    stamps = times.tz_localize(None).as_unit("us").to_numpy().view(np.int64)
    local = times.tz_convert(zone).tz_localize(None).as_unit("us").to_numpy().view(np.int64)
    np.testing.assert_array_equal(wall_clock(stamps, zone), local)


def test_unknown_zone() -> None:
    with pytest.raises(DataError, match="there is no time zone 'Europe/Berln'") as caught:
        load(pd.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": [1, 2]}), timezone="Europe/Berln")
    assert "Europe/Berlin" in caught.value.hint


# --- what does not read ---------------------------------------------------------------------------------------


def test_unreadable_and_missing_times_name_their_row(write_csv) -> None:
    rows = [f"2024-01-{d:02d},{d}" for d in range(1, 20)]
    path = write_csv(text("date,y", [*rows[:4], "yesterday,3", *rows[5:]]))
    with pytest.raises(DataError, match=r"column 'date', row 5 \(line 6\): 'yesterday' does not read") as caught:
        load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    offsets = [f"2024-01-01T{h:02d}:00:00+01:00,{h}" for h in range(9)]
    for bad, says in (
        ([*rows[:4], ",3", ",4", *rows[5:]], r"column 'date' has no time in row 5 \(line 6\) and 1 more rows"),
        ([*rows, "2024-02-30,3"], "'2024-02-30' does not read as a time"),
        ([*offsets, "2024-01-01T09:00:00,3"], "'2024-01-01T09:00:00' does not read as a time"),
    ):
        with pytest.raises(DataError, match=says):
            load(write_csv(text("date,y", bad)))


def test_midnights_without_an_hour(write_csv) -> None:
    """str() of a timestamp leaves out what is zero: 2020-01-01 among 2020-01-01 01:00:00."""
    times = pd.date_range("2020-01-01", periods=50, freq="h")
    rows = [f"{t.date() if t.hour == 0 else t},{i}" for i, t in enumerate(times)]
    assert load(write_csv(text("ds,y", rows))).schema.frequency.name == "h"
    tenths = [f"{t},{i}" for i, t in enumerate(pd.date_range("2020-01-01", periods=50, freq="100ms"))]
    table = load(write_csv(text("ds,y", tenths)))
    assert table.schema.frequency.name == "100ms"
    assert pd.to_datetime(written(table)).tolist() == list(pd.date_range("2020-01-01", periods=50, freq="100ms"))


def test_schema_survives_json() -> None:
    """A model directory holds the schema as JSON; its times must be written the same afterwards."""
    aware = pd.date_range("2024-10-26", periods=40, freq="h", tz=BERLIN).tz_localize(None)
    table = tables.load(pd.DataFrame({"ds": aware, "y": range(40)}), DataConfig(timezone=BERLIN))
    back = Schema.model_validate_json(table.schema.model_dump_json())
    stamps = table.schema.frequency.stamps(table.ordinal)
    assert format_times(stamps, back).tolist() == format_times(stamps, table.schema).tolist() == list(aware)
