"""After the search: the best are fitted again with several seeds, the mean decides, and the test part speaks once."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from tsforge.data.loader import pick_device
from tsforge.data.split import thin_test
from tsforge.evaluation.forecasting import Forecaster, Reader
from tsforge.evaluation.metrics import SHOWN
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.settings import build, override
from tsforge.sweeping import leaderboard, trials
from tsforge.sweeping.config import Plan
from tsforge.sweeping.data import Table
from tsforge.sweeping.meeting import together
from tsforge.sweeping.objective import HandedOverError, Judge
from tsforge.sweeping.packing import Packs
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import open_study
from tsforge.sweeping.workers.job import CHECKPOINTS
from tsforge.training.events import Round, Stop
from tsforge.training.loop import Trained

if TYPE_CHECKING:
    from optuna import Study, Trial

FOLDER = "refit"
HOW = "training.json"  # beside the weights of a refit: what of its training is not in the model
DEFAULT = "default"
WAIT = 1.0  # seconds between looks at what others still run


@dataclass(frozen=True)
class Candidate:
    """An experiment that was fitted again: its validation scores by seed, and its test scores once they are known."""

    name: str
    experiment: Experiment
    validation: dict[int, float]
    test: dict[int, dict[str, float]]

    @property
    def mean(self) -> float:
        return fmean(self.validation.values()) if self.validation else math.inf

    @property
    def seed(self) -> int:
        """The one with the best validation score."""
        return min(self.validation, key=lambda seed: self.validation[seed])


def place(folder: Path) -> Place:
    """Where the study of the refits lies: always on this machine."""
    return Place(folder / FOLDER, FOLDER)


def open_refits(folder: Path) -> Study:
    """A trial for each experiment and seed; nothing samples, nothing prunes."""
    from optuna import pruners, samplers

    return open_study(place(folder), [""], samplers.RandomSampler(seed=0), pruners.NopPruner())


def queue(folder: Path, found: Sequence[leaderboard.Row], plan: Plan) -> int:
    """Queue what is to be fitted again and is not yet; how many there are in all.

    The best trials, and for comparison the best of the architectures' defaults, which may be one of them.
    """
    study = open_refits(folder)
    wanted = {row.name: plan.made.experiment(row.params) for row in leaderboard.chosen(found, plan.sweep.refit)}
    default = next((row for row in found if row.default and row.good), None)
    if default is None:
        wanted[DEFAULT] = next(iter(plan.bases.values()))
    elif default.name not in wanted:
        wanted[DEFAULT] = plan.made.experiment(default.params)
    known = {_key(t.user_attrs) for t in study.get_trials(deepcopy=False)}
    for name, experiment in wanted.items():
        text = experiment.toml()
        path = folder / FOLDER / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        for k in range(plan.sweep.seeds):
            said = {"name": name, "seed": experiment.seed + k, "text": text}
            if _key(said) not in known:
                study.enqueue_trial({}, user_attrs=said)
    return len(trials.counted(study.get_trials(deepcopy=False)))


def _key(said: dict[str, Any]) -> tuple[Any, ...]:
    return said.get("name"), said.get("seed"), said.get("text")


class _Calm:
    """Follows a refit, which ends early only where it is told to."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self.stopping = stop

    def halved(self, _batch_size: int) -> None: ...

    def sized(self, _sizes: dict[str, float], _broken: dict[str, float]) -> None: ...
    def heard(self, _event: Round) -> None: ...
    def pruned(self, _value: float, _step: int) -> bool:
        return False


def run_refits(folder: Path, plan: Plan, table: Table, stop: Callable[[], bool]) -> None:
    """A worker's part: fit what is queued until nothing is, and keep the models."""
    study, where = open_refits(folder), place(folder)
    calm = {"pruner": "none", "max_parameters": None, "max_latency": None}
    judge = Judge(plan.model_copy(update={"sweep": plan.sweep.model_copy(update=calm)}), table, folder / CHECKPOINTS)
    packs = Packs(judge)
    while not stop():
        with where.asking():
            trials.reap(study, where)
        found = _next(study, where, folder, packs)
        if found:
            together([lambda train, t=t: _refit(study, t, folder, replace(judge, train=train), stop) for t in found])  # type: ignore[misc]
        elif "RUNNING" in _states(study):
            time.sleep(WAIT)
        else:
            return


