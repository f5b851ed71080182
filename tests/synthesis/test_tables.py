"""Synthetic series as a table, in Python."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import lay
from tsforge.errors import ConfigError, DataError
from tsforge.synthesis import Mixture, make
from tsforge.synthesis.drawing import draw
from tsforge.synthesis.tables import FREQUENCIES


def test_a_table_holds_what_is_drawn() -> None:
    """Prevents: values of another series, in another order, or gaps that are filled with zeros."""
    frame = make("mixture", series=40, length=90, seed=3, season=7)
    assert list(frame.columns) == ["id", "time", "value"]
    assert frame["id"].nunique() == 40
    mixture = Mixture(shortest=90, longest=90, periods=(7,), sampled=0)
    values, observed, _, _ = draw(mixture, 512, 90, 3, 0)
    expected = np.where(observed, values, np.nan)[:40]
    np.testing.assert_array_equal(frame["value"].to_numpy().reshape(40, 90), expected)
    assert frame["value"].isna().any()


def test_fewer_series_are_the_first_of_more() -> None:
    """Prevents: other series when more are asked for."""
    few, many = make("gp", series=3, length=50, seed=1), make("gp", series=600, length=50, seed=1)
    np.testing.assert_array_equal(few["value"], many["value"][:150])
    assert many["id"].nunique() == 600
    assert many["value"].to_numpy().reshape(600, 50).std(axis=1).min() > 0


@pytest.mark.parametrize(("season", "freq"), FREQUENCIES.items())
def test_times_are_a_grid_that_is_read_back(season: int, freq: str) -> None:
    """Prevents: a table whose times tsforge reads as another grid."""
    frame = make("ets", series=2, length=max(30, 2 * season if season < 300 else 600), season=season)
    times = frame["time"][: len(frame) // 2]
    assert times.is_monotonic_increasing
    assert times.is_unique
    assert lay(frame).schema.frequency.name == freq


def test_a_frequency_of_ones_own() -> None:
    """Prevents: times that are those of the season though others were asked for."""
    frame = make("walk", series=1, length=40, season=1, frequency="15min")
    assert (frame["time"].diff().dropna() == pd.Timedelta(minutes=15)).all()


@pytest.mark.parametrize(("arguments", "message", "hint"), [
    ({"kind": "etz"}, "there is no kind of series 'etz'", "'ets'"),
    ({"kind": "weather"}, "'weather'", "one of ets, arima, sarima"),
    ({"length": 5}, "5 steps", "6 to 600"),
    ({"length": 601}, "601 steps", "6 to 600"),
    ({"length": 30, "season": 24}, "season of 24", "2 to 20, or 1 for none; or a length of 36"),
    ({"season": 0}, "season of 0", "1 is none"),
    ({"season": -3}, "season of -3", "1 is none"),
    ({"series": 0}, "0 series", "series=1"),
    ({"seed": -1}, "seed -1", "another seed"),
])  # fmt: skip
def test_impossible_tables_say_what_is_right(arguments: dict[str, object], message: str, hint: str) -> None:
    """Prevents: a traceback, or an empty table."""
    with pytest.raises(ConfigError) as caught:
        make(**arguments)  # type: ignore[arg-type]
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_frequency_says_which_are_known() -> None:
    """Prevents: times of a frequency that was not meant."""
    with pytest.raises(DataError, match="frequency 'fortnight' is unknown"):
        make("walk", frequency="fortnight")
