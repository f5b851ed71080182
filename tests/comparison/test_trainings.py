"""All models are trained on the same windows, and scored as a backtest of each alone would score them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.comparison import config, trainings
from tsforge.comparison.results import Fitted, OnData
from tsforge.comparison.trainings import Setup, Stage
from tsforge.data import statistics
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError
from tsforge.evaluation import forecasting
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_window, score
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting

QUICK = {"data.horizon": 4, "data.context": 12, "data.season": 24, "train.max_steps": 20}
COMPARE = {"models": ["gru", "transformer"], "seeds": 2, "parameters": 6000, "probes": False}

Seen = tuple[Experiment, Dataset]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "load.csv"
    n = 24 * 30
    random = np.random.default_rng(3)
    load = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 24) + random.normal(size=n)
    load[random.choice(n, 20, replace=False)] = np.nan
    pd.DataFrame({"time": pd.date_range("2024-03-01", periods=n, freq="h"), "load": load}).to_csv(path, index=False)
    return str(path)


def held(table: str, folder: Path, overrides: dict[str, Any], seen: list[Seen]) -> OnData:
    plan = config.read(table, QUICK | overrides, COMPARE)
    ((name, experiment),) = plan.experiments.items()
    ready = trainings.prepare(name, experiment, plan.compare)
    stage = Stage(folder, Tracker(on=False), RunOptions(), lambda _title, *what: seen.append(what))
    return trainings.train(ready, plan.compare, stage)


def rolled(fit: Fitted, dataset: Dataset) -> Outcome:
    """The model of a training, loaded from its folder and rolled over the test windows by itself."""
    model = directory.load(fit.folder)
    reader = forecasting.Reader(model.network, dataset.source)
    return forecasting.Forecaster(reader, model.calibration).rolled(dataset, dataset.parts.test)[0]


@pytest.fixture(scope="module")
def done(table: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[OnData, list[Seen]]:
    seen: list[Seen] = []
    return held(table, tmp_path_factory.mktemp("models"), {}, seen), seen


def test_every_training_sees_the_same_but_for_its_network_and_seed(done: tuple[OnData, list[Seen]]) -> None:
    """Prevents: an unfair comparison."""
    _, seen = done
    assert [(experiment.model.kind, experiment.seed) for experiment, _ in seen] == [
        ("gru", 1), ("transformer", 1), ("gru", 2), ("transformer", 2),
    ]  # fmt: skip
    first, windows = seen[0]
    for experiment, dataset in seen[1:]:
        assert dataset is windows
        assert experiment.train == first.train
        assert experiment.data == first.data


def test_scores_are_those_of_the_kept_models(done: tuple[OnData, list[Seen]]) -> None:
    """Each model is loaded from its folder and rolled over the test windows by itself."""
    data, seen = done
    for fit in data.fits:
        outcome = rolled(fit, seen[0][1])
        assert fit.scores["mase"] == pytest.approx(score(outcome, "mase"), rel=1e-5)
        assert fit.scores["wql"] == pytest.approx(score(outcome, "wql"), rel=1e-5)


def test_the_best_is_named_and_the_others_are_held_against_it(done: tuple[OnData, list[Seen]]) -> None:
    data, seen = done
    dataset = seen[0][1]
    everyone = ["gru", "transformer", *data.baselines]
    assert {"seasonal-naive", "linear"} <= set(data.baselines)
    assert data.best == min(everyone, key=lambda model: data.mean(model, "mase"))
    assert set(data.against) == set(everyone) - {data.best}
    losses = [
        np.mean([by_window(rolled(fit, dataset), "mase") for fit in data.of(model)], axis=0)
        for model in ("gru", "transformer")
    ]
    if data.best in ("gru", "transformer"):
        loser = "transformer" if data.best == "gru" else "gru"
        sign = 1 if data.best == "gru" else -1
        assert data.against[loser].difference == pytest.approx(sign * np.nanmean(losses[1] - losses[0]), rel=1e-4)


def test_the_same_seeds_give_the_same(table: str, tmp_path: Path, done: tuple[OnData, list[Seen]]) -> None:
    again = held(table, tmp_path, {}, [])
    for one, other in zip(done[0].fits, again.fits, strict=True):
        assert one.scores == other.scores
        assert [loss for _, loss in one.curve] == [loss for _, loss in other.curve]


def test_standard_units_are_deviations_of_the_training_part(
    table: str, tmp_path: Path, done: tuple[OnData, list[Seen]]
) -> None:
    result = held(table, tmp_path, {"backtest.units": "standard"}, [])
    _, dataset = done[1][0]
    deviation = statistics.moments(dataset.panel, dataset.cuts.train, dataset.cuts.begin).deviation[0, 0]
    for plain, standard in zip(done[0].fits, result.fits, strict=True):
        assert standard.scores["mse"] == pytest.approx(plain.scores["mse"] / deviation**2, rel=1e-4)
        assert standard.scores["mase"] == pytest.approx(plain.scores["mase"], rel=1e-4)


def test_a_budget_of_time_gives_each_its_own_steps(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock by which a step of the one takes twice as long as of the other, and a validation half a second."""
    took = {"gru": 0.1, "transformer": 0.2}

    def train(experiment: Experiment, _dataset: Dataset) -> Any:
        steps = experiment.train.max_steps
        seconds = steps * took[experiment.model.kind] + 20 * 0.5
        return type("Trained", (), {"rounds": [type("Round", (), {"seconds": seconds})]})

    monkeypatch.setattr(fitting, "train", train)
    plan = config.read(table, QUICK | {"train.max_time": "60s"}, COMPARE | {"budget": "time"})
    ready: Setup = trainings.prepare("load", plan.experiments["load"], plan.compare)
    for model, steps in (("gru", 500), ("transformer", 250)):
        own = trainings.experiment_of(ready, plan.compare, model)
        assert own.train.max_steps == steps
        assert own.train.max_time == 60
    plan = config.read(table, QUICK, COMPARE | {"budget": "time"})
    with pytest.raises(ConfigError, match="a budget of time needs the time"):
        trainings.prepare("load", plan.experiments["load"], plan.compare)


def test_nothing_held_out(table: str) -> None:
    plan = config.read(table, QUICK | {"data.test": 0}, COMPARE)
    with pytest.raises(ConfigError, match="load: nothing is held out"):
        trainings.prepare("load", plan.experiments["load"], plan.compare)


def test_from_python_with_a_frame(table: str, tmp_path: Path) -> None:
    """Prevents: data that has to be written to a file before it can be compared on."""
    frame = pd.read_csv(table, parse_dates=["time"])
    result = tsforge.compare(frame, QUICK, COMPARE | {"seeds": 1}, out=tmp_path)
    again = tsforge.compare(table, QUICK, COMPARE | {"seeds": 1}, out=tmp_path)
    assert result.measured.data[0].fits[0].scores == again.measured.data[0].fits[0].scores
    assert (tmp_path / "comparison.html").is_file()
    assert result.table.verdicts.keys() == {"Training speed", "Accuracy"}