def _next(study: Study, where: Place, folder: Path, packs: Packs) -> list[Trial]:
    """The next refits to be done at once: none, one, or some whose networks have one shape."""
    found: list[Trial] = []
    count = 1
    while len(found) < count and "WAITING" in _states(study):
        trial = trials.begin(study, where, sys.maxsize)
        if trial is None or "name" not in trial.user_attrs:  # somebody else took the last one
            if trial is not None:
                trial.set_user_attr(trials.WITHDRAWN, True)
                study.tell(trial, state=_state("FAIL"))
            break
        found.append(trial)
        if len(found) == 1:
            count = packs.count(_experiment(trial, folder), 1 + _states(study).count("WAITING"))
    return found


def _states(study: Study) -> list[str]:
    return [t.state.name for t in study.get_trials(deepcopy=False)]


def _experiment(trial: Trial, folder: Path) -> Experiment:
    """What a refit is to fit."""
    name, seed = trial.user_attrs["name"], trial.user_attrs["seed"]
    return override(build({}, folder / FOLDER / f"{name}.toml"), {"seed": seed})


def _refit(study: Study, trial: Trial, folder: Path, judge: Judge, stop: Callable[[], bool]) -> None:
    name, seed = trial.user_attrs["name"], trial.user_attrs["seed"]
    try:
        judged = judge.judge(_experiment(trial, folder), _Calm(stop))
    except HandedOverError:
        trials.hand_over(study, trial)
        study.tell(trial, state=_state("FAIL"), skip_if_finished=True)
        return
    except Exception as problem:  # a seed that diverges says something of the settings, and does not end the sweep
        trial.set_user_attr(trials.REASON, f"{type(problem).__name__}: {problem}")
        study.tell(trial, state=_state("FAIL"), skip_if_finished=True)
        return
    directory.save(judged.model, _model(folder, name, seed), lambda draft: _remember(judged.trained, draft))
    study.tell(trial, judged.values[0], skip_if_finished=True)


def _remember(trained: Trained, folder: Path) -> None:
    how = {"stop": trained.stop, "started": trained.started, "seconds": trained.seconds, "rounds": trained.rounds}
    (folder / HOW).write_text(json.dumps(how), encoding="utf-8")


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


def _model(folder: Path, name: str, seed: int) -> Path:
    return folder / FOLDER / "models" / f"{name}-seed-{seed}"


def candidates(folder: Path, found: Sequence[leaderboard.Row], plan: Plan) -> list[Candidate]:
    """The refits, the one with the lowest mean first; the default last unless it is better."""
    names = {row.name: row for row in leaderboard.chosen(found, plan.sweep.refit)}
    made: dict[str, Candidate] = {}
    for trial in trials.counted(open_refits(folder).get_trials(deepcopy=False)):
        name = trial.user_attrs.get("name", "")
        path = folder / FOLDER / f"{name}.toml"
        current = (name in names or name == DEFAULT) and path.is_file()
        if current and trial.state.name == "COMPLETE" and path.read_text("utf-8") == trial.user_attrs["text"]:
            one = made.setdefault(name, Candidate(name, build({}, path), {}, {}))
            one.validation[trial.user_attrs["seed"]] = float(trial.values[0])
    most = max((len(c.validation) for c in made.values()), default=0)  # fewer where a seed failed
    return sorted((c for c in made.values() if len(c.validation) == most), key=lambda c: c.mean)


def test(one: Candidate, folder: Path, table: Table) -> None:
    """Score a candidate's models, one per seed, on the test part."""
    dataset = table.datasets(one.experiment)[0]
    windows = thin_test(dataset.parts).test
    if not len(windows):
        return
    for seed in sorted(one.validation):
        model = directory.load(_model(folder, one.name, seed))
        forecaster = Forecaster(Reader(model.network, dataset.source), model.calibration)
        one.test[seed] = scores(forecaster.outcome(dataset, windows), SHOWN)


def winner(one: Candidate, folder: Path) -> tuple[Model, Trained]:
    """The best seed's model as it came out of its training, which need not be done again."""
    path = _model(folder, one.name, one.seed)
    model = directory.load(path)
    how = json.loads((path / HOW).read_text("utf-8"))
    network = model.network.to(pick_device(model.experiment.train.device))
    rounds = tuple(Round(*values) for values in how["rounds"])
    return model, Trained(model.experiment, network, rounds, Stop(how["stop"]), how["started"], how["seconds"])


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation over seeds; NaN where one alone has none."""
    return fmean(values), stdev(values) if len(values) > 1 else math.nan


def tested(one: Candidate, metric: str) -> tuple[float, float]:
    """Mean and deviation of a test score over seeds."""
    return spread([found[metric] for found in one.test.values()]) if one.test else (math.nan, math.nan)
