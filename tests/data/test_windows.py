"""Windows: the index arithmetic against a loop over every series and every origin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.tables import lay, walk
from tsforge.data import split
from tsforge.data.panel import Panel
from tsforge.data.windows import Windows, cut, last, padded


def by_hand(
    panel: Panel, begin: np.ndarray, end: np.ndarray, context: int, horizon: int, stride: int, history: int | None
) -> list[tuple[int, int]]:
    """(origin, series) by the words of `cut`: walk back from the end of each series."""
    windows = []
    for i in range(len(panel)):
        start = int(panel.offsets[i])
        room = int(end[i]) - horizon - start  # rows before the newest origin
        first = start + (context if room >= context else min(horizon, max(room, 1)))
        if history is not None:
            first = start + min(history, max(room, 1))
        origins = []
        origin = int(end[i]) - horizon
        while origin >= max(int(begin[i]), first):
            seen = panel.observed[max(start, origin - context) : origin].any()
            asked = panel.observed[origin : origin + horizon].any()
            if seen and asked:
                origins.append((origin, i))
            origin -= stride
        windows += origins[::-1]
    return windows


def gappy(lengths: list[int], seed: int) -> Panel:
    """Series with random rows unobserved, the two ends kept."""
    frame = walk(tuple(lengths), seed=seed)
    rng = np.random.default_rng(seed)
    ends = frame.groupby("item")["y"].transform(lambda s: np.arange(len(s)) % (len(s) - 1) == 0).astype(bool)
    return lay(frame.assign(y=frame["y"].where(ends | (rng.random(len(frame)) < 0.5))))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=6), st.integers(1, 12), st.integers(1, 8), st.integers(1, 5),
    st.integers(0, 10**6), st.booleans(), st.none() | st.integers(1, 12),
)  # fmt: skip
def test_cut_is_the_loop(
    lengths: list[int], context: int, horizon: int, stride: int, seed: int, whole: bool, history: int | None
) -> None:
    """Every origin, none twice, in order; begin and end anywhere in the series, any least history."""
    panel = gappy(lengths, seed)
    rng = np.random.default_rng(seed)
    begin, end = panel.offsets[:-1], panel.ends
    if not whole:
        end = begin + rng.integers(0, panel.ends - begin + 1)
        begin = begin + rng.integers(0, end - begin + 1)
    windows = cut(panel, begin, end, context, horizon, stride=stride, history=history)
    expected = by_hand(panel, begin, end, context, horizon, stride, history)
    assert list(zip(windows.origins.tolist(), windows.series.tolist(), strict=True)) == expected
    assert len(windows) == len(expected)
    short = {i for _, i in expected if panel.offsets[i + 1] - panel.offsets[i] < context + horizon}
    assert padded(panel, windows, context, horizon) == len(short)


@pytest.mark.parametrize("stride", [11, 40, 2**31 - 1, 10**12])
@pytest.mark.parametrize("lengths", [[30, 8, 2, 29], [5], [12, 40, 12]])
def test_strides_longer_than_a_series_leave_its_newest_window(lengths: list[int], stride: int) -> None:
    """Prevents: steps between windows that 32 bits do not hold, or that reach into the series behind."""
    panel = gappy(lengths, 1)
    windows = cut(panel, panel.offsets[:-1], panel.ends, 4, 3, stride=stride)
    expected = by_hand(panel, panel.offsets[:-1], panel.ends, 4, 3, stride, None)
    assert list(zip(windows.origins.tolist(), windows.series.tolist(), strict=True)) == expected


def test_no_series_is_long_enough() -> None:
    """Prevents: steps from one window to the next where there is none."""
    panel = lay(walk((3, 4)))
    assert len(cut(panel, panel.offsets[:-1], panel.ends, 4, 9)) == 0


def test_counts_of_the_ett_protocol() -> None:
    """The literature counts 8209 training windows and 2785 test windows: off by one is another protocol."""
    panel = lay(walk((14_400,), freq="h"))
    cuts = split.split(panel, 2_880, 2_880)
    assert (cuts.train[0], cuts.validation[0], cuts.test[0]) == (8_640, 11_520, 14_400)
    train = cut(panel, panel.offsets[:-1], cuts.train, 336, 96)
    test = cut(panel, cuts.validation, cuts.test, 336, 96)
    assert len(train) == 8640 - 336 - 96 + 1 == 8209
    assert len(test) == 2880 - 96 + 1 == 2785
    assert test.origins[0] == 11_520
    assert test.origins[-1] == 14_400 - 96


def test_thin_keeps_the_ends() -> None:
    windows = Windows(np.arange(100), np.arange(100) // 10)
    thinned = windows.thin(7)
    assert thinned.origins.tolist() == [0, 16, 33, 50, 66, 82, 99]
    np.testing.assert_array_equal(thinned.series, thinned.origins // 10)
    assert windows.thin(100) is windows


def test_last_lies_behind_the_last_target() -> None:
    panel = gappy([9, 5, 30], 3)
    windows = last(panel)
    assert windows.origins.tolist() == panel.offsets[1:].tolist()
    assert windows.series.tolist() == [0, 1, 2]
    windows.origins[:] += 1  # a copy: writing to it leaves the panel alone
    assert panel.ends.tolist() == panel.offsets[1:].tolist()
