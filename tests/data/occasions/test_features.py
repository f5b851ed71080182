"""Holidays and events as numbers of steps, beside a loop over days that asks the package holidays itself."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import holidays
import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import lay
from tsforge.data import covariates
from tsforge.data.encodings import Encodings
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig
from tsforge.errors import ConfigError, DataError

DE = holidays.country_holidays("DE", subdiv="BY", years=range(2020, 2030))


def table(times: Any, **columns: Any) -> pd.DataFrame:
    times = pd.Series(times)
    return pd.DataFrame({"ds": times, "y": np.arange(float(len(times))) % 7, **columns})


def raw(panel: Panel, stops: Any = None, **config: Any) -> tuple[np.ndarray, Encodings]:
    """The columns of holidays and events of every row, before they were scaled, (T, K)."""
    stops = panel.ends if stops is None else stops
    encodings = covariates.fit(panel, stops, use_calendar=False, config=DataConfig(**config))
    features = covariates.encode(panel, encodings).known
    mean, std = (np.array([getattr(e, name) for e in encodings.decided]) for name in ("mean", "std"))
    return features * std + mean, encodings


def spread(days: list[date], of: Any) -> list[list[float]]:
    """By a loop: of every list of the days of a step, how many are holidays."""
    return [[float(sum(day in of for day in own))] for own in days]


def run(first: date, count: int) -> list[date]:
    return [first + timedelta(days=k) for k in range(count)]


def month(day: date) -> list[date]:
    return [d for d in run(day.replace(day=1), 31) if d.month == day.month]


def days_of(stamp: pd.Timestamp, freq: str) -> list[date]:
    """The days of a step, by a loop that knows what each frequency means."""
    day = stamp.date()
    if freq == "W-SUN":
        return run(day - timedelta(days=6), 7)
    if freq in ("MS", "ME"):
        return month(day)
    if freq == "QS":
        return [d for k in range(3) for d in month((pd.Timestamp(day) + pd.DateOffset(months=k)).date())]
    return run(day, 3) if freq == "3D" else [day]


@pytest.mark.parametrize("freq", ["h", "7h", "D", "B", "3D", "W-SUN", "MS", "ME", "QS"])
def test_counts_are_those_of_a_loop_over_days(freq: str) -> None:
    """Prevents: holidays of the wrong period, as of the month before, or of weekends counted to business days."""
    times = pd.date_range("2023-03-05", periods={"h": 3000, "7h": 400}.get(freq, 90), freq=freq)
    found, encodings = raw(lay(table(times), freq=freq), holidays="DE-BY")
    assert [e.name for e in encodings.decided] == ["holiday DE-BY"]
    assert found.tolist() == pytest.approx(np.array(spread([days_of(t, freq) for t in times], DE)), abs=1e-5)
    assert found.max() > 0.9


@pytest.mark.parametrize("text", [True, False])
def test_the_day_is_that_of_the_local_clock(text: bool) -> None:
    """Prevents: the first hours of a holiday read as the day before, as its day is in UTC."""
    times = pd.date_range("2023-12-20", periods=24 * 20, freq="h", tz="UTC")
    local = times.tz_convert("Europe/Berlin")
    written = times.strftime("%Y-%m-%dT%H:%M:%SZ") if text else local
    found, _ = raw(lay(table(written), timezone="Europe/Berlin"), holidays="DE-BY")
    assert found[:, 0].tolist() == pytest.approx([float(t.date() in DE) for t in local], abs=1e-5)
    in_utc = [float(t.date() in DE) for t in times]
    assert found[:, 0].tolist() != pytest.approx(in_utc, abs=1e-5)


def test_distances_are_those_of_a_loop() -> None:
    times, window = pd.date_range("2024-12-01", periods=60), 3

    def near(day: date, side: int) -> float:
        if day in DE:
            return 0.0
        gaps = [k for k in range(1, window + 1) if day + timedelta(days=side * k) in DE]
        return 1 - gaps[0] / (window + 1) if gaps else 0.0

    found, encodings = raw(lay(table(times)), holidays="DE-BY", holiday_window=window)
    expected = [[float(t.date() in DE), near(t.date(), 1), near(t.date(), -1)] for t in times]
    assert found == pytest.approx(np.array(expected), abs=1e-5)
    assert [e.name for e in encodings.decided] == ["holiday DE-BY", "before holiday DE-BY", "after holiday DE-BY"]


def test_of_longer_steps_the_neighbours_are_told() -> None:
    times = pd.date_range("2023-01-01", periods=60, freq="MS")
    found, _ = raw(lay(table(times)), holidays="DE-BY", holiday_window=1)
    counts = [sum(d in DE for d in month(t.date())) for t in pd.date_range("2022-12-01", periods=62, freq="MS")]
    assert found == pytest.approx(np.stack([counts[1:-1], counts[2:], counts[:-2]], axis=1).astype(float), abs=1e-5)


def test_holidays_and_events_of_single_series(tmp_path: Path) -> None:
    """Prevents: the events of one store in all of them; rows of one series beside those of another, as they differ in
    length."""
    long, short = pd.date_range("2023-11-01", periods=90), pd.date_range("2023-12-01", periods=50)
    frame = pd.concat(
        [table(long, land="DE", shop=1), table(short, land="US", shop=2), table(short, land="US", shop=3)]
    )
    (tmp_path / "events.csv").write_text("date,name,after,shop\n2023-12-11,sale,1,2\n2024-01-02,sale,1,2\n")
    panel = lay(frame, id=("land", "shop"))
    found, encodings = raw(panel, holidays="land", events=str(tmp_path / "events.csv"))
    assert [e.name for e in encodings.decided] == ["holiday", "event sale", "after event sale"]
    of = {code: holidays.country_holidays(code, years=(2023, 2024)) for code in ("DE", "US")}
    sale = {date(2023, 12, 11), date(2024, 1, 2)}
    expected = [
        [t.date() in of[land], t.date() in sale and shop == 2, (t - timedelta(days=1)).date() in sale and shop == 2]
        for t, land, shop in zip(frame["ds"], frame["land"], frame["shop"], strict=True)
    ]
    # Half of a window of one day: 1 - 1/2.
    assert found == pytest.approx(np.array(expected) * [1, 1, 0.5], abs=1e-5)


def test_training_days_decide_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: an event that only the future has, whose weights no training row has moved."""
    (tmp_path / "events.csv").write_text("date,name\n2024-01-10,seen\n2024-03-20,unseen\n")
    panel = lay(table(pd.date_range("2024-01-01", periods=90)))
    with caplog.at_level(logging.INFO, "tsforge"):
        found, encodings = raw(panel, panel.ends - 30, events=str(tmp_path / "events.csv"))
    assert [o.name for o in encodings.occasions] == ["event seen"]
    assert (found[:, 0] > 0.5).nonzero()[0].tolist() == [9]
    assert "'event unseen' lies in the training part" in caplog.text


