"""Trials of one shape side by side: counted, judged and chosen as if each had been alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.helpers.plans import Make, evaluate, opened, run_here
from tsforge.errors import ConfigError
from tsforge.settings import override
from tsforge.sweeping import evaluating, running
from tsforge.sweeping.config import Plan
from tsforge.sweeping.data import SweepData
from tsforge.sweeping.evaluating import Evaluation, HandedOverError, StoppedEarlyError, Watcher
from tsforge.sweeping.objective import Objective, Result
from tsforge.sweeping.packing import Packing, common
from tsforge.sweeping.place import Workspace
from tsforge.sweeping.study import begin_with
from tsforge.tracking.tracker import Tracker
from tsforge.training import stacked
from tsforge.training.loop import TrainingLoop

GRU = {"model.kind": "gru", "train.max_steps": 20}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trained side by side, each time."""
    seen: list[int] = []
    whole = stacked.run

    def run(loops: Sequence[TrainingLoop]) -> list[Exception | None]:
        seen.append(len(loops))
        return whole(loops)

    monkeypatch.setattr(stacked, "run", run)
    return seen


def test_packed_trials_have_the_values_of_each_alone(make: Make, sizes: list[int], tmp_path: Path) -> None:
    """Prevents: values, states or counts that belong to another trial of the pack."""
    plan = make(settings=GRU, pack=3, pruner="none")
    begin_with(opened(plan, tmp_path / "s"), plan)
    history = run_here(plan, tmp_path / "s", 7).trials
    assert [t.state.name for t in history] == ["COMPLETE"] * 7
    assert max(sizes) == 3
    assert sum(sizes) == 6  # the last is alone
    objective = Objective(plan, SweepData.read(plan))
    for trial in history:
        alone = evaluate(objective, plan.search_space.experiment(trial.params), Watcher(lambda: False))
        assert trial.values == pytest.approx(alone.values, rel=5e-3)
    assert len({t.params["train.lr"] for t in history}) == 7
    assert not list((tmp_path / "s" / "kept").iterdir())


def test_pruned_ones_leave_the_others(make: Make, sizes: list[int], tmp_path: Path) -> None:
    plan = make(settings={**GRU, "train.max_steps": 40}, pack=4, pruner="asha")
    begin_with(opened(plan, tmp_path / "s"), plan)
    history = run_here(plan, tmp_path / "s", 12).trials
    states = [t.state.name for t in history]
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert max(sizes) > 1
    assert all(t.user_attrs["reason"] for t in history if t.state.name == "PRUNED")


def test_what_ends_one_of_a_pack_ends_no_other(make: Make, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a pack that is lost, or goes on in step with nobody, when one of it is pruned, fails or hands over."""
    plan = make(settings=GRU, folds=2)
    objective = Objective(plan, SweepData.read(plan))
    watchers = [Watcher(lambda: False) for _ in range(4)]
    monkeypatch.setattr(watchers[1], "pruned", lambda _value, step: step > 5)
    monkeypatch.setattr(watchers[2], "validated", lambda _event: 1 / 0)
    watchers[3].stopping = lambda: bool(sizes)
    short, batches = [MemoryError()], []
    whole = stacked.run
    monkeypatch.setattr(stacked, "run", lambda loops: whole(loops) if not short else _raise(short.pop()))
    monkeypatch.setattr(watchers[0], "halved", batches.append)
    ends = dict(evaluating.run([Evaluation(objective, plan.bases["gru"], watcher) for watcher in watchers]))
    assert [type(ends[i]) for i in range(4)] == [Result, StoppedEarlyError, ZeroDivisionError, HandedOverError]
    assert (batches, sizes) == ([8], [4])  # all again with half a batch; the second fold has one alone
    halved = override(plan.bases["gru"], {"train.batch_size": 8})
    assert ends[0].values == pytest.approx(evaluate(objective, halved, watchers[0]).values, rel=5e-3)


def _raise(problem: BaseException) -> NoReturn:
    raise problem


def test_automatic_is_what_was_measured(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: packs where they are slower, and a measurement for every trial."""
    plan = make(settings=GRU, workers=2, pack="auto")
    objective, asked = Objective(plan, SweepData.read(plan)), []
    for gain, count in ((2.0, 4), (1.0, 1)):
        monkeypatch.setattr(stacked, "gain", lambda *_, gain=gain: (asked.append(1), gain)[1])
        packing = Packing(objective)
        assert [packing.count(plan.bases["gru"], left) for left in (99, 6, 2, 1)] == [count, min(count, 3), 1, 1]
    assert len(asked) == 2
    for pack, count in (("off", 1), (3, 3)):
        fixed = Objective(make(settings=GRU, pack=pack), objective.data)
        assert Packing(fixed).count(plan.bases["gru"], 99) == count
    with pytest.raises(ConfigError, match="pack"):
        make(pack="1")


def test_what_a_pack_shares() -> None:
    params = {
        "model.kind": "gru", "gru/model.width": 8, "gru/model.backbone.dropout": 0.1, "train.lr": 0.1,
        "train.batch_size": 16, "train.weight_decay": 0.0,
    }  # fmt: skip
    assert common(params) == {"model.kind": "gru", "gru/model.width": 8, "train.batch_size": 16}


@pytest.mark.usefixtures("forked")
def test_refits_of_all_seeds_are_one_pack(make: Make, tmp_path: Path) -> None:
    """Prevents: a winner that depends on whether its seeds were fitted side by side; its model is the refit's."""
    outcomes = []
    for pack in ("off", 4):
        few = GRU | {"train.max_steps": 8}
        plan = make(settings=few, pack=pack, trials=2, refit=1, seeds=2, pruner="none", sampler="qmc")
        settled = Plan(bases=plan.bases, space=plan.space, sweep=plan.sweep, digest=SweepData.read(plan).panel.digest())
        done, _ = running.run(settled, Workspace(tmp_path / str(pack)), Tracker(on=False))
        assert done.winner is not None
        assert done.fit is not None
        outcomes.append(done)
        assert (tmp_path / str(pack) / "model" / "history.csv").exists()
        assert done.fit.model.experiment.seed == done.winner.seed
        assert done.fit.metrics["gru"]["mase"] == pytest.approx(done.winner.test[done.winner.seed]["mase"], rel=1e-5)
    defaults = [next(c for c in done.candidates if c.name in ("default", "trial-0")) for done in outcomes]
    for seed, value in defaults[0].validation.items():
        assert defaults[1].validation[seed] == pytest.approx(value, rel=5e-3)
