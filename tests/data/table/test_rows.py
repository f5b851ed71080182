"""Rows on a grid: positions that are computed piece by piece, in as many bits as they need."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tsforge.data.table import rows
from tsforge.data.table.rows import SortedRows
from tsforge.data.time.calendar import DAY, Frequency

GRIDS = {
    "hours": Frequency(unit="us", step=3_600_000_000, anchor=5),
    "months": Frequency(unit="month", step=1),
    "last weekdays": Frequency(unit="bmonth", step=3, offset=-DAY),
    "weekdays": Frequency(unit="bday", step=1),
    "microseconds": Frequency(unit="us", step=1),
    "numbers": Frequency(unit="int", step=3, anchor=1),
}


def sorted_rows(stamps: np.ndarray) -> SortedRows:
    codes = np.zeros(len(stamps), dtype=np.int8)
    return SortedRows(SimpleNamespace(), SimpleNamespace(), codes, stamps, None, ())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_positions_are_those_of_the_frequency(name: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a position that depends on the pieces, or one cut to the bits that others need."""
    monkeypatch.setattr(rows, "_PIECE", piece)
    stamps = pd.date_range("1931-02-03", "2051-11-05", periods=500).as_unit("us").to_numpy().view(np.int64)
    expected, on_grid = GRIDS[name].ordinals(stamps)
    ordinal, lies = sorted_rows(stamps).positions(GRIDS[name])
    np.testing.assert_array_equal(ordinal, expected)
    np.testing.assert_array_equal(lies, on_grid)
    assert lies.any() or name in ("hours", "months", "last weekdays", "weekdays")


@pytest.mark.parametrize("far", [2**30 - 1, 2**30, 2**31 - 1, 2**31, 2**40, -(2**30), -(2**31), -(2**40)])
def test_gaps_are_as_wide_as_they_are(far: int) -> None:
    """Prevents: a gap that 32 bits do not hold, between a row far before the others and one far behind."""
    stamps = np.sort(np.array([-5, 0, 3, far, -far]))
    made = sorted_rows(stamps)
    ordinal, on_grid = made.positions(Frequency(unit="int", step=1))
    assert on_grid.all()
    assert np.diff(ordinal).tolist() == [int(b) - int(a) for a, b in pairwise(stamps)]
    assert made.steps(ordinal).tolist() == [2 * abs(far)]
