"""The tournament: within its time by a clock that is not the wall's, honest about baselines, and made again exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.stores import content, runs
from tsforge.cli.main import run
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError
from tsforge.model.ensemble import Blend
from tsforge.tracking import recording, reproduction
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting, single
from tsforge.training.auto import tournament
from tsforge.training.auto.time_budget import Pace
from tsforge.training.events import Event, Standing, Stop
from tsforge.training.loop import TrainingLoop
from tsforge.training.single import Trained


def table(values: np.ndarray, freq: str = "h") -> pd.DataFrame:
    return pd.DataFrame({"time": pd.date_range("2020-01-01", periods=len(values), freq=freq), "y": values})


def waves(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Two waves whose sizes wander: more than a seasonal rule can say."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    slow = 10 * np.sin(2 * np.pi * t / 37)
    return table((50 + slow + 5 * np.sin(2 * np.pi * t / 24) + 0.3 * rng.normal(size=n)).round(3))


def auto(*candidates: str, **settings: object) -> tsforge.Experiment:
    values = {"model": {"kind": "auto", "candidates": candidates or ("nlinear", "gru")}, "data.horizon": 6}
    return tsforge.build(values | {"train.max_steps": 60, "train.max_time": 600.0, "train.lr": 0.005} | settings)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained again but once."""
    monkeypatch.setattr(tournament, "MOST_AGAIN", 1)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In place of the wall's, for the tournament alone; trainings take what their pace says, and learn nothing."""
    clock = Clock()
    paces = {
        "nlinear": Pace(0.01, 0.01),
        "gru": Pace(0.05, 0.1),
        "lstm": Pace(0.07, 0.1),
        "transformer": Pace(9.0, 9.0),
    }
    whole = single.train

    def train(part: tsforge.Experiment, dataset: Dataset, *_rest: object) -> Trained:
        train, kind = part.train, part.model.kind
        if kind not in paces:
            return whole(part, dataset)
        one = whole(part.with_train({"max_steps": 2, "max_time": None}), dataset)
        seconds = min(slowed[0] * paces[kind].seconds(train.max_steps, tournament.LOOKS), train.max_time or 1e9)
        clock.now += seconds
        last = one.rounds[-1]._replace(step=train.max_steps)
        return replace(one, rounds=(*one.rounds[:-1], last), stop=Stop.STEPS, started=0.0, seconds=seconds)

    slowed = [1.0]
    clock.slowed = slowed  # type: ignore[attr-defined]
    monkeypatch.setattr(tournament, "now", clock)
    monkeypatch.setattr(single, "train", train)
    monkeypatch.setattr(tournament, "pace", lambda part, _dataset: paces[part.model.kind])
    return clock


def hold(clock: Clock, limit: float, *candidates: str, start: float = 4.0) -> tuple[list[Standing], float]:
    """What is said, and the seconds from the beginning to the end of the tournament."""
    experiment = auto(*candidates, **{"train.max_time": limit, "train.max_steps": 100_000})
    dataset = replace(fitting.prepare(experiment, waves()), began=clock.now - start)
    said: list[Standing] = []
    tournament.train(experiment, dataset, lambda e: said.append(e) if isinstance(e, Standing) else None)
    return said, clock.now - dataset.began


