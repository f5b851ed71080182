"""Trials are counted once, whatever is killed when; the dead are told from the living."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tsforge.sweeping import trials
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import open_study

QUADRATIC = """
import sys, time
from pathlib import Path
import optuna
from tsforge.sweeping import trials
from tsforge.sweeping.study import Place, open_study
place = Place(Path(sys.argv[1]), "s")
study = open_study(place, ["x"], optuna.samplers.RandomSampler(), optuna.pruners.NopPruner())
while (trial := trials.begin(study, place, int(sys.argv[2]))) is not None:
    x = trial.suggest_float("x", -1, 1)
    print(trial.number, flush=True)
    time.sleep(float(sys.argv[3]))
    study.tell(trial, x * x, skip_if_finished=True)
"""


def study_at(folder: Path) -> tuple[optuna.Study, Place]:
    place = Place(folder, "s")
    return open_study(place, ["x"], optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner()), place


def worker(folder: Path, total: int, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", QUADRATIC, str(folder), str(total), str(pause)], stdout=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def kill(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()


def test_killing_one_worker_and_all_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """Prevents: a trial that stays RUNNING for ever, a total that grows by retries, finished trials that vanish."""
    holding = worker(tmp_path, 12, 600.0)
    first_line(holding)
    worker(tmp_path, 12, 0.0).wait()  # this one waits for nobody: it ends when 12 are begun
    study, place = study_at(tmp_path)
    before = {t.number: t.value for t in study.trials if t.state == TrialState.COMPLETE}
    assert len(before) == 11
    held = next(t for t in study.trials if t.state == TrialState.RUNNING)
    kill(holding)
    again = [worker(tmp_path, 14, 600.0), worker(tmp_path, 14, 600.0)]
    for process in again:
        first_line(process)
    kill(*again)
    assert worker(tmp_path, 14, 0.0).wait() == 0
    study, place = study_at(tmp_path)
    ended = trials.counted(study.trials)
    assert len(ended) == 14
    assert all(t.state == TrialState.COMPLETE for t in ended)
    assert before.items() <= {t.number: t.value for t in ended}.items()
    assert held.params in [t.params for t in ended]
    assert place.local


def test_a_trial_is_retried_twice_with_the_same_parameters_and_then_has_failed(tmp_path: Path) -> None:
    """Prevents: a trial that kills its worker running for ever."""
    study, place = study_at(tmp_path)
    drawn = []
    for turn in range(3):
        trial = trials.begin(study, place, 1)
        assert trial is not None, turn
        drawn.append(trial.suggest_float("x", -1, 1))
        trial.set_user_attr(trials.OWNER, {**trials.owner(), "started": "0"})  # as another process's
    assert drawn == [drawn[0]] * 3
    assert trials.begin(study, place, 1) is None
    (last,) = trials.counted(study.trials)
    assert last.state == TrialState.FAIL
    assert trials.tally(study.trials) == trials.Tally(0, 0, 1, 0, None)


def test_what_is_handed_over_is_run_next_and_is_no_retry(tmp_path: Path) -> None:
    """Prevents: Ctrl-C using up the retries, or parameters lost with it."""
    study, place = study_at(tmp_path)
    for turn in range(5):
        trial = trials.begin(study, place, 1)
        assert trial is not None, turn
        x = trial.suggest_float("x", -1, 1)
        trials.hand_over(study, trial)
        study.tell(trial, state=TrialState.FAIL)
    last = trials.begin(study, place, 1)
    assert last is not None
    assert last.suggest_float("x", -1, 1) == x
    study.tell(last, 0.5)
    assert [t.number for t in trials.counted(study.trials)] == [5]
    assert trials.begin(study, place, 1) is None


def test_killed_between_queuing_the_successor_and_ending_the_trial(tmp_path: Path) -> None:
    """Prevents: a trial counted twice because it was killed in the middle of its own retry."""
    study, place = study_at(tmp_path)
    trial = trials.begin(study, place, 1)
    assert trial is not None
    trial.set_user_attr(trials.OWNER, {**trials.owner(), "started": "0"})
    trials.retry(study, study.get_trials()[0])
    second = trials.begin(study, place, 1)
    assert second is not None
    assert second.number == 1
    assert study.trials[0].state == TrialState.FAIL
    assert len(study.trials) == 2


def test_a_half_written_line_is_dropped(tmp_path: Path) -> None:
    """Prevents: a study that can never be read again after a writer was killed in the middle of a line."""
    study, place = study_at(tmp_path)
    for x in (0.25, 0.5):
        trial = trials.begin(study, place, 9)
        assert trial is not None
        study.tell(trial, x)
    with (tmp_path / "study.journal").open("ab") as file:
        file.write(b'{"op_code":5,"worker_id":"half')
    again, _ = study_at(tmp_path)
    trial = trials.begin(again, place, 9)
    assert trial is not None
    again.tell(trial, 0.75)
    third, _ = study_at(tmp_path)
    assert [t.value for t in third.trials] == [0.25, 0.5, 0.75]


def test_an_owner_is_alive_as_long_as_its_process() -> None:
    mine = trials.owner()
    assert trials.alive(mine)
    assert not trials.alive({**mine, "started": "1"})  # another process that had the number
    assert trials.alive({**mine, "host": "elsewhere", "pid": 1 << 30})
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    other = {**mine, "pid": child.pid, "started": trials._started(child.pid)}
    assert trials.alive(other)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not fetched yet
    assert not trials.alive(other)
    child.wait()
    assert not trials.alive(other)


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_dominates(seed: int) -> None:
    """Prevents: a dominated point in the front, or one of it left out; by looking at every pair."""
    draw = random.Random(seed)
    points = [(draw.randrange(6), draw.randrange(6), draw.randrange(3)) for _ in range(40)]

    def dominates(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))

    slow = {i for i, b in enumerate(points) if not any(dominates(a, b) for a in points)}
    assert set(trials.front(points)) == slow


Objective = Callable[[optuna.Trial], float]


def test_a_total_is_a_total_over_any_kills(tmp_path: Path) -> None:
    """Prevents: off-by-one totals; by killing at random points of a trial's life, in one process."""
    draw = random.Random(7)
    study, place = study_at(tmp_path)
    for _ in itertools.count():
        trial = trials.begin(study, place, 10)
        if trial is None:
            break
        fate = draw.random()
        if fate < 0.3:  # killed
            trial.set_user_attr(trials.OWNER, {**trials.owner(), "started": "0"})
        elif fate < 0.5:  # stopped
            trials.hand_over(study, trial)
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, fate)
    count = trials.tally(study.trials)
    assert count.finished == 10
    assert count.running == 0
