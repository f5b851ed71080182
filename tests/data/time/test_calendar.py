"""Frequencies against pandas: which grid the stamps lie on, and the grid's arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsforge
from tests.helpers.tables import load
from tsforge.data.time import calendar
from tsforge.data.time.calendar import DAY, Frequency
from tsforge.data.time.frequency import infer, parse
from tsforge.errors import DataError

# Our name -> the pandas offset it must agree with, and a name for the same grid that pandas knows.
GRIDS = {
    "100ms": "100ms", "s": "s", "10s": "10s", "min": "min", "15min": "15min", "h": "h", "6h": "6h", "D": "D",
    "3D": "3D", "B": "B", "W": "W-WED", "2W": "2W-SUN", "MS": "MS", "ME": "ME", "2MS": "2MS", "QS": "QS-FEB",
    "QE": "QE-DEC", "2QS": "2QS-JAN", "YS": "YS-APR", "YE": "YE-DEC",
    "BMS": "BMS", "BME": "BME", "2BMS": "2BMS", "BQS": "BQS-FEB", "BQE": "BQE-DEC", "BYS": "BYS-APR", "BYE": "BYE-DEC",
}  # fmt: skip


def stamps(times: pd.DatetimeIndex) -> np.ndarray:
    return times.as_unit("us").to_numpy().view(np.int64)


def one_series(values: np.ndarray) -> np.ndarray:
    return np.arange(len(values)) == 0


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("start", ["1969-05-03 00:00", "1999-12-31 07:30", "2024-02-29"])
def test_a_grid_is_pandas_date_range(name: str, start: str) -> None:
    """Inferred from 40 stamps, the frequency must go on exactly as pandas does: months, leap years, quarters."""
    times = pd.date_range(start, periods=120, freq=GRIDS[name])
    if name.endswith(("YS", "YE")):
        times = times[times.year < 2100]
    s = stamps(times)
    frequency, off = infer(s[:40], one_series(s[:40]), "datetime")
    assert off == -1
    assert frequency is not None
    assert frequency.name == name
    ordinals, on_grid = frequency.ordinals(s)
    assert on_grid.all()
    np.testing.assert_array_equal(np.diff(ordinals), 1)
    np.testing.assert_array_equal(frequency.stamps(ordinals), s)


@pytest.mark.parametrize("name", GRIDS)
def test_holes_leave_the_grid(name: str) -> None:
    """Missing steps are gaps on the same grid, not a longer step."""
    times = pd.date_range("2020-01-01", periods=60, freq=GRIDS[name])
    keep = np.random.default_rng(1).random(60) < 0.8
    keep[:3] = keep[-1] = True
    s = stamps(times[keep])
    frequency, _ = infer(s, one_series(s), "datetime")
    assert frequency is not None
    assert frequency.name == name
    np.testing.assert_array_equal(frequency.ordinals(s)[0] - frequency.ordinals(s[:1])[0], np.flatnonzero(keep))


@pytest.mark.parametrize("name", GRIDS)
def test_named_is_inferred(name: str) -> None:
    """data.freq with the name that the tool prints gives the grid that it would have found."""
    s = stamps(pd.date_range("2020-01-01", periods=60, freq=GRIDS[name]))
    frequency, _ = infer(s, one_series(s), "datetime")
    assert parse(name, s, numeric=False) == frequency


grids = st.one_of(
    st.builds(
        lambda step, phase: Frequency(unit="us", step=step, anchor=phase % step),
        st.sampled_from([1_000, 100_000, 10**6, 60 * 10**6, 3600 * 10**6, DAY, 7 * DAY]), st.integers(0, 10**12),
    ),
    st.builds(
        lambda step, phase, day, time: Frequency(unit="month", step=step, anchor=phase % step, offset=day * DAY + time),
        st.sampled_from([1, 2, 3, 6, 12]), st.integers(0, 11), st.integers(-28, 27), st.integers(0, DAY - 1),
    ),
    st.builds(
        lambda step, phase, time: Frequency(unit="bmonth", step=step, anchor=phase % step, offset=time),
        st.sampled_from([1, 2, 3, 6, 12]), st.integers(0, 11), st.integers(-DAY, DAY - 1),
    ),
    st.builds(lambda time: Frequency(unit="bday", step=1, offset=time), st.integers(0, DAY - 1)),
    st.builds(lambda step, phase: Frequency(unit="int", step=step, anchor=phase % step),
              st.integers(1, 999), st.integers(0, 999)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(grids, st.lists(st.integers(-3_000, 3_000), min_size=1, max_size=30))
def test_ordinals_and_stamps_are_inverse(frequency: Frequency, numbers: list[int]) -> None:
    """A forecast's times come from ordinals: the round trip may not lose a step, before 1970 either."""
    ordinals = np.array(numbers, dtype=np.int64)
    there = frequency.stamps(ordinals)
    back, on_grid = frequency.ordinals(there)
    assert on_grid.all()
    np.testing.assert_array_equal(back, ordinals)
    _, off_grid = frequency.ordinals(there + 1)
    if frequency.step > 1 or frequency.unit in ("bday", "month", "bmonth"):
        assert not off_grid.any()
    assert (np.diff(frequency.stamps(np.sort(np.unique(ordinals)))) > 0).all()


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([0.001, 0.1, 0.25, 1 / 3, 0.5, 1.5, 2.0, 1 / 24]), st.floats(-50, 50), st.integers(3, 2000),
    st.integers(4, 9),
)  # fmt: skip
def test_decimal_grids_survive_rounding(step: float, start: float, n: int, decimals: int) -> None:
    """Decimal times are written rounded (a spreadsheet's hour is 0.0416667): the grid must not drift off."""
    decimals = max(decimals, int(np.ceil(-np.log10(step))) + 4)
    times = np.round(start + step * np.arange(n), decimals)
    frequency, off = infer(times, one_series(times), "float")
    assert frequency is not None, off
    ordinals, on_grid = frequency.ordinals(times)
    assert on_grid.all()
    np.testing.assert_array_equal(ordinals, np.arange(n))
    np.testing.assert_allclose(frequency.stamps(ordinals), times, atol=2 * 10.0**-decimals + 1e-3 * step)


