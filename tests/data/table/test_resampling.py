"""Rows to longer steps, compared with pandas and with loops over a calendar; what is incomplete is counted."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import load, text, walk
from tsforge.data.panel import build
from tsforge.data.table.table import Table, load_like
from tsforge.errors import DataError


def regular(freq: str, n: int, start: str, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame({
        "ds": pd.date_range(start, periods=n, freq=freq), "y": np.random.default_rng(seed).normal(size=n),
    })  # fmt: skip


def by_time(table: Table, c: int = 0) -> pd.Series:
    """A target of the only series by the times of its grid."""
    stamps = table.schema.frequency.stamps(table.ordinal)
    index = stamps.astype("M8[us]") if table.schema.time_kind == "datetime" else stamps
    return pd.Series(table.target[:, c], index=index)


def whole(frame: pd.DataFrame, rule: str, aggregate: str) -> pd.Series:
    """What pandas makes of a regular table, without its first and last period where the table does not fill them."""
    series = frame.set_index("ds")["y"]
    step = series.index[1] - series.index[0]
    values = getattr(series.resample(rule), aggregate)()
    wider = series.reindex(pd.date_range(series.index[0] - 800 * step, series.index[-1] + 800 * step, freq=step))
    full = wider.resample(rule).size().reindex(values.index)
    return values[series.resample(rule).size() == full]


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
@pytest.mark.parametrize(("freq", "n", "start", "rule"), [
    ("h", 1000, "2024-01-03 05:00", "D"), ("h", 900, "2023-12-30", "W"), ("15min", 700, "2024-02-28 03:15", "6h"),
    ("15min", 3000, "2024-02-28", "W-WED"), ("D", 400, "2023-01-20", "MS"), ("D", 700, "2023-02-01", "QE"),
    ("D", 500, "2022-11-11", "ME"), ("D", 900, "2021-12-31", "YS-APR"), ("D", 95, "2024-02-03", "W-SAT"),
    ("min", 700, "2024-05-05 00:31", "h"), ("h", 500, "2024-03-01", "2D"), ("D", 730, "2022-07-01", "QS"),
])  # fmt: skip
def test_against_pandas(freq: str, n: int, start: str, rule: str, aggregate: str) -> None:
    """Prevents: another day, week or quarter than everybody else's, or a part of one taken for a whole."""
    frame = regular(freq, n, start)
    table = load(frame, resample=rule, aggregate=aggregate)
    expected = whole(frame, rule, aggregate)
    pd.testing.assert_series_equal(by_time(table), expected, check_names=False, check_freq=False)
    assert len(expected) >= 1
    assert np.all(np.diff(table.ordinal) == 1)


