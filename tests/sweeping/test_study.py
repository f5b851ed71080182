"""Samplers and pruners by name: that pruning saves and keeps the best, that constraints and fronts are right."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest

from tests.helpers.plans import Make
from tsforge.errors import ConfigError
from tsforge.settings import override
from tsforge.sweeping import leaderboard, plots
from tsforge.sweeping.config import ROUNDS, Plan, SweepConfig, load
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import MEANING, agree, open_study, pruner, sampler


def named(plan: Plan, **sweep: object) -> Plan:
    return Plan(bases=plan.bases, space=plan.space, sweep=plan.sweep.model_copy(update=sweep), digest=plan.digest)


def curve(x: float, y: float, step: int) -> float:
    """A loss that falls at a pace of its own to a floor of its own: curves cross."""
    return (x - 0.3) ** 2 + math.exp(-step * (0.4 + 0.2 * y))


def steps_and_best(plan: Plan, folder: Path, count: int = 60) -> tuple[int, float]:
    """Reports that `count` trials took, and the lowest floor reached; the same draws for every pruner."""
    place = Place(folder, "s")
    study = open_study(place, ["x"], sampler("random", 3), pruner(plan))
    taken = 0
    for _ in range(count):
        trial = study.ask()
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        for step in range(1, ROUNDS + 1):
            taken += 1
            trial.report(curve(x, y, step), step)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve(x, y, ROUNDS))
    return taken, study.best_value


def test_pruning_saves_half_and_keeps_the_best(make: Make, tmp_path: Path) -> None:
    """Prevents: pruners that cut nothing, or what would have won; beside the same draws unpruned."""
    plan = make()
    whole, best = steps_and_best(named(plan, pruner="none"), tmp_path / "none")
    assert whole == 60 * ROUNDS
    for name, most in (("asha", 0.5), ("median", 0.75), ("hyperband", 0.75)):
        taken, lowest = steps_and_best(named(plan, pruner=name), tmp_path / name)
        assert taken <= most * whole, name
        assert lowest == best, name


def test_wilcoxon_prunes_over_folds(make: Make, tmp_path: Path) -> None:
    """Prevents: a pruner that is never asked because its steps are folds; a worse trial ends before its last fold."""
    plan = named(make(), pruner="wilcoxon", folds=12)
    study = open_study(Place(tmp_path / "w", "s"), ["x"], sampler("random", 0), pruner(plan))
    ends = []
    for level in (0.0, 1.0, 2.0):
        trial = study.ask()
        for fold in range(12):
            trial.report(level + 0.1 * (fold % 3), fold)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, level)
        ends.append(fold)
    assert ends[0] == 11
    assert max(ends[1:]) < 11


@pytest.mark.parametrize("name", ["tpe", "gp", "qmc", "random"])
def test_every_sampler_asks_over_conditional_settings_and_constraints(name: str, make: Make, tmp_path: Path) -> None:
    """Prevents: a sampler that fails once it has enough trials to learn from, pruned and infeasible ones among them."""
    models = {} if name == "gp" else {"models": ["lstm", "transformer"]}
    plan = make(sampler=name, max_parameters=100, **models)
    study = open_study(Place(tmp_path / "s", "s"), ["x"], sampler(name, 1), pruner(plan))
    for i in range(16):
        trial = study.ask()
        experiment = plan.search_space.suggest(trial)
        trial.set_constraint("parameters", experiment.train.lr - 0.005)
        trial.report(1.0, 1)
        if experiment.train.lr > 0.005 or i % 5 == 4:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, abs(math.log(experiment.train.lr / 0.002)))
    assert len(study.trials) == 16


def test_a_sampler_that_is_missing_says_what_to_install() -> None:
    with pytest.raises(ConfigError) as caught:
        sampler("cmaes", 1)
    assert caught.value.hint == "pip install cmaes"


def test_constraints_decide_who_can_win_and_the_front_is_not_dominated(make: Make, tmp_path: Path) -> None:
    """Prevents: a winner beyond a constraint, and dominated trials in the front; by looking at every pair."""
    plan = make(objectives=["val/mase", "parameters"], max_parameters=100)
    study = open_study(Place(tmp_path / "s", "s"), plan.sweep.objectives, sampler("tpe", 1), pruner(plan))
    for _ in range(30):
        trial = study.ask()
        experiment = plan.search_space.suggest(trial)
        size = experiment.model.width * experiment.train.batch_size / 4
        trial.set_constraint("parameters", size - 100)
        if size > 100:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, [abs(math.log(experiment.train.lr / 0.002)), size])
    rows = leaderboard.rows(study, plan)
    good = [r for r in rows if r.good]
    assert good
    assert all(r.values[1] <= 100 for r in good)
    assert all(not r.kept for r in rows if not r.good)
    dominated = {
        b.number for a in good for b in good
        if all(x <= y for x, y in zip(a.values, b.values, strict=True)) and a.values != b.values
    }  # fmt: skip
    assert {r.number for r in good if r.front} == {r.number for r in good} - dominated
    assert {r.number for r in leaderboard.chosen(rows, 99)} == {r.number for r in good} - dominated
    assert {t.number for t in study.best_trials} == {r.number for r in good if r.front}  # Optuna's own
    plots.draw(study, rows, plan, tmp_path)
    assert all((tmp_path / f"{n}.png").stat().st_size > 5_000 for n in ("history", "slice", "parallel", "pareto"))


def test_importance_finds_the_setting_that_matters(make: Make, tmp_path: Path) -> None:
    """Prevents: importance that leaves out the settings of one architecture, or ranks noise first."""
    plan = make({"model.width": "int(8,64,8)"}, models=["lstm", "gru"])
    study = open_study(Place(tmp_path / "s", "s"), ["x"], sampler("random", 1), pruner(plan))
    for _ in range(60):
        trial = study.ask()
        experiment = plan.search_space.suggest(trial)
        study.tell(trial, abs(math.log(experiment.train.lr / 0.002)))
    shares = plots.importance(study)
    assert max(shares, key=lambda n: shares[n]) == "train.lr"
    assert {"lstm/model.width", "gru/model.width", "model.kind"} <= set(shares)


def test_a_study_remembers_what_its_trials_mean(make: Make, tmp_path: Path) -> None:
    small = make()
    plan = Plan(bases=small.bases, space=small.space, sweep=small.sweep, digest="d")
    study = open_study(Place(tmp_path / "s", "s"), ["x"], sampler("random", 1), pruner(plan))
    agree(study, plan)
    agree(study, named(plan, trials=9, workers=2, refit=1, timeout=5.0))  # how long and where is free
    moved = override(plan.bases["lstm"], {"data.path": "/elsewhere.csv"})
    agree(study, Plan(bases={"lstm": moved}, space=plan.space, sweep=plan.sweep, digest="d"))
    with pytest.raises(ConfigError, match="data was d, is e"):
        agree(study, Plan(bases=plan.bases, space=plan.space, sweep=plan.sweep, digest="e"))
    with pytest.raises(ConfigError, match=r"sweep\.folds was 1, is 2"):
        agree(study, named(plan, folds=2))
    assert study.user_attrs[MEANING]["lstm: train.max_steps"] == "8"


def test_a_plan_comes_back_from_its_file(make: Make, tmp_path: Path) -> None:
    settings = {"models": ["lstm", "transformer"], "max_parameters": "1.5k", "max_latency": "5ms", "timeout": "2h"}
    plan = make({"train.lr": "log(1e-3,1e-2)"}, **settings)
    plan.write(tmp_path)
    again = load(tmp_path)
    assert again == plan
    assert (again.sweep.max_parameters, again.sweep.max_latency, again.sweep.timeout) == (1500, 0.005, 7200.0)
    assert again.decisive() == plan.decisive()
    assert SweepConfig().trials == 50
