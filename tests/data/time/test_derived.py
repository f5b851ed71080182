"""Columns that the calendar decides, against pandas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tsforge.data.time.derived import field_of

TIMES = pd.date_range("2019-11-30 05:00", periods=4000, freq="5h")
COLUMNS: dict[str, Callable[[pd.DatetimeIndex], object]] = {
    "weekday": lambda t: t.weekday, "iso weekday": lambda t: t.weekday + 1,
    "from sunday": lambda t: (t.weekday + 1) % 7,
    "weekend": lambda t: t.weekday >= 5, "hour": lambda t: t.hour, "month": lambda t: t.month, "day": lambda t: t.day,
    "quarter": lambda t: t.quarter, "year": lambda t: t.year, "day of year": lambda t: t.dayofyear,
}  # fmt: skip


def _stamps(times: pd.DatetimeIndex) -> np.ndarray:
    return times.to_numpy().astype("M8[us]").astype(np.int64)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", COLUMNS)
def test_a_field_is_recognised_and_continued(name: str) -> None:
    """Prevents: a day of the week that is one off in the rows ahead."""
    values = np.asarray(COLUMNS[name](TIMES), dtype=np.float64)
    past = np.where(np.arange(3000) % 7 == 0, np.nan, values[:3000])  # some are missing
    field = field_of(past, _stamps(TIMES[:3000]))
    assert field is not None
    np.testing.assert_array_equal(field(_stamps(TIMES[3000:])), values[3000:])


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).integers(0, 7, 300).astype(float),
        np.ones(300),
        np.r_[np.asarray(TIMES[:299].weekday, dtype=float), 9.0],
        np.full(300, np.nan),
        np.asarray(TIMES[:5].weekday, dtype=float),
    ],
    ids=["random", "constant", "one differs", "empty", "few"],
)
def test_what_is_no_field_is_left_alone(values: np.ndarray) -> None:
    """Prevents: prices and promotions invented from the calendar."""
    assert field_of(values, _stamps(TIMES[: len(values)])) is None
