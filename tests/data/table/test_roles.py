"""Roles: detected where one answer is possible, and asked for where not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import days, load, text
from tsforge.errors import ChoiceError, DataError

DAYS = days(20)


def roles(source: object, **config: object) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    schema = load(source, **config).schema
    return schema.time, schema.id, schema.target


def test_the_usual_tables(write_csv) -> None:
    """The ordinary layouts need no flag."""
    long = [f"{d},{s},{i}" for i, d in enumerate(DAYS) for s in ("b", "a")]
    assert roles(write_csv(text("Date,Sales", [f"{d},{i}" for i, d in enumerate(DAYS)]))) == ("Date", (), ("Sales",))
    assert roles(write_csv(text("ds,unique_id,y", long))) == ("ds", ("unique_id",), ("y",))
    assert roles(write_csv(text("when,shop name,sold", long))) == ("when", ("shop name",), ("sold",))
    ints = [f"{d},{s},{i}" for i, d in enumerate(DAYS) for s in (3, 1)]
    assert roles(write_csv(text("date,store_id,sold", ints))) == ("date", ("store_id",), ("sold",))
    years = [f"{1950 + i},{i * i}" for i in range(30)]
    assert roles(write_csv(text("year,y", years))) == ("year", (), ("y",))
    steps = [f"{s},{t},{t * t % 7}" for s in ("M1", "M2") for t in range(9)]
    assert roles(write_csv(text("series,step,y", steps))) == ("step", ("series",), ("y",))


def test_several_columns_name_a_series(write_csv) -> None:
    """store × item: both are needed, so both are taken; a third that adds nothing is not."""
    region = {1: "north", 2: "south"}
    rows = [f"{d},{s},{i},{region[s]},{k}" for k, d in enumerate(DAYS) for s in (1, 2) for i in (7, 8)]
    assert roles(write_csv(text("date,store,item,region,sales", rows)))[1] == ("store", "item")


def test_ids_that_look_like_dates_are_no_time(write_csv) -> None:
    """Competition ids as M1 or T1 read as dates in a lenient parser."""
    rows = [f"{s},{d},{i}" for s in ("M1", "M2") for i, d in enumerate(DAYS)]
    assert roles(write_csv(text("code,when,y", rows))) == ("when", ("code",), ("y",))


def test_a_doubled_row_is_no_series(write_csv) -> None:
    """One doubled date with another weather must be an error, not a series per weather."""
    rows = [f"{d},{('sun', 'rain')[i % 2]},{i}" for i, d in enumerate(DAYS)]
    rows.append(f"{DAYS[4]},rain,9")
    with pytest.raises(DataError, match=r"1 duplicate time: row 21 \(line 22\), time 2024-01-05 repeats row 5"):
        load(write_csv(text("date,weather,y", rows)))


def test_series_that_follow_each_other(write_csv) -> None:
    """An id is seen even where no time is shared; a word that alternates is none."""
    rows = [f"{d},{'a' if i < 10 else 'b'},{i}" for i, d in enumerate(DAYS)]
    assert roles(write_csv(text("date,sensor,y", rows)))[1] == ("sensor",)
    rows = [f"{d},{'a' if i % 3 else 'b'},{i}" for i, d in enumerate(DAYS)]
    assert roles(write_csv(text("date,key,y", rows)))[1] == ()


def test_nameless_index_column_has_no_role(write_csv) -> None:
    rows = [f"{i},{d},{i * 2.5}" for i, d in enumerate(DAYS)]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(20)]
    table = load(write_csv(text(",date,y", shuffled)))
    assert table.schema.target == ("y",)
    assert table.unused == ()
    only = [f"{i},{v}" for i, v in enumerate((3, 1, 4, 1, 5, 9))]
    assert roles(write_csv(text(",y", only))) == ("Unnamed: 0", (), ("y",))


def test_wide_table(write_csv) -> None:
    """One column per series: several targets, as named; which ones is never guessed."""
    path = write_csv(text("date,a,b,c", [f"{d},{i},{i * 2},{i * 3}" for i, d in enumerate(DAYS)]))
    with pytest.raises(DataError, match="3 columns could be the target: a, b, c") as caught:
        load(path)
    assert "data.target" in caught.value.hint
    table = load(path, target="a,c")
    assert table.schema.target == ("a", "c")
    assert table.target[4].tolist() == [4, 12]
    assert table.unused == ("b",)


ASK = {
    "several times": (
        "start,end,y",
        ["2024-01-01,2024-01-02,1", "2024-01-02,2024-01-03,2"],
        "several columns could be",
    ),
    "no time": ("a,b", ["x,0.5", "y,0.7"], "no column reads as the time"),
    "year and month": ("year,month,y", ["2020,1,5", "2020,2,6", "2020,3,9"], "several columns could be the time"),
    "day and clock": ("Date,Time,y", ["2024-01-01,00:00,5", "2024-01-01,01:00,6"], "'Date' holds the days and 'Time'"),
    "one column": ("y", ["1", "2"], "only one column, 'y'"),
    "no number": ("date,a,b", ["2024-01-01,x,y", "2024-01-02,x,y"], "no numeric column is left"),
    "two ids": (
        "date,id,key,y",
        ["2024-01-01,a,p,1", "2024-01-01,b,q,1", "2024-01-02,a,q,1", "2024-01-02,b,p,1"],
        "several columns could name the series",
    ),
    "an amount": ("date,sales,temp", ['2024-01-01,"1,200",1', '2024-01-02,"1,300",2'], "could be the target: sales"),
}


@pytest.mark.parametrize("kind", ASK)
def test_unclear_roles_are_asked_for(write_csv, kind: str) -> None:
    header, rows, says = ASK[kind]
    path = write_csv(text(header, rows))
    with pytest.raises(DataError) as caught:
        load(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_hour_column_is_named_in_the_hint(write_csv) -> None:
    """A day repeated for each hour of another column is no duplicate: the two belong together."""
    path = write_csv(text("Date,Hour,y", [f"2024-01-0{1 + i // 24},{i % 24},{i}" for i in range(48)]))
    with pytest.raises(DataError) as caught:
        load(path, target="y")
    assert "data.time=Date,Hour" in caught.value.hint
    assert "summer time" not in caught.value.hint


def test_wrong_column_suggests_the_nearest(write_csv) -> None:
    path = write_csv(text("date,demand", [f"{d},{i}" for i, d in enumerate(DAYS)]))
    for config in ({"target": "demnd"}, {"time": "dat"}, {"past": "Demand"}):
        with pytest.raises(DataError, match=f"there is no column '{next(iter(config.values()))}'") as caught:
            load(path, **config)
        assert "did you mean" in caught.value.hint


def test_one_role_per_column() -> None:
    frame = pd.DataFrame({"date": DAYS, "y": range(20)})
    with pytest.raises(DataError, match="column 'y' is given two roles"):
        load(frame, target="y", past="y")


def test_one_store_is_an_id(write_csv) -> None:
    """A store that is 1 in every row is nobody's target; the forecast names it."""
    rows = [f"{d},1,{i}" for i, d in enumerate(DAYS)]
    assert roles(write_csv(text("date,store,sold", rows))) == ("date", ("store",), ("sold",))
    assert roles(write_csv(text("date,area_id,sold", rows))) == ("date", ("area_id",), ("sold",))
    assert load(write_csv(text("date,store,sold", rows))).ids[0].tolist() == [1]
    several = [f"{d},1,{s},{i}" for i, d in enumerate(DAYS) for s in ("a", "b")]
    assert roles(write_csv(text("date,store,item,sold", several))) == ("date", ("item",), ("sold",))
    assert roles(write_csv(text("date,sensor", [f"{d},1" for d in DAYS]))) == ("date", (), ("sensor",))


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("a,b", ("a", "b")), ("a, b", ("a", "b")), (["a", "b"], ("a", "b")), (["a,b"], ("a", "b")),
        ([" a ", "b"], ("a", "b")), ("x, y", ("x, y",)), ("x, y,a", ("x, y", "a")), (["a", "x, y"], ("a", "x, y")),
        ("a,x, y,b", ("a", "x, y", "b")),
    ],
)  # fmt: skip
def test_names_with_commas(given: object, target: tuple[str, ...]) -> None:
    """Prevents: `--target a,b` and `--target a b` meaning different things, and a column whose name has a comma that
    cannot be written in any way."""
    frame = pd.DataFrame({"day": pd.to_datetime(DAYS)} | {name: np.arange(20.0) for name in ("a", "b", "x, y")})
    schema = load(frame, target=given).schema
    assert schema.target == target
    assert load(frame, target=list(schema.target)).schema == schema


