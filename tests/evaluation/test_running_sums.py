"""The linear model by running sums against fits of truncated tables, origin by origin: the slow way to the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tsforge.backtesting.result import Backtest
from tsforge.data import dataset as datasets
from tsforge.data.dataset import Dataset
from tsforge.data.windows import Windows
from tsforge.evaluation import forecasting, running_sums
from tsforge.evaluation.running_sums import RunningSums
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.baselines.ridge import Ridge

H = 5


def hourly() -> pd.DataFrame:
    """Two targets of unlike sizes, one with a hole."""
    rng, hours = np.random.default_rng(1), np.arange(300)
    frame = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=300, freq="h")})
    frame["a"] = 10 + 3 * np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 0.5, 300)
    frame["b"] = 1000 + 90 * np.cos(hours * 2 * np.pi / 24) + rng.normal(0, 20, 300).cumsum()
    frame.loc[140:160, "b"] = np.nan
    return frame


def daily() -> pd.DataFrame:
    """A ragged panel with a covariate: a walk, many zeros, one that stands still at first, one too short."""
    rng, parts = np.random.default_rng(2), []
    for i, n in enumerate((200, 140, 170, 30)):
        value = 20 * i + rng.normal(0, 1, n).cumsum()
        if i == 1:
            value = np.maximum(value, 0) * (rng.random(n) < 0.3)
        if i == 2:
            value[:110] = 7
        times = pd.date_range("2020-01-01", periods=n, freq="D")
        parts.append(pd.DataFrame({"id": f"s{i}", "time": times, "value": value, "price": rng.normal(0, 1, n)}))
    return pd.concat(parts, ignore_index=True)


def monthly() -> pd.DataFrame:
    """Series with a season that is multiplied, and other beginnings."""
    rng, parts = np.random.default_rng(3), []
    for i, n in enumerate((180, 150, 120)):
        months = np.arange(n)
        value = (100 + months * (i + 1)) * (1 + 0.2 * np.sin(months * 2 * np.pi / 12)) + rng.normal(0, 2, n)
        times = pd.date_range("2014-12-01", periods=n, freq="-1MS")[::-1]
        parts.append(pd.DataFrame({"id": f"s{i}", "time": times, "value": value}))
    return pd.concat(parts, ignore_index=True)


def experiment(kind: str = "linear", **more: object) -> Experiment:
    settings = {"data.horizon": H, "data.context": 24, "data.validation": 12, "model.kind": kind}
    return tsforge.build(settings | {name.replace("__", "."): value for name, value in more.items()})


HOURLY = experiment(data__season=24, data__target="a,b")
DAILY = experiment(data__season=7, data__id="id", data__target="value", data__past="price")
MONTHLY = experiment(data__season=12, data__context=48, model__adjust="season", model__recent=6)


@pytest.mark.parametrize(
    ("asked", "frame"), [(HOURLY, hourly()), (DAILY, daily()), (MONTHLY, monthly())],
    ids=["hourly", "daily", "monthly"],
)  # fmt: skip
def test_each_origin_has_the_matrix_of_a_fit_of_what_came_before(asked: Experiment, frame: pd.DataFrame) -> None:
    """A window whose truth reaches beyond the origin, one left out or counted twice, or one in the unit of before."""
    count, stride = 6, 4
    test = tsforge.backtest(asked, frame, config=BacktestConfig(windows=count, stride=stride, refit=1))
    outcome, windows = test.forecasts.static("linear"), test.forecasts.windows
    by_hand = asked.model_copy(update={"data": asked.data.model_copy(update={"test": 0})})
    w = 0
    for later in range(count - 1, -1, -1):
        cut = H + later * stride
        before = pd.concat([part.iloc[:-cut] for part in _series(frame)], ignore_index=True)
        fitted = tsforge.fit(by_hand, before)
        forecast = tsforge.predict(fitted.model, before).frame
        while w < len(windows) and _later(test, windows, w, stride) == later:
            mine = forecast
            if "id" in frame:
                mine = forecast[forecast["id"] == f"s{windows.series[w]}"]
            points = mine["forecast"].to_numpy().reshape(H, -1)  # step by step
            size = _series(frame)[windows.series[w]][list(test.panel.schema.target)].std().to_numpy()
            assert (np.abs(outcome.point[w] - points) < 1e-4 * size).all(), (later, w)
            w += 1
    assert w == len(windows)


def _series(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [part for _, part in frame.groupby("id")] if "id" in frame else [frame]


def _later(test: Backtest, windows: Windows, w: int, stride: int) -> int:
    """How many origins of its series come after a window's."""
    return int(test.panel.ends[windows.series[w]] - H - windows.origins[w]) // stride