@pytest.mark.parametrize("limit", [20.0, 60.0, 300.0])
@pytest.mark.parametrize("slowed", [1.0, 1.7])
def test_the_tournament_is_over_before_its_reserve(
    clock: Clock, limit: float, slowed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: trainings that overrun, also where the machine is slower than it was when it was measured."""
    clock.slowed[0] = slowed  # type: ignore[attr-defined]
    monkeypatch.setattr(tournament, "MOST_AGAIN", 99)
    _said, seconds = hold(clock, limit, "nlinear", "gru", "lstm")
    reserve = tournament.time_budget.reserve(4.0, 0.0)
    assert 0.8 * (limit - reserve) - 2 < seconds <= limit - reserve


def test_what_is_too_slow_is_left_out_and_said(clock: Clock) -> None:
    said, _ = hold(clock, 60.0, "transformer", "nlinear", "gru")
    (out,) = [s for s in said if s.name == "transformer"]
    assert "fewer than 50 steps" in out.note
    assert {s.name for s in said if s.rung == 1 and not s.note} == {"nlinear", "gru"}


def test_rungs_halve_and_their_slots_grow(clock: Clock) -> None:
    said, _ = hold(clock, 120.0, "nlinear", "gru", "lstm")
    rungs = [[s for s in said if s.rung == r] for r in (1, 2)]
    assert len(rungs[0]) == 3
    assert len({s.name for s in rungs[1]}) == 2
    kept = {s.name for s in rungs[1]}
    assert max(s.score for s in rungs[0] if s.name in kept) <= max(s.score for s in rungs[0])
    for s in rungs[1][:2]:
        (before,) = [b for b in rungs[0] if b.name == s.name]
        assert s.steps > 2 * before.steps


def test_no_time_leaves_baselines_and_says_so(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    said, _ = hold(clock, 5.0, "nlinear", "gru")
    assert "no time to train any network" in caplog.text
    assert {s.name for s in said if not s.note} == {"seasonal-naive", "naive", "drift", "linear"}


def test_it_beats_the_baselines_and_is_made_again_bit_by_bit(tmp_path: Path) -> None:
    """Prevents: a clock in the result, members that are not those that were weighed, a directory that lost them."""
    data = waves()
    found = tsforge.fit(auto("nlinear", "gru"), data, out=tmp_path / "m")
    scores = found.metrics
    kind = found.model.experiment.model.kind
    assert scores[kind]["mase"] < scores["seasonal-naive"]["mase"]
    again = tsforge.fit(tsforge.load(tmp_path / "m").experiment, data)
    assert again.model.experiment.model == found.model.experiment.model
    for left, right in zip(again.model.network.parameters(), found.model.network.parameters(), strict=True):
        assert torch.equal(left, right)
    assert again.metrics == scores
    weights = [s.weight for s in found.standings]
    assert sum(weights) == pytest.approx(1.0)
    lines = (tmp_path / "m" / "tournament.csv").read_text().splitlines()
    assert len(lines) == len(found.standings) + 1
    assert tsforge.build({}, tmp_path / "m" / "experiment.toml").model == found.model.experiment.model
    before, after = tsforge.predict(found.model, data), tsforge.predict(tmp_path / "m", data)
    np.testing.assert_array_equal(before.quantiles, after.quantiles)


@pytest.mark.usefixtures("forked")
def test_a_recorded_tournament_is_reproduced_as_the_blend_it_chose(store_at_home: Path) -> None:
    """Prevents: a run that holds the question, so that another tournament is held on another machine's clock."""
    waves(300).to_csv("data.csv", index=False)
    with Tracker() as tracker:
        fitted, _ = recording.fit(auto("nlinear"), fitting.prepare(auto("nlinear"), "data.csv"), Path("m"), tracker)
    found = reproduction.reproduce(runs(store_at_home)[0][1])
    assert found.recorded.params["model.kind"] == "auto"
    assert found.largest < 1e-9
    assert found.scores["test/mase"][1] == pytest.approx(next(iter(fitted.metrics.values()))["mase"], rel=1e-5)
    kept = {name.rpartition("/")[2] for name in content(store_at_home, found.recorded.id)["files"]}
    assert "tournament.csv" in kept


@pytest.mark.usefixtures("home")
def test_the_command_line_ends_with_a_table_or_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    waves(300).to_csv("data.csv", index=False)
    argv = ["fit", "data.csv", "--horizon", "6", "--model", "auto", "--set", "model.candidates=nlinear", "--max-time",
            "1000s", "--max-steps", "30", "--no-track"]  # fmt: skip
    assert run(argv) == 0
    out, err = capsys.readouterr()
    assert "candidate" in out
    assert "rung 1       nlinear" in err
    assert run([*argv, "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [s["name"] for s in document["tournament"]] == ["seasonal-naive", "naive", "drift", "linear", "nlinear"]
    assert sum(s["weight"] for s in document["tournament"]) == pytest.approx(1.0)


def test_a_training_that_the_clock_cut_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a member that comes further the second time. The clock is pressed by hand, at step 23 of 60."""
    init = TrainingLoop.__init__

    def cut(loop: TrainingLoop, *args: object) -> None:
        init(loop, *args)  # type: ignore[arg-type]
        if loop.config.max_time is not None:
            after = loop.monitor.after_step
            loop.monitor.after_step = lambda step: loop.monitor._end(Stop.TIME) if step == 23 else after(step)  # type: ignore[method-assign]

    monkeypatch.setattr(TrainingLoop, "__init__", cut)
    monkeypatch.setattr(tournament, "MOST_AGAIN", 0)
    found = tsforge.fit(auto("nlinear"), waves())
    monkeypatch.setattr(TrainingLoop, "__init__", init)
    model = found.model.experiment.model
    until = [m.until for m in model.members] if isinstance(model, Blend) else [found.model.experiment.train.until]
    assert 23 in until
    again = tsforge.fit(found.model.experiment, waves())
    for left, right in zip(again.model.network.parameters(), found.model.network.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("kind", ["walk", "season", "constant", "noise"])
def test_where_nothing_beats_a_simple_rule_the_rule_is_the_model(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a network sold for data of which nothing more can be said."""
    rng, n = np.random.default_rng(5), 300
    values = {
        "walk": rng.normal(size=n).cumsum(), "season": np.tile(rng.normal(size=24), 13)[:n],
        "constant": np.full(n, 7.0), "noise": rng.normal(size=n),
    }[kind]  # fmt: skip
    found = tsforge.fit(auto("nlinear", "gru", **{"train.lr": 0.001}), table(values))
    scores, chosen = found.metrics, found.model.experiment.model.kind
    metric = "mae" if kind in ("season", "constant") else "mase"  # no MASE where a season repeats itself
    if rule := {"season": "seasonal-naive", "constant": "naive"}.get(kind):  # without a season, naive is to be beaten
        assert chosen == rule
        assert f"nothing beats {rule}" in caplog.text
    best = min(scores["seasonal-naive"][metric], scores["naive"][metric])
    assert scores[chosen][metric] <= 1.1 * best
    assert np.isfinite(tsforge.predict(found.model, table(values)).quantiles).all()


def test_ctrl_c_ends_it_with_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[TrainingLoop] = []
    init = TrainingLoop.__init__

    def watched(loop: TrainingLoop, *args: object) -> None:
        init(loop, *args)  # type: ignore[arg-type]
        loops.append(loop)
        if len(loops) == 2:
            loop.monitor.interrupted = True

    monkeypatch.setattr(TrainingLoop, "__init__", watched)
    found = tsforge.fit(auto("nlinear", "gru"), waves())
    assert found.stop == "interrupt"
    assert [s.name for s in found.standings if s.rung] == ["nlinear"]


def test_short_and_broken_series() -> None:
    """Prevents: tables of yearly series with 14 values, gaps, or one series of twenty that end in an error."""
    rng = np.random.default_rng(0)
    yearly = pd.concat([
        table(100 + rng.normal(size=14).cumsum(), "YS").assign(id=f"s{i}") for i in range(6)
    ])  # fmt: skip
    one = table(rng.normal(size=24).cumsum(), "MS")
    gaps = waves(300)
    gaps.loc[50:90, "y"] = np.nan
    for data, horizon in ((yearly, 4), (one, 3), (gaps, 6)):
        found = tsforge.fit(auto("nlinear", "patch-gru", **{"data.horizon": horizon}), data)
        assert np.isfinite(tsforge.predict(found.model, data).point).all()
    with pytest.raises(tsforge.TsforgeError, match="too short"):
        tsforge.fit(auto(**{"data.horizon": 6}), table(np.arange(9.0), "MS"))


@pytest.mark.parametrize(
    ("rows", "freq", "context"), [(4000, "h", 336), (300, "h", 60), (144, "MS", 29), (60, "D", 18), (20, "YS", 8)]
)
def test_one_context_for_all(rows: int, freq: str, context: int) -> None:
    """336 hours where there are enough, a quarter of a shorter history, and never less than a single model has."""
    t = np.arange(rows)
    season = {"h": 24, "MS": 12, "D": 7, "YS": 1}[freq]
    data = table(np.sin(2 * np.pi * t / season) + 0.1 * np.random.default_rng(0).normal(size=rows), freq)
    horizon = {"h": 24, "MS": 12, "D": 14, "YS": 4}[freq]
    experiment = auto(**{"data.horizon": horizon, "data.season": season})
    settled = experiment.on(fitting.prepare(experiment, data).config)
    assert settled.data.context == context
    assert settled.on(fitting.prepare(settled, data).config) == settled


def test_candidates_are_networks_by_name() -> None:
    assert tsforge.build({"model.kind": "auto", "model.candidates": "gru, lstm"}).model.candidates == ("gru", "lstm")  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="'grue' is no model"):
        tsforge.build({"model.kind": "auto", "model.candidates": ["grue"]})


def test_a_backtest_names_it_auto() -> None:
    events: list[Event] = []
    result = tsforge.backtest(auto("nlinear"), waves(), on_fit=lambda *_: events.append)
    assert next(iter(result.outcomes)) == "auto"
    assert any(isinstance(e, Standing) for e in events)