@pytest.mark.parametrize(("columns", "ids"), [
    (("city", "product"), ("product",)), (("town", "kind"), ()), (("branch", "kind"), ("branch",)),
    (("who", "kind"), ()),
])  # fmt: skip
def test_ids_of_rows_that_are_joined(write_csv, columns: tuple[str, str], ids: tuple[str, ...]) -> None:
    """Prevents: purchases, to be summed by day, split by columns that together make their times nearly unique."""
    rng = np.random.default_rng(0)
    words = [("abc"[rng.integers(3)], "uvwx"[rng.integers(4)]) for _ in range(180)]
    rows = [f"{DAYS[i // 9]} {8 + i % 3:02d}:00,{a},{b},{i % 5}.5" for i, (a, b) in enumerate(words)]
    path = write_csv(text(f"date,{columns[0]},{columns[1]},amount", rows))
    assert load(path, target="amount", resample="D", aggregate="sum").schema.id == ids


def turns(blocks: bool, gap: int = 0, words: tuple[str, str] = ("red", "blue")) -> tuple[list[str], list[str]]:
    """48 words, of two kinds in turn or one after the other, and as many weeks; gap: weeks between the two halves."""
    weeks = pd.date_range("2011-01-03", periods=48 + max(gap, 0), freq="7D").strftime("%Y-%m-%d").tolist()
    both = [*weeks[:24], *weeks[24 + gap :]] if gap >= 0 else [*weeks[24:48], *weeks[:24]]
    return [words[i // 24 if blocks else i % 2] for i in range(48)], both


@pytest.mark.parametrize("name", ["colour", "Linie", "x7"])
@pytest.mark.parametrize(("blocks", "gap"), [(False, 0), (True, 18), (True, -1)])
def test_words_in_turn_under_any_name_are_asked_about(write_csv, name: str, *, blocks: bool, gap: int) -> None:
    """Prevents: two series merged to one because the column that tells them apart has an unusual name."""
    labels, weeks = turns(blocks, gap)
    path = write_csv(
        text(f"{name},time,y", [f"{a},{t},{i}" for i, (a, t) in enumerate(zip(labels, weeks, strict=True))])
    )
    with pytest.raises(ChoiceError, match=f"'{name}' may name the series") as caught:
        load(path)
    assert list(caught.value.choices) == [{"data.id": name}, {"data.past": name}]
    assert len(load(path, id=name).ids[0]) == 2


@pytest.mark.parametrize(("name", "blocks", "words"), [
    ("policy", True, ("before", "after")), ("shift", False, ("day", "night")), ("weekday", False, ("Mo", "Do")),
    ("when", False, ("summer", "winter")), ("half", False, ("upper", "lower")),
])  # fmt: skip
def test_phases_of_one_series_are_no_series(write_csv, name: str, words: tuple[str, str], *, blocks: bool) -> None:
    """Prevents: a question about every word that changes in the course of one series."""
    labels, weeks = turns(blocks, 0, words)
    table = load(
        write_csv(text(f"{name},time,y", [f"{a},{t},1{i}" for i, (a, t) in enumerate(zip(labels, weeks, strict=True))]))
    )
    assert table.ids == ()


@pytest.mark.parametrize(("name", "series"), [
    ("Zählernummer", [880, 881, 882]), ("Kunden-Nr", [17, 23, 31]), ("anlage", [11, 12, 13]),
    ("Filiale", ["Ost", "West", "Süd"]),
    ("tienda", [501, 502, 503]), ("n° machine", [71, 72, 75]),
])  # fmt: skip
@pytest.mark.parametrize("turns", [True, False])
def test_ids_in_other_languages_where_no_time_repeats(
    write_csv, name: str, series: list[object], *, turns: bool
) -> None:
    """Prevents: meters in turn, or plants in years that lie apart, merged to one series."""
    weeks = days(90)
    rows = [
        (
            series[i % 3] if turns else series[i // 30],
            weeks[i] if turns else f"20{10 + 3 * (i // 30)}{weeks[i % 30][4:]}",
        )
        for i in range(90)
    ]
    path = write_csv(text(f"{name},time,kWh", [f"{a},{t},{10 + i}" for i, (a, t) in enumerate(rows)]))
    try:
        ids = load(path).schema.id
    except ChoiceError as question:  # a name that says nothing is asked about
        ids = next(choice["data.id"] for choice in question.choices if "data.id" in choice)
        ids = (ids,) if isinstance(ids, str) else ids
    assert ids == (name,)


@pytest.mark.parametrize(("columns", "ids"), [
    ({"zone": ["1.10", "1.1", "1.100"]}, ("zone",)), ({"batch": ["2E3", "20E2", "2000"]}, ("batch",)),
    ({"a": ["4", "9", "4", "9"], "b": ["7", "7", "8", "8"]}, ("a", "b")),
])  # fmt: skip
def test_columns_of_numbers_that_make_up_all_rows_are_offered(
    write_csv, columns: dict[str, list[str]], ids: tuple[str, ...]
) -> None:
    """Prevents: series that are averaged because the only way that was shown is to join their rows."""
    count = len(next(iter(columns.values())))
    rows = [
        ",".join([*(values[i] for values in columns.values()), day, f"{10 + i + k % 7}"])
        for k, day in enumerate(days(30))
        for i in range(count)
    ]
    path = write_csv(text(",".join([*columns, "date", "y"]), rows))
    with pytest.raises(ChoiceError, match="may name the series") as caught:
        load(path, target="y")
    assert [dict(choice) for choice in caught.value.choices] == [{"data.id": ids}]
    assert len(load(path, target="y", id=ids).ids[0]) == count


@pytest.mark.parametrize(
    "cells", [["1'210", "980"], ["€10,50", "€9,10"], ["(14)", "(15)"], ["1\u2009210", "1\u2009180"]]
)
def test_numbers_that_do_not_read_are_no_ids(write_csv, cells: list[str]) -> None:
    """Prevents: a question whether the only values of a table name its series."""
    rows = [f"{day};{cells[i % 2]}" for i, day in enumerate(days(40))]
    with pytest.raises(DataError, match=r"'y'.*row 1 .*is not a number"):
        load(write_csv(text("date;y", rows)))


@pytest.mark.parametrize(("year", "month"), [("anio", "mes"), ("Année", "mois"), ("jaar", "maand"), ("Jahr", "Monat")])
def test_parts_of_a_time_in_other_languages(write_csv, year: str, month: str) -> None:
    """Prevents: months 13 and 14 of five series, one for each year."""
    rows = [f"{y},{m},{10 + m}" for y in range(2015, 2020) for m in range(1, 13)]
    with pytest.raises(ChoiceError) as caught:
        load(write_csv(text(f"{year},{month},y", rows)))
    assert dict(caught.value.choices[0]) == {"data.time": (year, month)}


@pytest.mark.parametrize("name", ["speed", "rain", "count"])
def test_whole_numbers_with_gaps_beside_the_target(write_csv, name: str) -> None:
    """Prevents: a traceback where a column of few whole numbers has missing cells and no time repeats."""
    rows = [f"{day},{'' if i % 9 == 4 else i // 20},{i}.5" for i, day in enumerate(days(100))]
    assert load(write_csv(text(f"date,{name},y", rows)), target="y").ids == ()
