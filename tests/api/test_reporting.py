"""The page of a report: what stands in it is what the model says, and nothing in it can run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.commands import Capsys, document, fails
from tsforge.api.reporting import facts
from tsforge.evaluation.scores import score

NAME = '</script><b>"x"&'  # of a series


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Three daily series, one with a name that wants to be HTML, one with gaps, one that never changes."""
    random, days = np.random.default_rng(0), pd.date_range("2024-01-01", periods=90, freq="D")
    season = 100 + 10 * np.sin(np.arange(90) * 2 * np.pi / 7)
    values = {NAME: season + random.normal(size=90), "gaps": season + random.normal(0, 9, 90), "flat": np.full(90, 5.0)}
    values["gaps"][[3, 40, 41]] = np.nan
    parts = [pd.DataFrame({"shop": name, "day": days, "sold": value}) for name, value in values.items()]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def model(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "m"
    tsforge.fit(table, horizon=6, model="theta", out=folder)
    return folder


@pytest.fixture(scope="module")
def page(model: Path, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    fitted, path = tsforge.load(model), tmp_path_factory.mktemp("page") / "r.html"
    tsforge.report(fitted, table, path)
    return path.read_text(encoding="utf-8")


class _Tags(HTMLParser):
    """The tags of a page, and what its first JSON says."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data, self._inside = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script" and dict(attrs).get("type") == "application/json"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data


def read(page: str) -> tuple[list[tuple[str, dict[str, str | None]]], dict[str, Any]]:
    found = _Tags()
    found.feed(page)
    return found.tags, json.loads(found.data)


def test_numbers_are_those_of_predict_and_backtest(page: str, model: Path, table: pd.DataFrame) -> None:
    """Prevents: a series shown under another one's name; windows that are drawn a step too far."""
    _, data = read(page)
    made, test = tsforge.predict(model, table), tsforge.backtest(model, table)
    frame = made.frame
    names = [one["name"] for one in data["series"]]
    assert sorted(names) == sorted(["flat", "gaps", NAME])
    for one in data["series"]:
        rows = frame[frame["shop"] == one["name"]]
        np.testing.assert_allclose(one["point"], rows["forecast"], rtol=1e-5)
        np.testing.assert_allclose(one["quantiles"]["0.1"], rows["q0.1"], rtol=1e-5)
        seen = table[table["shop"] == one["name"]]
        assert one["times"] == [*seen["day"].dt.strftime("%Y-%m-%d"), *rows["day"].dt.strftime("%Y-%m-%d")]
        np.testing.assert_allclose([np.nan if v is None else v for v in one["values"]], seen["sold"], rtol=1e-5)
        rolled = test.frame[(test.frame["shop"] == one["name"]) & (test.frame["model"] == "theta")]
        for window in one["windows"]:
            ours = rolled[rolled["origin"] == seen["day"].iloc[window["at"] - 1]]
            np.testing.assert_allclose(window["point"], ours["forecast"], rtol=1e-5)
            np.testing.assert_allclose(window["low"], ours["q0.05"], rtol=1e-5)
    mase = tsforge.backtest(model, table).metrics["theta"]["mase"]
    assert f"{mase:.4g}" in page


def test_nothing_of_a_table_is_a_tag(page: str) -> None:
    """Prevents: a name in the data that ends a script or begins a tag; anything fetched from elsewhere."""
    tags, _ = read(page)
    assert [tag for tag, _ in tags if tag == "b"] == []
    assert len([tag for tag, _ in tags if tag == "script"]) == 2
    assert not [v for _, attrs in tags for n, v in attrs.items() if n in ("src", "href")]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_calibration_is_the_coverage(model: Path, table: pd.DataFrame) -> None:
    test = tsforge.backtest(model, table)
    outcome = test.outcomes["theta"]
    wanted = {round(n / 100, 2): score(outcome, f"coverage_{n}") for n in (20, 40, 60, 80, 90)}
    found = {round(nominal, 2): share for nominal, share in facts.calibration(test)}
    assert found == pytest.approx(wanted)
    counts, (low, high), mean = facts.errors(test) or ([], (0, 0), 0)
    valid = outcome.observed & (np.nan_to_num(outcome.scale)[:, None] > 0)
    assert sum(counts) == valid.sum()
    slow = (outcome.error / np.where(outcome.scale > 0, outcome.scale, np.nan)[:, None])[valid]
    assert mean == pytest.approx(slow.mean(), rel=1e-5)
    assert low == pytest.approx(-high)


def test_a_table_that_was_all_seen_has_no_scores(model: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    tsforge.report(model, table.groupby("shop").head(60), tmp_path / "r.html")
    assert "nothing to judge it by" in (tmp_path / "r.html").read_text()


def test_the_command(model: Path, table: pd.DataFrame, tmp_path: Path, capsys: Capsys) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "r.html"
    found = document(
        capsys, "report", str(model), str(tmp_path / "t.csv"), "--output", str(out), "--quiet", "--series", "1"
    )
    assert found["bytes"] == out.stat().st_size
    assert len(read(out.read_text())[1]["series"]) == 1
    assert "2 more series" in out.read_text()
    assert ".html" in fails(capsys, "report", str(model), "--output", str(tmp_path / "r.pdf"))


def test_a_report_without_a_series_is_refused(tmp_path: Path) -> None:
    """Prevents: a page whose picture is empty, or one of all series but the last."""
    for series in (0, -1):
        with pytest.raises(tsforge.TsforgeError, match=f"1 series or more, not {series}"):
            tsforge.report("m", None, tmp_path / "r.html", series=series)
