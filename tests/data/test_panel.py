"""Panels: every row on its step, what is missing masked, nothing filled in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.tables import lay, load, walk
from tsforge.data.panel import build
from tsforge.data.schema import DataConfig
from tsforge.data.survey import survey


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_against_a_dictionary(data: st.DataObject) -> None:
    """Random series with gaps, missing values and rows in any order, against (series, day) -> value."""
    lengths = data.draw(st.lists(st.integers(2, 25), min_size=1, max_size=5))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    cells: dict[tuple[str, int], float] = {}
    for i, n in enumerate(lengths):
        start = int(rng.integers(0, 30))
        for day in [start, start + 1, *(start + 2 + np.flatnonzero(rng.random(n) < 0.6))]:
            cells[f"s{i}", int(day)] = np.nan if rng.random() < 0.2 else float(np.float32(rng.normal()))
    if all(np.isnan(v) for v in cells.values()):
        return
    keys = [list(cells)[k] for k in rng.permutation(len(cells))]
    origin = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame({
        "id": [k[0] for k in keys], "ds": [origin + pd.Timedelta(days=k[1]) for k in keys],
        "y": [cells[k] for k in keys],
    })  # fmt: skip
    panel = lay(frame, id="id", target="y", freq="D")
    alive = {series for (series, _), value in cells.items() if not np.isnan(value)}
    assert panel.ids[0].tolist() == [s for s in dict.fromkeys(k[0] for k in keys) if s in alive]
    for i, name in enumerate(panel.ids[0]):
        own = sorted(day for series, day in cells if series == name)
        a, b = panel.offsets[i], panel.offsets[i + 1]
        assert b - a == own[-1] - own[0] + 1
        for row in range(a, b):
            value = cells.get((name, own[0] + row - a), np.nan)
            assert panel.observed[row, 0] == (not np.isnan(value))
            assert panel.values[row, 0] == (0 if np.isnan(value) else value)
        seen = [day for day in own if not np.isnan(cells[name, day])]
        assert panel.ends[i] - a == seen[-1] - own[0] + 1
    times = panel.schema.frequency.stamps(panel.ordinals()).astype("M8[us]")
    firsts = [min(day for series, day in cells if series == name) for name in panel.ids[0]]
    assert list(times[panel.offsets[:-1]]) == [np.datetime64(origin + pd.Timedelta(days=d), "us") for d in firsts]


def test_missing_steps_are_counted(caplog) -> None:
    """Nobody should learn from the scores that a tenth of the data was missing."""
    frame = walk((30, 30)).drop(index=[4, 5, 40])
    frame.loc[7, "y"] = np.nan
    lay(frame)
    assert "4 of 60 steps of 'y' are missing in 2 of 2 series; they are masked, not filled" in caplog.text


def test_rows_known_in_advance() -> None:
    """Rows after the last target carry what is known ahead and are no part of the series."""
    frame = walk((20,)).assign(price=np.arange(20.0))
    frame.loc[15:, "y"] = np.nan
    panel = lay(frame, target="y", future="price")
    assert panel.ends.tolist() == [15]
    np.testing.assert_array_equal(panel.future[15:, 0], np.arange(15, 20))
    extended = build(load(frame, target="y", future="price"), extend=8)
    assert extended.offsets.tolist() == [0, 23]
    assert np.isnan(extended.future[20:]).all()
    assert not extended.observed[15:].any()


def test_covariates_lie_beside_their_targets() -> None:
    """Past and future covariates keep their step through gaps; a static one is the series' first value."""
    frame = walk((12, 12)).assign(p=np.arange(24.0), f=100 + np.arange(24.0), s=["x"] * 12 + ["y"] * 12)
    frame.loc[[0, 12, 13], "s"] = None
    frame = frame.drop(index=[3, 4, 16])
    panel = lay(frame, target="y", past="p", future="f", static="s")
    rows = np.setdiff1d(np.arange(24), [3, 4, 16])
    np.testing.assert_array_equal(panel.past[rows, 0], rows)
    np.testing.assert_array_equal(panel.future[rows, 0], 100 + rows)
    assert np.isnan(panel.past[[3, 4, 16]]).all()
    assert [panel.labels["s"][int(c)] for c in panel.static[:, 0]] == ["x", "y"]


@pytest.mark.parametrize("empty", [("s1",), ("s0",), ("s0", "s3"), ("s1", "s2")])
def test_series_without_any_target(caplog, empty: tuple[str, ...]) -> None:
    """Prevents: a forecast of nothing at dates of the table's start, and others in the wrong place beside it."""
    frame = walk((10, 12, 14, 16)).assign(price=np.arange(52.0), region=["a"] * 22 + ["b"] * 30)
    gone = frame["item"].isin(empty)
    config = {"target": "y", "future": "price", "static": "region"}
    expected = lay(frame[~gone], **config)
    frame.loc[gone, "y"] = np.nan
    caplog.clear()
    panel = lay(frame, **config)
    for name in ("values", "observed", "future", "static", "offsets", "first", "ends"):
        np.testing.assert_array_equal(getattr(panel, name), getattr(expected, name))
    assert panel.ids[0].tolist() == [f"s{i}" for i in range(4) if f"s{i}" not in empty]
    count = "1 series has" if len(empty) == 1 else f"{len(empty)} series have"
    left_out = "is left out" if len(empty) == 1 else "are left out"
    assert f"{count} no observed target and {left_out}: {', '.join(empty)}" in caplog.text


