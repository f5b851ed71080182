"""`tsforge fit --resume` after a real kill: the same weights, in the same run, and no option but that one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.stores import environment, history, query, runs, wait_for
from tests.helpers.tables import hourly
from tsforge.cli.main import run
from tsforge.tracking import journal
from tsforge.training import checkpointer
from tsforge.training.monitor import Monitor

FIT = [
    "fit", "data.csv", "--horizon", "6", "--context", "24", "--model", "lstm", "--max-steps", "60", "--set",
    "model.width=8", "--set", "train.threads=1", "--set", "train.patience=99",
]  # fmt: skip

# `tsforge` that keeps every state, and kills itself once the validation at step 30 is reported.
KILLED = """
import os, signal, sys
from tsforge.cli.main import main
from tsforge.training import checkpointer
from tsforge.training.monitor import Monitor
checkpointer.EVERY, checkpointer.SHARE = 0.0, float("inf")
whole = Monitor.after_validation
def after_validation(self, step, *rest):
    stop = whole(self, step, *rest)
    if step == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return stop
Monitor.after_validation = after_validation
main(sys.argv[1:])
"""


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("forked")
def test_a_killed_fit_goes_on_in_its_run(store_at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: other weights after a kill, a second run, a run that stays killed, curves with a gap."""
    hourly(12, seed=3).to_csv("data.csv", index=False)
    command = [sys.executable, "-c", KILLED, *FIT, "--out", "models/m"]
    killed = subprocess.run(command, env=environment(), capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert {path.name for path in Path("models").iterdir()} == {"m.checkpoint"}
    names = [path.name for path in Path("models/m.checkpoint").iterdir()]
    assert sorted(names) == ["fit.json", "training.safetensors"]
    wait_for(lambda: runs(store_at_home) and runs(store_at_home)[0][2] == "KILLED", "the end of the killed run")
    ((number, name, _),) = runs(store_at_home)
    wait_for(lambda: not list(journal.ROOT.glob("*")), "the end of its delivery")

    assert run(["fit", "--resume", "models/m", "--json"]) == 0
    found = document(capsys)
    assert runs(store_at_home) == [(number, name, "FINISHED")]
    assert found["run"] == number
    assert {step for step, _ in history(store_at_home, number, "val/loss")} == set(range(3, 61, 3))
    assert not query(store_at_home, "select value from tags where key = 'tsforge.reason'")
    assert not Path("models/m.checkpoint").exists()

    assert run([*FIT, "--out", "models/whole", "--no-track", "--json"]) == 0
    whole, again = (load_file(f"models/{name}/weights.safetensors") for name in ("whole", "m"))
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
    assert document(capsys)["scores"] == found["scores"]


@pytest.mark.usefixtures("home")
def test_what_stands_beside_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: options that are silently left out."""
    words = ["--out", "x", "--horizon", "7", "--set", "train.lr=1", "--no-track", "--register", "r", "--overwrite"]
    assert run(["fit", "--resume", "models/m", *words]) == 2
    error = capsys.readouterr().err
    for flag in ("--out", "--overwrite", "--set", "--horizon", "--no-track", "--register"):
        assert flag in error
    assert run(["fit", "--resume", "models/m"]) == 2
    assert "nothing to resume" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "EVERY", 0.0)
    monkeypatch.setattr(checkpointer, "SHARE", float("inf"))
    hourly(12, seed=3).to_csv("data.csv", index=False)
    whole = Monitor.after_step

    def after_step(self: Monitor, step: int) -> bool:
        if step == 20:
            self.interrupt()
        return whole(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "after_step", after_step)
        assert run([*FIT, "--no-track", "--out", "m"]) == 130
    assert "resume  tsforge fit --resume m\n" in capsys.readouterr().out
    assert run(["fit", "data.csv", "--resume", "m"]) == 0
    shown = capsys.readouterr()
    assert "the fit of m goes on" in shown.err
    assert "tsforge fit data.csv --horizon 6 --context 24 --no-track" in shown.out  # as it began
