"""Names and dates as users have them, in every picture: no formulas, no labels that vanish, no year 10000."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import tables
from tsforge.data.panel import Panel
from tsforge.data.windows import Windows
from tsforge.fitted.prediction import Prediction
from tsforge.plotting import explanation, forecasts, style, training
from tsforge.plotting.captions import About

HOSTILE = ("$x^{$", "a $ b $", "$\\frac{1}$", "100 % {x} _\\ ^", "\\$ \\$", "_hidden")


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text of a picture as it is drawn, filled by each save."""
    from matplotlib.backends.backend_agg import RendererAgg

    texts: list[str] = []
    draw = RendererAgg.draw_text

    def keep(renderer: Any, gc: Any, x: float, y: float, s: str, *rest: Any, **more: Any) -> None:
        texts.append(s)
        draw(renderer, gc, x, y, s, *rest, **more)

    def formula(*_: Any, **__: Any) -> None:
        raise AssertionError("a name was read as a formula")

    monkeypatch.setattr(RendererAgg, "draw_text", keep)
    monkeypatch.setattr(RendererAgg, "draw_mathtext", formula)
    return texts


def panel(name: str, times: Any = None) -> Panel:
    """Two series called $a$ and _b, and a target with a name."""
    times = pd.date_range("2024-01-01", periods=60, freq="D") if times is None else times
    parts = [pd.DataFrame({"t": times, "id": s, name: np.arange(60) % 7 + 1.0}) for s in ("$a$", "_b")]
    return tables.lay(pd.concat(parts), time="t", id="id", target=[name])


def draw_forecast(laid: Panel, path: Path, H: int = 5) -> None:
    point = np.ones((len(laid), H, 1))
    made = Prediction(laid, point, point[..., None] + np.array([-1.0, 0.0, 1.0]), (0.1, 0.5, 0.9))
    forecasts.forecast(made, About(), path)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_in_a_forecast_are_written_as_they_are(name: str, tmp_path: Path, labels: list[str]) -> None:
    """Prevents: ParseException after the training is done, for two $ in a name."""
    draw_forecast(panel(name), tmp_path / "a.png")
    assert {"$a$", style.text_of("_b"), style.text_of(name)} <= set(labels)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_names_are_no_formulas_in_any_format(ending: str, tmp_path: Path) -> None:
    draw_forecast(panel("$x^{$"), tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").stat().st_size > 2_000


@pytest.mark.parametrize("name", HOSTILE[::5])
def test_names_in_pictures_of_a_backtest(name: str, tmp_path: Path, labels: list[str]) -> None:
    """Prevents: the same of models that a file of groups names; and a model that is missing from a legend."""
    laid = panel(name)
    ones = np.ones((2, 5, 1))
    outcome: Any = SimpleNamespace(
        point=ones, quantiles=ones[..., None] + np.array([-1.0, 0, 1]), levels=(0.1, 0.5, 0.9), part=lambda _: outcome
    )
    windows = Windows(laid.ends - 5, np.array([0, 1]))
    tested = forecasts.Tested(laid, windows, {name: outcome})
    forecasts.held_out(tested, About(name), tmp_path / "a.png")
    forecasts.rolled(tested, About(name), tmp_path / "b.png")
    forecasts.by_step({name: [1.0, 2.0], "$b$": [1.0, 900.0]}, name, name, tmp_path / "c.png")
    assert labels.count("$a$") >= 2
    assert labels.count(style.text_of(f"{name} on a data frame")) >= 2
    assert {"$b$", style.text_of(name), "100"} <= set(labels)


def test_names_in_an_explanation(tmp_path: Path, labels: list[str]) -> None:
    frame = tables.daily(("$north$", "$south$")).rename(columns={"sold": "cost $x^{$"})
    settings = {"model.kind": "gru", "data.horizon": 3, "data.context": 14, "train.max_steps": 2}
    model = tsforge.fit(tsforge.build(settings), frame, out=tmp_path / "m").model
    explanation.draw(tsforge.explain(model, frame, series="$south$"), tmp_path / "a.png")
    assert any(text.startswith("$south$ · cost $x^{$, forecast from") for text in labels)


def test_a_training_is_drawn_without_formulas(tmp_path: Path, labels: list[str]) -> None:
    rounds = [SimpleNamespace(member=0, step=s, train=1.0 / s, validation=1.0, best=s == 2) for s in (1, 2, 3)]
    training.loss_curve(rounds, "gru on $a$", tmp_path / "a.png")
    assert {"training", "validation", "weights kept (step 2)", "gru on $a$"} <= set(labels)


def test_pictures_leave_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    """Prevents: formulas that are gone from a user's own pictures too."""
    import matplotlib as mpl

    draw_forecast(panel("y"), tmp_path / "a.png")
    assert mpl.rcParams["text.parse_math"] is True


@pytest.mark.parametrize(("along", "values", "ticks"), [
    ("y", [1.0, 90.0], {"1", "2", "5", "10", "20", "50"}),
    ("x", [0.0001, 0.01], {"0.0001", "0.001", "0.01"}),
    ("y", [0.01, 1e7], {"0.01", "1", "1,000", "1e+06"}),
])  # fmt: skip
def test_logarithmic_axes_have_plain_numbers(
    along: Any, values: list[float], ticks: set[str], tmp_path: Path, labels: list[str]
) -> None:
    figure, (axis,) = style.stacked(1)
    axis.plot(*((values, [1, 2]) if along == "x" else ([1, 2], values)))
    style.scale_log(axis, along)
    style.save(figure, tmp_path / "a.png")
    assert len(ticks & set(labels)) >= 2
    assert not [text for text in labels if "$" in text]


@pytest.mark.parametrize(("start", "step"), [
    ("9999-08-01", "D"), ("9999-12-17", "h"), ("9990-01-01", "D"), ("0001-01-10", "D"), ("0001-01-10", "h"),
    ("2024-01-01", "D"), ("1677-01-01", "D"), ("3000-01-01", "h"),
])  # fmt: skip
def test_dates_far_off_are_drawn(start: str, step: str, tmp_path: Path) -> None:
    """Prevents: a traceback of an axis whose margin ends in year 10000, or begins before year 1."""
    times = np.datetime64(start, "s") + np.arange(60) * np.timedelta64(1, step).astype("m8[s]")
    laid = panel("y", [str(t).replace("T", " ") for t in times])
    draw_forecast(laid, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    drawn = style.axis_times(laid, 0, np.arange(3))
    near = "1000" < start < "9000"
    assert list(drawn.astype("M8[s]") if near else drawn) == (list(times[:3]) if near else [0, 1, 2])
