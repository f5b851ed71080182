"""Worker processes over real trials: killed with -9, stopped, counted; beside a study that knows nothing of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.plans import Make, opened, run_here
from tests.helpers.stores import environment, wait_for
from tsforge.errors import TrainingError
from tsforge.sweeping import trials
from tsforge.sweeping.study import begin_with
from tsforge.sweeping.workers.job import Job
from tsforge.sweeping.workers.pool import WorkerPool

pytestmark = pytest.mark.usefixtures("forked")


def test_trials_end_as_they_should_and_say_why(make: Make, tmp_path: Path) -> None:
    """Prevents: a failing trial that ends the sweep, and states or reasons that are lost."""
    ranges = {"train.lr": "choice(0.001, 1e9)", "model.width": "choice(8,10,160)"}
    model = {"model.kind": "transformer", "model.backbone.heads": 4}
    plan = make(ranges, model, max_parameters="30k", pruner="none")
    study = opened(plan, tmp_path / "s")
    for width, lr in ((8, 0.001), (10, 0.001), (160, 0.001), (8, 1e9)):
        study.enqueue_trial({"model.width": width, "train.lr": lr})
    history = run_here(plan, tmp_path / "s", 4).trials
    assert [t.state.name for t in history][:3] == ["COMPLETE", "FAIL", "PRUNED"]
    assert "not a multiple" in history[1].user_attrs["reason"]
    assert "beyond the constraint: parameters" in history[2].user_attrs["reason"]
    assert history[2].constraints["parameters"] > 0 >= history[0].constraints["parameters"]
    assert history[3].state.name in ("COMPLETE", "FAIL")  # a rate of 10⁹ may leave weights from before it blew up
    assert set(history[0].user_attrs["scores"]) >= {"val/mase", "val/wql", "val/loss", "parameters"}


def test_the_total_is_over_all_starts(make: Make, tmp_path: Path) -> None:
    plan = make(settings={"seed": 987_654}, pruner="none")
    assert len(run_here(plan, tmp_path / "s", 2).trials) == 2
    history = run_here(plan, tmp_path / "s", 3).trials
    assert [t.state.name for t in history] == ["COMPLETE"] * 3
    assert len(run_here(plan, tmp_path / "s", 3).trials) == 3
    assert len({t.params["train.lr"] for t in history}) == 3  # another start does not draw the same again


def test_the_defaults_of_every_architecture_come_first(make: Make, tmp_path: Path) -> None:
    """Prevents: a sweep that ends worse than no sweep."""
    plan = make(models=["lstm", "gru"], pruner="none")
    study = opened(plan, tmp_path / "s")
    begin_with(study, plan)
    begin_with(study, plan)
    history = run_here(plan, tmp_path / "s", 3).trials
    assert [t.params["model.kind"] for t in history[:2]] == ["lstm", "gru"]
    assert [t.params["train.lr"] for t in history[:2]] == [0.001, 0.001]


def test_killing_a_worker_and_then_all_loses_nothing(make: Make, tmp_path: Path) -> None:
    """Prevents: finished trials lost, trials counted twice or run for ever; with -9 and real fits."""
    plan = make(settings={"train.max_steps": 120}, pruner="none")
    folder, total = tmp_path / "s", 3
    study = opened(plan, folder)
    jobs = [Job(str(folder), "s", total, index=i) for i in range(2)]

    def states() -> list[str]:
        return [t.state.name for t in study.get_trials(deepcopy=False)]

    with WorkerPool(jobs) as pool:
        wait_for(lambda: states().count("RUNNING") == 2, "two trials")
        os.kill(pool.running[0].pid, signal.SIGKILL)
        wait_for(lambda: pool.check() or states().count("COMPLETE"), "a trial of the other, or of the one started anew")
        pool.kill()
    before = {t.number: t.values for t in study.trials if t.state.name == "COMPLETE"}
    with WorkerPool(jobs) as pool:
        pool.watch(lambda: None)
    ended = trials.counted(study.trials)
    assert [t.state.name for t in ended] == ["COMPLETE"] * total
    assert before.items() <= {t.number: t.values for t in ended}.items()
    for dead in (t for t in study.trials if t.state.name == "FAIL"):
        # Whoever was killed while its settings were drawn had some of them; those it had are run again.
        after = [t for t in study.trials if dead.number in t.system_attrs.get("retry_history", ())]
        assert after
        assert all(dead.params.items() <= t.params.items() for t in after if t.state.name == "COMPLETE")


def test_a_worker_whose_starter_is_gone_hands_over_and_ends(make: Make, tmp_path: Path) -> None:
    """Prevents: workers that go on in the background after the terminal was closed."""
    plan = make(settings={"train.max_steps": 100_000})
    study = opened(plan, tmp_path / "s")
    job = Job(str(tmp_path / "s"), "s", 5)
    process = subprocess.Popen(
        [sys.executable, "-m", "tsforge.sweeping.worker"], stdin=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdin is not None
    process.stdin.write(job.text() + "\n")
    process.stdin.flush()
    wait_for(lambda: [t for t in study.get_trials(deepcopy=False) if t.state.name == "RUNNING"], "a trial")
    process.stdin.close()
    assert process.wait(120) == 0
    assert [t.state.name for t in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[1].params == study.trials[0].params


def test_the_end_of_the_time_hands_over_too(make: Make, tmp_path: Path) -> None:
    plan = make(settings={"train.max_steps": 100_000})
    study = opened(plan, tmp_path / "s")
    with WorkerPool([Job(str(tmp_path / "s"), "s", 5, until=time.time() + 1)]) as pool:
        pool.watch(lambda: None)
    assert not [t for t in study.trials if t.state.name == "RUNNING"]
    assert not pool.stopping


def test_a_worker_that_cannot_begin_says_why(make: Make, tmp_path: Path) -> None:
    plan = make()
    opened(plan, tmp_path / "s")
    (tmp_path / "data.csv").unlink()
    with WorkerPool([Job(str(tmp_path / "s"), "s", 5)]) as pool, pytest.raises(TrainingError, match=r"data\.csv"):
        pool.watch(lambda: None)


def test_a_second_ctrl_c_ends_the_workers_at_once(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: workers left behind, or a wait for trials that somebody no longer wants."""
    plan = make(settings={"train.max_steps": 1_000_000})
    opened(plan, tmp_path / "s")
    monkeypatch.setattr("tsforge.sweeping.workers.pool.EVERY", 0.0)  # the second comes before any has ended

    def impatient() -> None:
        raise KeyboardInterrupt

    with WorkerPool([Job(str(tmp_path / "s"), "s", 5, index=i) for i in range(2)]) as pool:
        pids = [worker.pid for worker in pool.running.values()]
        with pytest.raises(KeyboardInterrupt):
            pool.watch(impatient)
    assert pool.stopping
    assert [trials._started(pid) for pid in pids] == [None, None]