def test_irregular_times_are_found() -> None:
    """The first stamp off every grid is named, also where it is off by a thousandth only."""
    hours = stamps(pd.date_range("2024-01-01", periods=30, freq="h")).copy()
    for shift in (1, 10**6, 1800 * 10**6):
        s = hours.copy()
        s[17] += shift
        assert infer(s, one_series(s), "datetime") == (None, 17)
    integers = np.arange(20) * 10_000
    integers[7] += 1
    assert infer(integers, one_series(integers), "integer") == (None, 7)
    squares = np.arange(20.0) ** 2 / 7
    frequency, off = infer(squares, one_series(squares), "float")
    assert frequency is None
    assert off > 0


def test_sparse_rows_share_a_divisor() -> None:
    """1, 3, 4, 6, 9, 10, 12 January are days with holes, though no gap is the usual one by far."""
    days = stamps(pd.DatetimeIndex([f"2024-01-{d:02d}" for d in (1, 3, 4, 6, 9, 10, 12)]))
    frequency, _ = infer(days, one_series(days), "datetime")
    assert frequency is not None
    assert frequency.name == "D"


def test_business_days_need_a_weekend() -> None:
    """Monday to Friday alone could be any days; across weekends they are business days; one Sunday makes days."""
    week = pd.date_range("2024-01-01", periods=5, freq="B")
    month = pd.date_range("2024-01-01", periods=22, freq="B")
    sunday = month.union(pd.DatetimeIndex(["2024-01-07"]))
    names = []
    for times in (week, month, sunday):
        frequency, _ = infer(stamps(times), one_series(stamps(times)), "datetime")
        names.append(frequency.name if frequency else None)
    assert names == ["D", "B", "D"]


def test_one_row_per_series_has_no_frequency() -> None:
    s = stamps(pd.date_range("2024-01-01", periods=3))
    assert infer(s, np.ones(3, dtype=bool), "datetime") == (None, -1)


@pytest.mark.parametrize("name", ["fortnightly", "hh", "1.5MS", "0.3us", ".", "0D", "-1h", "B5", "2B", ""])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="is unknown") as caught:
        parse(name, np.zeros(1, dtype=np.int64), numeric=False)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "usual"), [("1.5h", "90min"), ("0.5D", "12h"), ("2.5min", "150s"), ("0.25s", "250ms"), ("1.5D", "36h")]
)
@pytest.mark.parametrize("start", ["2024-02-28 00:00", "2024-02-28 00:30", "1969-12-30 23:30"])
def test_decimal_multiples_are_fixed_steps(name: str, usual: str, start: str) -> None:
    """1.5h was unknown, though it is 90 minutes; steps that begin at half past go on at half past."""
    times = stamps(pd.date_range(start, periods=30, freq=pd.Timedelta(usual)))
    frequency = parse(name, times[:10], numeric=False)
    assert frequency.name == usual
    assert infer(times[:10], one_series(times[:10]), "datetime")[0] == frequency
    ordinals = frequency.ordinals(times[:1])[0] + np.arange(30)
    np.testing.assert_array_equal(frequency.stamps(ordinals), times)


@pytest.mark.parametrize(("old", "name"), [("BM", "BME"), ("BQ", "BQE"), ("BA", "BYE"), ("BAS", "BYS"), ("bqe", "BQE")])
def test_names_of_business_months(old: str, name: str) -> None:
    """Names of older pandas, in either case, are the business months of today's."""
    s = stamps(pd.date_range("2024-01-01", periods=3, freq=name))
    assert parse(old, s, numeric=False) == parse(name, s, numeric=False)


