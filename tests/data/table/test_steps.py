"""Two frequencies in one table: said by their names, and not where rows are merely missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsforge.data.schema import DataConfig
from tsforge.data.table import table
from tsforge.errors import DataError


def _series(name: str, times: pd.DatetimeIndex | np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"id": name, "t": times, "y": np.arange(len(times)) % 7 + 1.0})


def _times(freq: str, count: int, start: str = "2020-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq=freq)


def _load(*parts: pd.DataFrame, **config: object) -> table.Table:
    settings = {"target": ("y",), "id": ("id",), "time": ("t",)} | config
    return table.load(pd.concat(parts, ignore_index=True), DataConfig.model_validate(settings))


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (("h", 200), ("D", 60), ("h", "D")),
        (("D", 300), ("7D", 60), ("D", "W")),
        (("7D", 60), ("D", 300), ("W", "D")),
        (("MS", 100), ("QS", 40), ("MS", "QS")),
        (("YS", 30), ("MS", 100), ("YS", "MS")),
        (("15min", 400), ("30min", 200), ("15min", "30min")),
        (("MS", 60), ("D", 400), ("MS", "D")),
        (("ME", 60), ("D", 400), ("ME", "D")),
        (("2h", 100), ("3h", 100), ("2h", "3h")),
    ],
)
def test_both_series_and_both_frequencies_are_named(
    first: tuple[str, int], second: tuple[str, int], names: tuple[str, str]
) -> None:
    """Prevents: an error about windows or empty steps, or one series forecast at the steps of another."""
    with pytest.raises(DataError) as problem:
        _load(_series("north", _times(*first)), _series("south", _times(*second)))
    text = problem.value.message
    assert f"two frequencies in one table: series north is of frequency {names[0]}" in text
    assert f" and series south is of frequency {names[1]}" in text
    assert "data.resample" in problem.value.hint


def test_counted_steps() -> None:
    """Prevents: the same with numbers for times."""
    with pytest.raises(DataError, match="series a is of frequency 1 and series b is of frequency 5"):
        _load(_series("a", np.arange(100)), _series("b", np.arange(0, 250, 5)))


def test_a_table_of_its_own_and_resampling_help() -> None:
    """Prevents: a hint that does not."""
    days, weeks = _series("d", _times("D", 300)), _series("w", _times("7D", 60))
    assert len(_load(days, weeks, freq="D").ids[0]) == 2
    assert _load(days, weeks, resample="W").schema.frequency.name.startswith("W")
    assert _load(weeks).schema.frequency.name == "W"


@pytest.mark.parametrize("seed", range(3))
def test_missing_rows_are_no_other_frequency(seed: int) -> None:
    """Prevents: a table refused since one of its series has gaps, few rows, or only its working days."""
    rng = np.random.default_rng(seed)
    whole = _series("whole", _times("D", 300))
    thin = whole.iloc[np.sort(rng.choice(300, 170, replace=False))].assign(id="thin")
    few = _series("few", _times("2D", 5))
    working = whole[whole["t"].dt.dayofweek < 5].assign(id="working")
    assert len(_load(whole, thin, few, working).ids[0]) == 4
