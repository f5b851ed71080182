"""Local times over a clock change that name the end of each hour, against a walk from hour to hour with zoneinfo."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import lay, load
from tsforge.data.lookup import origin
from tsforge.data.table.table import load_like
from tsforge.data.table.times import format_times
from tsforge.errors import DataError

N = 60
# The zone, a time of UTC a day before its clock changes, and minutes of a step.
CHANGES = {
    "Berlin in spring": ("Europe/Berlin", datetime(2024, 3, 30, 4, tzinfo=UTC), 60),
    "Berlin in autumn": ("Europe/Berlin", datetime(2024, 10, 26, 4, tzinfo=UTC), 60),
    "New York in spring": ("America/New_York", datetime(2024, 3, 9, 9, tzinfo=UTC), 60),
    "New York in autumn": ("America/New_York", datetime(2023, 11, 4, 9, tzinfo=UTC), 60),
    "Sydney in autumn": ("Australia/Sydney", datetime(2024, 4, 6, 2, tzinfo=UTC), 60),
    "quarters of an hour": ("Europe/Madrid", datetime(2024, 10, 26, 20, tzinfo=UTC), 15),
    "half hours in spring": ("Europe/London", datetime(2024, 3, 30, 16, tzinfo=UTC), 30),
}


def ends(change: str, *, midnight: bool = False) -> tuple[list[str], list[int]]:
    """The local time at which each step ends, an hour ahead of its begin on the wall; and when it begins, in UTC.

    midnight: the end of a day is written as its 24:00.
    """
    zone, start, minutes = CHANGES[change]
    texts, begins = [], []
    for k in range(N + 5):
        begin = start + k * timedelta(minutes=minutes)
        wall = begin.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        end = wall + timedelta(minutes=minutes)
        text = end.strftime("%Y-%m-%d %H:%M")
        if midnight and (end.hour, end.minute) == (0, 0):
            text = wall.strftime("%Y-%m-%d 24:00")
        texts.append(text)
        begins.append(int(begin.timestamp()) * 1_000_000)
    return texts, begins


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("midnight", [False, True])
def test_ends_of_hours_over_a_clock_change(change: str, midnight: bool, caplog) -> None:
    """The day of a change was refused, or an hour was missing and another double, in every table of hour ends."""
    texts, begins = ends(change, midnight=midnight)
    frame = pd.DataFrame({"time": texts[:N], "y": np.arange(float(N))})
    with caplog.at_level(logging.WARNING, "tsforge"):
        table = load(frame, timezone=CHANGES[change][0])
    assert "is read as the ends of steps" in caplog.text
    assert table.target[:, 0].tolist() == list(range(N))
    assert table.schema.frequency.stamps(table.ordinal).tolist() == begins[:N]
    ahead = table.schema.frequency.stamps(np.r_[table.ordinal, table.ordinal[-1] + 1 + np.arange(5)])
    assert format_times(ahead, table.schema).astype(str).tolist() == texts
    again = load_like(pd.DataFrame({"time": texts[-9:], "y": 0.0}), table.schema)
    assert table.schema.frequency.stamps(again.ordinal).tolist() == begins[-9:]


@pytest.mark.parametrize("change", CHANGES)
def test_begins_stay_begins(change: str, caplog) -> None:
    """Times that exist as they are written are never moved by an hour."""
    zone, start, minutes = CHANGES[change]
    times = [(start + k * timedelta(minutes=minutes)).astimezone(ZoneInfo(zone)) for k in range(N)]
    frame = pd.DataFrame({"time": [t.strftime("%Y-%m-%d %H:%M") for t in times], "y": range(N)})
    table = load(frame, timezone=zone)
    assert table.schema.ending == 0
    assert "ends of steps" not in caplog.text
    expected = [int(t.timestamp()) * 1_000_000 for t in times]
    assert table.schema.frequency.stamps(table.ordinal).tolist() == expected


@pytest.mark.parametrize("day", ["2024-03-31", "2024-10-27", "2024-06-02"])
def test_neither_begins_nor_ends(day: str) -> None:
    """A clock without changes, or a row that is there twice, fits no reading: the mistake is named as before."""
    times = pd.date_range(f"{day} 00:00", periods=24, freq="h") - pd.Timedelta("10h")
    times = times.insert(20, times[20]) if day != "2024-03-31" else pd.date_range(day, periods=24, freq="h")
    frame = pd.DataFrame({"time": times.strftime("%Y-%m-%d %H:%M"), "y": range(len(times))})
    with pytest.raises(DataError, match=r"does not exist in Europe/Berlin|1 duplicate time"):
        load(frame, timezone="Europe/Berlin")


@pytest.mark.parametrize("change", ["Berlin in spring", "New York in autumn"])
def test_hours_1_to_24_in_a_column(change: str, tmp_path: Path) -> None:
    """Date and hour 1 to 24 in two columns, over a change: read from a file, forecast on, and written back so."""
    texts, _ = ends(change, midnight=True)
    parts = pd.DataFrame([(t[:10], int(t[11:13])) for t in texts], columns=["date", "hour"])
    parts.iloc[: N - 20].assign(y=np.arange(N - 20.0)).to_csv(tmp_path / "t.csv", index=False)
    settings = {
        "model.kind": "seasonal-naive", "data.horizon": 5, "data.season": 2, "data.time": ["date", "hour"],
        "data.timezone": CHANGES[change][0],
    }  # fmt: skip
    tsforge.fit(tsforge.build(settings), tmp_path / "t.csv", out=tmp_path / "m")
    forecast = tsforge.predict(tmp_path / "m", tmp_path / "t.csv").frame
    assert forecast[["date", "hour"]].to_numpy().tolist() == parts.iloc[N - 20 : N - 15].to_numpy().tolist()


@pytest.mark.parametrize("change", ["Berlin in spring", "New York in spring", "quarters of an hour"])
def test_an_origin_is_named_by_its_end(change: str) -> None:
    """A forecast that begins at a time begins at the row that has it, not one before."""
    texts, _ = ends(change)
    panel = lay(pd.DataFrame({"time": texts[:N], "y": np.arange(float(N))}), timezone=CHANGES[change][0])
    assert origin(panel, 0, texts[50]) == 50
    assert origin(panel, 0, texts[50].replace(" ", "T")) == 50


@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("written", ["24:00", "columns"])
def test_the_last_hour_of_a_day_is_of_that_day(zone: str | None, written: str) -> None:
    """Days of hours 1 to 24 summed: hour 24 counted to the next day moves a part of every sum by a day."""
    begins = pd.date_range("2024-03-29", "2024-04-02", freq="h", tz=zone, inclusive="left").tz_localize(None)
    value = np.arange(len(begins)) * 1.0
    if written == "columns":
        frame = pd.DataFrame({"date": begins.strftime("%Y-%m-%d"), "hour": begins.hour + 1, "y": value})
    else:
        hours = [f"{t:%Y-%m-%d} {t.hour + 1:02d}:00" for t in begins]
        frame = pd.DataFrame({"date": hours, "y": value})
    time = tuple(frame)[:-1]
    table = load(frame, time=time, target="y", timezone=zone, resample="D", aggregate="sum")
    expected = pd.Series(value).groupby(begins.strftime("%Y-%m-%d")).sum()
    assert table.target[:, 0].tolist() == expected.tolist()
    assert [table.time(int(o))[:10] for o in table.ordinal] == expected.index.tolist()
    again = load_like(frame, table.schema)
    assert again.target[:, 0].tolist() == expected.tolist()
