"""Blocks of whole series: what is computed block by block is what is computed of each series for itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.tables import lay, walk
from tsforge.data import blocks, covariates, magnitude, statistics, traits
from tsforge.data.panel import Panel


def panel_of(lengths: list[int], seed: int, *, holes: bool = True) -> Panel:
    rng = np.random.default_rng(seed)
    frame = walk(tuple(lengths), seed=seed)
    if holes:
        keep = rng.random(len(frame)) < 0.85
        keep[frame.groupby("item").head(2).index] = True  # a series needs a value
        frame = frame.assign(y=frame["y"].where(rng.random(len(frame)) < 0.9).fillna({0: 1.0}))[keep]
    return lay(frame, freq="D", id="item")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 50))
def test_blocks_are_all_rows_once(lengths: list[int], rows: int) -> None:
    """No series is cut or left out, and no block holds more rows than asked for but of one series."""
    offsets = np.r_[0, np.cumsum(lengths)]
    parts = list(blocks.blocks(offsets, rows))
    assert [i for series, _ in parts for i in range(series.start, series.stop)] == list(range(len(lengths)))
    assert [r for _, here in parts for r in range(here.start, here.stop)] == list(range(offsets[-1]))
    assert all(here.stop - here.start <= rows or series.stop - series.start == 1 for series, here in parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]))
def test_edges_are_the_first_and_the_last_row(lengths: list[int], seed: int, share: float) -> None:
    """Prevents: an edge of another series, where a series has no row at all or a mask has all of them."""
    offsets = np.r_[0, np.cumsum(lengths)]
    mask = np.random.default_rng(seed).random(offsets[-1]) < share
    first, last = blocks.edges(mask, offsets)
    for i, (begin, end) in enumerate(pairwise(offsets)):
        own = [row for row in range(begin, end) if mask[row]] or [len(mask), -1]
        assert (first[i], last[i]) == (own[0], own[-1])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(10, 60), min_size=2, max_size=6), st.integers(0, 10**6), st.integers(1, 90))
def test_statistics_do_not_depend_on_the_blocks(lengths: list[int], seed: int, rows: int) -> None:
    """The same numbers to the last bit, however many series are taken together."""
    panel = panel_of(lengths, seed)
    stops = panel.ends - 3

    def everything() -> list[np.ndarray]:
        error, moments = statistics.seasonal_error(panel, stops, 7), statistics.moments(panel, stops)
        return [*error, *moments, statistics.usual(panel, 8, stops), traits.fit(panel, 8, stops).negative]

    whole = everything()
    default = blocks.blocks.__defaults__
    blocks.blocks.__defaults__ = (rows,)
    try:
        parted = everything()
    finally:
        blocks.blocks.__defaults__ = default
    for one, other in zip(whole, parted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("length", "seed"), [(8, 0), (5, 1), (30, 2)])
def test_usual_changes_are_those_of_a_loop(length: int, seed: int) -> None:
    """A window that begins in another series, or one left out."""
    panel = panel_of([50, 12, 33], seed, holes=False)
    stops = panel.ends - 4
    usual = statistics.usual(panel, length, stops)
    for i in range(3):
        values = panel.values[panel.offsets[i] : stops[i], 0].astype(np.float64)
        span = min(length, len(values))
        ends = range(len(values), span - 1, -max(span // 4, 1))
        deviations = sorted(values[e - span : e].std() for e in ends)
        changes = sorted(np.abs(np.diff(values[e - span : e])).mean() for e in ends)
        for kind, expected in enumerate((deviations, changes)):
            assert usual[i, kind, 0] == pytest.approx(expected[(len(expected) - 1) // 2], rel=1e-4)


@pytest.mark.parametrize("starts", [("2024-01-01",) * 3, ("2024-01-01", "2030-05-01", "2024-01-20"), ("2024-03-01",)])
def test_the_calendar_of_every_row_is_that_of_its_day(starts: tuple[str, ...]) -> None:
    """Series that overlap, that lie years apart, or that stand alone: each row has the features of its own day."""
    import pandas as pd

    dates = [pd.date_range(start, periods=40 + 5 * i, freq="D") for i, start in enumerate(starts)]
    frame = pd.concat(
        [pd.DataFrame({"item": f"s{i}", "ds": d, "y": np.arange(len(d)) % 9}) for i, d in enumerate(dates)]
    )
    panel = lay(frame, id="item")
    features = covariates.encode(panel, covariates.fit(panel, panel.ends, use_calendar=True))
    week = np.concatenate([d.dayofweek.to_numpy() for d in dates])
    np.testing.assert_allclose(features.known[:, 0], np.sin(2 * np.pi * week / 7), atol=1e-6)
    assert len(features.calendar.rows) <= len(panel.values)


def test_the_size_of_a_value_is_told_in_its_own_series() -> None:
    """The row that is named lies in the series that holds it, not at the same place of another."""
    frame = walk((30, 30, 30))
    frame.loc[67, "y"] = 3e36
    with pytest.raises(Exception, match="of series s2 at 2024-01-08") as caught:
        magnitude.check(lay(frame, id="item"))
    assert "beyond 1e+36" in str(caught.value)
