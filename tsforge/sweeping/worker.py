"""A worker process: reads the data once, runs trials until there are no more. `python -m tsforge.sweeping.worker`.

Its job is the first line of its standard input. A line "stop", or the end of that input (the process that started it
is gone), lets it hand its trial over and end.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.errors import TsforgeError
from tsforge.sweeping import evaluating, trials
from tsforge.sweeping.config import Plan, load
from tsforge.sweeping.data import SweepData
from tsforge.sweeping.evaluating import Evaluation, HandedOverError, StoppedEarlyError, Watcher
from tsforge.sweeping.objective import Objective, Result
from tsforge.sweeping.packing import Packing, common
from tsforge.sweeping.place import Place
from tsforge.sweeping.recording import TrialRecorder, TrialRun
from tsforge.sweeping.refit import run_refits
from tsforge.sweeping.study import open_study, pruner, sampler
from tsforge.sweeping.workers import gpus
from tsforge.sweeping.workers.job import Job, read
from tsforge.training.events import Round

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger("tsforge")
WAIT = 1.0  # seconds between looks at what others still run


class TrialWatcher(Watcher):
    """Passes on to Optuna and to a trial's run what happens in the trial."""

    def __init__(self, trial: Trial, run: TrialRun, stop: Callable[[], bool]) -> None:
        super().__init__(stop)
        self.trial, self.run = trial, run

    def sized(self, sizes: dict[str, float], broken: dict[str, float]) -> None:
        self.trial.set_user_attr("scores", sizes)
        self.run.sized(sizes)
        for name, share in broken.items():
            self.trial.set_constraint(name, share)

    def validated(self, event: Round) -> None:
        self.run.validated(event)

    def pruned(self, value: float, step: int) -> bool:
        self.trial.report(value, step)
        default = self.trial.user_attrs.get(trials.DEFAULT, False)  # what all others are held against
        return not default and self.trial.should_prune()

    def halved(self, batch_size: int) -> None:
        self.trial.set_user_attr(trials.REASON, f"memory was short: batches of {batch_size}")

    def tell(self, study: Study, end: Result | Exception) -> None:
        """Record how the trial ended, and why."""
        state, values, reason = "FAIL", None, ""
        if isinstance(end, Result):
            for name, value in {"scores": end.scores, **end.facts}.items():
                self.trial.set_user_attr(name, value)
            self.run.scored(end)
            state, values = "COMPLETE", list(end.values)
        elif isinstance(end, StoppedEarlyError):
            state, reason = "PRUNED", str(end)
        elif isinstance(end, HandedOverError):
            trials.hand_over(study, self.trial)
            reason = "stopped; its settings are queued again"
        elif isinstance(end, TsforgeError):
            reason = end.message
        else:  # one trial's bug, or its hunger for memory, is not the sweep's end
            log.error("trial %d", self.trial.number, exc_info=end)
            reason = f"{type(end).__name__}: {end}"
        trials.end(study, self.trial, state, reason, values)
        self.run.ended("WAITING" if isinstance(end, HandedOverError) else state, reason)


def run_trials(job: Job, objective: Objective, recorder: TrialRecorder, stop: Callable[[], bool]) -> None:
    """Trials until as many as the job wants are begun and nobody runs one any more."""
    plan, place = objective.plan, Place(Path(job.folder), job.study, job.url, job.heartbeat)
    study = open_study(place, plan.sweep.objectives, sampler("random", 0), pruner(plan))
    study.sampler = sampler(plan.sweep.sampler, _seed(job, plan, len(study.get_trials(deepcopy=False))))
    packing = Packing(objective)
    while not stop():
        pack = _next(study, place, job.total, packing)
        if pack:
            with contextlib.ExitStack() as heartbeats:
                for trial in pack:
                    heartbeats.enter_context(_heartbeat(study, trial, place))
                _evaluate(study, pack, objective, recorder, stop)
        elif trials.tally(study.get_trials(deepcopy=False)).running:
            time.sleep(WAIT)
        else:
            return


def _next(study: Study, place: Place, total: int, packing: Packing) -> list[Trial]:
    """The next trials to be run at once: none where all are begun, one, or a pack of one shape."""
    first = trials.begin(study, place, total)
    if first is None:
        return []
    try:
        experiment = packing.objective.plan.search_space.suggest(first)
        count = packing.count(experiment, 1 + trials.left(study, total))
    except TsforgeError:  # which `_evaluate` meets again, and tells
        return [first]
    pack = [first]
    while len(pack) < count and (other := trials.begin(study, place, total, common(first.params))):
        pack.append(other)
    return pack


def _evaluate(
    study: Study, pack: Sequence[Trial], objective: Objective, recorder: TrialRecorder, stop: Callable[[], bool]
) -> None:
    """Trials side by side, each from its parameters to its end, whatever that is."""
    watchers, evaluations = [], []
    with contextlib.ExitStack() as runs:
        for trial in pack:
            try:
                experiment = objective.plan.search_space.suggest(trial)
            except TsforgeError as problem:  # settings that are possible each, and not together
                trials.end(study, trial, "FAIL", problem.message)
                continue
            run = runs.enter_context(recorder.trial(trial.number, experiment))
            watchers.append(TrialWatcher(trial, run, stop))
            evaluations.append(Evaluation(objective, experiment, watchers[-1]))
        for i, end in evaluating.run(evaluations):
            watchers[i].tell(study, end)


def _seed(job: Job, plan: Plan, count: int) -> int:
    """Of the sampler: the plan's, made another one for each worker, start and machine, or all would draw the same."""
    machine = zlib.crc32(socket.gethostname().encode()) if job.url else 0
    return (1_000_003 * plan.first.seed + 1_009 * count + job.index + machine) % 2**32


@contextlib.contextmanager
def _heartbeat(study: Study, trial: Trial, place: Place) -> Iterator[None]:
    """Signs of life of a trial at a server, as long as it lasts; a journal needs none."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(place.heartbeat):
            try:
                trials.beat(study, trial)
            except Exception as problem:  # the next one may come through
                log.warning("no sign of life could be left: %s", problem)

    if not place.local:
        threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()


class StopSignal:
    """Whether to end: a line has come, the starter is gone, or the time is up."""

    def __init__(self, until: float | None) -> None:
        self.until = until
        self._received = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        sys.stdin.readline()
        self._received.set()

    def __call__(self) -> bool:
        return self._received.is_set() or (self.until is not None and time.time() >= self.until)


def main() -> int:
    """Do the job that the first line of the standard input holds."""
    job = read(sys.stdin.readline())
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    stop = StopSignal(job.until)
    try:
        if job.device is not None and job.memory < 1:
            gpus.limit(job.memory)
        plan = load(Path(job.folder))
        data = SweepData.read(plan)
        if job.refit:
            run_refits(Path(job.folder), plan, data, stop)
            return 0
        recorder = TrialRecorder(job.record, plan)
        with recorder.tracker:
            run_trials(job, Objective(plan, data, job.checkpoints), recorder, stop)
    except TsforgeError as problem:
        print(f"error: {problem.message}\nhint: {problem.hint}", file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
