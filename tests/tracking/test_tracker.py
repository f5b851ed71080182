"""A run ends as what it records, whatever happens to the store, the disk or the process."""

from __future__ import annotations

import io
import json
import logging
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.stores import Server, content, environment, history, python, query, runs, wait_for
from tests.helpers.tables import hourly
from tsforge.runtime import processes
from tsforge.tracking import courier, journal
from tsforge.tracking import tracker as tracking
from tsforge.tracking.delivery import Delivered
from tsforge.tracking.tracker import Tracker, sync

BEGIN = """
import sys
from tsforge.tracking.tracker import Tracker
with Tracker() as tracker, tracker.run("doomed", {"a": 1}, {}) as run:
    run.metrics({"val/loss": 0.5}, 1)
    print(run.name, flush=True)
    sys.stdin.readline()
"""

FIT = """
import json, sys
from collections import Counter
from tsforge.cli.main import run
from tsforge.tracking.journal import Run
calls = Counter()
def counting(name):
    plain = getattr(Run, name)
    def method(self, *args, **named):
        calls[name, training[0]] += 1
        return plain(self, *args, **named)
    setattr(Run, name, method)
for name in ("metrics", "params", "tags", "dataset", "file", "text", "model", "end"):
    counting(name)
training = [False]
from tsforge.training import fitting as module
plain = module.train
def train(*args):
    training[0] = True
    try:
        return plain(*args)
    finally:
        training[0] = False
module.train = train
code = run(sys.argv[1:])
loaded = [m for m in ("mlflow", "sqlalchemy", "alembic") if m in sys.modules]
print(json.dumps({"code": code, "loaded": loaded, "calls": {name: n for (name, on), n in calls.items() if on}}))
"""


pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def place(home: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> Path:
    """A fresh folder with the user in it, and the notes of the library kept."""
    monkeypatch.setattr(logging.getLogger("tsforge"), "propagate", True)
    caplog.set_level(logging.WARNING, "tsforge")
    return home


@pytest.fixture
def database(place: Path, store_at_home: Path) -> Path:
    """The store of that folder, which is there already."""
    return place / store_at_home.name


def test_a_run_ends_as_what_it_records(database: Path, place: Path, caplog: Any) -> None:
    """Prevents: a failed or interrupted run that MLflow shows as finished, or as running for ever."""
    with Tracker() as tracker:
        with tracker.run("good", {"a": 1}, {"t": "1"}) as good:
            good.metrics({"x": 1.0}, 1)
        with pytest.raises(ZeroDivisionError), tracker.run("bad", {}, {}):
            _ = 1 / 0
        with pytest.raises(KeyboardInterrupt), tracker.run("stopped", {}, {}):
            raise KeyboardInterrupt
    stored = {name.rpartition("-")[0]: (status, run) for run, name, status in runs(database)}
    states = {name: status for name, (status, _) in stored.items()}
    assert states == {"good": "FINISHED", "bad": "FAILED", "stopped": "KILLED"}
    reasons = {name: dict(content(database, run)["tags"]).get("tsforge.reason") for name, (_, run) in stored.items()}
    assert reasons == {"good": None, "bad": "ZeroDivisionError: division by zero", "stopped": "stopped by Ctrl-C"}
    assert tracker.id(good) == stored["good"][1]
    assert f"/runs/{stored['good'][1]}" in str(tracker.link(good))
    assert list((place / journal.ROOT).iterdir()) == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_killed_process_leaves_a_run_that_says_so(database: Path, place: Path) -> None:
    """Prevents: a run that is shown as running for ever after its process was killed."""
    command, pipe = [sys.executable, "-c", BEGIN], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=place, env=environment()) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        wait_for(lambda: [r for r in runs(database) if r[1] == name], "the run")
        process.send_signal(signal.SIGKILL)
        process.wait()
    run = runs(database)[0][0]
    wait_for(lambda: runs(database)[0][2] == "KILLED", "the end of the run")
    wait_for(lambda: not list((place / journal.ROOT).iterdir()), "the end of the delivery")
    assert dict(content(database, run)["tags"])["tsforge.reason"] == "the process ended without a word"
    assert history(database, run, "val/loss") == [(1, 0.5)]