def test_business_months_with_a_stray_day() -> None:
    """One day off the last weekdays, and the months are irregular: it is named, not moved."""
    s = stamps(pd.date_range("2024-01-31 17:30", periods=30, freq="BME")).copy()
    s[11] -= DAY
    frequency, off = infer(s, one_series(s), "datetime")
    assert (frequency, off) == (None, 11)


@pytest.mark.parametrize(("name", "last"), [("BME", "2024-05-31"), ("BMS", "2024-06-03"), ("BQE", "2024-06-28")])
def test_forecasts_of_business_months(name: str, last: str, tmp_path) -> None:
    """Prices at the last trading day of the month were irregular; the forecasts must be of trading days too."""
    times = pd.date_range(end=last, periods=63, freq=name)
    frame = pd.DataFrame({"date": times[:60].strftime("%d.%m.%Y"), "price": np.arange(60.0)})
    settings = {"model.kind": "seasonal-naive", "data.horizon": 3, "data.season": 3}
    tsforge.fit(tsforge.build(settings), frame, out=tmp_path / "m")
    forecast = tsforge.predict(tmp_path / "m", frame).frame
    assert forecast["date"].tolist() == times[60:].strftime("%d.%m.%Y").tolist()
    assert forecast["forecast"].tolist() == [57.0, 58.0, 59.0]


def test_old_names_and_anchors() -> None:
    """H, T, M, A and anchored names as W-SUN are still in people's scripts; MS is a month, ms is not."""
    s = stamps(pd.date_range("2024-01-31 00:00", periods=4, freq="ME"))
    names = {w: parse(w, s, numeric=False).name for w in ("H", "15T", "M", "Q", "A", "W-SUN", "QS-OCT", "MS", "ms")}
    assert names == {
        "H": "h", "15T": "15min", "M": "ME", "Q": "QE", "A": "YE", "W-SUN": "W", "QS-OCT": "QE", "MS": "ME", "ms": "ms",
    }  # fmt: skip
    with pytest.raises(DataError, match="does not fit a time column of plain numbers"):
        parse("h", np.arange(3), numeric=True)
    assert parse("10", np.arange(0, 40, 10), numeric=True).name == "10"
    assert parse("0.1", np.arange(3) / 10, numeric=True).name == "0.1"


def test_names_of_long_number_steps() -> None:
    """3600000 as 3.6e+06 could not be passed back as data.freq."""
    assert Frequency(unit="int", step=3_600_000).name == "3600000"
    assert Frequency(unit="float", step=0.0416666667).name == "0.0416666667"


def test_unknown_frequency_names_file_and_cure(write_csv) -> None:
    path = write_csv("date,id,y\n2024-01-01,a,1\n2024-01-01,b,2\n")
    with pytest.raises(DataError, match="every series has one row") as caught:
        load(path)
    assert str(path) in caught.value.message
    assert "data.freq" in caught.value.hint
    assert load(path, freq="D").schema.frequency.name == "D"


# --- cycles ---------------------------------------------------------------------------------------------------


def test_seasons_are_the_calendar() -> None:
    expected = {"h": [24, 168], "15min": [96, 672], "D": [7], "B": [5], "MS": [12], "QE": [4], "min": [1440, 10080]}
    for name, shortest in expected.items():
        s = stamps(pd.date_range("2024-01-01", periods=60, freq=GRIDS[name]))
        assert parse(name, s, numeric=False).seasons()[: len(shortest)] == shortest
    assert parse("5", np.arange(0, 50, 5), numeric=True).seasons() == []


@pytest.mark.parametrize("name", ["h", "D", "15min", "MS", "B"])
def test_cycle_features_are_phases(name: str) -> None:
    """Against pandas' own fields: the hour of day, day of week and day of year of every stamp."""
    times = pd.date_range("2022-11-05 00:00", periods=900, freq=GRIDS[name])
    frequency = parse(name, stamps(times), numeric=False)
    names = calendar.cycles(frequency, 10**6)
    features = calendar.cycle_features(frequency, stamps(times), names)
    day = (times.hour * 60 + times.minute) / 1440
    phases = {"day": day, "week": (times.dayofweek + day) / 7, "year": (times.dayofyear - 1 + day) / 365.2425}
    columns = iter(features.T)
    for cycle in names:
        count = min(calendar.HARMONICS[cycle], max(1, int((frequency.cycle(cycle) - 1) // 2)))
        for k in range(1, count + 1):
            angle = 2 * np.pi * k * np.asarray(phases[cycle])
            np.testing.assert_allclose(next(columns), np.sin(angle), atol=1e-6)
            np.testing.assert_allclose(next(columns), np.cos(angle), atol=1e-6)
    assert next(columns, None) is None


def test_cycles_must_be_seen_twice() -> None:
    """Half a year of days cannot teach the year: its feature would be extrapolated."""
    days = Frequency(unit="us", step=DAY)
    assert calendar.cycles(days, 13) == ()
    assert calendar.cycles(days, 14) == ("week",)
    assert calendar.cycles(days, 731) == ("week", "year")
    assert calendar.cycles(Frequency(unit="int", step=1), 10**6) == ()
