"""Workers as tasks of a Ray cluster on this machine."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import optuna
import pytest
import ray
import ray.cluster_utils

from tests.helpers.plans import Make, opened
from tests.helpers.stores import ROOT, wait_for
from tsforge.errors import ConfigError
from tsforge.sweeping import running as sweeping
from tsforge.sweeping import trials
from tsforge.sweeping.place import Workspace
from tsforge.sweeping.workers import launch
from tsforge.sweeping.workers.job import Job
from tsforge.sweeping.workers.pool import WorkerPool
from tsforge.sweeping.workers.ray import connected
from tsforge.tracking.tracker import Tracker


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray starts finds the checkout that is tested."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def jobs(folder: Path, total: int, count: int = 2) -> list[Job]:
    return [Job(str(folder / "s"), "s", total, i) for i in range(count)]


def running(study: optuna.Study) -> list[int]:
    """The processes of the trials that run; one is enough, as a worker that starts late may find none left."""
    history = [t for t in study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]
    return [t.user_attrs["owner"]["pid"] for t in history if "owner" in t.user_attrs]


def test_two_workers_run_eight_trials_and_one_may_die(make: Make, tmp_path: Path) -> None:
    """Prevents: trials lost or counted twice on a cluster, where a worker is killed too."""
    plan = make(settings={"train.max_steps": 60}, pruner="none", engine="ray")
    study = opened(plan, tmp_path / "s")
    with launch.workers(plan, jobs(tmp_path, 8)) as pool:
        os.kill(wait_for(lambda: running(study), "a trial")[0], signal.SIGKILL)
        pool.watch(lambda: None)
        assert pool.restarts == 1
    ended = trials.counted(study.trials)
    assert [t.state.name for t in ended] == ["COMPLETE"] * 8
    owners = {t.user_attrs["owner"]["pid"] for t in ended}
    assert len(owners) <= 3  # the first two and the one that took the place of the first: each runs many trials


def test_stopped_workers_hand_over(make: Make, tmp_path: Path) -> None:
    plan = make(settings={"train.max_steps": 100_000}, pruner="none", engine="ray")
    study = opened(plan, tmp_path / "s")

    def look(pool: WorkerPool) -> None:
        if not pool.stopping and [t for t in study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]:
            raise KeyboardInterrupt

    with launch.workers(plan, jobs(tmp_path, 8, count=1)) as pool:
        pool.watch(lambda: look(pool))
        assert pool.stopping
    assert [t.state.name for t in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[1].params == study.trials[0].params


def test_a_machine_that_is_lost_takes_no_trial_with_it(make: Make, tmp_path: Path) -> None:
    """Prevents: a sweep that ends, or miscounts, when a node of its cluster goes; and nodes of one machine that are
    taken for several machines."""
    cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        node = cluster.add_node(num_cpus=1)
        plan = make(settings={"train.max_steps": 60}, pruner="none", engine="ray", address=cluster.address)
        study = opened(plan, tmp_path / "s")
        with launch.workers(plan, jobs(tmp_path, 6, count=1)) as pool:
            wait_for(lambda: running(study), "a trial")
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(num_cpus=1)
            pool.watch(lambda: None)
            assert pool.restarts == 1
    finally:
        cluster.shutdown()
    assert [t.state.name for t in trials.counted(study.trials)] == ["COMPLETE"] * 6


@pytest.mark.parametrize(("own", "sent"), [(None, "0"), ("1", "1"), ("0", "0")])
def test_nothing_is_told_to_the_makers_of_ray(own: str | None, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: statistics of use that are sent from a sweep, or a user's own choice that is turned round."""
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(name, own or "")  # so that it is put back
    if own is None:
        monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    seen: list[str | None] = []

    def init(*_: object, **__: object) -> None:
        seen.append(os.environ.get("RAY_USAGE_STATS_ENABLED"))
        raise RuntimeError

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ConfigError), connected(None, 1, "plan"):
        pass
    assert seen == [sent]


@pytest.mark.parametrize("names", [["elsewhere"], ["", "elsewhere"]], ids=["another", "this and another"])
def test_a_study_in_a_folder_is_for_this_machine(
    names: list[str], make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Prevents: workers of other machines that each begin a study of their own."""
    nodes = [{"Alive": True, "NodeManagerHostname": name or socket.gethostname()} for name in names]
    monkeypatch.setattr(ray, "init", lambda *_, **__: None)
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, {"Alive": False, "NodeManagerHostname": "gone"}])
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    plan = make(engine="ray")
    with pytest.raises(ConfigError, match=r"\(elsewhere\)") as caught, launch.workers(plan, jobs(tmp_path, 1)):
        pass
    assert "`storage`" in caught.value.hint


def test_without_ray_nothing_is_begun(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError) as caught:
        sweeping.run(make(engine="ray"), Workspace(tmp_path / "new"), Tracker(on=False))
    assert caught.value.hint == "in a checkout: pip install '.[ray]'"
    assert not (tmp_path / "new").exists()


def test_an_address_where_nothing_answers(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{port.getsockname()[1]}"
    plan = make(engine="ray", address=nobody)
    with pytest.raises(ConfigError, match="no Ray cluster") as caught, launch.workers(plan, jobs(tmp_path, 1)):
        pass
    assert "ray start --head" in caught.value.hint
    with pytest.raises(ConfigError, match="Ray"):
        make(address="auto")
