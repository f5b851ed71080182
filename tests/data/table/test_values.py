"""Cells as they are written: thousands and decimals, categories and ids as text, what stands above the header."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import days, lay, load, text
from tsforge.data.table.table import load_like
from tsforge.errors import DataError
from tsforge.settings import build


def table(header: str, cells: list[Any], delimiter: str = ",") -> str:
    return text(header, [f"{d}{delimiter}{c}" for d, c in zip(days(len(cells)), cells, strict=True)])


# --- thousands ------------------------------------------------------------------------------------------------

GROUPED = {
    "points, semicolons": (";", ["900", "1.020", "940", "1.140", "860"], [900, 1020, 940, 1140, 860]),
    "commas, tabs": ("\t", ["980", "1,060", "12,500", "770"], [980, 1060, 12500, 770]),
    "commas in quotes": (",", ["980", '"1,060"', '"12,500"', "770"], [980, 1060, 12500, 770]),
    "millions": (";", ["1.020.000", "2.140.500", "990.000"], [1_020_000, 2_140_500, 990_000]),
    "both signs": (";", ["1.020,5", "940,25", "12.140,75"], [1020.5, 940.25, 12140.75]),
    "both signs, the other way": ("\t", ["1,020.5", "940.25", "12,140.75"], [1020.5, 940.25, 12140.75]),
    "negative": (";", ["-900", "-1.020", "450", "1.140"], [-900, -1020, 450, 1140]),
    "decimals of three digits": (",", ["900", "1.020", "940.5", "1.140"], [900, 1.02, 940.5, 1.14]),
    "four digits without a sign": (";", ["900", "1.020", "1140"], [900, 1.02, 1140]),
    "below one": (";", ["0.125", "1.250", "2.375"], [0.125, 1.25, 2.375]),
    "minus signs of typesetters": (";", ["−5", "3", "−2,5"], [-5, 3, -2.5]),
}  # fmt: skip


@pytest.mark.parametrize("kind", GROUPED)
def test_thousands_and_decimals(write_csv, kind: str) -> None:
    """Prevents: 1.020 beside 900 read as a number a thousand times too small."""
    delimiter, cells, values = GROUPED[kind]
    assert load(write_csv(table(f"day{delimiter}y", cells, delimiter))).target[:, 0].tolist() == values


def test_another_column_rules_a_sign_out(write_csv, caplog) -> None:
    """Prevents: 1.020 read as a decimal where the next column has a decimal comma."""
    for price, sales in (("2,5", "1.020"), ("2.5", "1,020")):
        rows = [f"{d};{price};{sales}" for d in days(9)]
        frame = load(write_csv(text("day;price;sales", rows)), target="sales", past="price")
        assert frame.target[:, 0].tolist() == [1020] * 9
        assert frame.covariates["price"].values.tolist() == [2.5] * 9
    assert "is read as 1020" in caplog.text


def test_a_later_table_is_read_as_the_first(write_csv) -> None:
    """Prevents: a short table at predict, in which nothing tells 1.020 from 1020, read in another way than at fit."""
    first = load(write_csv(table("day;y", ["900", "1.020", "940", "1.140"], ";")))
    later = load_like(write_csv(table("day;y", ["1.020", "1.140"], ";")), first.schema)
    assert later.target[:, 0].tolist() == [1020, 1140]


@pytest.mark.parametrize(("cells", "bad", "hint"), [
    (["2,5", "3,25", "4,x", "5,5"], "4,x", "without 'x'"), (["2,5", "3,25", "4.5", "5,5"], "4.5", "fix"),
    (["1.5", "2.5", "1,5", "3.5"], "1,5", "decimal point"), (["10", "12", "(5)", "9"], "(5)", "as -5"),
    (["10", "12", "5-", "9"], "5-", "as -5"), (["10", "12", "10 EUR", "9"], "10 EUR", "without 'EUR'"),
])  # fmt: skip
def test_the_bad_cell_is_named(write_csv, cells: list[str], bad: str, hint: str) -> None:
    """Prevents: the first good cell among decimal commas blamed for a bad one, and hints that lose a minus sign."""
    row = cells.index(bad)
    with pytest.raises(DataError) as caught:
        load(write_csv(table("day;y", cells, ";")), target="y")
    assert f"row {row + 1} (line {row + 2}): '{bad}' is not a number" in caught.value.message
    assert hint in caught.value.hint


def test_a_covariate_with_a_bad_cell_is_no_category(write_csv) -> None:
    """Prevents: temperatures that become 200 categories because of one cell."""
    for bad in ("10 EUR", "n.a.", "12,5"):
        cells: list[str] = [f"{i}.5,{i * 3}" for i in range(30)]
        cells[17] = f'"{bad}",5'
        path = write_csv(table("day,price,y", cells))
        with pytest.raises(DataError, match=rf"column 'price', row 18 \(line 19\): '{bad}' is not a number") as caught:
            load(path, target="y", past="price")
        assert "data.category=price" in caught.value.hint
        assert load(path, target="y", past="price", category="price").schema.past[0].kind == "category"


# --- categories and ids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codes", [("01", "02", "1"), ("1.0", "1", "x"), ("true", "True", "no"), ("NA", "EU", "na"), ("1e3", "1000", "a")]
)
def test_categories_are_what_is_written(write_csv, codes: tuple[str, str, str]) -> None:
    """Prevents: 01 and 1 as one category, and a category that is another one where the table at hand lacks a word."""
    cells = [f"{codes[i % 3]},{i}" for i in range(30)]
    first = load(write_csv(table("day,zone,y", cells)), target="y", past="zone")
    assert first.covariates["zone"].labels == tuple(sorted(codes))
    for code in codes:
        later = load_like(write_csv(table("day,zone,y", [f"{code},{i}" for i in range(5)])), first.schema)
        assert later.covariates["zone"].labels == (code,)


def test_a_fit_reads_its_categories_again(write_csv) -> None:
    """Prevents: the same rows forecast otherwise where a later table holds fewer words."""
    zones = [("02", 80), ("01", 50), ("X9", 100), ("01", 50), ("02", 80)]
    rows = [f"{d},{zones[i * i % 5][0]},{zones[i * i % 5][1] + i % 2}" for i, d in enumerate(days(80))]
    rows += [f"{d},{'01' if i % 2 else '02'}," for i, d in enumerate(days(4, "2024-03-21"))]
    rows = [r if i < 50 or "X9" not in r else r.replace("X9", "01").replace("10", "5") for i, r in enumerate(rows)]
    experiment = build({"data.future": "zone", "data.target": "y", "data.horizon": 4, "model.kind": "linear"})
    model = tsforge.fit(experiment, write_csv(text("date,zone,y", rows))).model
    whole = tsforge.predict(model, write_csv(text("date,zone,y", rows)))
    part = tsforge.predict(model, write_csv(text("date,zone,y", rows[50:])))
    np.testing.assert_allclose(whole.frame["forecast"], part.frame["forecast"], rtol=1e-5)


def test_an_unseen_category_is_named(write_csv, caplog) -> None:
    """Prevents: a note that counts unseen categories and leaves the user to look for them."""
    from tsforge.data import covariates

    def panel(words: list[str]) -> Any:
        return lay(write_csv(table("day,zone,y", [f"{w},{i}" for i, w in enumerate(words)])), target="y", past="zone")

    seen = panel(["a", "b"] * 10)
    encodings = covariates.fit(seen, seen.ends, use_calendar=False)
    for words, row, word in ((["a", "b", "c", "c"], 3, "c"), (["d", "a"], 1, "d"), (["b"] * 5 + ["A"], 6, "A")):
        caplog.clear()
        covariates.encode(panel(words), encodings)
        assert f"as '{word}' in row {row}" in caplog.text


IDS = {
    "leading zeros": ("sku", ["04", "4", "007"]), "decimals": ("store_id", ["1.0", "1", "2"]),
    "signs": ("item", ["+5", "5", "-5"]), "Namibia": ("country", ["NA", "DE", "na"]),
    "powers": ("sensor", ["1e3", "1000", "x"]),
    "long numbers": ("meter", ["12345678901234567891", "12345678901234567892", "7"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", IDS)
def test_ids_are_text(write_csv, kind: str) -> None:
    """Prevents: two shops in one series because their numbers are equal as numbers."""
    name, ids = IDS[kind]
    rows = [f"{i},{d},{k}" for i in ids for k, d in enumerate(days(9))]
    panel = lay(write_csv(text(f"{name},date,y", rows)))
    assert [panel.label(i) for i in range(len(panel))] == ids


@pytest.mark.parametrize("name", ["account", "CustomerID", "location_no", "plant", "K"])
def test_whole_numbers_that_make_times_unique(write_csv, name: str) -> None:
    """Prevents: an error that asks for a target where the id is what is missing."""
    rows = [f"{d},{i},{k * i % 17}.5" for i in (7, 12, 30) for k, d in enumerate(days(12))]
    panel = lay(write_csv(text(f"date,{name},amount", rows)))
    assert (panel.schema.id, panel.schema.target, len(panel)) == ((name,), ("amount",), 3)


def test_which_of_two_whole_numbers_is_asked(write_csv) -> None:
    """Prevents: parts of a time taken for an id, and one of two possible ids taken in silence."""
    rows = [f"{d},{i},{(i + k) % 3},{k}.5" for i in range(3) for k, d in enumerate(days(12))]
    with pytest.raises(DataError, match="several columns could name the series: a, b") as caught:
        load(write_csv(text("date,a,b,y", rows)))
    assert "data.id" in caught.value.hint
    hours = [f"{d},{h},{h * 2}.5" for d in days(12) for h in range(24)]
    with pytest.raises(DataError, match="duplicate times"):
        load(write_csv(text("date,hour,y", hours)), time="date")


def test_a_code_and_its_name_are_one_id(write_csv) -> None:
    """Prevents: a question which of two columns names the series, where both say the same."""
    for header, codes in (
        ("id,name", ["1,Berlin", "2,Paris"]),
        ("store,store name", ["a,A", "b,B"]),
        ("code,sku", ["x,9", "y,8"]),
    ):
        rows = [f"{c},{d},{k}.5" for c in codes for k, d in enumerate(days(9))]
        assert len(lay(write_csv(text(f"{header},date,y", rows)))) == 2


TURNS = {
    "in turn": ("sensor", lambda i, _: i % 3), "one after the other": ("store", lambda i, n: i * 3 // n),
    "whole numbers": ("meter_id", lambda i, _: 10 + i % 2), "irregular turns": ("unique_id", lambda i, _: (i * i) % 3),
}  # fmt: skip


@pytest.mark.parametrize("kind", TURNS)
def test_ids_where_no_time_repeats(write_csv, kind: str) -> None:
    """Prevents: meters that report in turn, and shops of disjoint years, as one series."""
    name, of = TURNS[kind]
    times = pd.date_range("2024-01-01", periods=120, freq="20min").strftime("%Y-%m-%d %H:%M")
    rows = [f"{t},{of(i, 120)},{i}.5" for i, t in enumerate(times)]
    codes = pd.Series([of(i, 120) for i in range(120)])
    table = load(write_csv(text(f"time,{name},y", rows)), freq="20min")
    assert table.schema.id == (name,)
    assert len(table.ids[0]) == codes.nunique()
    assert [int((table.series == s).sum()) for s in range(codes.nunique())] == codes.value_counts(sort=False).tolist()


def test_a_column_that_may_be_an_id_is_asked_for(write_csv) -> None:
    """Prevents: a region that is a series of its own merged in silence; one that changes like the weather is none."""
    rows = [f"{d},{'north' if i < 10 else 'south'},{i}.5" for i, d in enumerate(days(20))]
    for name in ("region", "state", "location"):
        path = write_csv(text(f"date,{name},y", rows))
        with pytest.raises(DataError, match=f"column '{name}' may name the series") as caught:
            load(path)
        assert f"data.id={name}" in caught.value.hint
        assert load(path, past=name).schema.id == ()
        assert load(path, id=name).schema.id == (name,)
    weather = [f"{d},{('wet', 'dry')[i * i % 7 % 2]},{i}.5" for i, d in enumerate(days(20))]
    assert load(write_csv(text("date,state,y", weather))).schema.id == ()


# --- above the header -----------------------------------------------------------------------------------------

ABOVE = {
    "a separator": "sep=;\n", "a separator in quotes": '"sep=;"\n', "comments": "# made by a meter\n# units: kWh\n",
    "a title": "Sales by month\n",
    "titles and blanks": "Report 7\nall regions\n\n", "a title with a comma": "Sales, by month\n",
    "a title and empty fields": "Sales;;\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", ABOVE)
def test_lines_above_the_header(write_csv, caplog, kind: str) -> None:
    """Prevents: a title taken for the header, or an error that does not say what is in the way."""
    rows = [f"{d};{i % 5},5;x" for i, d in enumerate(days(12))]
    table = load(write_csv(ABOVE[kind] + text("date;sales;note", rows)), target="sales")
    assert table.target[:, 0].tolist() == [i % 5 + 0.5 for i in range(12)]
    assert ("left out above the header" in caplog.text) == ("separator" not in kind)
    rows[4] = rows[4].replace("4,5", "x")
    with pytest.raises(DataError, match=rf"row 5 \(line {6 + ABOVE[kind].count(chr(10))}\): 'x' is not a number"):
        load(write_csv(ABOVE[kind] + text("date;sales;note", rows)), target="sales")


def test_a_title_as_wide_as_the_table(write_csv, caplog) -> None:
    """Prevents: 'Sales, by month' above two columns taken for their names."""
    content = "Sales, by month\n" + table("date,sales", list(range(9)))
    assert load(write_csv(content)).schema.target == ("sales",)
    assert "'Sales, by month'" in caplog.text
    assert load(write_csv("#date,sales\n" + table("x,y", [1, 2, 3]).partition("\n")[2])).schema.time == "date"


def test_encodings_are_said(write_csv, caplog) -> None:
    """Prevents: an encoding guessed in silence, and one bad line that turns all umlauts of a UTF-8 file into others."""
    rows = [f"{d},{i},größe" for i, d in enumerate(days(9))]
    content = text("date,y,note", rows)
    load(write_csv(content), target="y")
    assert "cp1252" not in caplog.text
    load(write_csv(content, encoding="cp1252"), target="y")
    assert "read as cp1252" in caplog.text
    lines = content.encode().split(b"\n")
    for bad in (2, 7):
        mixed = [line if i != bad else line.decode().encode("cp1252") for i, line in enumerate(lines)]
        with pytest.raises(DataError, match=f"line {bad + 1} is not UTF-8"):
            load(write_csv(b"\n".join(mixed)), target="y")
