"""Periods: where a time lies, beside its neighbours and pandas; and where each begins on a local clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsforge.data.time import periods
from tsforge.data.time.calendar import DAY, SECOND, Frequency
from tsforge.errors import DataError

NAMES = ["min", "h", "6h", "D", "3D", "W", "W-TUE", "2W", "MS", "ME", "2MS", "QS", "QE", "QS-FEB", "YS", "YE-JUN", "B"]
HOUR = 3_600 * SECOND


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.integers(-(10**9), 3 * 10**9), st.lists(st.integers(-(10**9), 3 * 10**9), min_size=1))
def test_every_time_lies_within_the_bounds_of_its_period(name: str, first: int, seconds: list[int]) -> None:
    """Prevents: periods that overlap, leave a gap, or are dated by a day outside them."""
    grid = periods.parse(name, first * SECOND, numeric=False)
    stamps = np.array(seconds, dtype=np.int64) * SECOND
    ordinals, somewhere = periods.period_of(grid, stamps)
    begin, over = periods.bounds(grid, ordinals)
    assert np.all((begin[somewhere] <= stamps[somewhere]) & (stamps[somewhere] < over[somewhere]))
    dated = grid.stamps(ordinals)
    assert np.all((begin <= dated) & (dated < over))
    if name != "B":
        assert somewhere.all()
        np.testing.assert_array_equal(periods.bounds(grid, ordinals + 1)[0], over)
    assert grid.ordinals(dated)[1].all()


@pytest.mark.parametrize("name", ["D", "W", "W-TUE", "MS", "ME", "QS", "QE", "QE-JAN", "QS-FEB", "YS", "YE", "YE-JUN"])
def test_dates_are_those_of_pandas(name: str) -> None:
    """Prevents: weeks and fiscal years that begin elsewhere than users expect of the names."""
    times = pd.date_range("2019-03-05 07:00", periods=1500, freq="19h")
    grid = periods.parse(name, times[0].value // 1000, numeric=False)
    ordinals, _ = periods.period_of(grid, times.as_unit("us").to_numpy().astype(np.int64))
    dated = grid.stamps(np.unique(ordinals)).astype("M8[us]")
    counts = pd.Series(1, index=times).resample(name).sum()
    assert list(pd.DatetimeIndex(dated)) == list(counts.index)
    assert np.unique(ordinals, return_counts=True)[1].tolist() == counts.tolist()


@pytest.mark.parametrize("name", ["W-ABC", "MS-MON", "QS-XYZ", "fortnight", "D-JAN-1"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(DataError, match="is unknown"):
        periods.parse(name, 0, numeric=False)


@pytest.mark.parametrize("grid", [
    Frequency(unit="us", step=HOUR, anchor=HOUR // 2), Frequency(unit="us", step=DAY), Frequency(unit="bday", step=1),
    Frequency(unit="month", step=1, offset=-DAY), Frequency(unit="month", step=3, offset=14 * DAY),
], ids=lambda grid: f"{grid.unit}-{grid.step}")  # fmt: skip
def test_first_step_from_a_time(grid: Frequency) -> None:
    """Against a search among all steps. Prevents: a period that expects one step more or less than it can have."""
    rng = np.random.default_rng(0)
    steps = grid.stamps(np.arange(-400, 400))
    stamps = np.r_[rng.integers(steps[3], steps[-3], 300), steps[5:20], steps[5:20] + 1, steps[5:20] - 1]
    np.testing.assert_array_equal(periods.first_from(grid, stamps), np.searchsorted(steps, stamps) - 400)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "UTC"])
def test_midnights_against_a_walk_through_the_days(zone: str) -> None:
    """Prevents: a local day that begins an hour early or late where the clock changes at midnight."""
    days = np.arange(17_000, 17_800)
    begins = periods.instants(days * DAY, zone)
    clock, epoch = ZoneInfo(zone), datetime(1970, 1, 1)
    for day, begin in zip(days.tolist(), begins.tolist(), strict=True):
        date = (epoch + timedelta(days=day)).date()
        here, before = (datetime.fromtimestamp(second, clock) for second in (begin // SECOND, begin // SECOND - 1))
        assert here.date() == date
        assert before.date() < date
