"""What starts the processes instead of the command: torchrun, and a Ray cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ray.cluster_utils

import tsforge
from tests.helpers.stores import ROOT
from tests.helpers.tables import hourly
from tests.training.distributed.test_team import ENDLESS, SETTINGS
from tsforge.errors import ConfigError, TrainingError
from tsforge.experiment import TrainConfig
from tsforge.training.distributed import torchrun
from tsforge.training.distributed.ranks import Place
from tsforge.training.events import Event, Round


def test_torchrun_makes_the_model_of_one_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: results, models and runs that every process of torchrun writes; other numbers than those of one."""
    hourly(gap=True).to_csv("data.csv", index=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    flags = [
        word for name, value in SETTINGS.items() if name != "train.devices" for word in ("--set", f"{name}={value}")
    ]
    words = ["-m", "tsforge", "fit", "data.csv", "--json", "--no-track", "--out", "m", *flags]
    torch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run([*torch, *words], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert (document["devices"], document["nodes"], document["threads"]) == (2, 1, [1])
    assert ended.stderr.count("windows: ") == 1
    alone = tsforge.fit(tsforge.build(SETTINGS | {"train.devices": 1}), hourly(gap=True))
    forecast = tsforge.predict(home / "m", hourly(gap=True))
    np.testing.assert_allclose(forecast.point, tsforge.predict(alone.model, hourly(gap=True)).point, rtol=1e-4)


def test_torchrun_says_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: processes that wait for others that were never started."""
    assert torchrun.settings(TrainConfig()) == {}
    there = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "a"}
    for name, value in (there | {"MASTER_PORT": "29400"}).items():
        monkeypatch.setenv(name, value)
    assert torchrun.place() == Place(5, 8, 1, 4, port=None)
    assert torchrun.settings(TrainConfig()) == {"train.devices": 4, "train.nodes": 2}
    with pytest.raises(ConfigError, match=r"train.nodes = 3, and torchrun has started 2"):
        torchrun.settings(TrainConfig(devices=4, nodes=3))


def test_machines_of_a_ray_cluster_train_together_until_one_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a cluster's machines that make another model than one process; a machine that goes, and takes the
    command with it or leaves it waiting."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_worker_niceness", "0")
    cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        there = {"train.devices": 1, "train.nodes": 2, "train.engine": "ray", "train.address": cluster.address}
        together = tsforge.fit(tsforge.build(SETTINGS | there), hourly(gap=True))
        lost: list[Round] = []

        def report(event: Event) -> None:
            if isinstance(event, Round) and not lost:
                lost.append(event)
                for node in nodes:
                    cluster.remove_node(node, allow_graceful=False)

        one = tsforge.build(SETTINGS | ENDLESS | there | {"train.nodes": 1})
        with pytest.raises(TrainingError, match="process 1 of 1 is gone"):
            tsforge.fit(one, hourly(), out=tmp_path / "m", report=report)
        assert not (tmp_path / "m").exists()
    finally:
        cluster.shutdown()
    alone = tsforge.fit(tsforge.build(SETTINGS | {"train.devices": 1}), hourly(gap=True))
    for a, b in zip(together.rounds, alone.rounds, strict=True):
        assert (a.train, a.validation) == pytest.approx((b.train, b.validation), rel=1e-5)
