"""One table by several ways: a file, a file of another kind, a frame. What comes out, and what is said, is the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.tables import load
from tsforge.data.table import spelling, textfile
from tsforge.data.table.content import Content
from tsforge.data.time import formats
from tsforge.errors import TsforgeError


def outcome(source: Any, caplog: pytest.LogCaptureFixture, **config: Any) -> list[Any]:
    """All of a table and of what is said, or the error, without the name of the source."""
    caplog.clear()
    caplog.set_level(logging.INFO, "tsforge")
    try:
        table = load(source, **config)
    except TsforgeError as problem:
        return [str(problem).replace(str(source), "").replace("the data frame", "")]
    columns = {
        n: (c.values.tolist(), c.labels, None if c.rows is None else c.rows.tolist())
        for n, c in table.covariates.items()
    }
    ids = [column.tolist() for column in table.ids]
    rows = [table.series.tolist(), table.ordinal.tolist(), repr(table.target.tolist()), repr(columns), ids]
    return [*rows, table.schema, caplog.messages]


def random_table(seed: int) -> pd.DataFrame:
    """A table with ids, days, a target and texts, in which now and then something is missing, doubled or odd."""
    rng = np.random.default_rng(seed)
    series, steps = int(rng.integers(1, 6)), int(rng.integers(6, 30))
    ids = rng.permutation(np.array(["a", "b", "007", "12", " c", "NA", "ü"], dtype=object))[:series]
    frame = pd.DataFrame({
        "item": np.repeat(ids, steps), "ds": np.tile(pd.date_range("2024-01-01", periods=steps, freq="D"), series),
        "y": rng.normal(size=series * steps).round(3),
        "colour": rng.choice(["red", "blue", "", "none", "7"], series * steps),
    })  # fmt: skip
    odd = rng.integers(0, 7)
    if odd == 0:
        frame.loc[rng.random(len(frame)) < 0.3, "y"] = np.nan
    elif odd == 1:
        frame = frame.sample(frac=1, random_state=seed)
    elif odd == 2:
        frame = pd.concat([frame, frame.tail(1)])
    elif odd == 3:
        frame = frame[rng.random(len(frame)) < 0.7]
    elif odd == 4:
        frame.loc[frame.index[-1], ["item", "colour"]] = None
    return frame.reset_index(drop=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6))
def test_a_parquet_file_is_read_as_its_frame(tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    """Texts that a file holds once each, as ids and categories, are what they are in a frame, messages too."""
    frame, path = random_table(seed), tmp_path / "table.parquet"
    frame.to_parquet(path, index=False)
    for config in ({"target": "y", "id": "item", "past": "colour"}, {"target": "y"}, {}):
        assert outcome(path, caplog, **config) == outcome(pd.read_parquet(path), caplog, **config)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6))
def test_a_text_is_read_as_by_the_careful_reader(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:  # fmt: skip
    """Arrow's reader with its dictionaries and decimals, against Python's csv cell by cell."""
    frame, path = random_table(seed), tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    config = {"target": "y", "id": "item", "past": "colour"}
    fast = outcome(path, caplog, **config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textfile, "_read_fast", lambda _, dialect, **__: textfile._read_rows(path, dialect))
        careful = outcome(path, caplog, **config)
    assert fast == careful


@pytest.mark.parametrize("at", [0, 5, (1 << 20) - 2, (1 << 20) - 1, 1 << 20, (2 << 20) - 1])
def test_bytes_are_seen_wherever_pieces_are_cut(tmp_path: Path, at: int) -> None:
    """A quote behind a space and a delimiter, cut in two by the end of a piece, decides which reader there must be."""
    content = b"x" * at + b', "' + b"x" * 10
    (tmp_path / "text").write_bytes(content)
    for source in (content, tmp_path / "text"):
        held = Content(source)
        assert held.holds(b', "')
        assert not held.holds(b'; "')
        assert held.quotes == 1
        assert held.whole() == content
        assert held.head(7) == content[:7]


@pytest.mark.parametrize(
    "text",
    ["2024-01-31", "31.01.2024", "01/02/24", "2024Q1", "Q1 2024", "2024-W05", "12 Mar 2024", "Week 05, 2024",
     "FY2001-02", "202401", "2001–02", "2024M05", "٢٠٢٤-01-31", "item_0001", "May '24", "Tue, 12 Mar 2024", ""],
)  # fmt: skip
def test_formats_are_those_of_all_patterns(text: str) -> None:
    """No format is lost that a look at all of them finds."""
    every = (*formats._DATES, *formats.PACKED, *formats.SHORT, "%Y")
    assert formats._dates(text) == [f for f in every if formats.pattern(f).fullmatch(text)]


@pytest.mark.parametrize(
    "texts",
    [["1/2/2024 1:05", "11/12/2024 11:10"], ["01-Jan-2024", "02-Feb-2024"], ["2024-01-01 00:00", "2024-01-01 01:00"]],
)
def test_times_come_back_as_they_were_spelled(texts: list[str]) -> None:
    """The zeros and capitals of a format, by Arrow's patterns and by Python's, which other digits are read with."""
    frame = pd.Series(texts, dtype="str")
    form = formats.candidates(texts[0])[0]
    fields = frame.str.extract(f"^{formats.pattern(form).pattern}$")
    assert spelling._distinct_fields(frame, form) == {letter: list(fields[letter].unique()) for letter in fields}
    exact = spelling.spelling(frame, spelling.read_as(frame, form)[0], form)
    assert spelling.write(spelling.read_as(frame, form)[0], exact).tolist() == texts