def test_years_are_kept_for_what_comes_and_no_further(caplog: pytest.LogCaptureFixture) -> None:
    panel = lay(table(pd.date_range("2024-01-01", periods=400)))
    _, encodings = raw(panel, holidays="DE-BY")
    of = holidays.country_holidays("DE", subdiv="BY", years=range(2023, 2051))
    assert encodings.occasions[0].days[""] == tuple(sorted(of))
    late = lay(table(pd.date_range("2060-01-01", periods=40)))
    assert "40 steps lie outside" not in caplog.text
    covariates.encode(late, encodings)
    assert "'holiday DE-BY' is known from 2023-01-01 to 2050-12-31: 40 steps lie outside" in caplog.text


ONE = pd.date_range("2024-01-01", periods=60)


@pytest.mark.parametrize(
    ("config", "frame", "words", "hint"),
    [
        ({"holidays": "XX"}, table(ONE), "'XX' is no country", "ISO 3166"),
        ({"holidays": "de"}, table(ONE), "'de' is no country", "did you mean 'DE'"),
        ({"holidays": "DE-B"}, table(ONE), "DE has no part 'B'", "BY"),
        ({"holidays": "DE"}, table(range(60)), "data.holidays needs dates", "column of dates"),
        ({"holidays": "item,DE"}, table(ONE, item="DE"), "'item' is a column", "either places"),
        ({"events": "date,name\n1999-01-01,sale\n"}, table(ONE), "from 1999-01-01 to 1999-01-01, lies", "learned"),
        ({"events": "date,name,item\n2024-01-03,sale,a\n"}, table(ONE, item="b"), "is of item a, which", "item of the"),
    ],
)
def test_what_cannot_be_known_is_an_error(
    tmp_path: Path, config: dict[str, str], frame: pd.DataFrame, words: str, hint: str
) -> None:
    if "events" in config:
        (tmp_path / "events.csv").write_text(config["events"])
        config = {"events": str(tmp_path / "events.csv")}
    panel = lay(frame, id=("item",) if "item" in frame else ())
    with pytest.raises((ConfigError, DataError), match=words) as problem:
        raw(panel, **config)
    assert hint in problem.value.hint


def test_without_the_package_there_is_a_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)
    with pytest.raises(ConfigError, match="needs the package holidays") as problem:
        raw(lay(table(ONE)), holidays="DE")
    assert "tsforge-toolkit[holidays]" in problem.value.hint
