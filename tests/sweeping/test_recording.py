"""What a trial leaves in its run's journal: how it ended, why, and under whom it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.plans import Make
from tsforge.sweeping.recording import TrialRecorder, TrialRun
from tsforge.sweeping.workers.job import Job, Record, read
from tsforge.tracking import journal
from tsforge.training.events import Round


def lines(folder: Path) -> dict[str, Any]:
    """All that is said of the one run under a folder, later lines winning."""
    content: dict[str, Any] = {"tags": {}, "metrics": []}
    (path,) = folder.glob("*/journal.jsonl")
    for line in map(json.loads, path.read_text().splitlines()):
        content["tags"] |= line.get("tags", {})
        if "metrics" in line:
            content["metrics"].append((line["step"], line["metrics"]))
        content |= {k: line[k] for k in ("end", "reason") if k in line}
    return content


@pytest.mark.parametrize(
    ("state", "status"), [("COMPLETE", "FINISHED"), ("PRUNED", "FINISHED"), ("FAIL", "FAILED"), ("WAITING", "KILLED")]
)
def test_a_trial_says_how_it_ended_and_why(state: str, status: str, tmp_path: Path) -> None:
    """Prevents: pruned trials that look failed, and failed ones that look fine."""
    run = TrialRun(journal.begin(tmp_path, "trial-1", {"uri": "", "experiment": "x"}))
    run.validated(Round(20, 0.5, 0.4, 1.0, 640, True))
    run.sized({"parameters": 1234.0, "latency": 2.5})
    run.ended(state, "" if state == "COMPLETE" else "others were better")
    content = lines(tmp_path)
    assert content["end"] == status
    assert content["tags"]["tsforge.state"] == state
    assert content["tags"].get("tsforge.state.reason", "") == content["reason"]
    assert (20, {"train/loss": 0.5, "val/loss": 0.4}) in content["metrics"]
    assert (0, {"model/parameters": 1234.0, "speed/latency_ms": 2.5}) in content["metrics"]


def test_a_job_and_its_record_survive_a_line() -> None:
    job = Job("folder", "study", 9, 1, "postgresql://x", 5, 12.5, True, Record("uri", "e", "run", "key"))
    assert read(job.text() + "\n") == job
    assert read(Job("f", "s", 1).text()) == Job("f", "s", 1)


def test_nothing_is_recorded_without_a_record(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = make()
    recorder = TrialRecorder(None, plan)
    with recorder.tracker, recorder.trial(1, plan.bases["lstm"]) as run:
        run.ended("COMPLETE", "")
    assert not (tmp_path / ".tsforge").exists()
