"""Times near a grid and series on grids of different phase: moved and counted, or named with both places."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import load
from tsforge.data import tidy
from tsforge.data.panel import build
from tsforge.data.table.table import load_like
from tsforge.errors import DataError

# The step, where the grid begins, and the most by which a time is off.
JITTERED = {
    "20min": ("2024-01-01 00:00", "3s"), "h": ("2024-03-01 00:07:00", "2min"), "D": ("2024-01-01 00:00", "2h"),
    "W": ("2024-01-03 00:00", "5h"), "10s": ("2024-01-01 23:59:50", "900ms"), "MS": ("2020-01-01 00:00", "3h"),
    "15min": ("2024-01-01 00:00", "200s"),
}  # fmt: skip


def jittered(freq: str, n: int = 80, seed: int = 0) -> tuple[pd.DataFrame, pd.DatetimeIndex, pd.Series]:
    """A table with every time off by a little, the grid that it means, and by how much each is off."""
    start, most = JITTERED[freq]
    name = "W-WED" if freq == "W" else freq
    grid = pd.date_range(start, periods=n + 3, freq=name)
    draws = np.random.default_rng(seed).uniform(-1, 1, n)
    draws[:3] = [-1, 1, 0]
    off = pd.Series(pd.to_timedelta(draws * pd.Timedelta(most) / pd.Timedelta("1us"), unit="us").round("s"))
    if freq == "10s":
        off = pd.Series(pd.to_timedelta(draws * pd.Timedelta(most) / pd.Timedelta("1us"), unit="us").round("ms"))
    form = "%Y-%m-%d %H:%M:%S" + (".%f" if freq == "10s" else "")
    times = pd.Series(grid[:n]) + off
    return pd.DataFrame({"time": times.dt.strftime(form), "y": np.arange(n) * 1.5}), grid, off


@pytest.mark.parametrize("freq", JITTERED)
def test_jittered_times_name_the_usual_step(freq: str) -> None:
    """The hint was data.freq, whose error was another data.freq: nobody came out of that circle."""
    frame, _, _ = jittered(freq)
    for asked in ({}, {"freq": freq}):
        with pytest.raises(DataError) as caught:
            load(frame, **asked)
        assert f"data.snap=true moves the times to the grid of {freq}" in caught.value.hint


@pytest.mark.parametrize("freq", JITTERED)
@pytest.mark.parametrize("named", [False, True])
def test_snapped_times_are_the_grid_they_mean(freq: str, named: bool, caplog) -> None:
    """Every row must come to the point that it was moved from, and the count and the largest shift be told."""
    frame, grid, off = jittered(freq)
    asked = {"freq": freq} if named else {}
    with caplog.at_level(logging.WARNING, "tsforge"):
        table = load(frame, snap=True, **asked)
    assert table.schema.snap
    assert table.schema.frequency.name == freq
    stamps = table.schema.frequency.stamps(table.ordinal)
    np.testing.assert_array_equal(stamps, grid[:80].as_unit("us").asi8)
    np.testing.assert_array_equal(table.schema.frequency.stamps(table.ordinal[-1:] + 1), grid[80:81].as_unit("us").asi8)
    assert f"{(off != pd.Timedelta(0)).sum()} of 80 rows are moved to the grid of {freq}" in caplog.text


def test_largest_shift_is_said(caplog) -> None:
    """A row moved by hours among others moved by seconds shows in one number."""
    frame, _, _ = jittered("20min")
    frame.loc[40, "time"] = str(pd.Timestamp("2024-01-01") + pd.Timedelta("20min") * 40 + pd.Timedelta("9min"))
    load(frame, snap=True)
    assert "by 9 min at most" in caplog.text


def test_two_rows_on_one_step_are_named() -> None:
    """Two rows that would become one may neither be dropped nor averaged unasked."""
    frame, _, _ = jittered("20min")
    frame.loc[7, "time"] = "2024-01-01 02:03:00"
    with pytest.raises(DataError, match="come to lie on one step of 20min") as caught:
        load(frame, snap=True)
    assert "row 8" in caught.value.message
    assert "row 7" in caught.value.message


def test_regular_times_are_not_moved(caplog) -> None:
    """data.snap on a table that needs none changes nothing, and says nothing."""
    frame = pd.DataFrame({"time": pd.date_range("2024-01-31", periods=30, freq="BME"), "y": range(30)})
    plain, snapped = load(frame), load(frame, snap=True)
    assert plain.schema.frequency == snapped.schema.frequency
    np.testing.assert_array_equal(plain.ordinal, snapped.ordinal)
    assert "moved" not in caplog.text


def test_plain_numbers_are_not_snapped() -> None:
    with pytest.raises(DataError, match="is for dates, the times are plain numbers"):
        load(pd.DataFrame({"t": [0, 1, 2, 4], "y": range(4)}), snap=True)


# --- grids of different phase -----------------------------------------------------------------------------------

# Two series: their times, and the grid of the second after snapping.
PHASES = {
    "weeks": (("2022-01-04", "W-TUE"), ("2022-01-08", "W-SAT"),
              lambda t: t - pd.Timedelta("4D")),
    "weeks before": (("2022-01-07", "W-FRI"), ("2022-01-03", "W-MON"),
                     lambda t: t + pd.Timedelta("4D")),
    "hours": (("2024-01-01 00:00", "h"), ("2024-01-01 00:30", "h"),
              lambda t: t - pd.Timedelta("30min")),
    "days": (("2024-01-01 06:00", "D"), ("2024-01-01 22:00", "D"),
              lambda t: t - pd.Timedelta("16h")),
    "numbers": ((0, 10), (5, 10), None),
}  # fmt: skip


def two(kind: str) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    first, second, _ = PHASES[kind]
    if kind == "numbers":
        a, b = (pd.Series(start + step * np.arange(30)) for start, step in (first, second))
    else:
        a, b = (pd.Series(pd.date_range(start, periods=30, freq=freq)) for start, freq in (first, second))
    frame = pd.DataFrame({"id": ["left"] * 30 + ["right"] * 30, "t": [*a, *b], "y": np.arange(60.0)})
    return frame, a, b


@pytest.mark.parametrize("kind", PHASES)
def test_series_of_different_phase_keep_their_own(kind: str, caplog) -> None:
    """Each is regular, together they are not: neither is an error, nor comes to lie on the other's days."""
    frame, a, b = two(kind)
    panel = build(load(frame, id="id"))
    assert panel.schema.phases
    assert len(panel.values) == 60
    assert "series begin at different places in a step" in caplog.text
    ahead = tidy.forecasts(panel, np.zeros((2, 2, 1)), np.zeros((2, 2, 1, 0)), ())
    for name, times in (("left", a), ("right", b)):
        step = times.iloc[1] - times.iloc[0]
        assert ahead["t"][ahead["id"] == name].tolist() == [times.iloc[-1] + step, times.iloc[-1] + 2 * step]
    again = load_like(frame, panel.schema)
    assert again.ordinal.tolist() == load(frame, id="id").ordinal.tolist()


