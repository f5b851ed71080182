"""One trial: result on validation alone, over folds, within constraints, stopped when it is told to."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.plans import Make, evaluate
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError, DataError, TrainingError
from tsforge.evaluation.forecasting import Forecaster, Reader
from tsforge.evaluation.scores import score
from tsforge.model.network import parameters
from tsforge.settings import override
from tsforge.sweeping import data, evaluating
from tsforge.sweeping.config import Plan
from tsforge.sweeping.data import SweepData
from tsforge.sweeping.evaluating import HandedOverError, StoppedEarlyError, Watcher
from tsforge.sweeping.objective import Objective, Result, latency
from tsforge.training import single
from tsforge.training.events import Round
from tsforge.training.fitting import calibrate, prepare, train
from tsforge.training.loop import Trained


class Watching(Watcher):
    """Follows a trial and lets it go on, unless told otherwise."""

    def __init__(self, stop_at: int = 10**9, prune_at: int = 10**9) -> None:
        self.asked = itertools.count(1)
        super().__init__(lambda: next(self.asked) > stop_at)
        self.prune_at = prune_at
        self.reports: list[tuple[float, int]] = []
        self.broken: dict[str, float] = {}
        self.curve: list[Round] = []
        self.batches: list[int] = []
        self.halved, self.validated = self.batches.append, self.curve.append  # type: ignore[method-assign]

    def sized(self, _sizes: dict[str, float], broken: dict[str, float]) -> None:
        self.broken = broken

    def pruned(self, value: float, step: int) -> bool:
        self.reports.append((value, step))
        return step >= self.prune_at


def tried(plan: Plan, watcher: Watcher) -> Result:
    """A trial of the plan's experiment."""
    return evaluate(Objective(plan, SweepData.read(plan)), plan.bases["lstm"], watcher)


def test_a_value_is_the_validation_score_of_the_fit(make: Make) -> None:
    """Prevents: a score of other windows; beside a fit of the same experiment, scored by hand."""
    plan = make()
    experiment = plan.bases["lstm"]
    result = evaluate(Objective(plan, SweepData.read(plan)), experiment, Watching())
    dataset = prepare(experiment)
    trained = train(experiment, dataset)
    reader = Reader(trained.network, dataset.source)
    o = Forecaster(reader, calibrate(trained, dataset).calibration).outcome(dataset, dataset.parts.validation)
    mase = float(np.mean(np.abs(o.point - o.truth) / o.scale[:, None]))
    assert result.values == (pytest.approx(mase, rel=1e-5),)
    assert result.scores["val/wql"] == pytest.approx(score(o, "wql"))
    assert result.scores["val/loss"] == min(r.validation for r in trained.rounds)
    assert result.scores["parameters"] == parameters(trained.network)


@pytest.mark.parametrize("folds", [1, 2])
def test_the_test_part_changes_nothing(make: Make, tmp_path: Path, folds: int) -> None:
    """Prevents: a choice that knew the test truths; with other values there every score is the same bit."""
    plan = make(folds=folds, objectives=["val/mase", "val/wql"])
    before = tried(plan, Watching())
    frame = pd.read_csv(tmp_path / "data.csv")
    test = plan.bases["lstm"].data.test
    assert test is not None
    frame.loc[len(frame) - test :, "load"] = 1e6
    frame.to_csv(tmp_path / "data.csv", index=False)
    after = tried(plan, Watching())
    assert after.scores == before.scores


def test_folds_are_rolling_origins_and_the_value_is_their_mean(make: Make) -> None:
    """Prevents: folds that overlap, or that look ahead; each beside a fit of the shortened table."""
    plan = make(folds=3)
    base = plan.bases["lstm"]
    table = SweepData.read(plan)
    result = evaluate(Objective(plan, table), base, Watching())
    frame = pd.read_csv(str(base.data.path))
    assert base.data.validation is not None
    values = []
    for k, dataset in enumerate(table.datasets(base)):
        short = frame.iloc[: len(frame) - k * base.data.validation]
        alone = prepare(base, short)
        model = calibrate(train(base, alone), alone)
        forecaster = Forecaster(Reader(model.network, alone.source), model.calibration)
        values.append(score(forecaster.outcome(alone, alone.parts.validation), "mase"))
        np.testing.assert_array_equal(dataset.parts.validation.origins, alone.parts.validation.origins)
    assert result.values[0] == pytest.approx(np.mean(values))


def test_too_many_folds_say_how_many_there_can_be(make: Make) -> None:
    with pytest.raises(ConfigError, match="too short for 40 folds"):
        tried(make(folds=40), Watching())


def test_reports_count_in_twentieths_of_a_training(make: Make) -> None:
    """Prevents: trials compared at different ages, a report that goes up again, folds held against their mean."""
    plan = make(folds=2)
    watching = Watching()
    tried(plan, watching)
    values, steps = zip(*watching.reports, strict=True)
    assert steps == tuple(round(20 * k / 8 + 0.4) for k in range(1, 9))
    assert list(values) == sorted(values, reverse=True)


