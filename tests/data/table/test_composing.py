"""Times in several columns: read as one, and written back into the columns they came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import lay, load
from tsforge.data import tidy
from tsforge.data.schema import DataConfig
from tsforge.data.survey import survey
from tsforge.data.table.table import load_like
from tsforge.data.table.times import format_times
from tsforge.data.tidy import time_columns
from tsforge.errors import DataError

N = 40


def grid(freq: str, start: str = "2023-12-20") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=N + 3, freq=freq)


def columns(kind: str) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """The parts of a grid's times as one table or another writes them, and the times that they mean."""
    hours, days = grid("h", "2023-12-30 07:00"), grid("D")  # the first forecast is of the last hour of the year
    day_before = hours - pd.Timedelta("1h")
    tables = {
        "year month day hour": ({"year": hours.year, "month": hours.month, "day": hours.day,
                                 "hour": hours.hour}, hours),
        "padded": ({"Year": hours.year, "Month": hours.strftime("%m"), "Day": hours.strftime("%d"),
                    "Hour": hours.strftime("%H")}, hours),
        "hours 1 to 24": ({"year": day_before.year, "month": day_before.month, "day": day_before.day,
                           "hour": day_before.hour + 1}, hours),
        "dates and hours 1 to 24": ({"date": (day_before.normalize()), "hour": day_before.hour + 1}, hours),
        "24:00": ({"date": day_before.strftime("%Y-%m-%d"),
                   "time": [f"{h + 1:02d}:00" for h in day_before.hour]}, hours),
        "date and hour": ({"date": hours.strftime("%Y-%m-%d"), "hour": hours.hour}, hours),
        "german date and hour 1 to 24": ({"Datum": day_before.strftime("%d.%m.%Y"),
                                          "Stunde": day_before.hour + 1}, hours),
        "packed date and hour": ({"date": hours.strftime("%Y%m%d").astype(int), "hr": hours.hour}, hours),
        "date and hundreds": ({"date": hours.strftime("%m/%d/%Y"), "hour": hours.hour * 100}, hours),
        "date and time": ({"date": hours.strftime("%d/%m/%Y"), "time": hours.strftime("%H:%M")}, hours),
        "date and AM": ({"day": hours.strftime("%Y-%m-%d"), "time": hours.strftime("%I:%M %p")}, hours),
        "names that say nothing": ({"a": days.year, "b": days.month, "c": days.day}, days),
        "another order": ({"day": days.day, "month": days.strftime("%b"), "year": days.year}, days),
        "whole names": ({"year": grid("MS").year, "month": grid("MS").strftime("%B")}, grid("MS")),
        "year and month": ({"yr": grid("MS").year, "mon": grid("MS").month}, grid("MS")),
        "year and quarter": ({"year": grid("QS").year, "quarter": grid("QS").quarter}, grid("QS")),
        "year and Q1": ({"year": grid("QS").year, "qtr": [f"Q{q}" for q in grid("QS").quarter]}, grid("QS")),
        "year and week": ({"year": grid("W-MON").isocalendar().year.to_numpy(),
                           "week": grid("W-MON").isocalendar().week.to_numpy()}, grid("W-MON")),
        "day of the year": ({"year": days.year, "doy": days.dayofyear}, days),
        "two-digit years": ({"year": days.strftime("%y"), "month": days.month, "day": days.day}, days),
        "halves": ({"year": grid("6MS").year, "half": (grid("6MS").month + 5) // 6},
                   pd.date_range("2024-01-01", periods=N + 3, freq="6MS")),
        "week and weekday": ({"year": days.isocalendar().year.to_numpy(), "week": days.isocalendar().week.to_numpy(),
                              "weekday": days.dayofweek + 1}, days),
        "midnights and hours": ({"date": hours.strftime("%Y-%m-%d 00:00:00"), "hour": hours.hour}, hours),
        "minutes": ({"date": grid("15min").strftime("%Y-%m-%d"), "hour": grid("15min").hour,
                     "minute": grid("15min").minute}, grid("15min")),
    }  # fmt: skip
    parts, times = tables[kind]
    return pd.DataFrame(parts), times


KINDS = (
    "year month day hour", "padded", "hours 1 to 24", "dates and hours 1 to 24", "24:00", "date and hour",
    "german date and hour 1 to 24", "packed date and hour", "date and hundreds", "date and time", "date and AM",
    "names that say nothing", "another order", "whole names", "year and month", "year and quarter", "year and Q1",
    "year and week", "day of the year", "minutes", "two-digit years", "halves", "week and weekday",
    "midnights and hours",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", [False, True])
def test_parts_are_one_time_and_come_back(kind: str, file: bool, tmp_path: Path) -> None:
    """A month read as a day, a lost zero or an hour 24 written as 0 would date every forecast wrongly."""
    parts, times = columns(kind)
    source: object = parts.iloc[:N].assign(y=np.arange(float(N)))
    if file:
        path = tmp_path / "t.csv"
        source.to_csv(path, index=False)
        source = path
    table = load(source, time=tuple(parts))
    stamps = table.schema.frequency.stamps(table.ordinal) + table.schema.ending
    np.testing.assert_array_equal(stamps, times[:N].as_unit("us").asi8)
    assert table.schema.time_columns == tuple(parts)
    assert table.unused == ()
    ahead = table.schema.frequency.stamps(table.ordinal[-1] + 1 + np.arange(3))
    after = pd.DataFrame(time_columns(format_times(ahead, table.schema), table.schema))
    assert list(after) == list(parts)
    for name in parts:
        assert after[name].astype(str).tolist() == parts[name].iloc[N:].astype(str).tolist()
    again = load_like(parts.assign(y=0.0), table.schema)
    stamps = table.schema.frequency.stamps(again.ordinal) + table.schema.ending
    np.testing.assert_array_equal(stamps, times.as_unit("us").asi8)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("month", "13", "column 'month', row 5 (line 6): '13' is no month"),
        ("day", "0", "column 'day', row 5 (line 6): '0' is no day"),
        ("hour", "25", "column 'hour', row 5 (line 6): '25' is no hour"),
        ("hour", "noon", "column 'hour', row 5 (line 6): 'noon' is no hour"),
        ("year", "1.5", "column 'year', row 5 (line 6): '1.5' is no year"),
        ("month", "", "has no time in row 5 (line 6)"),
    ],
)
def test_a_wrong_part_is_named(column: str, value: str, says: str, tmp_path: Path) -> None:
    """One bad part among good ones: its own column and row, not the composed time's."""
    parts, _ = columns("year month day hour")
    parts = parts.astype(str).assign(y=range(len(parts)))
    parts.loc[4, column] = value
    parts.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError) as caught:
        load(tmp_path / "t.csv", time="year,month,day,hour")
    assert says in caught.value.message


