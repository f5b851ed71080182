"""Files of events: what they say is read, and what they do not is an error with its row."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from tsforge.data.table.event_file import Event, events
from tsforge.errors import DataError


def test_rows_of_one_name_are_one_event(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("date;name;before;store\n24.12.2024;sale;2;a\n02.01.2025;sale;2;b\n24.12.2024;fair;;b\n")
    found, by = events(path, ("store",))
    sale = {"a": (date(2024, 12, 24),), "b": (date(2025, 1, 2),)}
    assert by == ("store",)
    assert found == [Event("sale", sale, 2, 0), Event("fair", {"b": (date(2024, 12, 24),)}, 0, 0)]
    frame = pd.DataFrame({"name": ["x", "x"], "date": pd.to_datetime(["2024-02-01", "2024-01-01"])})
    assert events(frame, ()) == ([Event("x", {"": (date(2024, 1, 1), date(2024, 2, 1))}, 0, 0)], ())


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("day,name\n2024-01-01,x\n", "no column 'date'", "columns: date, name"),
        ("date,title\n2024-01-01,x\n", "no column 'name'", "columns: date, name"),
        ("date,name,shop\n2024-01-01,x,1\n", "column 'shop' is none of an event", "columns that tell series apart"),
        ("date,name\n2024-01-01,x\n2024-01-02,\n", "column 'name' is empty in row 2", "fill it in"),
        ("date,name\n2024-01-01,x\n2024-13-02,y\n", "column 'date'", ""),
        ("date,name\n2024-01-01 12:00,x\n", "a time of day in row 1", "the date alone"),
        ("date,name\n1,x\n2,y\n", "numbers, not dates", "2024-12-24"),
        ("date,name,after\n2024-01-01,x,1.5\n", "column 'after', row 1", "whole number"),
        ("date,name,after\n2024-01-01,x,1\n2024-01-05,x,2\n", "after=1 in row 1", "one window"),
    ],
)
def test_what_a_file_does_not_say_is_an_error(tmp_path: Path, text: str, words: str, hint: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as problem:
        events(path, ("store",))
    assert hint in problem.value.hint
    assert "events.csv" in problem.value.message
