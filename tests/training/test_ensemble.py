"""Ensembles: members that are trainings of their own, and one model in the end, kept, predicted from and recorded."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import tsforge
from tests.helpers.stores import query, runs
from tests.helpers.tables import hourly
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError
from tsforge.sweeping.config import SweepConfig, of_experiment, plan
from tsforge.tracking import recording, reproduction
from tsforge.tracking.export import _levels
from tsforge.tracking.tracker import Tracker
from tsforge.training import ensemble, fitting, single
from tsforge.training.events import Round, Stop, Tick
from tsforge.training.loop import Trained, TrainingLoop


def small(**settings: object) -> tsforge.Experiment:
    values = {
        "model.kind": "gru", "model.width": 8, "data.horizon": 6, "data.context": 24, "train.max_steps": 12, "seed": 3,
    }  # fmt: skip
    return tsforge.build(values | settings)


def blend(*weights: float) -> dict[str, object]:
    members = [
        {"model": {"kind": "gru", "width": 8}, "weight": weights[0], "steps": 9},
        {"model": "linear", "weight": weights[1]},
        {"model": {"kind": "nlinear", "width": 8}, "weight": weights[2], "seed": 11, "until": 5},
    ]
    return {"model": {"kind": "blend", "members": members}}


def test_members_are_the_trainings_of_their_own_seeds() -> None:
    """Prevents: members that share weights, an order of windows, or a random state."""
    data = hourly()
    both = tsforge.fit(small(ensemble=3), data)
    alone = [tsforge.fit(small(seed=seed), data) for seed in (3, 4, 5)]
    for member, one in zip(both.model.network.members, alone, strict=True):
        for left, right in zip(member.parameters(), one.model.network.parameters(), strict=True):
            assert torch.equal(left, right)
    assert [(r.member, r.validation) for r in both.rounds] == [
        (k + 1, r.validation) for k, one in enumerate(alone) for r in one.rounds
    ]
    assert both.parameters == sum(one.parameters for one in alone)
    assert both.steps == 36
    expected = np.median([one.outcomes["gru"].point for one in alone], axis=0)
    np.testing.assert_allclose(both.outcomes["gru"].point, expected, rtol=1e-5)


def test_a_blend_is_the_weighted_mean_of_its_members_forecasts() -> None:
    data = hourly()
    found = tsforge.fit(tsforge.build(_common() | blend(3, 1, 4)), data)
    one = {
        "gru": tsforge.fit(small(**{"train.max_steps": 9}), data),
        "linear": tsforge.fit(tsforge.build({**_common(), "model": "linear"}), data),
        "nlinear": tsforge.fit(small(**{"model.kind": "nlinear", "seed": 11, "train.until": 5}), data),
    }
    expected = sum(w * one[name].outcomes[name].point for name, w in (("gru", 3), ("linear", 1), ("nlinear", 4))) / 8
    np.testing.assert_allclose(found.outcomes["blend"].point, expected, rtol=1e-5)
    assert {r.member for r in found.rounds} == {1, 3}
    assert max(r.step for r in found.rounds if r.member == 3) == 5


@pytest.mark.parametrize("kind", ["ensemble", "blend"])
def test_one_directory_that_predicts_explains_and_backtests(kind: str, tmp_path: Path) -> None:
    """Prevents: weights or members lost on the way to disk."""
    data = hourly()
    experiment = small(ensemble=2) if kind == "ensemble" else tsforge.build(_common() | blend(1, 1, 2))
    fitted = tsforge.fit(experiment, data, out=tmp_path / "m")
    again = tsforge.load(tmp_path / "m")
    assert again.experiment == fitted.model.experiment
    before, after = tsforge.predict(fitted.model, data), tsforge.predict(again, data)
    np.testing.assert_array_equal(before.quantiles, after.quantiles)
    assert (np.diff(after.quantiles, axis=-1) >= 0).all()
    assert np.isfinite(tsforge.explain(again, data).map("gradient")).all()
    assert len(tsforge.backtest(again, data).outcomes) == 5
    history = (tmp_path / "m" / "history.csv").read_text().splitlines()
    assert history[0] == "member,step,train_loss,validation_loss,seconds,windows"
    assert (tmp_path / "m" / "loss.png").stat().st_size > 5_000
    assert _levels(tmp_path / "m") == list(again.levels)
    (tmp_path / "m" / "calibration.json").unlink()
    assert _levels(tmp_path / "m") == list(again.levels)


def test_the_time_is_for_all_members() -> None:
    """Prevents: five times --max-time. Of 60 s of which the first takes 12, the next of two may have 24."""
    parts = ensemble.members(small(ensemble=3, **{"train.max_time": 60.0}))

    def taken(*seconds: float) -> list[Trained]:
        return [Trained(part, nn.Identity(), (), Stop.STEPS, 0.0, s) for part, s in zip(parts, seconds, strict=False)]

    assert ensemble._within(parts[0], taken(), 3).train.max_time == pytest.approx(20.0)
    assert ensemble._within(parts[1], taken(12.0), 3).train.max_time == pytest.approx(24.0)
    assert ensemble._within(parts[2], taken(12.0, 100.0), 3).train.max_time == pytest.approx(1e-3)


def test_ctrl_c_keeps_the_members_that_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Prevents: an hour of trained members thrown away, or a model directory that cannot be loaded."""
    loops: list[TrainingLoop] = []
    whole = TrainingLoop.__init__

    def watched(loop: TrainingLoop, *args: object) -> None:
        whole(loop, *args)  # type: ignore[arg-type]
        loops.append(loop)

    monkeypatch.setattr(TrainingLoop, "__init__", watched)

    def press(event: Round | Tick) -> None:
        if event.member == 3:
            loops[-1].monitor.interrupted = True

    with caplog.at_level(logging.WARNING):
        found = tsforge.fit(small(ensemble=4), hourly(), out=tmp_path / "m", report=press)
    assert found.stop == "interrupt"
    assert "2 of 4 members are kept" in caplog.text
    assert tsforge.load(tmp_path / "m").experiment.ensemble == 2
    alone = tsforge.fit(small(seed=4), hourly())
    for left, right in zip(found.model.network.members[1].parameters(), alone.model.network.parameters(), strict=True):
        assert torch.equal(left, right)


