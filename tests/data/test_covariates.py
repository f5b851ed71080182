"""Covariates: encoded as scikit-learn does, learned from the training part alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.helpers.tables import lay, load, walk
from tsforge.data import covariates
from tsforge.data.panel import build
from tsforge.data.table.table import load_like

STOP = 40  # rows of the training part of each series of 60


def stops(panel) -> np.ndarray:
    return panel.offsets[:-1] + STOP


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = walk((60, 60)).assign(
        x=rng.normal(5, 3, 120), word=rng.choice(["b", "a", "c"], 120), area=np.repeat([2.0, 6.0], 60),
    )  # fmt: skip
    table.loc[table.index % 60 >= STOP, "word"] = rng.choice(["a", "new"], 40)
    return table


def test_numbers_are_z_scores() -> None:
    """Against scikit-learn's scaler fitted on the training rows."""
    table = frame()
    panel = lay(table, target="y", past="x", static="area")
    encodings = covariates.fit(panel, stops(panel), use_calendar=False)
    features = covariates.encode(panel, encodings)
    train = table.groupby("item").head(STOP)[["x"]].to_numpy()
    expected = StandardScaler().fit(train).transform(table[["x"]].to_numpy())
    np.testing.assert_allclose(features.past, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features.static, [[-1], [1]], rtol=1e-6)
    assert features.known.shape == (120, 0)


def test_words_are_one_hot() -> None:
    """Against scikit-learn's encoder with unknown categories ignored: a word unseen in training is all zeros."""
    table = frame()
    panel = lay(table, target="y", past="word")
    encodings = covariates.fit(panel, stops(panel), use_calendar=False)
    train = table.groupby("item").head(STOP)[["word"]]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train)
    np.testing.assert_array_equal(covariates.encode(panel, encodings).past, encoder.transform(table[["word"]]))
    assert encodings.past[0].categories == ("a", "b", "c")


def test_encodings_hold_for_another_table(caplog) -> None:
    """At predict the same words get the same columns, though the new table numbers them differently."""
    table = frame()
    panel = lay(table, target="y", past="x,word")
    encodings = covariates.fit(panel, stops(panel), use_calendar=False)
    back = covariates.Encodings.model_validate_json(encodings.model_dump_json())
    other = table[:60].assign(word=["c", "zzz", "a"] * 20, x=2.0)
    new = build(load_like(other, panel.schema))
    encoded = covariates.encode(new, back).past
    np.testing.assert_array_equal(encoded[:3, 1:], [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(encoded[:, 0], (2.0 - back.past[0].mean) / back.past[0].std, rtol=1e-6)
    assert "20 values of 'word' belong to categories without a feature of their own" in caplog.text


def test_missing_values(caplog) -> None:
    """A missing number reads as the mean, a missing word as no category; a warning counts both."""
    table = frame()
    table.loc[[3, 50], "x"] = np.nan
    table.loc[[3, 50], "word"] = None
    panel = lay(table, target="y", past="x,word")
    features = covariates.encode(panel, covariates.fit(panel, stops(panel), use_calendar=False))
    np.testing.assert_array_equal(features.past[[3, 50]], 0)
    assert "2 values of 'x' are missing and read as its mean" in caplog.text
    assert "2 values of 'word' are missing and read as no category" in caplog.text


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3.3])
def test_a_constant_is_harmless(value: float) -> None:
    """A deviation of rounding size would blow the next value up to millions."""
    table = frame().assign(x=value)
    table.loc[55, "x"] = value + 1
    panel = lay(table, target="y", past="x")
    encodings = covariates.fit(panel, stops(panel), use_calendar=False)
    assert encodings.past[0].std == 1.0
    assert np.abs(covariates.encode(panel, encodings).past).max() < 1.2


