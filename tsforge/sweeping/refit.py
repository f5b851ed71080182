"""After the search: the best are fitted again with several seeds, the mean decides, and the test part is scored."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from tsforge.data.loader import pick_device
from tsforge.data.split import thin_test
from tsforge.evaluation.metrics import SHOWN
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.settings import build, override
from tsforge.sweeping import evaluating, leaderboard, trials
from tsforge.sweeping.config import Plan
from tsforge.sweeping.data import SweepData
from tsforge.sweeping.evaluating import Evaluation, HandedOverError, Watcher
from tsforge.sweeping.leaderboard import Row
from tsforge.sweeping.objective import Objective, Result
from tsforge.sweeping.packing import Packing
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


def queue(folder: Path, rows: Sequence[Row], plan: Plan) -> int:
    """Queue what is to be fitted again and is not yet; how many there are in all.

    The best trials, and for comparison the best of the architectures' defaults, which may be one of them.
    """
    study = open_refits(folder)
    wanted = {row.name: plan.search_space.experiment(row.params) for row in leaderboard.chosen(rows, plan.sweep.refit)}
    default = next((row for row in rows if row.default and row.good), None)
    if default is None:
        wanted[DEFAULT] = plan.first
    elif default.name not in wanted:
        wanted[DEFAULT] = plan.search_space.experiment(default.params)
    queued = [{k: t.user_attrs.get(k) for k in ("name", "seed", "text")} for t in study.get_trials(deepcopy=False)]
    for name, experiment in wanted.items():
        text = experiment.toml()
        (folder / FOLDER / f"{name}.toml").write_text(text, encoding="utf-8")
        for k in range(plan.sweep.seeds):
            attributes = {"name": name, "seed": experiment.seed + k, "text": text}
            if attributes not in queued:
                study.enqueue_trial({}, user_attrs=attributes)
    return len(trials.counted(study.get_trials(deepcopy=False)))


def run_refits(folder: Path, plan: Plan, data: SweepData, stop: Callable[[], bool]) -> None:
    """A worker's part: fit what is queued until nothing is, and keep the models."""
    study, where = open_refits(folder), place(folder)
    free = {"pruner": "none", "max_parameters": None, "max_latency": None}
    plan = plan.model_copy(update={"sweep": plan.sweep.model_copy(update=free)})
    objective = Objective(plan, data, folder / CHECKPOINTS)
    packing = Packing(objective)
    while not stop():
        with where.asking():
            trials.reap(study, where)
        pack = _next(study, where, folder, packing)
        if pack:
            evaluations = [Evaluation(objective, _experiment(t, folder), Watcher(stop)) for t in pack]
            for i, end in evaluating.run(evaluations):
                _tell(study, pack[i], folder, end)
        elif "RUNNING" in _states(study):
            time.sleep(WAIT)
        else:
            return


def _next(study: Study, where: Place, folder: Path, packing: Packing) -> list[Trial]:
    """The next refits to be done at once: none, one, or some whose networks have one shape."""
    pack: list[Trial] = []
    count = 1
    while len(pack) < count and "WAITING" in _states(study):
        trial = trials.begin(study, where, sys.maxsize)
        if trial is None or "name" not in trial.user_attrs:  # somebody else took the last one
            if trial is not None:
                trial.set_user_attr(trials.WITHDRAWN, True)
                trials.end(study, trial, "FAIL")
            break
        pack.append(trial)
        if len(pack) == 1:
            count = packing.count(_experiment(trial, folder), 1 + _states(study).count("WAITING"))
    return pack


def _states(study: Study) -> list[str]:
    return [t.state.name for t in study.get_trials(deepcopy=False)]


def _experiment(trial: Trial, folder: Path) -> Experiment:
    """What a refit is to fit."""
    name, seed = trial.user_attrs["name"], trial.user_attrs["seed"]
    return override(build({}, folder / FOLDER / f"{name}.toml"), {"seed": seed})


def _tell(study: Study, trial: Trial, folder: Path, end: Result | Exception) -> None:
    """Keep the model of a refit, or record why it has none."""
    if isinstance(end, Result):
        path = _model(folder, trial.user_attrs["name"], trial.user_attrs["seed"])
        directory.save(end.model, path, lambda draft: _remember(end.trained, draft))
        trials.end(study, trial, "COMPLETE", values=[end.values[0]])
    elif isinstance(end, HandedOverError):
        trials.hand_over(study, trial)
        trials.end(study, trial, "FAIL")
    else:  # a seed that diverges says something of the settings, and does not end the sweep
        trials.end(study, trial, "FAIL", f"{type(end).__name__}: {end}")


def _remember(trained: Trained, folder: Path) -> None:
    how = {"stop": trained.stop, "started": trained.started, "seconds": trained.seconds, "rounds": trained.rounds}
    (folder / HOW).write_text(json.dumps(how), encoding="utf-8")


def _model(folder: Path, name: str, seed: int) -> Path:
    return folder / FOLDER / "models" / f"{name}-seed-{seed}"


def candidates(folder: Path, rows: Sequence[Row], plan: Plan) -> list[Candidate]:
    """The refits, the one with the lowest mean first; the default last unless it is better."""
    names = {row.name for row in leaderboard.chosen(rows, plan.sweep.refit)}
    fitted: dict[str, Candidate] = {}
    for trial in trials.counted(open_refits(folder).get_trials(deepcopy=False)):
        name = trial.user_attrs.get("name", "")
        path = folder / FOLDER / f"{name}.toml"
        current = (name in names or name == DEFAULT) and path.is_file()
        if current and trial.state.name == "COMPLETE" and path.read_text("utf-8") == trial.user_attrs["text"]:
            candidate = fitted.setdefault(name, Candidate(name, build({}, path), {}, {}))
            candidate.validation[trial.user_attrs["seed"]] = float(trial.values[0])
    most = max((len(c.validation) for c in fitted.values()), default=0)  # fewer where a seed failed
    return sorted((c for c in fitted.values() if len(c.validation) == most), key=lambda c: c.mean)


def test(candidate: Candidate, folder: Path, data: SweepData) -> None:
    """Score a candidate's models, one per seed, on the test part."""
    dataset = data.datasets(candidate.experiment)[0]
    windows = thin_test(dataset.parts).test
    if not len(windows):
        return
    for seed in sorted(candidate.validation):
        model = directory.load(_model(folder, candidate.name, seed))
        forecaster = model.forecaster(dataset.source)
        candidate.test[seed] = scores(forecaster.outcome(dataset, windows), SHOWN)


def winner(candidate: Candidate, folder: Path) -> tuple[Model, Trained]:
    """The best seed's model as it came out of its training, which need not be done again."""
    path = _model(folder, candidate.name, candidate.seed)
    model = directory.load(path)
    how = json.loads((path / HOW).read_text("utf-8"))
    network = model.network.to(pick_device(model.experiment.train.device))
    rounds = tuple(Round(*values) for values in how["rounds"])
    return model, Trained(model.experiment, network, rounds, Stop(how["stop"]), how["started"], how["seconds"])