def changed(data: pd.DataFrame, begin: int, end: int) -> pd.DataFrame:
    """Other values in some of the rows."""
    other = data.copy()
    other.loc[other.index[begin:end], "load"] += 5 * np.random.default_rng(1).normal(size=end - begin)
    return other


@pytest.mark.parametrize("count", [1, 2])
def test_refit_learns_from_validation_and_never_from_the_test_part(count: int) -> None:
    """Prevents: windows that reach into the test part, or a second training on the windows of the first."""
    data, n = hourly(), 24 * 16
    parts = {"data.validation": 48, "data.test": 48, "ensemble": count}
    again, once = small(**parts, **{"train.refit": "all"}), small(**parts)

    def weights(experiment: tsforge.Experiment, table: pd.DataFrame) -> torch.Tensor:
        network = tsforge.fit(experiment, table).model.network
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    kept = weights(again, data)
    assert not torch.equal(kept, weights(once, data))
    assert torch.equal(kept, weights(again, changed(data, n - 48, n)))
    assert not torch.equal(kept, weights(again, changed(data, n - 96, n - 48)))


@pytest.mark.parametrize("kind", ["theta", "mstl", "linear", "seasonal-naive"])
def test_a_blend_with_a_model_that_has_no_steps_is_refitted(kind: str) -> None:
    """Prevents: a blend whose members without a network end in an IndexError, as there is no best step of theirs."""
    members = [{"model": {"kind": "gru", "width": 8}, "steps": 9}, {"model": kind}]
    sizes: dict[str, object] = {"data.horizon": 6, "data.context": 24, "seed": 3}
    blended = {"model": {"kind": "blend", "members": members}, "train.refit": "all", "train.max_steps": 12}
    found = tsforge.fit(tsforge.build(sizes | blended), hourly())
    assert np.isfinite(tsforge.predict(found.model, hourly()).point).all()
    assert len(found.model.network.members) == 2
    found.model.network.weights = (0.0, 1.0)
    sizes["data.context"] = found.model.shape.context
    closed = tsforge.fit(tsforge.build(sizes | {"model.kind": kind}), hourly())
    if kind != "linear":  # which learns from validation too
        alone = tsforge.predict(closed.model, hourly()).point
        np.testing.assert_allclose(tsforge.predict(found.model, hourly()).point, alone, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_refit_takes_the_best_steps_and_the_corrections_of_the_first_training(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: intervals corrected by windows that were trained on, which are too narrow; steps nobody chose."""
    settled: list[tuple[int | None, int]] = []
    begin = single.begin

    def watched(experiment: tsforge.Experiment, dataset: Dataset, *rest: object) -> TrainingLoop:
        settled.append((experiment.train.until, len(dataset.parts.train)))
        return begin(experiment, dataset, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(single, "begin", watched)
    found = tsforge.fit(small(ensemble=count, **{"train.refit": "all", "train.lr": 0.3}), hourly())
    first = tsforge.fit(small(ensemble=count, **{"train.lr": 0.3}), hourly())
    best = [max(r.step for r in found.rounds if r.best and r.member == k + 1) for k in range(count)]
    assert [until for until, _ in settled] == [None] * count + best + [None] * count
    assert settled[count][1] == settled[0][1] + found.dataset.sizes.validation
    assert found.rounds[-1]._replace(seconds=0) == first.rounds[-1]._replace(seconds=0)
    assert found.model.calibration is not None
    assert found.model.calibration.widening == first.model.calibration.widening  # type: ignore[union-attr]


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("kind", ["ensemble", "blend"])
def test_a_recorded_ensemble_is_reproduced(kind: str, store_at_home: Path) -> None:
    hourly().to_csv("data.csv", index=False)
    experiment = small(ensemble=2) if kind == "ensemble" else tsforge.build(_common() | blend(1, 1, 2))
    with Tracker() as store:
        recording.fit(experiment, fitting.prepare(experiment, "data.csv"), Path("m"), store)
    assert {n for (n,) in query(store_at_home, "select distinct key from metrics")} >= {
        "val/loss", "val/loss_2" if kind == "ensemble" else "val/loss_3"
    }  # fmt: skip
    found = reproduction.reproduce(runs(store_at_home)[0][1])
    assert found.largest < 1e-9


def test_a_sweep_trains_single_networks_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    made = plan({"ensemble": 5, "model.kind": "gru", "data.horizon": 6}, None, {}, [("train.lr", "log(1e-4,1e-2)")])
    assert made.bases["gru"].ensemble == 1
    assert "ensemble=5" in caplog.text
    assert of_experiment(small(ensemble=5), SweepConfig(), {"train.lr": [0.1, 0.2]}).bases["gru"].ensemble == 1
    with pytest.raises(ConfigError, match="made of models"):
        plan({"model.kind": "auto"}, None, {}, [("train.lr", "log(1e-4,1e-2)")])


def _common() -> dict[str, object]:
    return {"data.horizon": 6, "data.context": 24, "train.max_steps": 12, "seed": 3}
