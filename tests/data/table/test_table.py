"""Tables: rows in any order become sorted series, and every mistake is named where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import days, load, text, walk
from tsforge.data.table.table import Table, load_like
from tsforge.errors import DataError


def same(a: Table, b: Table) -> None:
    for left, right in ((a.series, b.series), (a.ordinal, b.ordinal), (a.target, b.target)):
        np.testing.assert_array_equal(left, right)
    assert [c.tolist() for c in a.ids] == [c.tolist() for c in b.ids]


def message(source: object, **config: object) -> DataError:
    with pytest.raises(DataError) as caught:
        load(source, **config)
    assert caught.value.hint
    return caught.value


# --- series -----------------------------------------------------------------------------------------------------


def test_order_of_rows_does_not_matter() -> None:
    """Any order gives the same table, but for the order of the series: that of first appearance."""
    frame = walk((30, 20, 25))
    expected = load(frame)
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(len(frame))
        shuffled = frame.iloc[rows]
        table = load(shuffled)
        assert table.ids[0].tolist() == list(dict.fromkeys(shuffled["item"]))
        for name in ("s0", "s1", "s2"):
            i, j = (list(t.ids[0]).index(name) for t in (table, expected))
            np.testing.assert_array_equal(table.target[table.series == i], expected.target[expected.series == j])
            np.testing.assert_array_equal(table.ordinal[table.series == i], expected.ordinal[expected.series == j])


def test_long_and_sorted_by_time_first() -> None:
    """Rows of all series of one day, then of the next, as databases give them."""
    frame = walk((30, 30, 30))
    same(load(frame), load(frame.sort_values(["ds", "item"], kind="stable")))


def test_ids_keep_their_spelling_and_type(write_csv) -> None:
    """007 is not 7, 1.10 is not 1.1, the country NA is not missing, and 7 stays a number."""

    def ids(names: tuple[str, ...]) -> list[object]:
        rows = [f"{d},{s},{i}" for i, d in enumerate(days(5)) for s in names]
        return load(write_csv(text("date,id,y", rows)), id="id").ids[0].tolist()

    assert ids(("007", "012", "7")) == ["007", "012", "7"]
    assert ids(("1.10", "1.1", "2.0")) == ["1.10", "1.1", "2.0"]
    assert ids(("NA", "DE")) == ["NA", "DE"]
    assert ids(("9007199254740993", "9007199254740992")) == [9007199254740993, 9007199254740992]
    assert ids(("3", "1", "2")) == [3, 1, 2]
    assert ids(("b ", "a")) == ["b", "a"]
    ints = pd.DataFrame({"date": days(4) * 2, "id": [5] * 4 + [2] * 4, "y": range(8)})
    for frame in (ints, ints.astype({"id": "int32"}), ints.astype({"id": "Int64"})):
        assert load(frame).ids[0].tolist() == [5, 2]
        assert all(isinstance(int(v), int) and not isinstance(v, str) for v in load(frame).ids[0])


def test_several_id_columns() -> None:
    """Pairs are series of their own: ("a", "bc") and ("ab", "c") may not run together."""
    pairs = [("a", "bc"), ("ab", "c"), ("a", "c"), ("ab", "bc")]
    y = np.arange(6.0)
    parts = [pd.DataFrame({"x": x, "z": z, "date": days(6), "y": y + 10 * i}) for i, (x, z) in enumerate(pairs)]
    table = load(pd.concat(parts), id="x,z")
    assert list(zip(*(c.tolist() for c in table.ids), strict=True)) == pairs
    assert table.target[:, 0].tolist() == [10 * i + k for i in range(4) for k in range(6)]
    assert table.label(1) == "ab c"


def test_missing_id_is_named(write_csv) -> None:
    rows = [f"{d},{s},{i}" for i, d in enumerate(days(5)) for s in ("a", "b")]
    rows[3] = rows[3].replace(",b,", ",,")
    assert "no series id in row 4 (line 5), column 'id'" in message(write_csv(text("date,id,y", rows)), id="id").message


# --- what is wrong with a row -------------------------------------------------------------------------------------


def csv_rows() -> list[str]:
    return [f"{s},{d},{i}" for s in ("a", "b") for i, d in enumerate(days(12))]


@pytest.mark.parametrize(("value", "hint"), [
    ("abc", "fix"), ("12%", "%"), ("$3", "$"), ("1.2.3", "fix"), ("(5)", "as -5"), ("5-", "as -5"),
    ("1 234", "thousands"),
])  # fmt: skip
def test_text_in_the_target(write_csv, value: str, hint: str) -> None:
    """Row, line and value are named, and the hint fits what was written."""
    rows = csv_rows()
    rows[15] = f"b,2024-01-04,{value}"
    path = write_csv(text("id,date,y", rows))
    error = message(path, target="y")
    assert f"{path}: column 'y', row 16 (line 17): '{value.strip(chr(34))}' is not a number" in error.message
    assert hint in error.hint


def test_amounts_throughout(write_csv) -> None:
    """A column of 1,000 and more, or of percentages, is text to a parser: it must not vanish as 'not numeric'."""
    for shown in ("{:d}%", "€{:d}", "{:d} EUR"):
        path = write_csv(text("date,y", [f"{d},{shown.format(i)}" for i, d in enumerate(days(12))]))
        assert "is not a number (and 11 more such rows)" in message(path).message


def test_infinite_values(write_csv) -> None:
    """In covariates as well."""
    for value in ("inf", "-inf", "Infinity"):
        rows = csv_rows()
        rows[15] = f"b,2024-01-04,{value}"
        path = write_csv(text("id,date,y", rows))
        assert f"{path}: column 'y', row 16 (line 17): infinite value" in message(path).message
    frame = walk().assign(x=1.0)
    frame.loc[7, "x"] = np.inf
    assert "column 'x', row 8: infinite value" in message(frame, past="x", target="y").message


@pytest.mark.parametrize("value", ["1e39", "-2.5e251", "1e400", "9" * 320])
def test_values_that_are_too_large_are_not_called_infinite(write_csv, value: str) -> None:
    """Prevents: a hint to empty the cell, where the number is one; float32 and float64 overflow."""
    rows = csv_rows()
    rows[15] = f"b,2024-01-04,{value}"
    error = message(write_csv(text("id,date,y", rows)))
    assert f"column 'y', row 16 (line 17): {value} is too large" in error.message
    assert "power of ten" in error.hint
    frame = walk().assign(y=walk()["y"].to_numpy() * 1e250)
    assert "infinite" not in message(frame, target="y").message


def test_all_missing(write_csv) -> None:
    path = write_csv(text("date,y", [f"{d}," for d in days(9)]))
    assert f"{path}: column 'y' is empty: all its 9 values are missing" in message(path, target="y").message


def test_duplicate_times_are_named(write_csv) -> None:
    """The first three, each with row, series and time, and the row it repeats."""
    rows = csv_rows()
    rows += [f"b,{d},5" for d in days(5)]
    path = write_csv(text("id,date,y", rows))
    error = message(path)
    first = "row 25 (line 26), series b, time 2024-01-01 repeats row 13 (line 14); "
    assert f"{path}: 5 duplicate times: {first}" in error.message
    assert "row 27 (line 28), series b, time 2024-01-03 repeats row 15 (line 16)" in error.message
    assert "row 28" not in error.message


def test_irregular_times_are_named(write_csv) -> None:
    rows = [f"a,2024-01-01 {h:02d}:00,{h}" for h in range(20)]
    rows[12] = "a,2024-01-01 12:17,12"
    path = write_csv(text("id,date,y", rows))
    error = message(path, id="id")
    row = "row 13 (line 14), series a, time 2024-01-01 12:17"
    assert f"{path}: irregular times: {row} follows 2024-01-01 11:00" in error.message
    assert "data.snap=true moves the times to the grid of h" in error.hint
    named = message(path, id="id", freq="h")
    assert f"{row} is not on the grid of frequency h" in named.message


def test_another_frequency_than_that_of_the_rows_is_named(write_csv) -> None:
    """Prevents: "pass another frequency", which sends a user guessing, and a grid of days that times are moved to."""
    path = write_csv(text("date,y", [f"{day},{k}" for k, day in enumerate(days(40))]))
    for freq in ("W", "MS"):
        error = message(path, freq=freq)
        longer = f"or bring them to longer steps: data.freq=D data.resample={freq}"
        assert error.hint == f"the rows are steps of D: leave out data.freq, {longer}"
        assert error.choices == (
            {"data.freq": "D"}, {"data.freq": "D", "data.resample": freq, "data.aggregate": "mean"},
        )  # fmt: skip
        assert len(load(path, freq="D", resample=freq, aggregate="mean").target) < 12
    assert message(path, freq="B").hint == "the rows are steps of D: leave out data.freq"


def test_a_time_far_away(write_csv) -> None:
    """2924 for 2024 would ask for a grid of 28 billion seconds."""
    times = [*pd.date_range("2024-01-01", periods=9, freq="s").strftime("%Y-%m-%d %H:%M:%S"), "2924-01-01 00:00:09"]
    path = write_csv(text("ds,y", [f"{t},1" for t in times]))
    error = message(path)
    steps = (pd.Timestamp(times[-1]) - pd.Timestamp(times[-2])) // pd.Timedelta("1s")
    assert f"row 10 (line 11), time {times[-1]} comes {steps:,} steps of s after {times[-2]}" in error.message


# --- covariates ---------------------------------------------------------------------------------------------------


def test_static_column_that_changes() -> None:
    """Also where a gap lies between the two values; gaps alone are fine."""
    frame = walk((10, 10)).assign(region=["n"] * 10 + ["s"] * 10)
    frame.loc[[3, 14], "region"] = None
    assert load(frame, static="region", target="y").schema.static[0].kind == "category"
    frame.loc[4, "region"] = "s"
    error = message(frame, static="region", target="y")
    assert "static column 'region' changes within a series at row 5, series s0, time 2024-01-05" in error.message
    assert "data.past=region" in error.hint


def test_kinds_of_covariates() -> None:
    """Numbers are numbers, words are categories, truth values too; missing ones are NaN."""
    frame = walk().assign(
        n=np.arange(60.0), w=["x", "y", None] * 20, b=[True, False] * 30, c=pd.Categorical(["p", "q"] * 30)
    )
    table = load(frame, target="y", past="n,w,b", future="c")
    assert [c.kind for c in (*table.schema.past, *table.schema.future)] == [
        "number",
        "category",
        "category",
        "category",
    ]
    assert table.covariates["w"].labels == ("x", "y")
    np.testing.assert_array_equal(table.covariates["w"].values[:6], [0, 1, np.nan] * 2)
    assert table.covariates["b"].labels == ("False", "True")


def test_unused_columns_are_said(caplog) -> None:
    assert load(walk().assign(note="x"), target="y").unused == ("note",)
    assert "not used: note" in caplog.text


# --- as when predicting -------------------------------------------------------------------------------------------


def test_like_the_training_data() -> None:
    """The same grid, so that ordinals mean the same instants, wherever the new table starts."""
    frame = walk((60, 50))
    table = load(frame)
    later = frame[frame["ds"] >= "2024-01-20"]
    again = load_like(later, table.schema)
    assert again.ordinal[0] == table.ordinal[19]
    assert again.schema.frequency == table.schema.frequency


def test_missing_columns_when_predicting() -> None:
    frame = walk().assign(price=1.0)
    schema = load(frame, target="y", future="price").schema
    with pytest.raises(DataError, match="there is no column 'price'") as caught:
        load_like(frame.rename(columns={"price": "prize"}), schema)
    assert "did you mean 'prize'?" in caught.value.hint


def test_another_frequency_when_predicting() -> None:
    schema = load(walk(freq="h")).schema
    for freq in ("30min", "2h", "D"):
        with pytest.raises(DataError, match=f"this table has frequency {freq}, the model was fitted on h") as caught:
            load_like(walk((9,), freq=freq), schema)
        assert "fit a model on" in caught.value.hint
    off = walk((9,), freq="h").assign(ds=lambda f: f["ds"] + pd.Timedelta("30min"))
    with pytest.raises(DataError, match="is not on the grid of frequency h"):
        load_like(off, schema)


def test_sparse_tables_when_predicting() -> None:
    """Holes are no other frequency; nor are a few days without a weekend, or weekdays alone."""
    hours, weekdays, alldays = walk(freq="h"), walk(freq="B"), walk(freq="D")
    holes = hours.drop(index=range(3, 60, 2))
    assert len(load_like(holes, load(hours).schema).ordinal) == len(holes)
    assert load_like(hours[:2], load(hours).schema).ordinal.tolist() == load(hours).ordinal[:2].tolist()
    load_like(weekdays[:5], load(weekdays).schema)
    load_like(alldays[alldays["ds"].dt.dayofweek < 5], load(alldays).schema)
    load_like(alldays[:1], load(alldays).schema)


def test_another_kind_of_time_when_predicting() -> None:
    schema = load(walk()).schema
    numbers = walk().assign(ds=range(60))
    with pytest.raises(DataError, match="times of kind integer, the model was fitted on datetime"):
        load_like(numbers, schema)
    aware = walk().assign(ds=lambda f: f["ds"].dt.tz_localize("UTC"))
    with pytest.raises(DataError, match="has a time zone"):
        load_like(aware, schema)


def test_kinds_are_kept_when_predicting() -> None:
    """Categories that happen to be numbers in the new table are still the same categories."""
    frame = walk().assign(shift=["1", "2", "x"] * 20)
    schema = load(frame, target="y", past="shift").schema
    later = walk((6,)).assign(shift=[1.0, 2.0, np.nan] * 2)
    column = load_like(later, schema).covariates["shift"]
    assert column.labels == ("1", "2")
    np.testing.assert_array_equal(column.values, [0, 1, np.nan] * 2)


def test_few_rows_of_another_frequency() -> None:
    """Two days are not two hours with 22 missing; but few rows around a hole are what they are."""
    schema = load(walk((60,), freq="h")).schema
    for n in (2, 3):
        with pytest.raises(DataError, match="this table has frequency D, the model was fitted on h"):
            load_like(walk((n,), freq="D"), schema)
    hole = walk((8,), freq="h")
    assert np.ptp(load_like(hole.iloc[[0, 7]], schema).ordinal) == 7
    assert load_like(hole.iloc[[0, 2, 7]], schema).schema.frequency.name == "h"


# --- the first rows alone ---------------------------------------------------------------------------------------


def test_rows_are_steps_of_each_series_grid(caplog) -> None:
    """Rows of a file in place of steps of the grid: with gaps, series would end at different times."""
    frame = walk((30, 20, 8)).assign(load=range(58))
    frame = frame.drop(index=[2, 3, 35, 36, 37]).sample(frac=1, random_state=0)
    whole, cut = (load(frame, target="y", past="load", rows=rows) for rows in (None, 12))
    keep = []
    for row, (series, ordinal) in enumerate(zip(whole.series, whole.ordinal, strict=True)):
        first = min(o for s, o in zip(whole.series, whole.ordinal, strict=True) if s == series)
        if ordinal - first < 12:
            keep.append(row)
    np.testing.assert_array_equal(cut.series, whole.series[keep])
    np.testing.assert_array_equal(cut.ordinal, whole.ordinal[keep])
    np.testing.assert_array_equal(cut.target, whole.target[keep])
    np.testing.assert_array_equal(cut.covariates["load"].values, whole.covariates["load"].values[keep])
    assert [c.tolist() for c in cut.ids] == [c.tolist() for c in whole.ids]
    assert f"{len(whole.series) - len(keep)} rows are left out" in caplog.text
    assert set(np.bincount(cut.series).tolist()) == {10, 9, 8}


def test_more_rows_than_there_are_change_nothing(caplog) -> None:
    """A warning about nothing, or a last row lost."""
    frame = walk((30, 20))
    same(load(frame, rows=30), load(frame))
    assert "left out" not in caplog.text