@pytest.mark.parametrize(("month", "day"), [(2, 30), (4, 31), (11, 31)])
def test_a_day_that_does_not_exist(month: int, day: int) -> None:
    """30 February would become 1 March without a word."""
    parts, _ = columns("another order")
    parts = parts.assign(month=grid("D").month, y=range(len(parts)))
    parts.loc[7, ["month", "day"]] = [month, day]
    with pytest.raises(DataError, match=f"row 8: '20..-{month:02d}-{day}' does not read as a time"):
        load(parts, time=("year", "month", "day"))


def test_the_format_of_a_date_beside_an_hour() -> None:
    """data.time_format of the date column alone, and data.dayfirst, hold for a composed time."""
    hours = pd.date_range("2024-02-01", periods=48, freq="h")
    frame = pd.DataFrame({"date": hours.strftime("%d/%m/%Y"), "hour": hours.hour, "y": range(48)})
    for asked in ({"time_format": "%d/%m/%Y"}, {"dayfirst": True}):
        table = load(frame, time=("date", "hour"), **asked)
        np.testing.assert_array_equal(table.schema.frequency.stamps(table.ordinal), hours.as_unit("us").asi8)


@pytest.mark.parametrize("names", [("month", "day"), ("year", "day"), ("year", "month", "hour"), ("hour", "day")])
def test_parts_that_make_no_time(names: tuple[str, ...]) -> None:
    parts, _ = columns("year month day hour")
    with pytest.raises(DataError, match="these parts make no time"):
        load(parts.assign(y=range(len(parts))), time=names)
    with pytest.raises(DataError, match="there is no column 'yaer'"):
        load(parts.assign(y=range(len(parts))), time=("yaer", "month", "day"))


@pytest.mark.parametrize("kind", ["date and hour", "hours 1 to 24", "year and week"])
def test_forecasts_stand_in_the_columns_of_the_parts(kind: str, tmp_path: Path) -> None:
    """From a file with ids to forecasts: the same columns, types and spelling, and a model that can be fitted again."""
    parts, _ = columns(kind)
    frame = pd.concat([parts.iloc[:N].assign(shop=s, y=np.arange(float(N)) + i) for i, s in enumerate(("a", "b"))])
    frame.to_csv(tmp_path / "t.csv", index=False)
    settings = {"model.kind": "seasonal-naive", "data.horizon": 3, "data.season": 2, "data.time": list(parts)}
    fit = tsforge.fit(tsforge.build(settings), tmp_path / "t.csv", out=tmp_path / "m")
    forecast = tsforge.predict(tmp_path / "m", tmp_path / "t.csv").frame
    assert list(forecast)[: 1 + len(parts.columns)] == ["shop", *parts]
    for _, part in forecast.groupby("shop"):
        assert part[list(parts)].astype(str).to_numpy().tolist() == parts.iloc[N:].astype(str).to_numpy().tolist()
    assert fit is not None


