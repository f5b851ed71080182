"""Text tables: what a user's names may hold, and what reads them back."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from tsforge.runtime import numbers, tables


def test_csv_is_read_back_whatever_stands_in_it() -> None:
    """A comma, a quote or a line feed in a name, digits lost on the way."""
    rows = [["a,b", 1 / 3, None, 7], ['say "x"', 1e-17, "two\nlines", True]]
    text = tables.csv(["name", "value", "note", "count"], rows)
    assert text.splitlines()[:2] == ["name,value,note,count", '"a,b",0.3333333333333333,,7']
    first, second = csv.DictReader(text.splitlines(keepends=True))
    assert (first["name"], float(first["value"]), first["note"]) == ("a,b", 1 / 3, "")
    assert (second["name"], float(second["value"]), second["note"]) == ('say "x"', 1e-17, "two\nlines")


def test_markdown_cells_hold_what_they_are_given() -> None:
    """A column called `a|b` that ends a cell, or one that becomes a link."""
    head, rule, line = tables.markdown(["", "a|b"], [["[x](y)", "<b>\n1"]])
    assert (head, rule) == ("|  | a\\|b |", "| --- | --: |")
    assert line == "| \\[x\\](y) | &lt;b> 1 |"


def test_aligned_columns_end_below_each_other() -> None:
    lines = tables.aligned(["", "mae", "note"], [["gru", "0.5", ""], ["naive", "12.25", "x"]], left=(0, 2))
    assert lines == ["           mae  note", "  gru      0.5", "  naive  12.25  x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.figure(0.123456), "0.1235"), (numbers.figure(12345.678), "12,346"), (numbers.figure(math.nan), "-"),
        (numbers.figure(None, ""), ""), (numbers.grouped(1234567.0), "1,234,567"), (numbers.grouped(0.5), "0.5"),
        (numbers.grouped(1.23456), "1.235"), (numbers.grouped(None), ""), (numbers.between([]), "–"),
        (numbers.between([1000, 1000]), "1,000"), (numbers.between([2000, 900]), "900 to 2,000"),
        (numbers.spread(0.5123, 0.0219), "0.5123 ± 0.022"), (numbers.spread(0.5123, None), "0.5123"),
        (numbers.spread(8281234.0, 12345.6), "8,281,234 ± 12,000"),
        (numbers.spread(2426.4, 0.00012), "2,426 ± 0.00012"), (numbers.percent(-23258.6), "-23,258.6 %"),
        (numbers.four_digits(12.3456), "{:,.2f}"), (numbers.four_digits(0.0), "{:,.3f}"),
        (numbers.four_digits(1e-7), "{:.3g}"), (numbers.percent(12.345), "+12.3 %"), (numbers.percent(math.inf), ""),
        (numbers.duration(99.4), "99 s"), (numbers.duration(185), "3:05 min"), (numbers.duration(5520), "1:32 h"),
        (numbers.size(512), "512 B"), (numbers.size(5e12), "5.00 TB"), (numbers.size(1250), "1.25 kB"),
        (numbers.size(math.nan), "–"),
    ],
)  # fmt: skip
def test_numbers_read_as_they_always_did(text: str, expected: str) -> None:
    assert text == expected


def test_what_is_no_number_is_null_in_json() -> None:
    """NaN, which no JSON reader but Python's takes; numpy's numbers, which `json` refuses."""
    assert numbers.plain({1: [math.nan, np.float64(2.5), (np.int64(3), -math.inf)]}) == {"1": [None, 2.5, [3, None]]}
    assert numbers.rounded({"a": 1 / 3, "b": math.nan}) == {"a": 0.333333}