def test_where_nothing_is_begun_nothing_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a command that fails on its data and still waits for MLflow, or leaves a database behind."""
    with Tracker() as tracker:
        process = tracker._courier
    assert process is not None
    assert process.wait() == -signal.SIGKILL
    assert list(place.iterdir()) == []
    monkeypatch.setattr(processes, "start", None)
    with Tracker(on=False) as tracker, tracker.run("off", {}, {}) as run:
        run.metrics({"a": 1.0})
    assert (run.name, tracker.id(run), tracker.link(run)) == ("", None, None)
    assert list(place.iterdir()) == []


def test_a_store_that_is_away_and_comes_back(place: Path, caplog: Any) -> None:
    """Prevents: a training lost, or a run lost, because a server was down."""
    server = Server(place / "server")
    with Tracker(server.uri) as tracker, tracker.run("late", {"a": 1}, {"t": "1"}) as run:
        for step in range(5):
            run.metrics({"val/loss": 1 / (step + 1)}, step)
        run.text("note.txt", "kept")
    note = caplog.text
    assert run.name in note
    assert "connection refused" in note
    assert "tsforge runs sync" in note
    assert tracker.id(run) is None
    assert [folder.name for folder in journal.waiting(journal.ROOT)] == [run.name]
    progress = sync(journal.ROOT)
    assert not progress[run.name].done
    assert len(journal.waiting(journal.ROOT)) == 1
    server.start()
    try:
        progress = sync(journal.ROOT)
    finally:
        server.kill()
    assert progress[run.name].done
    assert progress[run.name].problem is None
    ((number, name, status),) = runs(server.database)
    assert (name, status) == (run.name, "FINISHED")
    assert history(server.database, number, "val/loss") == [(step, 1 / (step + 1)) for step in range(5)]
    assert [p.read_text() for p in (place / "server" / "artifacts").rglob("note.txt")] == ["kept"]
    assert sync(journal.ROOT) == {}
    assert list((place / journal.ROOT).iterdir()) == []


@pytest.mark.parametrize("failing", [False, True])
def test_slow_stores_are_waited_for_failing_ones_not(
    place: Path, monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    """Prevents: a run without a link since its server, or this machine, was busy for some seconds."""
    monkeypatch.setattr(tracking, "AWAY", 0.0)
    end = threading.Event()
    listener = threading.Thread(target=end.wait, daemon=True)
    listener.start()
    slow = Tracker("http://127.0.0.1:9")
    slow.delivered[place] = Delivered(problem="it does not answer in time" if failing else None)
    threading.Timer(1.0, lambda: slow.delivered.update({place: Delivered(run="abc", done=True)}) or end.set()).start()
    slow._wait(listener, math.inf)
    assert slow.delivered[place].run == (None if failing else "abc")
    end.set()


def test_a_command_whose_answer_needs_no_store_does_not_wait(place: Path, caplog: Any) -> None:
    """Prevents: a prompt that comes back when MLflow has done its work, or a warning that nothing calls for."""
    silent = socket.create_server(("127.0.0.1", 0))
    uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with Tracker(uri, limit=0.0) as tracker, tracker.run("behind", {}, {}) as run:
        run.metrics({"a": 1.0})
    assert not tracker.state(run).done
    assert tracker.page(run) is None
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    silent.close()
    assert place.is_dir()


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("problem", [None, "it does not answer in time"])
def test_the_courier_gives_up_on_what_fails_alone(monkeypatch: pytest.MonkeyPatch, problem: str | None) -> None:
    """Prevents: a courier that leaves a slow store; each of three looks at it takes longer than its patience."""
    states = [Delivered(problem=problem), Delivered(problem=problem), Delivered(done=True)]

    class Slow:
        def deliver(self, _folder: Path) -> Delivered:
            time.sleep(0.05)
            return states.pop(0)

    run = journal.begin(journal.ROOT, "slow", {"uri": "http://127.0.0.1:9", "experiment": "e", "tags": {}})
    run.end("FINISHED")
    monkeypatch.setattr(courier, "AWAY", 0.01)
    monkeypatch.setattr(courier, "EVERY", 0.02)
    monkeypatch.setattr(courier, "Delivery", Slow)
    monkeypatch.setattr(courier, "_step_back", lambda: None)
    monkeypatch.setattr(courier.signal, "signal", lambda *_: None)
    monkeypatch.setattr(courier.store, "prepare", lambda: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{run.folder}\n"))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    courier.main()
    assert bool(states) == (problem is not None)


def test_a_folder_that_cannot_be_written(place: Path, caplog: Any) -> None:
    """Prevents: a training refused because there is no place for its record."""
    (place / ".tsforge").write_text("in the way")
    with Tracker() as tracker, tracker.run("nowhere", {}, {}) as run:
        run.metrics({"a": 1.0})
    assert "cannot be written" in caplog.text
    assert tracker.id(run) is None
    assert sorted(p.name for p in place.iterdir()) == [".tsforge"]


def test_a_run_that_is_written_is_left_alone_by_sync(place: Path) -> None:
    """Prevents: `runs sync` in another terminal that ends the runs of a training that is still going on."""
    run = journal.begin(journal.ROOT, "on", {"uri": "http://127.0.0.1:9", "experiment": "e", "tags": {}})
    assert sync(journal.ROOT) == {}
    assert run.folder is not None
    assert len((place / run.folder / journal.LINES).read_text().splitlines()) == 1


def test_the_process_that_trains_knows_nothing_of_mlflow(database: Path, place: Path) -> None:
    """Prevents: training that waits for MLflow, shares its interpreter with it, or writes something at every step."""
    hourly(12).to_csv("data.csv", index=False)
    argv = ["fit", "data.csv", "--horizon", "6", "--model", "gru", "--max-steps", "60", "--set", "model.width=8"]
    done = python(FIT, *argv, "--quiet", "--json", "--out", "m", cwd=place)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["code"] == 0
    assert report["loaded"] == []
    rows = len((place / "m" / "history.csv").read_text().splitlines()) - 1
    assert rows == 20
    assert report["calls"] == {"metrics": rows}
    assert [status for _, _, status in runs(database)] == ["FINISHED"]
    assert query(database, "select count(*) from metrics where key = 'val/loss'") == [(rows,)]
    assert not Path("lightning_logs").exists()