@pytest.mark.parametrize("kind", ["year month day hour", "date and time", "year and Q1"])
def test_a_survey_shows_the_parts(kind: str) -> None:
    """The composed column is ours: a survey shows the table's own, each part as the time; with a wrong part too."""
    parts, _ = columns(kind)
    facts = survey(parts.assign(y=range(len(parts))), DataConfig(time=tuple(parts)))
    assert facts["time"] == list(parts)
    assert [(c["name"], c["role"]) for c in facts["columns"]] == [*((p, "time") for p in parts), ("y", "target")]
    assert facts["problem"] is None
    wrong = parts.astype(str)
    wrong.iloc[3, 0] = "3000-99"
    facts = survey(wrong.assign(y=range(len(parts))), DataConfig(time=tuple(parts)))
    assert "row 4" in facts["problem"]
    assert [c["role"] for c in facts["columns"]] == [*["time"] * len(list(parts)), "target"]


@pytest.mark.parametrize("kind", ["year month day hour", "24:00", "another order"])
def test_explanations_and_answers_have_the_parts(kind: str, tmp_path: Path) -> None:
    """Every table that a model gives has the columns of its own table, the explanation with those of the past too."""
    parts, _ = columns(kind)
    frame = parts.iloc[:N].assign(y=np.sin(np.arange(float(N))))
    settings = {
        "model.kind": "transformer", "model.width": 8, "model.backbone.heads": 2, "train.max_steps": 2,
        "data.horizon": 2, "data.context": 6, "data.season": 2, "data.time": list(parts), "data.target": "y",
    }  # fmt: skip
    tsforge.fit(tsforge.build(settings), frame, out=tmp_path / "m")
    explained = tsforge.explain(tmp_path / "m", frame).frame
    assert {*parts, *(f"past_{name}" for name in parts)} <= set(explained)
    ahead, last = (explained[[before + name for name in parts]].astype(str) for before in ("", "past_"))
    assert ahead.iloc[-1].tolist() == parts.iloc[N + 1].astype(str).tolist()
    assert last.iloc[-1].tolist() == parts.iloc[N - 1].astype(str).tolist()


LETTERED = {
    "months": ("year,period", [(y, f"M{m:02d}") for y in range(2001, 2006) for m in range(1, 13)], "MS"),
    "quarters": ("Year,Quarter", [(y, f"Q{q}") for y in range(1990, 2006) for q in range(1, 5)], "QS"),
    "halves": ("year,half", [(y, f"S{h}") for y in range(1980, 2006) for h in (1, 2)], "2QS"),
    "weeks": ("year,week", [(y, f"W{w:02d}") for y in (2017, 2018, 2019) for w in range(1, 53)], "W"),
    "ends of hours": ("date,he", [(f"2024-01-{d:02d}", f"HE{h:02d}") for d in range(1, 9) for h in range(1, 25)], "h"),
}


@pytest.mark.parametrize("kind", LETTERED)
def test_parts_behind_letters(write_csv, kind: str) -> None:
    """Prevents: the periods of statistical offices, M01 beside a year, taken for the names of series."""
    header, parts, freq = LETTERED[kind]
    rows = [f"{a},{b},{i % 7}.5" for i, (a, b) in enumerate(parts)]
    panel = lay(write_csv("\n".join([f"{header},value", *rows[:-3]]) + "\n"), time=header)
    assert panel.schema.frequency.name == freq
    assert len(panel.values) == len(parts) - 3
    ahead = tidy.forecasts(panel, np.zeros((1, 3, 1)), np.zeros((1, 3, 1, 0)), ())
    assert [(str(a), b) for a, b in ahead.iloc[:, :2].to_numpy()] == [(str(a), b) for a, b in parts[-3:]]


def test_values_that_count_are_no_time(write_csv) -> None:
    """Prevents: a target that rises by one each row taken for the steps, and the dates for the target."""
    for header, first in (("d,y", 20240101), ("dt,value", 201901), ("x,target", 5)):
        rows = [f"{first + i},{i}" for i in range(12)]
        rows[3:] = [f"{first + 2 * i},{i}" for i in range(3, 12)]
        with pytest.raises(DataError, match="no column reads as the time"):
            load(write_csv("\n".join([header, *rows]) + "\n"))
