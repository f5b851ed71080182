"""Processes that a command starts to train with: what comes of it, and how it ends where one of them is gone."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tsforge
from tests.helpers.commands import Capsys, fails
from tests.helpers.stores import wait_for
from tests.helpers.tables import hourly
from tsforge.cli.main import run
from tsforge.errors import ConfigError, TrainingError
from tsforge.experiment import single
from tsforge.training import fitting
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.distributed import local, ranks, team
from tsforge.training.events import Event, Round

SETTINGS: dict[str, Any] = {
    "data.horizon": 6, "data.context": 24, "model.kind": "gru", "model.width": 8, "train.max_steps": 20,
    "train.precision": "32", "train.devices": 2,
}  # fmt: skip
ENDLESS = {"train.max_steps": 20_000, "train.validations": 10_000, "train.patience": 20_000}


def at_first_round(then: Callable[[list[int]], None]) -> tuple[list[int], Callable[[Event], None]]:
    """The processes of the team, and a report that calls a function with them after the first validation."""
    pids: list[int] = []

    def report(event: Event) -> None:
        launched = team.current()
        if isinstance(event, Round) and launched is not None and not pids:
            pids.extend(member.pid for member in launched.place.members)
            then(pids)

    return pids, report


def gone(pid: int) -> bool:
    """Whether a process has ended, or waits as a zombie for its starter to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.usefixtures("forked")
def test_two_processes_make_the_model_of_one(tmp_path: Path) -> None:
    """Prevents: an ensemble whose members are trained otherwise by a team; processes, or files, that are left."""
    pids, begin = at_first_round(lambda _: None)
    settings, files = SETTINGS | {"ensemble": 2}, dict[int, set[str]]()

    def report(event: Event) -> None:
        begin(event)
        launched = team.current()
        if isinstance(event, Round) and launched is not None:
            own = f"job-{event.member}.result"  # which may be there when the last round is told
            files[event.member] = {path.name for path in launched.folder.iterdir()} - {own}

    together = tsforge.fit(tsforge.build(settings), hourly(gap=True), out=tmp_path / "m", report=report)
    alone = tsforge.fit(tsforge.build(settings | {"train.devices": 1}), hourly(gap=True))
    assert [r.member for r in together.rounds] == [r.member for r in alone.rounds]
    for a, b in zip(together.rounds, alone.rounds, strict=True):
        assert (a.step, a.windows, a.best) == (b.step, b.windows, b.best)
        assert (a.train, a.validation) == pytest.approx((b.train, b.validation), rel=1e-5)
    loaded = tsforge.predict(tmp_path / "m", hourly(gap=True))
    np.testing.assert_allclose(loaded.point, tsforge.predict(alone.model, hourly(gap=True)).point, rtol=1e-4)
    assert len(pids) == 2
    logs = {"process-1.log", "process-2.log"}
    assert files == {1: logs | {"dataset-1", "job-1"}, 2: logs | {"dataset-1", "job-2"}}  # and no state, job or result
    assert all(wait_for(lambda pid=pid: gone(pid), "the end of a process") for pid in pids)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(("number", "dead"), [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGSTOP, 1)])
