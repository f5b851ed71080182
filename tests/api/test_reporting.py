"""The page of a report: what stands in it is what the model says, and nothing in it can run."""

from __future__ import annotations

import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import tables
from tests.helpers.commands import Capsys, document, fails
from tsforge.api.reporting import facts, finding
from tsforge.data.occasions.occasion import Occasion
from tsforge.data.table import reading
from tsforge.errors import TrackingError
from tsforge.evaluation.scores import score
from tsforge.sweeping import config, leaderboard
from tsforge.sweeping import report as sweep_report
from tsforge.tracking import registry, runs, store

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
        capsys, "report", str(model), str(tmp_path / "t.csv"), "--output", str(out), "--quiet", "--most", "1"
    )
    assert found["bytes"] == out.stat().st_size
    assert len(read(out.read_text())[1]["series"]) == 1
    assert "2 more series" in out.read_text()
    assert ".html" in fails(capsys, "report", str(model), "--output", str(tmp_path / "r.pdf"))


def test_a_report_without_a_series_is_refused(tmp_path: Path) -> None:
    """Prevents: a page whose picture is empty, or one of all series but the last."""
    for series in (0, -1):
        with pytest.raises(tsforge.TsforgeError, match=f"1 series or more, not {series}"):
            tsforge.report("m", None, tmp_path / "r.html", most=series)


def test_series_by_name_and_the_table_read_once(
    model: Path, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a large file that is read for the forecast, again for the backtest, and again for the explanation."""
    table.to_csv(tmp_path / "t.csv", index=False)
    reads, read_file = [], reading._read_file
    monkeypatch.setattr(reading, "_read_file", lambda *asked: (reads.append(asked[0]), read_file(*asked))[1])
    tsforge.report(model, tmp_path / "t.csv", tmp_path / "r.html", series="gaps")
    assert reads == [tmp_path / "t.csv"]
    _, data = read((tmp_path / "r.html").read_text())
    assert [one["name"] for one in data["series"]] == ["gaps"]
    with pytest.raises(tsforge.TsforgeError, match="no series 'gap'"):
        tsforge.report(model, table, tmp_path / "r.html", series=["gap"])


def test_error_by_origin_is_the_mean_of_its_windows(model: Path, table: pd.DataFrame) -> None:
    test = tsforge.backtest(model, table)
    ends, values = facts.by_origin(test, ["theta", "naive"])
    outcome, by_time = test.outcomes["theta"], {}
    for w, time in enumerate(outcome.time.tolist()):
        error = np.abs(outcome.point[w] - outcome.truth[w])[outcome.observed[w]]
        if outcome.scale[w, 0] > 0 and len(error):
            by_time.setdefault(time, []).append(float(error.mean() / outcome.scale[w, 0]))
    np.testing.assert_allclose(values["theta"], [np.mean(by_time[time]) for time in sorted(by_time)], rtol=1e-5)
    assert set(values) == {"theta", "naive"}
    assert ends == [test.panel.time(min(by_time)), test.panel.time(max(by_time))]


def test_holidays_are_counted_in_the_table_and_named_ahead() -> None:
    """Prevents: a page that is silent on what moved its forecast."""
    days = pd.date_range("2023-12-01", periods=22, freq="D")
    panel = tables.lay(pd.DataFrame({"t": days, "y": np.arange(22.0)}), time="t", target=["y"])
    known = Occasion(name="holiday DE", days={"": (date(2023, 12, 1), date(2023, 12, 25), date(2023, 12, 26))})
    assert facts.occasions(panel, [known], 4) == [("holiday DE", "1 days in the table, ahead: 2023-12-25, 2023-12-26")]
    assert facts.occasions(panel, [known], 2) == [("holiday DE", "1 days in the table, none ahead")]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep of two trials, without a model."""
    folder = tmp_path_factory.mktemp("sweep")
    plan = config.of_experiment(tsforge.build({"model.kind": "gru", "data.horizon": 3}), config.SweepConfig(), {})
    plan.write(folder)
    shared = {"state": "COMPLETE", "kept": True, "seconds": 1.0, "reason": "", "default": False, "model": "gru"}
    rows = [
        leaderboard.Row(
            number=k, values=(0.5 + k,), params={"train.lr": lr, "seed": 1}, scores={"val/mase": 0.5 + k}, **shared
        )
        for k, lr in enumerate((0.01, 0.123456))
    ]  # fmt: skip
    (folder / "leaderboard.csv").write_text(sweep_report.as_csv(rows))
    (folder / "best.toml").write_text('name = "<b>"\n')
    return folder


def test_a_sweep_shows_its_trials_and_where_they_differ(sweep: Path, tmp_path: Path) -> None:
    """Prevents: a leaderboard without the settings that made the difference."""
    tsforge.report(sweep, path=tmp_path / "s.html")
    text = (tmp_path / "s.html").read_text()
    tags = _Tags()
    tags.feed(text)
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", text)
    assert cells[: cells.index("1")] == ["rank", "trial", "val/mase", "train.lr", "seconds", "state"]
    assert {"0.1235", "0.5", "1.5"} <= set(cells)
    assert "the same in all: seed 1" in text
    assert "&lt;b&gt;" in text
    assert [tag for tag, _ in tags.tags if tag in ("script", "b")] == []
    with pytest.raises(tsforge.TsforgeError, match="takes no table"):
        tsforge.report(sweep, "t.csv", tmp_path / "s.html")


def test_a_run_leads_to_what_it_left(
    model: Path, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Prevents: a run's id that is taken for a folder, and an error that names neither."""
    tags = {"tsforge.kind": "sweep", "tsforge.folder": str(sweep)}
    monkeypatch.setattr(store, "reading", lambda _: None)
    monkeypatch.setattr(runs, "get", lambda _, word: runs.Recorded(word, "demo", "0", "FINISHED", 0, 1, {}, {}, tags))
    assert finding.find("abcd")[:2] == ("sweep", sweep)
    monkeypatch.chdir(tmp_path)
    assert finding.find(str(sweep)).kind == "sweep"
    tags["tsforge.folder"] = str(tmp_path / "gone")
    with pytest.raises(tsforge.TsforgeError, match="gone is gone"):
        finding.find("abcd")
    tags.update({"tsforge.kind": "backtest", "tsforge.model": str(model), "tsforge.folder": ""})
    monkeypatch.setattr(registry, "fetch", lambda *_: (_ for _ in ()).throw(TrackingError("has no model")))
    assert finding.find("abcd")[:2] == ("model", model)
    monkeypatch.setattr(runs, "get", lambda *_: (_ for _ in ()).throw(TrackingError("there is none", "try b")))
    with pytest.raises(tsforge.TsforgeError, match="no folder, and no recorded run"):
        finding.find("abcd")
    with pytest.raises(tsforge.TsforgeError, match="neither the folder of a model"):
        finding.find(tmp_path)


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["2024-01-01 00:00:00", "2024-01-02 00:00:00"], ["2024-01-01", "2024-01-02"]),
        (["2024-01-01 00:00:00", "2024-01-01 12:30:00"], ["2024-01-01 00:00", "2024-01-01 12:30"]),
        (["8/3/2018 0:00", "8/3/2018 13:00"], ["8/3/2018 0:00", "8/3/2018 13:00"]),
        (["2024-01-01T00:00+01:00"], ["2024-01-01T00:00+01:00"]),
        ([], []),
    ],
)
def test_times_lose_only_what_all_have(texts: list[str], shown: list[str]) -> None:
    """Prevents: hours without their minutes under a chart, and offsets without theirs."""
    assert facts.shortened(texts) == shown