def test_a_pruned_trial_saves_its_steps(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: pruning that trains on; counted in optimiser steps."""
    from tsforge.training.learner import Learner

    steps = []
    before = Learner.step
    monkeypatch.setattr(Learner, "step", lambda self, loss: (steps.append(1), before(self, loss))[1])
    plan = make(settings={"train.max_steps": 20})
    with pytest.raises(StoppedEarlyError, match="step 4 of 20"):
        tried(plan, Watching(prune_at=4))
    assert len(steps) == 4


def test_a_trial_that_is_told_to_stop_does(make: Make) -> None:
    with pytest.raises(HandedOverError):
        tried(make(), Watching(stop_at=2))


def test_a_model_beyond_a_constraint_is_not_trained(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: time spent on what cannot win."""
    plan = make(max_parameters="1k")
    monkeypatch.setattr(evaluating.fitting, "train", lambda *_: pytest.fail("trained"))
    watching = Watching()
    size = parameters(single.untrained(plan.bases["lstm"], SweepData.read(plan).datasets(plan.bases["lstm"])[0]))
    with pytest.raises(StoppedEarlyError, match=f"parameters {size:,}"):
        tried(plan, watching)
    assert watching.broken == {"parameters": pytest.approx(size / 1000 - 1)}


def test_latency_is_the_time_of_a_forecast(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: seconds taken for milliseconds; with a clock that a forecast moves by two."""
    plan = make(max_latency="5ms")
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    dataset = SweepData.read(plan).datasets(plan.bases["lstm"])[0]

    def network(_context: object) -> None:
        now[0] += 0.002

    assert latency(network, dataset) == pytest.approx(2.0)  # type: ignore[arg-type]
    broken = Objective(plan, SweepData.read(plan)).broken({"latency": 2.0, "parameters": 1.0})
    assert broken == {"latency": pytest.approx(-0.6)}


def test_no_value_says_which_objective_has_one(make: Make, tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": pd.date_range("2024", periods=384, freq="h"), "load": 5.0})
    frame.to_csv(tmp_path / "data.csv", index=False)
    plan = make()
    with pytest.raises(TrainingError) as caught:
        tried(plan, Watching())
    assert "val/mae" in caught.value.hint


def test_another_context_is_cut_anew_and_the_same_is_not(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: data read and cut for every trial."""
    plan = make({"data.context": "choice(24,48)"})
    table = SweepData.read(plan)
    cuts = []
    whole = data.datasets.arrange
    monkeypatch.setattr(data.datasets, "arrange", lambda *a: (cuts.append(1), whole(*a))[1])
    shapes = []
    for context, lr in ((24, 0.1), (48, 0.1), (24, 0.2), (48, 0.2)):
        changed = override(plan.bases["lstm"], {"data.context": context, "train.lr": lr})
        (dataset,) = table.datasets(changed)
        shapes.append((dataset.source.shape.context, dataset.config.context))
    assert len(cuts) == 2
    assert shapes == [(24, 24), (48, 48), (24, 24), (48, 48)]


def test_data_that_changed_meanwhile_are_refused(make: Make) -> None:
    """Prevents: trials of two tables in one study, where a worker starts later than the others."""
    plan = make()
    with pytest.raises(DataError, match="has changed since"):
        SweepData.read(Plan(bases=plan.bases, space=plan.space, sweep=plan.sweep, digest="another"))


def test_a_stopped_trial_goes_on_where_it_was(make: Make, tmp_path: Path) -> None:
    """Prevents: a trial that was handed over, or killed, and is trained from the beginning by whoever takes it."""
    plan = make(settings={"train.max_steps": 60, "model.backbone.dropout": 0.2}, folds=2)
    alone = tried(plan, Watching())
    objective = Objective(plan, SweepData.read(plan), tmp_path / "kept")
    first = Watching(stop_at=35)
    with pytest.raises(HandedOverError):
        evaluate(objective, plan.bases["lstm"], first)
    assert len(first.curve) == 20  # the first fold was done
    assert len(list((tmp_path / "kept").iterdir())) == 2
    second = Watching()
    resumed = evaluate(objective, plan.bases["lstm"], second)
    assert resumed.values == alone.values
    assert {k: v for k, v in resumed.scores.items() if k != "seconds"} == alone.scores
    assert all(event.again for event in second.curve[:20])
    again = [event._replace(again=False) for event in second.curve[:20]]
    assert again == first.curve  # with the seconds of the first: nothing of it was trained again
    assert not list((tmp_path / "kept").iterdir())


def test_other_settings_do_not_go_on_with_it(make: Make, tmp_path: Path) -> None:
    plan = make(settings={"train.max_steps": 60})
    objective = Objective(plan, SweepData.read(plan), tmp_path / "kept")
    with pytest.raises(HandedOverError):
        evaluate(objective, plan.bases["lstm"], Watching(stop_at=10))
    other, fresh = override(plan.bases["lstm"], {"train.lr": 0.01}), Objective(plan, SweepData.read(plan))
    assert evaluate(objective, other, Watching()).values == evaluate(fresh, other, Watching()).values


@pytest.mark.parametrize("problem", [
    torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate"),
])  # fmt: skip
def test_short_of_memory_the_batch_is_halved(make: Make, monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    """Prevents: a space whose large models all fail, and a trial that says nothing of its smaller batches."""
    plan = make()
    whole, seen = evaluating.fitting.train, []

    def train_small(experiment: tsforge.Experiment, dataset: Dataset, *more: object) -> Trained:
        seen.append(experiment.train.batch_size)
        if seen[-1] > 4:
            raise problem
        return whole(experiment, dataset, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluating.fitting, "train", train_small)
    watching = Watching()
    result = tried(plan, watching)
    assert (seen, watching.batches) == ([16, 8, 4], [8, 4])
    assert result.model.experiment.train.batch_size == 4


def test_what_never_fits_fails_alone_and_no_other_error_is_hidden(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make()
    for problem, seen, says in (
        (torch.OutOfMemoryError("CUDA out of memory"), TrainingError, "batches of 4"),
        (RuntimeError("shapes cannot be multiplied"), RuntimeError, "shapes"),
    ):
        monkeypatch.setattr(evaluating.fitting, "train", Mock(side_effect=problem))
        with pytest.raises(seen, match=says):
            tried(plan, Watching())
