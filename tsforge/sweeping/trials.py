"""The trials of a study: which count, whose worker is dead, how one is begun, retried and handed over.

A trial that is run again lives on as another one, its successor; the first counts no more. So a total is a total, over
any number of starts, kills and retries.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

    from tsforge.sweeping.place import Place

RETRIES = 2  # of a trial whose worker died
OWNER, INSTEAD, REASON, WITHDRAWN, DEFAULT = "owner", "instead_of", "reason", "withdrawn", "default"


class Tally(NamedTuple):
    """How far a study has come. best: the lowest first objective among trials within the constraints."""

    done: int
    pruned: int
    failed: int
    running: int
    best: float | None

    @property
    def finished(self) -> int:
        return self.done + self.pruned + self.failed


def counted(history: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Those of a study's trials that have no successor and were not withdrawn; in order."""
    history = list(history)
    gone = {n for t in history for n in (*t.system_attrs.get("retry_history", ()), *t.user_attrs.get(INSTEAD, ()))}
    return [t for t in history if t.number not in gone and not t.user_attrs.get(WITHDRAWN)]


def tally(history: Iterable[FrozenTrial]) -> Tally:
    """How far a study has come, by its trials."""
    ours = counted(history)
    states = [t.state.name for t in ours]
    good = [t.values[0] for t in ours if t.state.name == "COMPLETE" and t.values and feasible(t)]
    done, pruned, failed, running = (states.count(name) for name in ("COMPLETE", "PRUNED", "FAIL", "RUNNING"))
    return Tally(done, pruned, failed, running, min(good, default=None))


def feasible(trial: FrozenTrial) -> bool:
    """Whether it keeps all constraints."""
    return all(value <= 0 for value in trial.constraints.values())


def begin(study: Study, place: Place, total: int, like: dict[str, Any] | None = None) -> Trial | None:
    """The next trial, after those of dead workers were queued again; None where `total` have been begun.

    Where the workers are on one machine they take turns here; elsewhere one that is too many gives its trial back.

    like: settings that the trial is to have; with them there is none while others wait for whoever is free.
    """
    from optuna.trial import TrialState

    with place.asking():
        reap(study, place)
        if len(_begun(study)) >= total:
            return None
        if like is not None:
            if any(t.state == TrialState.WAITING for t in study.get_trials(deepcopy=False)):
                return None
            study.enqueue_trial(like)
        trial = study.ask()
        if not place.local:
            beat(study, trial)  # first: with an owner and without a sign of life it could never be found dead
        trial.set_user_attr(OWNER, owner())
        if place.local or trial.number in [t.number for t in _begun(study)[:total]]:
            return trial
    mine = study.get_trials(deepcopy=False)[trial.number]
    if mine.params or "fixed_params" in mine.system_attrs:
        hand_over(study, trial)
    else:
        trial.set_user_attr(WITHDRAWN, True)
    end(study, trial, "FAIL")
    return None


def beat(study: Study, trial: Trial) -> None:
    """A sign of life of a trial, at a server."""
    storage: Any = study._storage
    storage.record_heartbeat(trial._trial_id)


def end(study: Study, trial: Trial, state: str, reason: str = "", values: list[float] | None = None) -> None:
    """Tell the study how a trial of ours ended, and why."""
    from optuna.trial import TrialState

    if reason:
        trial.set_user_attr(REASON, reason)
    study.tell(trial, values, TrialState[state], skip_if_finished=True)


def left(study: Study, total: int) -> int:
    """How many of a total of trials have not been begun."""
    return max(0, total - len(_begun(study)))


def _begun(study: Study) -> list[FrozenTrial]:
    return [t for t in counted(study.get_trials(deepcopy=False)) if t.state.name != "WAITING"]


def reap(study: Study, place: Place) -> None:
    """Queue the trials of dead workers again, at most twice each.

    In a journal a worker is dead when its process is gone; call it while holding `place.asking()`. At a server it is
    dead when no sign of life came for long.
    """
    from optuna.storages import fail_stale_trials
    from optuna.trial import TrialState

    fail_stale_trials(study)
    history = study.get_trials(deepcopy=True)
    current = {t.number for t in counted(history)}
    for trial in history:
        if trial.state != TrialState.RUNNING or not _dead(trial, place):
            continue
        if trial.number in current:  # else its successor is queued, and who did that was killed before the next line
            retry(study, trial)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _dead(trial: FrozenTrial, place: Place) -> bool:
    whose = trial.user_attrs.get(OWNER)
    if place.local:
        return whose is None or not alive(whose)
    # Killed between the question and the first sign of life, which Optuna would wait for for ever.
    begun = trial.datetime_start or datetime.datetime.now()
    return whose is None and (datetime.datetime.now() - begun).total_seconds() > 4 * place.heartbeat


def retry(study: Study, trial: FrozenTrial) -> None:
    """Queue a trial again with the same parameters, unless that was done twice before."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    trial.user_attrs.pop(OWNER, None)  # which would make the successor look dead before it begins
    RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


def hand_over(study: Study, trial: Trial) -> None:
    """Queue a trial of ours again for the next worker: it was stopped, which is no fault of its own."""
    import optuna

    mine = study.get_trials(deepcopy=False)[trial.number]
    system = {k: v for k, v in mine.system_attrs.items() if k in ("fixed_params", "retry_history", "failed_trial")}
    attributes = {k: v for k, v in mine.user_attrs.items() if k not in (OWNER, REASON)}
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.WAITING, params=mine.params, distributions=mine.distributions,
            system_attrs=system, user_attrs=attributes | {INSTEAD: [*attributes.get(INSTEAD, []), trial.number]},
        )
    )  # fmt: skip


def owner() -> dict[str, Any]:
    """This process, told from any other that has or will have its number."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def alive(whose: dict[str, Any]) -> bool:
    """Whether a process still runs; one of another machine is not ours to judge."""
    if whose["host"] != socket.gethostname():
        return True
    return bool(_started(whose["pid"]) == whose["started"])


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None where it is gone or only waits to be fetched."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None if Path("/proc/self").exists() else _signalled(pid)
    state, *rest = text.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]


def _signalled(pid: int) -> str | None:
    """Whether a process runs, where there is no /proc: without telling apart two processes of one number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return str(pid)


def front(values: Sequence[Sequence[float]]) -> list[int]:
    """Positions of the points that no other is better than in one objective and as good in all, by the first."""
    order = sorted(range(len(values)), key=lambda i: tuple(values[i]))
    best: list[int] = []
    for i in order:  # whatever comes later is not better in all
        if not any(_beats(values[k], values[i]) for k in best):
            best.append(i)
    return best


def _beats(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)