def test_one_that_is_gone_ends_all(
    number: signal.Signals, dead: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a training that waits for ever for a process that was killed, or for a machine that stands still."""
    monkeypatch.setattr(ranks, "PATIENCE", 3.0)
    pids, report = at_first_round(lambda pids: os.kill(pids[dead], number))
    with pytest.raises(TrainingError) as caught:
        tsforge.fit(tsforge.build(SETTINGS | ENDLESS), hourly(), out=tmp_path / "m", report=report)
    killed = f"process {dead + 1} of 2 is gone (killed by SIGKILL)"
    silent = "lost the others, or waited 3 s|has no sign of process 2, and waited 3 s"
    assert re.search(re.escape(killed) if number == signal.SIGKILL else silent, caught.value.message)
    assert all(wait_for(lambda pid=pid: gone(pid), "the end of a process") for pid in pids)
    assert not (tmp_path / "m").exists()


@pytest.mark.usefixtures("forked")
def test_a_request_to_stop_keeps_the_best_so_far(home: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: Ctrl-C, which reaches the command alone, that ends with nothing, or leaves processes that train on."""
    hourly().to_csv("data.csv", index=False)
    pids, report = at_first_round(lambda _: signal.raise_signal(signal.SIGTERM))
    train, before = fitting.train, signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setattr(fitting, "train", lambda *given: train(*given[:2], report))
    flags = [word for name, value in ENDLESS.items() for word in ("--set", f"{name}={value}")]
    words = ["fit", "data.csv", "--horizon", "6", "--model", "nlinear", "--devices", "2", "--no-track", "--out", "m"]
    code = run([*words, *flags])
    signal.signal(signal.SIGTERM, before)
    out, _ = capsys.readouterr()
    assert code == 143
    assert "in each of 2 processes; stopped by SIGTERM" in out
    assert np.isfinite(tsforge.predict(home / "m", home / "data.csv").point).all()
    assert all(wait_for(lambda pid=pid: gone(pid), "the end of a process") for pid in pids)


@pytest.mark.usefixtures("forked")
def test_a_team_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    """Prevents: a checkpoint that lies where the processes are, and not where the command that goes on looks for it."""
    experiment = tsforge.build(SETTINGS)
    dataset = fitting.prepare(experiment, hourly(gap=True))
    checkpoint = Checkpoint(tmp_path / "state", "training")
    seen: list[Event] = []

    def report(event: Event) -> None:
        seen.append(event)
        if len(seen) == 10:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fitting.train(experiment, dataset, report, checkpoint)
    resumed = fitting.train(experiment, dataset, None, checkpoint)
    whole = fitting.train(experiment.with_train({"devices": 1}), dataset)
    assert resumed.rounds[:9] == tuple(seen[:9])  # with their times: these steps were not taken again
    for a, b in zip(resumed.rounds, whole.rounds, strict=True):
        assert (a.train, a.validation) == pytest.approx((b.train, b.validation), rel=1e-5)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "auto", "--devices", "2"], "a tournament trains many small networks"),
        (["--model", "theta", "--devices", "2"], "theta takes no training steps"),
        (["--model", "zero", "--nodes", "2"], "zero takes no training steps"),
        (["--devices", "2", "--set", "train.batch_size=1"], "too small for 2 processes"),
        (["--address", "auto"], "add --engine ray"),
        (["--devices", "4", "--nodes", "2"], "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d "
         "--rdzv-endpoint FIRST_MACHINE:29400 -m tsforge fit data.csv --horizon 6 --no-track --devices 4 --nodes 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_distributed(words: list[str], said: str, capsys: Capsys) -> None:
    """Prevents: devices that are asked for and stand idle, without a word."""
    hourly().to_csv("data.csv", index=False)
    assert said in fails(capsys, "fit", "data.csv", "--horizon", "6", "--no-track", *words)


def test_a_sweep_trains_on_one_device(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: every trial of a sweep that starts processes of its own, beside the workers."""
    alone = single(tsforge.build(SETTINGS), "a sweep")
    assert (alone.train.devices, alone.train.nodes) == (1, 1)
    assert "train.devices" in caplog.text


def test_processes_share_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: processes that each take all cores, or all the same GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3,2,GPU-1")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert local.gpus(2) == ["5", "3"]
    assert local.environment(2, "5")["CUDA_VISIBLE_DEVICES"] == "5"
    assert [local.environment(n)["OMP_NUM_THREADS"] for n in (1, 2, 3, 16)] == ["8", "4", "2", "1"]
    with pytest.raises(ConfigError, match="this machine has 4 GPUs"):
        local.gpus(5)
