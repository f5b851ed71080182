"""Processes that forecast partitions: killed in the middle, alone or with who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.stores import ROOT, wait_for
from tests.partitions.conftest import as_one, collected, same, table, write_hive
from tests.partitions.test_running import run, stamps
from tsforge.partitions import places, plan, running
from tsforge.partitions.job import Task
from tsforge.partitions.listing import find
from tsforge.partitions.pool import Processes
from tsforge.partitions.running import Request

REGIONS = tuple(f"R{i:02d}" for i in range(40))


def children(process: int) -> list[int]:
    """The processes that one has started."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return [int(p) for thread in threads for p in (thread / "children").read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("request_", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_second_run_goes_on_where_the_first_was_stopped(
    request_: signal.Signals, theta: Path, tmp_path: Path
) -> None:  # fmt: skip
    """Prevents: partitions done twice or never, half a file, processes that outlive the command."""
    data, out = write_hive(tmp_path / "d", table(2, REGIONS)), tmp_path / "f"
    command = subprocess.Popen(
        [sys.executable, "-m", "tsforge", "predict", str(theta), str(data), "--output", str(out), "--workers", "2"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    wait_for(lambda: len(stamps(out)) >= 3, "the first partitions")
    workers = children(command.pid)
    command.send_signal(request_)
    _, said = command.communicate()
    if request_ == signal.SIGINT:
        assert command.returncode == 130
        assert "the next run goes on" in said
    wait_for(lambda: not any(map(alive, workers)), "the end of the workers")
    before = stamps(out)
    assert len(workers) == 2
    assert 3 <= len(before) < len(REGIONS), "not stopped in the middle"

    report = run(theta, data, out)
    assert (report.there, report.done) == (len(before), len(REGIONS) - len(before))
    assert before.items() <= stamps(out).items()
    assert list(out.rglob(".*")) == []  # drafts of what was being written
    same(collected(out), as_one(theta, table(2, REGIONS)))


def test_two_processes_and_one_that_is_killed(theta: Path, tmp_path: Path) -> None:
    """Prevents: a run that waits for ever for a process that the system has killed; other numbers than alone."""
    data, out = write_hive(tmp_path / "d", table()), tmp_path / "f"
    request = Request(str(theta), str(data), str(out), workers=2)
    job = plan.job_for(request, theta, places.locate(data), places.locate(out))
    tasks = [Task(part) for part in find(places.locate(data))]
    with Processes(job, 2) as pool:
        first = [pool.answers(tasks[:1])]
        assert [answer.error for _, answer in first[0]] == [""]
        for process in children(os.getpid()):
            if "tsforge.partitions.worker" in Path(f"/proc/{process}/cmdline").read_text():
                os.kill(process, signal.SIGKILL)
        assert [answer.error for _, answer in pool.answers(tasks[1:])] == ["", ""]
    same(collected(out), as_one(theta, table()))
    assert running.forecast(request).there == 3
