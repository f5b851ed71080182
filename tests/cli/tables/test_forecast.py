"""The first rows of a forecast on the terminal: which interval, and how many digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsforge.cli.tables.forecast import interval
from tsforge.data.tidy import places_of, texts


@pytest.mark.parametrize(("levels", "expected"), [
    ((0.05, 0.1, 0.5, 0.9, 0.95), (0.1, 0.9)), ((0.05, 0.5, 0.95), (0.05, 0.95)),
    ((0.02, 0.2, 0.8, 0.98), (0.02, 0.98)),
    ((0.5,), None), ((0.1, 0.5, 0.8), None), ((), None),
])  # fmt: skip
def test_one_interval_is_shown(levels: tuple[float, ...], expected: tuple[float, float] | None) -> None:
    """Prevents: two quantiles beside each other that are no interval."""
    assert interval(levels) == expected


@pytest.mark.parametrize(("observed", "forecast", "places"), [
    ([22262, 21756, 22247], [22158.31, 21517.9], 0),  # whole numbers of the data stay whole
    ([112.0, 118.0], [447.3, 420.1], 0),
    ([0, 1, 0, 3], [0.4321, 0.31], 3),  # but for counts that would all be 0
    ([20.25, 21.5, 19.75], [20.4321, 21.2], 2),
    ([1.1, 2.3], [1.98765, 2.1], 2),  # three digits at least
    ([0.1234567, 0.7654321], [0.4, 0.5], 6),  # and six at most
    ([1234.5678, 2345.6789], [1800.123, 2000.9], 2),
    ([5, 6], [7.0, 8.0], 0),  # rounded
    ([1.0, np.nan], [np.nan, np.nan], 0),
])  # fmt: skip
def test_digits_are_those_of_the_data(observed: list[float], forecast: list[float], places: int) -> None:
    """Prevents: 22158.3125 for a table of whole numbers, and 0 for a demand of 0.4 a day."""
    assert places_of(np.array(observed, dtype=np.float32), np.array(forecast, dtype=np.float32)) == places


def test_rows_are_read_as_numbers() -> None:
    """Prevents: exponents, thousands without a sign, gaps shown as nan."""
    frame = pd.DataFrame(
        {"id": ["a", "b"], "forecast": np.float32([1084466.25, np.nan]), "share": [0.00002, 0.5], "n": [1, 20]}
    )
    assert texts(frame, {"forecast": 1}) == [["a", "1,084,466.2", "0.0000200", "1"], ["b", "", "0.5000000", "20"]]
