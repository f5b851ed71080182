"""A worker process: reads the data once, runs trials until there are no more. `python -m tsforge.sweeping.worker`.

Its orders are the first line of its standard input. A line "stop", or the end of that input (the process that started
it is gone), lets it hand its trial over and end.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.errors import TsforgeError
from tsforge.sweeping import trials
from tsforge.sweeping.config import load
from tsforge.sweeping.data import Table
from tsforge.sweeping.meeting import together
from tsforge.sweeping.objective import HandedOverError, Judge, Judgement, StoppedEarlyError
from tsforge.sweeping.packing import Packs, alike
from tsforge.sweeping.place import Place
from tsforge.sweeping.recording import Recorder, Run
from tsforge.sweeping.refit import run_refits
from tsforge.sweeping.study import open_study, pruner, sampler
from tsforge.sweeping.workers import gpus
from tsforge.sweeping.workers.job import Orders, read
from tsforge.training.events import Round

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger("tsforge")
WAIT = 1.0  # seconds between looks at what others still run


@dataclass
class Attempt:
    """One trial as `Judge` sees it: passes on to Optuna, and remembers."""

    trial: Trial
    stop: Callable[[], bool]
    run: Run

    def sized(self, sizes: dict[str, float], broken: dict[str, float]) -> None:
        self.trial.set_user_attr("scores", sizes)
        self.run.sized(sizes)
        for name, share in broken.items():
            self.trial.set_constraint(name, share)

    def heard(self, event: Round) -> None:
        self.run.heard(event)

    def pruned(self, value: float, step: int) -> bool:
        self.trial.report(value, step)
        default = self.trial.user_attrs.get(trials.DEFAULT, False)  # what all others are held against
        return not default and self.trial.should_prune()

    def halved(self, batch_size: int) -> None:
        self.trial.set_user_attr(trials.REASON, f"memory was short: batches of {batch_size}")

    def stopping(self) -> bool:
        return self.stop()


def run_trials(orders: Orders, judge: Judge, recorder: Recorder, stop: Callable[[], bool]) -> None:
    """Trials until as many as ordered are begun and nobody runs one any more."""
    plan, place = judge.plan, Place(Path(orders.folder), orders.study, orders.url, orders.heartbeat)
    study = open_study(place, plan.sweep.objectives, sampler("random", 0), pruner(plan))
    study.sampler = sampler(plan.sweep.sampler, _seed(orders, judge, len(study.get_trials(deepcopy=False))))
    packs = Packs(judge)
    while not stop():
        found = _next(study, place, orders.total, packs)
        if found:
            with contextlib.ExitStack() as beating:
                for trial in found:
                    beating.enter_context(_Beating(study, trial, place))
                _attempts(study, found, judge, recorder, stop)
        elif trials.tally(study.get_trials(deepcopy=False)).running:
            time.sleep(WAIT)
        else:
            return


def _next(study: Study, place: Place, total: int, packs: Packs) -> list[Trial]:
    """The next trials to be run at once: none where all are begun, one, or a pack of one shape."""
    first = trials.begin(study, place, total)
    if first is None:
        return []
    try:
        experiment = packs.judge.plan.made.suggest(first)
        count = packs.count(experiment, 1 + trials.left(study, total))
    except TsforgeError:  # which the attempt will say
        return [first]
    found = [first]
    for _ in range(count - 1):
        other = trials.begin(study, place, total, alike(first.params))
        if other is None:
            break
        found.append(other)
    return found


def _attempts(study: Study, found: Sequence[Trial], judge: Judge, recorder: Recorder, stop: Callable[[], bool]) -> None:
    if len(found) == 1:
        _attempt(study, found[0], judge, recorder, stop)
        return
    together(
        [
            lambda train, trial=trial: _attempt(study, trial, replace(judge, train=train), recorder, stop)  # type: ignore[misc]
            for trial in found
        ]
    )


def _seed(orders: Orders, judge: Judge, known: int) -> int:
    """Of the sampler: the plan's, made another one for each worker, start and machine, or all would draw the same."""
    seed = next(iter(judge.plan.bases.values())).seed
    where = zlib.crc32(socket.gethostname().encode()) if orders.url else 0
    return (1_000_003 * seed + 1_009 * known + orders.index + where) % 2**32


def _attempt(study: Study, trial: Trial, judge: Judge, recorder: Recorder, stop: Callable[[], bool]) -> None:
    """One trial, from its parameters to its end, whatever that is."""
    from optuna.trial import TrialState

    try:
        experiment = judge.plan.made.suggest(trial)
    except TsforgeError as problem:  # settings that are possible each, and not together
        trial.set_user_attr(trials.REASON, problem.message)
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        return
    with recorder.trial(trial.number, experiment) as run:
        attempt = Attempt(trial, stop, run)
        state, values, reason, left = TrialState.FAIL, None, "", False
        try:
            judged = judge.judge(experiment, attempt)
            _remember(trial, judged)
            state, values = TrialState.COMPLETE, list(judged.values)
            run.judged(judged)
        except StoppedEarlyError as why:
            state, reason = TrialState.PRUNED, str(why)
        except HandedOverError:
            trials.hand_over(study, trial)
            reason, left = "stopped; its settings are queued again", True
        except TsforgeError as problem:
            reason = problem.message
        except Exception as problem:  # one trial's bug, or its hunger for memory, is not the sweep's end
            log.exception("trial %d", trial.number)
            reason = f"{type(problem).__name__}: {problem}"
        if reason:
            trial.set_user_attr(trials.REASON, reason)
        study.tell(trial, values, state, skip_if_finished=True)
        run.ended("WAITING" if left else state.name, reason)


def _remember(trial: Trial, judged: Judgement) -> None:
    trial.set_user_attr("scores", judged.scores)
    for name, value in judged.facts.items():
        trial.set_user_attr(name, value)


class _Beating:
    """Signs of life of a trial at a server, as long as it lasts; a journal needs none."""

    def __init__(self, study: Study, trial: Trial, place: Place) -> None:
        self._study, self._trial, self._every = study, trial, place.heartbeat
        self._over = threading.Event()
        self._thread = None if place.local else threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        if self._thread is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(self._every):
            try:
                trials.beat(self._study, self._trial)
            except Exception as problem:  # the next one may come through
                log.warning("no sign of life could be left: %s", problem)


class Stop:
    """Whether to end: it was said, the starter is gone, or the time is up."""

    def __init__(self, until: float | None) -> None:
        self.until = until
        self._said = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        sys.stdin.readline()
        self._said.set()

    def __call__(self) -> bool:
        return self._said.is_set() or (self.until is not None and time.time() >= self.until)


def main() -> int:
    """Do what the first line of the standard input says."""
    orders = read(sys.stdin.readline())
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    stop = Stop(orders.until)
    try:
        if orders.device is not None and orders.memory < 1:
            gpus.limit(orders.memory)
        plan = load(Path(orders.folder))
        table = Table.read(plan)
        if orders.refit:
            run_refits(Path(orders.folder), plan, table, stop)
            return 0
        judge = Judge(plan, table, orders.checkpoints)
        with Recorder(orders.record, plan) as recorder:
            run_trials(orders, judge, recorder, stop)
    except TsforgeError as problem:
        print(f"error: {problem.message}\nhint: {problem.hint}", file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
