"""Rows of one series and time: refused by name, or joined by a rule; compared with pandas."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import days, load, text, walk
from tsforge.data.table.table import load_like
from tsforge.errors import DataError

RULES = ("mean", "sum", "first", "last")


def pairs() -> pd.DataFrame:
    """One series in which some days come twice."""
    frame = walk((40,))
    return pd.concat([frame, frame.iloc[[3, 9, 30]].assign(y=[5.0, 6.0, 7.0])], ignore_index=True)


def crowds() -> pd.DataFrame:
    """Several series with up to five rows for a day, in any order, some without a value."""
    rng = np.random.default_rng(1)
    frame = walk((30, 25, 35))
    frame = frame.iloc[np.r_[np.arange(90), rng.integers(0, 90, 120)]].sample(frac=1, random_state=2)
    frame["y"] = rng.normal(size=len(frame))
    frame.loc[rng.random(len(frame)) < 0.3, "y"] = np.nan
    return frame.reset_index(drop=True)


def hours() -> pd.DataFrame:
    """Two targets by the hour, every row there twice, the copies at the end of the table."""
    frame = walk((48,), freq="h").assign(z=np.arange(48.0))
    return pd.concat([frame, frame.assign(y=1.0, z=lambda f: f["z"].where(f["z"] > 5))], ignore_index=True)


def joined(frame: pd.DataFrame, rule: str, names: list[str]) -> pd.DataFrame:
    groups = frame.groupby(["item", "ds"], sort=False)[names]
    if rule == "mean":
        return groups.mean()
    if rule == "sum":
        return groups.sum(min_count=1)
    return frame.groupby(["item", "ds"], sort=False).nth(0 if rule == "first" else -1).set_index(["item", "ds"])[names]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("make", [pairs, crowds, hours])
def test_against_pandas(caplog, make, rule: str) -> None:
    """Prevents: a rule that takes another row, counts a missing value as 0, or mixes up series."""
    frame = make()
    names = [c for c in frame.columns if c in ("y", "z")]
    table = load(frame, target=",".join(names), duplicates=rule)
    expected = joined(frame, rule, names)
    assert len(table.ordinal) == len(expected)
    times = table.schema.frequency.stamps(table.ordinal).astype("M8[us]")
    keys = pd.MultiIndex.from_arrays([table.ids[0][table.series] if table.ids else ["s0"] * len(times), times])
    np.testing.assert_allclose(table.target, expected.loc[keys].to_numpy(), rtol=1e-12)
    count = int(frame.duplicated(["item", "ds"], keep=False).sum())
    taken = f"the {rule} is taken" if rule in ("first", "last") else f"their {rule} is taken"
    says = f"{count} rows share their series and time with another: {taken}, as data.duplicates={rule} says"
    assert says in caplog.text


@pytest.mark.parametrize("make", [pairs, crowds, hours])
def test_an_error_without_a_rule_offers_all(make) -> None:
    """Prevents: a dead end at the first row that was written twice."""
    with pytest.raises(DataError, match=r"duplicate times?: row \d+, (series s\d, )?time") as caught:
        load(make(), id="item", target="y")
    assert caught.value.hint.endswith("or join such rows: data.duplicates=mean|sum|first|last")


def test_nothing_is_said_where_nothing_repeats(caplog) -> None:
    for rule in RULES:
        load(walk((30, 20)), duplicates=rule)
    assert "share their series" not in caplog.text


@pytest.mark.parametrize("name", ["store", "sensor_id", "Product"])
def test_series_are_not_joined_with_each_other(name: str) -> None:
    """Prevents: the mean over all shops, because rows that repeat hide which column tells them apart."""
    frame = crowds().rename(columns={"item": name})
    assert load(frame, duplicates="mean").schema.id == (name,)


@pytest.mark.parametrize("name", ["colour", "payment", "region"])
def test_columns_that_would_keep_rows_apart_are_said(caplog, name: str) -> None:
    """Prevents: sales of two colours added up by somebody who did not think of the column."""
    frame = crowds().rename(columns={"item": name})
    assert load(frame, target="y", duplicates="sum").schema.id == ()
    assert f"some differ in '{name}', and data.id={name} would keep these apart" in caplog.text
    caplog.clear()
    assert load(frame, target="y", id=name, duplicates="sum").schema.id == (name,)
    assert "would keep these apart" not in caplog.text


@pytest.mark.parametrize("rule", RULES)
def test_numeric_covariates_follow_the_rule(rule: str) -> None:
    """Prevents: covariates of another row than the target beside them."""
    frame = crowds().assign(rain=lambda f: np.arange(len(f)) * 1.5, price=lambda f: 3.0 - np.arange(len(f)))
    table = load(frame, target="y", past="rain", future="price", duplicates=rule)
    expected = joined(frame, rule, ["rain", "price"])
    times = table.schema.frequency.stamps(table.ordinal).astype("M8[us]")
    keys = pd.MultiIndex.from_arrays([table.ids[0][table.series], times])
    for name in ("rain", "price"):
        np.testing.assert_allclose(table.covariates[name].values, expected.loc[keys, name].to_numpy())


@pytest.mark.parametrize(("roles", "words"), [
    ({"past": "shift"}, ["day", "night"]), ({"future": "shift"}, ["01", "1"]), ({"static": "shift"}, ["x", "x"]),
])  # fmt: skip
def test_categories_must_agree(write_csv, roles: dict[str, str], words: list[str]) -> None:
    """Prevents: one of two contradicting words chosen in silence; a gap contradicts nothing."""
    rows = [f"{d},{i},{words[0]}" for i, d in enumerate(days(12))]
    doubled = [*rows, "2024-01-05,7,", f"2024-01-06,8,{words[0]}"]
    table = load(write_csv(text("date,y,shift", doubled)), target="y", duplicates="mean", **roles)
    column = table.covariates["shift"]
    assert {column.labels[int(c)] for c in column.values} == {words[0]}
    if words[0] == words[1]:
        return
    apart = write_csv(text("date,y,shift", [*rows, f"2024-01-07,9,{words[1]}", f"2024-01-08,9,{words[1]}"]))
    for rule in ("mean", "sum"):
        with pytest.raises(DataError) as caught:
            load(apart, target="y", duplicates=rule, **roles)
        assert "column 'shift' differs between row 7 (line 8) and row 13 (line 14), time 2024-01-07" in str(
            caught.value
        )
        assert "(and 1 more times)" in str(caught.value)
        assert "data.duplicates=first or last" in caught.value.hint
    for rule, word in (("first", words[0]), ("last", words[1])):
        column = load(apart, target="y", duplicates=rule, **roles).covariates["shift"]
        assert column.labels[int(column.values[6])] == word


# --- the hour that a clock shows twice ----------------------------------------------------------------------------


CHANGES = [("Europe/Berlin", "2024-10-26 12:00"), ("America/New_York", "2024-11-02 12:00"),
           ("Australia/Lord_Howe", "2024-04-06 12:00")]  # fmt: skip


def local(zone: str, start: str, freq: str) -> pd.DataFrame:
    """Local times without an offset over the end of summer time."""
    times = pd.date_range(start, periods=96, freq=freq, tz=zone)
    return pd.DataFrame({"ds": times.strftime("%Y-%m-%d %H:%M"), "y": np.arange(96.0)})


@pytest.mark.parametrize(("zone", "start"), CHANGES)
def test_a_repeated_hour_is_no_duplicate(caplog, zone: str, start: str) -> None:
    """Prevents: two hours of a night in October added up to one."""
    frame = local(zone, start, "30min")
    assert frame["ds"].duplicated().any()
    table = load(frame, target="y", timezone=zone, duplicates="sum")
    np.testing.assert_array_equal(table.target[:, 0], np.arange(96.0))
    assert np.ptp(np.diff(table.ordinal)) == 0
    assert "share their series" not in caplog.text
    twice = pd.concat([frame, frame.iloc[[2, 90]]])
    table = load(twice, target="y", timezone=zone, duplicates="sum")
    expected = np.arange(96.0)
    expected[[2, 90]] *= 2
    np.testing.assert_array_equal(table.target[:, 0], expected)


@pytest.mark.parametrize(("zone", "start"), CHANGES)
def test_copies_within_a_repeated_hour_are_refused(zone: str, start: str) -> None:
    """Prevents: three rows of 02:00 dealt out to the two hours as it comes."""
    frame = local(zone, start, "30min")
    again = frame[frame["ds"].duplicated()]
    with pytest.raises(DataError, match="more than two rows of a time that the clock") as caught:
        load(pd.concat([frame, again]), target="y", timezone=zone, duplicates="mean")
    assert re.search(r"row \d+, time " + again["ds"].iloc[0], str(caught.value))
    assert "with their offset" in caught.value.hint


# --- as when predicting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_a_model_joins_rows_as_in_its_training(rule: str, tmp_path) -> None:
    """Prevents: a model that refuses next week's table for what it was fitted with, or joins it another way."""
    frame = pairs()
    settings = {"data.target": "y", "data.duplicates": rule, "data.horizon": 3, "model.kind": "drift"}
    fitted = tsforge.fit(tsforge.build(settings), frame, out=tmp_path / "m")
    later = pd.concat([walk((50,), seed=3), walk((50,), seed=4)], ignore_index=True)
    once = joined(later, rule, ["y"]).reset_index()
    got, expected = (tsforge.predict(tmp_path / "m", table).frame for table in (later, once))
    pd.testing.assert_frame_equal(got, expected)
    strict = fitted.model.facts.columns.model_copy(update={"duplicates": "error"})
    with pytest.raises(DataError) as caught:
        load_like(later, strict)
    assert "or fit a model that joins such rows: data.duplicates=mean|sum|first|last" in caught.value.hint