@pytest.mark.parametrize(("refit", "sliding"), [(1, 90), (2, None), (3, 60)])
def test_sums_are_those_of_a_pass_over_all_windows(
    refit: int, sliding: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that leave a sliding part, several origins by fit; intervals that are not of the new matrix."""
    config = BacktestConfig(windows=6, stride=3, refit=refit, train_window=sliding)
    by_sums = tsforge.backtest(DAILY, daily(), config=config).forecasts.static("linear")
    monkeypatch.setattr(RunningSums, "fit", _anew)
    anew = tsforge.backtest(DAILY, daily(), config=config).forecasts.static("linear")
    size = np.abs(anew.point).mean()
    np.testing.assert_allclose(by_sums.point, anew.point, atol=1e-4 * size)
    np.testing.assert_allclose(by_sums.quantiles, anew.quantiles, atol=3e-4 * size)


def _anew(_self: RunningSums, network: BaselineForecaster, source: object, windows: Windows) -> None:
    network.fit_matrix(forecasting.WindowLoader(source, windows, 64))  # type: ignore[arg-type]


def test_the_row_beside_another_model_is_the_model_itself() -> None:
    """Sums of one model that are taken for those of another, or a row that stays as it was at the first origin."""
    config = BacktestConfig(windows=4, stride=6, refit=1)
    kinds = ("linear", "drift")
    asked = [experiment(kind, data__season=24, data__target="a,b") for kind in kinds]
    first, second = (tsforge.backtest(e, hourly(), config=config).forecasts.static("linear") for e in asked)
    np.testing.assert_array_equal(first.point, second.point)
    np.testing.assert_array_equal(first.quantiles, second.quantiles)


def test_later_fits_read_new_windows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that are thrown away, so that each origin costs a pass over everything."""
    read, add = [0], Ridge.add

    def counting(*args: object) -> None:
        read[-1] += len(args[2].target)  # type: ignore[attr-defined]
        add(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Ridge, "add", counting)
    fits: list[Dataset] = []

    def on_fit(_e: Experiment, dataset: Dataset, *_: int) -> None:
        fits.append(dataset)
        read.append(0)

    asked = experiment(data__season=24, data__target="a")
    tsforge.backtest(asked, hourly(), config=BacktestConfig(windows=5, stride=6, refit=1), on_fit=on_fit)
    assert read[1] == len(fits[0].parts.train)
    assert all(6 <= count < read[1] / 4 for count in read[2:])


def test_more_windows_than_are_read_are_thinned_alike_in_every_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice of windows that another origin makes otherwise: all would have to be read again."""
    monkeypatch.setattr(running_sums, "LINEAR_WINDOWS", 60)
    made = datasets.prepare(HOURLY.data, hourly(), HOURLY.model)
    shape, train = made.source.shape, made.parts.train
    network, sums, read = Baseline(kind="linear").build(shape), RunningSums(), list[set[int]]()
    network.scaler.fit(*(torch.from_numpy(part) for part in made.level))
    for end in (150, 180, len(train)):
        sums.fit(network, made.source, Windows(train.origins[:end], train.series[:end]))
        read.append(set(sums._windows.origins.tolist()))
    assert read[0] < read[1] < read[2]
    assert 55 <= len(read[0]) <= 65
    assert len(read[2]) / len(train) == pytest.approx(len(read[0]) / 150, rel=0.1)
    assert network.ridge is not None
    expected = Baseline(kind="linear").build(shape)
    expected.scaler.load_state_dict(network.scaler.state_dict())
    expected.fit_matrix(forecasting.WindowLoader(made.source, sums._windows, 64))
    assert expected.ridge is not None
    torch.testing.assert_close(network.ridge.weight, expected.ridge.weight, rtol=1e-3, atol=1e-4)
