"""A study at PostgreSQL: two machines share it, workers are killed, nothing finished is lost or counted twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from tests.helpers.forked import Command
from tests.helpers.plans import SMALL, resolved
from tests.helpers.server import Postgres
from tests.helpers.stores import wait_for
from tests.helpers.tables import hourly
from tests.helpers.team import Team
from tsforge.settings import build
from tsforge.sweeping import trials
from tsforge.sweeping.config import Plan, SweepConfig
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import open_study, pruner, sampler
from tsforge.sweeping.workers.job import Job
from tsforge.sweeping.workers.pool import WorkerPool

TOTAL = 5
pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    """A database of its own: Optuna and MLflow would both keep their version in a table of one name."""
    admin = postgres.settings | {"PGUSER": "postgres"}
    postgres.run("createdb", f"--owner={postgres.user}", "sweeps", **admin)
    yield postgres.url.rpartition("/")[0] + "/sweeps"
    postgres.run("dropdb", "--force", "sweeps", **admin)


def machine(folder: Path, steps: int) -> Plan:
    """What the same command makes on each machine: a folder with the plan."""
    folder.mkdir()
    hourly().to_csv(folder / "data.csv", index=False)
    settings = {
        "data.path": str(folder / "data.csv"), "data.horizon": 6, "data.context": 24, "train.batch_size": 16,
        "train.max_steps": steps,
    }  # fmt: skip
    base = resolved(build(settings))
    plan = Plan(bases={"lstm": base}, space=SMALL, sweep=SweepConfig(pruner="none"))
    plan.write(folder)
    return plan


def test_two_machines_and_kills_lose_nothing(url: str, tmp_path: Path) -> None:
    """Prevents: trials lost, repeated or stuck when workers of a shared study are killed, one and then all."""
    places = [tmp_path / "one", tmp_path / "two"]
    plan, _ = (machine(folder, 120) for folder in places)
    jobs = [Job(str(folder), "s", TOTAL, i, url, heartbeat=1) for i, folder in enumerate(places)]
    study = open_study(Place(places[0], "s", url, 1), ["val/mase"], sampler("random", 0), pruner(plan))

    def states() -> list[str]:
        return [t.state.name for t in study.get_trials(deepcopy=False)]

    with WorkerPool(jobs) as pool:
        wait_for(lambda: states().count("RUNNING") == 2, "a trial on each machine")
        os.kill(pool.running[0].pid, signal.SIGKILL)
        wait_for(lambda: states().count("COMPLETE") >= 1, "a trial of the other")
        pool.kill()
    before = {t.number: t.values for t in study.trials if t.state.name == "COMPLETE"}
    with WorkerPool(jobs[1:]) as pool:
        end = time.monotonic() + 240

        def look() -> None:
            assert time.monotonic() < end, states()

        pool.watch(look)
    ended = trials.counted(study.trials)
    assert [t.state.name for t in ended] == ["COMPLETE"] * TOTAL
    assert before.items() <= {t.number: t.values for t in ended}.items()
    dead = [t for t in study.trials if t.state.name == "FAIL"]
    assert dead
    for trial in dead:  # whoever was killed while its settings were drawn had some of them
        assert [t for t in ended if trial.params.items() <= t.params.items()]


def test_two_machines_record_each_trial_once(
    url: str, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same line on two machines, as docs/sweeps.md has it: one study, and one MLflow server for the runs of both.

    Prevents: trials that no run or two stand for, and more trials than were asked for, counted by each machine alone.
    """
    words = ["sweep", "data.csv", "--models", "nlinear", "--horizon", "6", "--trials", "4", "--workers", "1",
             "--storage", url, "--study", "demand", "--set", "train.max_steps=5", "--experiment", "sweeps"]  # fmt: skip
    machines = []
    for name, refit in {"one": "1", "two": "0"}.items():
        (tmp_path / name).mkdir()
        hourly().to_csv(tmp_path / name / "data.csv", index=False)
        machines.append(Command([*words, "--refit", refit, "--out", "s"], tmp_path / name, team.client()))
    ended = [machine.ended(200) for machine in machines]
    assert [code for code, _ in ended] == [0, 0], ended
    study = optuna.load_study(study_name="demand", storage=url)
    assert len(study.trials) == 4
    assert {t.state.name for t in study.trials} <= {"COMPLETE", "PRUNED"}
    for name, value in team.settings().items():
        monkeypatch.setenv(name, value)
    client = MlflowClient(team.server.url)
    experiment = client.get_experiment_by_name("sweeps")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    trials_of = sorted(int(r.data.tags["tsforge.trial"]) for r in runs if "tsforge.trial" in r.data.tags)
    assert trials_of == [t.number for t in study.trials]
    sweeps = {r.info.run_id for r in runs if r.data.tags["mlflow.runName"].startswith("sweep-")}
    assert len(sweeps) == 2  # each machine has its own, and its trials under it
    parents = {r.data.tags["mlflow.parentRunId"] for r in runs if "tsforge.trial" in r.data.tags}
    assert parents <= sweeps
    assert (tmp_path / "one" / "s" / "model").is_dir()
    assert not (tmp_path / "two" / "s" / "model").exists()


def test_one_too_many_gives_its_trial_back(url: str, tmp_path: Path) -> None:
    """Prevents: a total that depends on who asks when; both ask before either is counted."""
    place = Place(tmp_path, "s", url, 30)
    first, second = (
        open_study(place, ["x"], optuna.samplers.RandomSampler(), optuna.pruners.NopPruner()) for _ in range(2)
    )
    second.enqueue_trial({"x": 0.25})
    ahead = first.ask()  # between the other's count and its question
    assert trials.begin(second, place, 0) is None
    ask, second.ask = second.ask, lambda: (first.ask(), ask())[1]  # type: ignore[method-assign, assignment]
    assert trials.begin(second, place, 2) is None
    assert ahead.number == 0
    assert len([t for t in trials.counted(second.trials) if t.state.name == "RUNNING"]) == 2
