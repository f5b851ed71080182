"""The forecast origin and the series by a user's words, however the table writes its times."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import lay, walk
from tsforge.data import lookup
from tsforge.errors import DataError


def hourly(**times: object) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range("2024-03-30", periods=60, freq="h", **times), "y": np.arange(60.0)})


@pytest.mark.parametrize(
    "when", ["2024-03-31 05:00:00", "2024-03-31 05:00", "2024-03-31T05:00", datetime.datetime(2024, 3, 31, 5)]
)
def test_any_spelling_of_a_time(when: object) -> None:
    assert lookup.origin(lay(hourly()), 0, when) == 29


@pytest.mark.parametrize(("when", "row"), [
    ("2024-03-31 05:00", 28), ("2024-03-31 05:00+02:00", 28), ("2024-03-31T03:00:00Z", 28), ("2024-03-31 01:00", 25),
])  # fmt: skip
def test_times_with_a_zone_across_the_change_of_the_clock(when: str, row: int) -> None:
    """An origin that is an hour off in summer: 02:00 to 03:00 does not exist on that day."""
    panel = lay(hourly(tz="Europe/Berlin"))
    assert lookup.origin(panel, 0, when) == row


def test_a_local_day_in_a_zone() -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Berlin"), "y": range(60)})
    for when in ("2024-04-02", "2024-04-02 00:00:00+02:00", "2024-04-01T22:00:00Z"):
        assert lookup.origin(lay(frame), 0, when) == 32


def test_numbers_as_times() -> None:
    panel = lay(pd.DataFrame({"ds": np.arange(100, 160, 2), "y": np.arange(30.0)}), target="y", time="ds")
    assert lookup.origin(panel, 0, "120") == lookup.origin(panel, 0, 120) == 10
    with pytest.raises(DataError, match="101") as problem:
        lookup.origin(panel, 0, 101)
    assert "'102'" in problem.value.hint


def test_the_second_row_is_the_first_origin_and_the_one_after_the_end_the_last() -> None:
    """A forecast from nothing, or one whose context has a hole behind it."""
    panel = lay(walk((20, 30)))
    assert lookup.origin(panel, 1, "2024-01-02") == 21
    assert lookup.origin(panel, 1, "2024-01-31") == 50
    for when, near in (("2024-01-01", "2024-01-02"), ("2024-02-01", "2024-01-31")):
        with pytest.raises(DataError, match="of series s1") as problem:
            lookup.origin(panel, 1, when)
        assert near in problem.value.hint


def test_series_by_their_ids() -> None:
    panel = lay(walk((20, 30)))
    assert lookup.series(panel, "s1") == 1
    with pytest.raises(DataError, match="'s9'"):
        lookup.series(panel, "s9")
    frame = walk((20, 30)).assign(item=lambda f: f["item"].map({"s0": 7, "s1": 3}))
    assert lookup.series(lay(frame, id="item", target="y"), 3) == 1