def test_many_categories_share_a_code(caplog) -> None:
    """The 32 most frequent words get a column; thousands of ids may not become thousands of features."""
    words = np.r_[np.repeat([f"w{i:02d}" for i in range(32)], 3), [f"rare{i}" for i in range(24)]]
    table = walk((120,)).assign(word=words)
    panel = lay(table, target="y", past="word")
    encodings = covariates.fit(panel, panel.ends, use_calendar=False)
    assert encodings.past[0].categories == tuple(f"w{i:02d}" for i in range(32))
    assert (covariates.encode(panel, encodings).past.sum(axis=1) == (np.arange(120) < 96)).all()
    assert "has 56 categories" in caplog.text


def test_a_column_of_words_without_words_in_training() -> None:
    """It stays a category: later codes may not be read as numbers."""
    table = frame()
    table.loc[table.index % 60 < STOP, "word"] = None
    panel = lay(table, target="y", past="word")
    encodings = covariates.fit(panel, stops(panel), use_calendar=False)
    np.testing.assert_array_equal(covariates.encode(panel, encodings).past, np.zeros((120, 1)))
    schema = load(frame(), target="y", past="word").schema
    empty = build(load_like(frame().assign(word=None), schema))
    assert covariates.fit(empty, empty.ends, use_calendar=False).past[0].categories == ("",)


def test_calendar_is_on_the_local_clock() -> None:
    """Eight in the morning is eight in the morning, before and after the clock change."""
    aware = pd.date_range("2024-03-25", periods=14 * 24, freq="h", tz="Europe/Berlin")
    panel = lay(pd.DataFrame({"ds": aware, "y": np.arange(len(aware)) * 1.0}))
    encodings = covariates.fit(panel, panel.ends, use_calendar=True)
    assert encodings.cycles == ("day", "week")
    known = covariates.encode(panel, encodings).known
    np.testing.assert_allclose(known[:, 0], np.sin(2 * np.pi * aware.hour / 24), atol=1e-6)
    off = covariates.encode(panel, covariates.fit(panel, panel.ends, use_calendar=False))
    assert off.known.shape == (len(aware), 0)


def told(kind: str, n: int = 240) -> pd.DataFrame:
    """Targets that a column tells, and targets that it does not."""
    rng = np.random.default_rng(3)
    x = rng.choice(["01", "02", "X9"], n) if kind in ("zones", "a zone and a drift") else rng.uniform(0, 10, n).round(2)
    y = {
        "zones": lambda: pd.Series(x).map({"01": 50, "02": 80, "X9": 100}) + rng.normal(size=n),
        "a price": lambda: 400 - 30 * x + rng.normal(size=n),
        "a bend": lambda: (x > 5) * 20.0 + x + rng.normal(size=n),
        "noise": lambda: rng.normal(size=n),
        "a zone and a drift": lambda: pd.Series(x).map({"01": 5, "02": 8, "X9": 10}) + 20 * rng.normal(size=n).cumsum(),
        "a slow wave": lambda: 100 * np.sin(np.arange(n) / 30) + x,
    }[kind]()
    return pd.DataFrame({"ds": pd.date_range("2023-01-01", periods=n), "x": x, "y": y})


@pytest.mark.parametrize(("kind", "level"), [
    ("zones", True), ("a price", True), ("a bend", True),
    ("noise", False), ("a zone and a drift", False), ("a slow wave", False),
])  # fmt: skip
@pytest.mark.parametrize("copies", [1, 3])
def test_columns_that_tell_the_level(kind: str, copies: int, *, level: bool) -> None:
    """Prevents: windows centred on their own mean where zone 01 is 50 and zone 02 is 80, whatever came before; and
    windows that are not centred where the level drifts."""
    table = pd.concat([told(kind).assign(item=f"s{i}") for i in range(copies)])
    panel = lay(table, target="y", future="x", id="item")
    assert covariates.fit(panel, panel.ends - 20, use_calendar=False).level == level


def test_a_price_of_series_of_many_sizes_tells_no_level() -> None:
    """Prevents: one scale for series whose sizes differ by thousands."""
    table = pd.concat([told("a price").assign(item=f"s{i}") for i in range(3)])
    table["y"] *= table["item"].map({"s0": 1, "s1": 50, "s2": 2_000})
    panel = lay(table, target="y", future="x", id="item")
    assert not covariates.fit(panel, panel.ends - 20, use_calendar=False).level