def test_targets_that_single_series_never_had(caplog) -> None:
    """Prevents: a silent stand-in for a target that a series does not have."""
    frame = walk((10, 12, 14)).assign(z=1.0, w=1.0)
    frame.loc[frame["item"] == "s1", "z"] = np.nan
    frame.loc[frame["item"] != "s1", "w"] = np.nan
    panel = lay(frame, target="y,z,w")
    assert panel.never.tolist() == [[False, False, True], [False, True, False], [False, False, True]]
    assert "'z' of s1 has no observed value: its forecasts there are empty" in caplog.text
    assert "'w' of s0, s2 has no observed value" in caplog.text
    assert "'y' of" not in caplog.text
    frame.loc[frame["item"] == "s2", ["y", "z", "w"]] = np.nan
    facts = survey(frame, DataConfig(target="y,z,w"))["series"]
    assert (facts["count"], facts["empty"], facts["never_observed"], facts["names"]) == (2, 1, 2, ["s0", "s1"])


def test_gaps_before_the_first_value_are_counted(caplog) -> None:
    """Prevents: a table that was padded to a common start, and a reader who takes the padding for missing values."""
    frame = walk((20, 20, 20))
    frame.loc[[0, 1, 2, 7, 20, 45], "y"] = np.nan
    panel = lay(frame)
    assert (panel.span()[0][:, 0] - panel.offsets[:-1]).tolist() == [3, 1, 0]
    assert "6 of 60 steps of 'y' are missing in 3 of 3 series; they are masked, not filled; 4 of them lie before the" \
        " first value" in caplog.text  # fmt: skip


@pytest.mark.parametrize("future", [(), ("price",)])
def test_series_that_ended_earlier_are_said(caplog, future: tuple[str, ...]) -> None:
    """Prevents: a forecast at dates that lie in the past of the table, without a word; with rows ahead as without."""
    frame = walk((20, 15, 20)).assign(price=1.0)
    if future:
        ahead = walk((26, 26, 26)).assign(price=1.0).drop(columns="y")
        frame = ahead.merge(frame.drop(columns="price"), how="left", on=["item", "ds"])
    panel = lay(frame, target="y", future=future)
    assert (panel.first + panel.lengths - panel.first[0]).tolist() == [20, 15, 20]
    end = "which end at 2024-01-20 00:00:00: s1 at 2024-01-15 00:00:00; each is forecast from its own end on"
    assert f"1 of 3 series end before the others, {end}" in caplog.text


def test_targets_that_ended_earlier_are_said(caplog) -> None:
    """Prevents: a forecast of one target that begins days after its last value, without a word."""
    frame = walk((20, 20)).assign(z=1.0)
    lay(frame, target="y,z")
    assert "ends" not in caplog.text
    frame.loc[[17, 18, 19, 39], "z"] = np.nan
    lay(frame, target="y,z")
    assert "'z' ends up to 3 steps before the other targets of 2 series" in caplog.text


def test_many_short_series() -> None:
    """20,000 series of four rows keep their order and their values."""
    n = 20_000
    frame = pd.DataFrame({"id": np.repeat(np.arange(n), 4), "t": np.tile(np.arange(4), n), "y": np.arange(4.0 * n)})
    panel = lay(frame)
    assert len(panel) == n
    np.testing.assert_array_equal(panel.values[:, 0], np.arange(4 * n, dtype=np.float32))


def test_rows_without_target_at_the_end_are_said(caplog) -> None:
    """The forecast begins before them, which nobody would guess; with future covariates they are meant so."""
    frame = walk((20, 20)).assign(price=1.0)
    frame.loc[[18, 19, 39], "y"] = np.nan
    lay(frame, target="y", future="price")
    assert "have no target" not in caplog.text
    lay(frame, target="y")
    assert caplog.text.count("the last 3 rows of 2 series have no target; the forecast begins after") == 1
    caplog.clear()
    frame.loc[39, "y"] = 1.0
    lay(frame, target="y")
    assert "the last 2 rows of series s0 have no target" in caplog.text
    lay(frame[:20].drop(columns="item"), target="y")
    assert "the last 2 rows have no target" in caplog.text


@pytest.mark.parametrize("y", [
    1e9 + 10 * np.sin(np.arange(60)), 123456789 + np.arange(60) % 7, np.round(1234567 + np.arange(60) * 1.37, 2),
    1e-25 * (1 + np.arange(60) % 5), 1e20 * (1 + np.arange(60) % 5),
])  # fmt: skip
def test_values_that_single_precision_would_spoil_are_kept_whole(y: np.ndarray) -> None:
    """1e9 + a wave of 10 would be a constant, 123456789 would be 123456790, and squares of 1e20 no numbers."""
    panel = lay(walk((60,)).assign(y=y), target="y")
    np.testing.assert_array_equal(panel.values[:, 0], y)


@pytest.mark.parametrize(
    "y", [np.arange(60) / 7, 1e4 + np.sin(np.arange(60)), np.full(60, 0.1), np.arange(60) * 1000.0]
)
def test_other_values_stay_in_single_precision(y: np.ndarray) -> None:
    """Twice the memory for every table, and other last digits than before."""
    assert lay(walk((60,)).assign(y=y), target="y").values.dtype == np.float32


def test_values_too_large_for_their_changes_are_said(caplog) -> None:
    """1e17 + a wave of 100 is nearly a constant in double precision: no error would tell why nothing is learned."""
    wave = 100 * np.sin(np.arange(60))
    frame = walk((60, 60)).assign(y=np.r_[wave + 1e17, wave + 1e4])
    lay(frame, target="y")
    assert "'y' of series s0 is stored in steps of 16 and varies by only 7" in caplog.text
    assert caplog.text.count("is stored in steps of") == 1