def test_one_grid_at_fit_is_one_at_predict() -> None:
    """A table off the grid of a model that was fitted on one grid is an error, not another phase."""
    frame, _, b = two("weeks")
    schema = load(frame[:30], id="id").schema
    assert not schema.phases
    with pytest.raises(DataError, match="not on the grid"):
        load_like(frame[30:].assign(t=b.to_numpy()), schema)


@pytest.mark.parametrize("kind", [k for k in PHASES if k != "numbers"])
def test_different_phases_are_snapped_within_their_step(kind: str) -> None:
    """A Saturday belongs to the Tuesday of its own week: no row may come into another week, day or hour."""
    frame, a, b = two(kind)
    table = load(frame, id="id", snap=True)
    stamps = pd.Series(table.schema.frequency.stamps(table.ordinal).astype("M8[us]"))
    assert stamps[:30].tolist() == a.tolist()
    assert stamps[30:].tolist() == PHASES[kind][2](b).tolist()


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ("MS", pd.DateOffset(days=14), ("day 1 of the month", "day 15 of the month")),
        ("ME", None, ("the last day of the month", "day 10 of the month")),
        ("BMS", None, ("the first weekday of the month", "day 10 of the month")),
    ],
)
def test_months_of_different_phase(left: str, right: pd.DateOffset | None, words: tuple[str, str]) -> None:
    """One series at the start of months, one in the middle: both are named, and snapping stays in the month."""
    a = pd.Series(pd.date_range("2020-01-01", periods=36, freq=left))
    b = (
        a + right
        if right is not None
        else pd.Series(pd.date_range("2020-01-01", periods=36, freq="MS")) + pd.DateOffset(days=9)
    )
    frame = pd.DataFrame({"id": ["p"] * 36 + ["q"] * 36, "t": [*a, *b], "y": np.arange(72.0)})
    with pytest.raises(DataError) as caught:
        load(frame, id="id")
    for word in ("series p", "series q", *words):
        assert word in caught.value.message
    table = load(frame, id="id", snap=True)
    stamps = pd.Series(table.schema.frequency.stamps(table.ordinal).astype("M8[us]"))
    assert stamps[:36].tolist() == a.tolist()
    assert stamps[36:].tolist() == a.tolist()