@pytest.mark.parametrize(("kind", "step", "rule"), [(int, 1, "10"), (int, 5, "20"), (float, 0.5, "2.5")])
def test_plain_numbers(kind: type, step: float, rule: str) -> None:
    """Prevents: blocks of counted steps that begin elsewhere than at the first row."""
    times = (3 + step * np.arange(103)).astype(kind)
    table = load(pd.DataFrame({"t": times, "y": np.arange(103.0)}), resample=rule, aggregate="sum")
    size = round(float(rule) / step)
    blocks = np.arange(103.0)[: 103 // size * size].reshape(-1, size)
    np.testing.assert_array_equal(table.target[:, 0], blocks.sum(axis=1))
    np.testing.assert_allclose(by_time(table).index.to_numpy(), times[: 103 // size * size : size])


# --- what is incomplete -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
@pytest.mark.parametrize(("freq", "rule", "seed"), [("h", "D", 1), ("D", "W", 2), ("D", "MS", 3), ("10min", "h", 4)])
def test_gaps_against_a_loop(caplog, freq: str, rule: str, seed: int, aggregate: str) -> None:
    """Prevents: a sum of 23 hours that passes for a day, or a mean that nobody is told is one of few values."""
    frame = regular(freq, 600, "2024-01-01", seed)
    rng = np.random.default_rng(seed)
    gone = 1 + rng.choice(598, 12, replace=False)
    frame.loc[gone[:6], "y"] = np.nan
    frame = frame.drop(index=gone[6:])
    caplog.clear()
    table = load(frame, resample=rule, aggregate=aggregate)
    plain = whole(regular(freq, 600, "2024-01-01", seed), rule, "count")
    series = frame.set_index("ds")["y"].resample(rule)
    expected = getattr(series, aggregate)().reindex(plain.index)
    lacking = series.count().reindex(plain.index).to_numpy() < plain.to_numpy()
    if aggregate == "sum":
        expected[lacking] = np.nan
    pd.testing.assert_series_equal(by_time(table), expected, check_names=False, check_freq=False)
    what = "are missing" if aggregate == "sum" else "are the mean of what is there"
    name = table.schema.frequency.name
    assert f"steps of {name} that lack some of their rows {what}: {lacking.sum()} of 'y'" in caplog.text


@pytest.mark.parametrize(("start", "n", "left_out"), [
    ("2024-01-01 00:00", 240, 0), ("2024-01-01 01:00", 239, 1), ("2024-01-01 00:00", 241, 1),
    ("2024-01-01 23:00", 242, 2),
])  # fmt: skip
def test_first_and_last_are_counted(caplog, start: str, n: int, left_out: int) -> None:
    """Prevents: half a day at the end as the newest value, from which a forecast would start."""
    table = load(regular("h", n, start), resample="D", aggregate="sum")
    days = pd.date_range(start, periods=n, freq="h").floor("D").value_counts()
    assert len(table.ordinal) == (days == 24).sum()
    assert (f"{left_out} incomplete steps of D are left out" in caplog.text) == bool(left_out)
    assert not np.isnan(table.target).any()


def test_series_have_edges_of_their_own(caplog) -> None:
    """Prevents: a series that ends within a day, cut by the end of another; one of a few hours left as an empty one."""
    frame = walk((100, 60, 30, 5), freq="h")
    table = load(frame, resample="D")
    assert np.bincount(table.series).tolist() == [4, 2, 1]
    assert table.ids[0].tolist() == ["s0", "s1", "s2"]
    for i, n in enumerate((4, 2, 1)):
        values = frame.loc[frame["item"] == f"s{i}", "y"].to_numpy()[: 24 * n].reshape(n, 24)
        np.testing.assert_allclose(table.target[table.series == i, 0], values.mean(axis=1))
    assert "1 series have rows for no whole step of D and are left out: s3" in caplog.text
    assert build(table).ids[0].tolist() == ["s0", "s1", "s2"]
    with pytest.raises(DataError, match="no series has rows for a whole step of D"):
        load(frame[frame["item"] == "s3"], resample="D")


def test_targets_that_end_within_a_period(caplog) -> None:
    """Prevents: a mean of the night alone as the last day, where empty rows for known covariates follow."""
    frame = regular("h", 240, "2024-01-01").assign(price=np.arange(240.0))
    frame.loc[150:, "y"] = np.nan
    table = load(frame, target="y", future="price", resample="D")
    assert np.isnan(table.target[:, 0]).tolist() == [False] * 6 + [True] * 4
    assert build(table).lengths.tolist() == [6]
    np.testing.assert_allclose(table.covariates["price"].values, np.arange(240.0).reshape(10, 24).mean(axis=1))
    assert "1 incomplete steps of D are left out" in caplog.text


# --- irregular rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
@pytest.mark.parametrize(("rule", "seed"), [("D", 1), ("W", 2), ("MS", 3)])
def test_events(caplog, rule: str, seed: int, aggregate: str) -> None:
    """Prevents: rows at any time refused, or a day without a row taken for one with 0."""
    rng = np.random.default_rng(seed)
    seconds = np.unique(rng.integers(0, 90 * 86_400, 400))
    frame = pd.DataFrame({"ds": pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")})
    frame["y"] = rng.gamma(2, 10, len(frame))
    frame = frame[~frame["ds"].dt.dayofyear.isin([20, 21, 40])]
    caplog.clear()
    table = load(frame, resample=rule, aggregate=aggregate)
    series = frame.set_index("ds")["y"].resample(rule)
    values = series.mean() if aggregate == "mean" else series.sum(min_count=1)
    pd.testing.assert_series_equal(by_time(table), values.dropna(), check_names=False, check_freq=False)
    assert "the rows follow no regular grid, so that steps of " in caplog.text
    assert ("3 steps of D without rows are missing" in caplog.text) == (rule == "D")


# --- covariates ---------------------------------------------------------------------------------------------------


def test_covariates_of_longer_steps() -> None:
    """Numbers have their mean, whatever is done to the target; words the last of the period; static ones stay."""
    frame = walk((96, 72), freq="h").assign(rain=np.arange(168.0), shift=["a", "b", "c", None] * 42, region=3.0)
    frame.loc[[3, 30], "rain"] = np.nan
    for aggregate in ("mean", "sum"):
        roles = {"target": "y", "past": "rain,shift", "static": "region"}
        table = load(frame, resample="D", aggregate=aggregate, **roles)
        expected = frame.groupby(["item", frame["ds"].dt.date])["rain"].mean()
        np.testing.assert_allclose(table.covariates["rain"].values, expected.to_numpy())
        shift = table.covariates["shift"]
        assert {shift.labels[int(c)] for c in shift.values} == {"c"}
        assert table.covariates["region"].values.tolist() == [3.0] * 7


# --- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("freq", "rule"), [("h", "min"), ("h", "h"), ("D", "6h"), ("MS", "W"), ("W", "D"), ("B", "D")])
def test_shorter_steps_are_refused(freq: str, rule: str) -> None:
    """Prevents: values invented between those that were measured."""
    with pytest.raises(DataError) as caught:
        load(regular(freq, 40, "2024-01-01"), resample=rule)
    assert f"data.resample={rule} would not make longer" in caught.value.message
    assert "name a longer step than" in caught.value.hint


@pytest.mark.parametrize(("freq", "rule", "every"), [("D", "W", 7), ("h", "D", 24), ("MS", "YS", 12)])
def test_sums_that_are_never_whole_are_refused(freq: str, rule: str, every: int) -> None:
    """Prevents: a table of which nothing is left, and an error about something else further on."""
    frame = regular(freq, 20 * every, "2024-01-01")
    frame = frame[np.arange(len(frame)) % every != 2]
    with pytest.raises(DataError, match="lacks some of its values of 'y', so that no sum is whole") as caught:
        load(frame, resample=rule, aggregate="sum")
    assert "pass data.aggregate=mean, or data.freq" in caught.value.hint
    assert len(load(frame, resample=rule).ordinal) >= 19


@pytest.mark.parametrize(("freq", "rule"), [("h", "90min"), ("2D", "5D"), ("MS", "QS")])
def test_steps_that_do_not_fit(freq: str, rule: str) -> None:
    """Prevents: periods of now one, now two rows."""
    if rule == "QS":
        assert len(load(regular(freq, 40, "2024-01-01"), resample=rule).ordinal) == 13
        return
    with pytest.raises(DataError, match="is no whole number of the rows' steps"):
        load(regular(freq, 40, "2024-01-01"), resample=rule)


def test_weekend_rows_lie_in_no_business_day(write_csv) -> None:
    rows = [f"{t},1" for t in pd.date_range("2024-01-04", periods=100, freq="h")]
    with pytest.raises(DataError, match=r"row 49 \(line 50\), time 2024-01-06 00:00:00 lies in no step of B"):
        load(write_csv(text("ds,y", rows)), resample="B")
    weekdays = regular("h", 24 * 14, "2024-01-01")
    weekdays = weekdays[weekdays["ds"].dt.dayofweek < 5]
    table = load(weekdays, resample="B", aggregate="sum")
    assert len(table.ordinal) == 10
    assert not np.isnan(table.target).any()


def test_a_named_frequency_is_that_of_the_rows() -> None:
    """Prevents: data.freq and data.resample that contradict each other without a word."""
    frame = regular("h", 240, "2024-01-01")
    assert load(frame, freq="h", resample="D").schema.frequency.name == "D"
    with pytest.raises(DataError, match="is not on the grid of frequency D"):
        load(frame, freq="D", resample="W")
    with pytest.raises(DataError, match="would not make longer"):
        load(frame, freq="30min", resample="30min")
    with pytest.raises(DataError, match="every step of D lacks some of its values of 'y', so that no sum is whole"):
        load(frame, freq="30min", resample="D", aggregate="sum")
    assert load(frame, freq="30min", resample="D").target.shape == (9, 1)


# --- as when predicting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["D", "W", "12h"])
def test_later_tables_are_resampled_alike(rule: str) -> None:
    """Prevents: periods of a later table that begin elsewhere, or steps of another length taken for the model's."""
    frame = regular("h", 2000, "2024-01-01 03:00")
    table = load(frame, resample=rule, aggregate="sum")
    later = frame.iloc[777:]
    again = load_like(later, table.schema)
    common = by_time(again)
    pd.testing.assert_series_equal(common, by_time(table).loc[common.index[0] :], check_freq=False)
    assert again.schema.resampling == table.schema.resampling
    with pytest.raises(DataError, match="this table has frequency 2h, the model was fitted on h"):
        load_like(frame.iloc[::2], table.schema)


def test_what_is_done_is_said(caplog) -> None:
    """Prevents: days of UTC where local ones are meant, or a setting that is never read."""
    times = pd.date_range("2024-01-01", periods=96, freq="h", tz="UTC")
    frame = pd.DataFrame({"ds": times, "y": np.arange(96.0)})
    caplog.set_level("INFO")
    load(frame, resample="D", aggregate="sum")
    assert "96 rows become 4 steps of D on the clock of UTC: the sum of each" in caplog.text
    load(frame, resample="D", timezone="Asia/Tokyo")
    assert "96 rows become 5 steps of D on the clock of Asia/Tokyo: the mean of each" in caplog.text
    assert "changes nothing" not in caplog.text
    load(frame, aggregate="sum")
    assert "data.aggregate=sum changes nothing without data.resample" in caplog.text


def test_rows_that_are_longer_steps_already() -> None:
    """Prevents: a table of days read as one hour of each day by a model of days made of hours."""
    schema = load(regular("h", 2000, "2024-01-01"), resample="D").schema
    with pytest.raises(DataError, match="this table has frequency D, the model was fitted on h"):
        load_like(regular("D", 50, "2024-01-01"), schema)
    assert timedelta(microseconds=schema.frequency.step) == timedelta(days=1)
