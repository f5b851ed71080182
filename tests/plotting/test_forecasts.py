"""Pictures of forecasts: what is drawn is looked up in the axes, not in pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers import tables
from tsforge.data.panel import Panel
from tsforge.fitted import scored
from tsforge.fitted.prediction import Prediction
from tsforge.plotting import axes, forecasts, strips
from tsforge.plotting.captions import About
from tsforge.plotting.choosing import View

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Figures in place of files."""
    figures: list[Any] = []
    monkeypatch.setattr(axes, "save", lambda figure, _path: (figure.canvas.draw(), figures.append(figure)))
    return figures


def laid(values: Any, times: Any = None) -> Panel:
    times = pd.date_range("2023-12-20", periods=len(values), freq="D") if times is None else times
    return tables.lay(pd.DataFrame({"t": times, "sold": values}), time="t", target=["sold"])


def made(panel: Panel, H: int = 4) -> Prediction:
    point = np.full((len(panel), H, 1), 7.0)
    return Prediction(panel, point, point[..., None] + (np.array(LEVELS) - 0.5), LEVELS, model="gru")


def test_line_and_bands_begin_at_the_last_observation(drawn: list[Any]) -> None:
    """Prevents: a hole between what was and what comes, in which a reader sees a jump that nobody has forecast."""
    panel = laid(np.arange(60.0))
    forecasts.forecast(made(panel), About("gru", {"mase": 0.8123, "coverage_80": 0.778}), Path("a.png"), View(last=10))
    (axis,) = drawn[0].axes
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert lines["observed"].get_ydata() == pytest.approx(np.arange(50, 60))
    assert lines["forecast"].get_ydata() == pytest.approx([59, 7, 7, 7, 7])
    assert lines["forecast"].get_xdata()[0] == lines["observed"].get_xdata()[-1]
    for band in axis.collections:
        assert 59.0 in band.get_paths()[0].vertices[:, 1]
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["observed", "90 % interval", "80 % interval", "60 % interval", "forecast"]
    assert drawn[0].get_suptitle() == "gru on a data frame: 4 steps ahead, MASE 0.812, 80 % interval covers 78 %"
    assert axis.get_ylabel() == "sold"


def test_a_forecast_behind_a_gap_is_not_joined(drawn: list[Any]) -> None:
    """Prevents: a straight line over steps of which nothing is known."""
    days = pd.date_range("2023-12-20", periods=40, freq="D")
    frame = pd.DataFrame({"t": days, "a": np.arange(40.0), "b": np.r_[np.arange(35.0), [np.nan] * 5]})
    panel = tables.lay(frame, time="t", target=["a", "b"])
    point = np.ones((1, 3, 2))
    forecasts.forecast(Prediction(panel, point, point[..., None], (0.5,)), About(), Path("a.png"))
    points = [next(line for line in axis.get_lines() if line.get_label() == "forecast") for axis in drawn[0].axes]
    assert [len(line.get_ydata()) for line in points] == [4, 3]


def test_values_alone_between_gaps_are_seen(drawn: list[Any]) -> None:
    values = np.arange(40.0)
    values[[20, 22, 23]] = np.nan
    forecasts.forecast(made(laid(values)), About(), Path("a.png"))
    dots = [line for line in drawn[0].axes[0].get_lines() if line.get_marker() == "."]
    assert [float(y) for line in dots for y in line.get_ydata()] == [21.0]


@pytest.mark.parametrize(("start", "step", "count", "labels"), [
    ("1961-01-01", "YS", 60, ["1980", "1990", "2000", "2010", "2020"]),
    ("2023-10-01", "D", 60, ["15 Oct\n2023", "1 Nov", "15 Nov", "1 Dec"]),
    ("2023-12-31", "h", 40, ["00:00\n31 Dec 2023", "12:00", "00:00\n1 Jan 2024"]),
])  # fmt: skip
def test_dates_have_their_year(drawn: list[Any], start: str, step: str, count: int, labels: list[str]) -> None:
    """Prevents: 15 Oct, of a year that nobody can tell."""
    times = pd.date_range(start, periods=count, freq=step)
    forecasts.forecast(made(laid(np.arange(float(count)), times), 6), About(), Path("a.png"))
    found = [text.get_text() for text in drawn[0].axes[0].get_xticklabels()]
    assert set(labels) <= set(found)
    assert found[0][-4:].isdigit()


def test_intervals_are_named_by_what_they_hold() -> None:
    assert [(LEVELS[a], LEVELS[b], name) for a, b, name in strips.intervals(LEVELS)] == [
        (0.05, 0.95, "90"), (0.1, 0.9, "80"), (0.2, 0.8, "60"),
    ]  # fmt: skip
    assert [name for *_, name in strips.intervals((0.025, 0.5, 0.975))] == ["95"]
    assert [name for *_, name in strips.intervals((0.1, 0.7))] == ["60"]
    assert strips.intervals((0.5,)) == []


def test_what_grew_a_thousandfold_is_on_a_logarithmic_axis(drawn: list[Any]) -> None:
    forecasts.forecast(made(laid(np.exp(np.arange(48) / 5))), About(), Path("a.png"))
    forecasts.forecast(made(laid(np.arange(48.0) - 3)), About(), Path("a.png"))
    assert [figure.axes[0].get_yscale() for figure in drawn] == ["log", "linear"]
    assert drawn[0].axes[0].get_ylabel() == "sold (log)"


def test_scores_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    """Prevents: a forecast that fails for the title of its picture."""
    assert scored.scores(tmp_path, "gru") == {}
    for text in ("", "[]", '{"lstm": {}}', '{"gru": 3}'):
        (tmp_path / "scores.json").write_text(text)
        assert scored.scores(tmp_path, "gru") == {}
    (tmp_path / "scores.json").write_text('{"gru": {"mase": 0.5, "mae": null}}')
    assert scored.scores(tmp_path, "gru") == {"mase": 0.5}