@pytest.mark.parametrize(("freq", "moved"), [("BME", "-1D"), ("BMS", "1D"), ("MS", "2D")])
@pytest.mark.parametrize("named", [False, True])
def test_days_around_holidays(freq: str, moved: str, named: bool) -> None:
    """Trading months end a day early before a holiday: named as near their usual day, and snapped to it."""
    grid = pd.Series(pd.date_range("2016-01-01", periods=60, freq=freq))
    times = grid.where(np.arange(60) % 11 != 3, grid + pd.Timedelta(moved))
    frame, asked = pd.DataFrame({"t": times, "y": np.arange(60.0)}), {"freq": freq} if named else {}
    with pytest.raises(DataError) as caught:
        load(frame, **asked)
    assert "row 4," in caught.value.message
    assert f"data.snap=true moves the times to the grid of {freq}" in caught.value.hint
    table = load(frame, snap=True, **asked)
    assert table.schema.frequency.stamps(table.ordinal).astype("M8[us]").tolist() == grid.dt.to_pydatetime().tolist()


def test_new_tables_are_snapped_as_the_fitted_one() -> None:
    """A model of snapped times must take the next table of the same logger, also a series that comes alone."""
    frame, _, _ = jittered("20min")
    schema = load(frame, snap=True).schema
    later, grid, _ = jittered("20min", n=60, seed=1)
    np.testing.assert_array_equal(
        schema.frequency.stamps(load_like(later, schema).ordinal), grid[:60].as_unit("us").asi8
    )
    weeks, _, b = two("weeks")
    schema = load(weeks, id="id", snap=True).schema
    alone = load_like(weeks[weeks["id"] == "right"].iloc[:3], schema)
    assert list(schema.frequency.stamps(alone.ordinal).astype("M8[us]")) == list((b - pd.Timedelta("4D"))[:3])


@pytest.mark.parametrize("freq", ["20min", "D", "MS"])
def test_forecasts_of_snapped_times(freq: str, tmp_path: Path) -> None:
    """From a table to dated forecasts: on the grid after the last row, as the table writes its times."""
    frame, grid, _ = jittered(freq)
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    settings = {"model.kind": "seasonal-naive", "data.snap": True, "data.horizon": 3, "data.season": 2}
    tsforge.fit(tsforge.build(settings), path, out=tmp_path / "m")
    forecast = tsforge.predict(tmp_path / "m", path).frame
    assert forecast["time"].tolist() == grid[80:].strftime("%Y-%m-%d %H:%M:%S").tolist()
