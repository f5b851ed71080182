"""Sums of the levels of a hierarchy, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsforge.data.dataset import read
from tsforge.data.hierarchy import ALL, levels, structure
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig
from tsforge.errors import ConfigError, DataError


def sales() -> pd.DataFrame:
    """Stores of two regions over 30 days; one opens later, one has a gap, one day is planned ahead."""
    random, parts = np.random.default_rng(0), []
    days = pd.date_range("2024-01-01", periods=31)
    for region, store in (("north", 1), ("north", 2), ("south", 1), ("south", 3)):
        sold = random.integers(5, 50, 31).astype(float)
        price = random.normal(10, 1, 31).round(2)
        kind = np.where(np.arange(31) % 7 == 0, "sale", "usual") if store != 2 else np.full(31, "usual")
        parts.append(
            pd.DataFrame({"region": region, "store": store, "day": days, "sold": sold, "price": price, "kind": kind})
        )
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[frame["day"] == days[-1], "sold"] = np.nan
    frame.loc[(frame["store"] == 3) & (frame["day"] == days[12]), "sold"] = np.nan
    return frame[~((frame["store"] == 2) & (frame["day"] < days[6]))]


def panel(frame: pd.DataFrame, hierarchy: str | tuple[str, ...] = "region/store") -> Panel:
    """As a fit reads it."""
    config = DataConfig(hierarchy=hierarchy, target=("sold",), future=("price", "kind") if "price" in frame else ())
    return read(config, frame)[1]


def test_sums_are_those_of_pandas() -> None:
    """Prevents: a store in another region, sums of a day that some have not, days before a store opened as gaps."""
    frame = sales()
    made = panel(frame)
    assert [made.label(i) for i in range(len(made))] == [
        f"{ALL} {ALL}", f"north {ALL}", f"south {ALL}", "north 1", "north 2", "south 1", "south 3",
    ]  # fmt: skip
    parts = structure(made)
    assert parts.levels == ("total", "region", "region/store")
    assert parts.summing[:3].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]]
    known = {0: frame, 1: frame[frame["region"] == "north"], 2: frame[frame["region"] == "south"]}
    for i, rows in known.items():
        per_day = rows.groupby("day")
        expected = per_day["sold"].sum(min_count=1).where(per_day["sold"].apply(lambda v: v.notna().all()))
        here = slice(made.offsets[i], made.offsets[i + 1])
        np.testing.assert_allclose(np.where(made.observed[here, 0], made.values[here, 0], np.nan), expected)
        np.testing.assert_allclose(made.future[here, 0], per_day["price"].mean(), rtol=1e-5)
        alike = per_day["kind"].agg(lambda v: v.iloc[0] if len(set(v)) == 1 else "").to_numpy()
        labels = np.array([*made.labels["kind"], ""], dtype=object)
        codes = np.nan_to_num(made.future[here, 1], nan=-1).astype(int)
        assert labels[codes].tolist() == alike.tolist()
        assert made.lengths[i] == 30


def test_levels_cross() -> None:
    """Prevents: levels of a grouped hierarchy that are missing, twice, or out of order."""
    assert levels(("state/region", "purpose")) == [
        (), ("purpose",), ("state",), ("state", "purpose"), ("state", "region"), ("state", "region", "purpose"),
    ]  # fmt: skip
    parts = structure(panel(sales(), ("region", "store")))
    assert parts.levels == ("total", "region", "store", "region/store")
    assert parts.summing[np.array(parts.level) == "store"].sum(axis=1).tolist() == [2, 1, 1]


def test_what_does_not_add_up_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: sums of series that have ended, of columns that are no ids, or that are in the table already."""
    frame = sales().drop(columns=["price", "kind"])
    closed = frame[~((frame["store"] == 3) & (frame["day"] > "2024-01-20"))]
    with pytest.raises(DataError, match="south 3 ends at 2024-01-20 00:00:00, others at 2024-01-30"):
        panel(closed)
    with pytest.raises(ConfigError, match="the hierarchy is of region"):
        read(DataConfig(hierarchy=("region/shop",), id=("region", "store"), target=("sold",)), frame)
    with pytest.raises(DataError, match="as sums do"):
        panel(frame.assign(region=frame["region"].replace("south", ALL)))
    with caplog.at_level("WARNING", "tsforge"):
        panel(frame[frame["store"] != 1])
        assert "top down" not in caplog.text  # of one store in each region nothing is the other way round
        panel(frame.assign(store=frame["region"] + frame["store"].astype(str)), "store/region")
    assert "each 'store' has one 'region' alone" in caplog.text
    assert "written from the top down, as region/store" in caplog.text
    other = frame.assign(visits=frame["sold"].where(frame["store"] != 3))
    with pytest.raises(DataError, match="'visits' of south 3 has no value"):
        read(DataConfig(hierarchy=("region/store",), target=("sold", "visits")), other)
