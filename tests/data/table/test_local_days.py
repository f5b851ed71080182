"""Rows to days, weeks and hours of a local clock, compared with loops over a calendar."""

from __future__ import annotations

from collections import defaultdict
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import load
from tsforge.data.table.table import Table


def by_time(table: Table) -> pd.Series:
    """The target of the only series by the times of its grid."""
    return pd.Series(table.target[:, 0], index=table.schema.frequency.stamps(table.ordinal).astype("M8[us]"))


ZONES = ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata"]


@pytest.mark.parametrize("written", ["offset", "local", "utc"])
@pytest.mark.parametrize("zone", ZONES)
def test_local_days_against_a_loop(zone: str, written: str) -> None:
    """Prevents: days of UTC, a day of 23 or 25 hours that counts as incomplete, or midnights that do not exist."""
    times = pd.date_range("2017-09-20 07:00", "2018-05-02 15:00", freq="30min", tz="UTC")
    y = np.random.default_rng(5).normal(size=len(times))
    shown = times.tz_convert(zone)
    column = {"offset": shown, "local": shown.strftime("%Y-%m-%d %H:%M"), "utc": times}[written]
    table = load(pd.DataFrame({"ds": column, "y": y}), timezone=zone, resample="D", aggregate="sum")
    days: dict[str, float] = defaultdict(float)
    for time, value in zip(times.to_pydatetime(), y, strict=True):
        days[str(time.astimezone(ZoneInfo(zone)).date())] += value
    full = list(days)[1:-1]
    got = by_time(table)
    assert [str(t.date()) for t in got.index] == full
    np.testing.assert_allclose(got.to_numpy(), [days[d] for d in full])
    assert table.schema.wall_grid


@pytest.mark.parametrize(("rule", "freq"), [("W", "W-SUN"), ("MS", "MS"), ("QE", "QE")])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_local_days_to_weeks_and_months(zone: str, rule: str, freq: str) -> None:
    """Prevents: days that lie on a grid of local days moved by an hour into the week before."""
    times = pd.date_range("2017-08-09", periods=400, freq="D")
    column = times.tz_localize(zone)
    table = load(pd.DataFrame({"ds": column, "y": np.arange(400.0)}), resample=rule, aggregate="sum")
    expected = pd.Series(np.arange(400.0), index=times).resample(freq).sum().iloc[1:-1]
    pd.testing.assert_series_equal(by_time(table), expected, check_freq=False)
    assert table.time(int(table.ordinal[0])).startswith(str(expected.index[0].date()))


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Australia/Adelaide", "Asia/Kathmandu"])
def test_local_hours(zone: str) -> None:
    """Prevents: hours of UTC, which begin at the half or quarter of an hour there."""
    times = pd.date_range("2024-06-01 00:00", periods=480, freq="5min", tz=zone)
    table = load(pd.DataFrame({"ds": times, "y": np.arange(480.0)}), resample="h")
    np.testing.assert_allclose(table.target[:, 0], np.arange(480.0).reshape(40, 12).mean(axis=1))
    assert table.time(int(table.ordinal[1])) == str(times[12])
