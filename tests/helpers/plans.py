"""Settings of small trials, and the type of the fixture that makes plans over a small table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optuna import Study

from tsforge.data.dataset import read, resolve
from tsforge.experiment import Experiment
from tsforge.sweeping import evaluating, worker
from tsforge.sweeping.config import Plan
from tsforge.sweeping.data import SweepData
from tsforge.sweeping.evaluating import Evaluation, Watcher
from tsforge.sweeping.objective import Objective, Result
from tsforge.sweeping.place import Place
from tsforge.sweeping.recording import TrialRecorder
from tsforge.sweeping.study import open_study, pruner, sampler
from tsforge.sweeping.workers.job import Job

Make = Callable[..., Plan]

SMALL = {"model.width": "choice(8,16)", "model.backbone.layers": 1, "model.backbone.dropout": 0.0}


def resolved(experiment: Experiment) -> Experiment:
    """With every setting of its data settled."""
    config, panel = read(experiment.data, None)
    return experiment.on(resolve(config, panel, experiment.model).config)


def evaluate(objective: Objective, experiment: Experiment, watcher: Watcher) -> Result:
    """One trial alone; what ends it without a result is raised."""
    ((_, end),) = evaluating.run([Evaluation(objective, experiment, watcher)])
    if isinstance(end, Exception):
        raise end
    return end


def opened(plan: Plan, folder: Path) -> Study:
    """The study of a plan as Optuna reads it, its plan written beside it."""
    folder.mkdir(exist_ok=True)
    plan.write(folder)
    return open_study(Place(folder, "s"), plan.sweep.objectives, sampler("random", 0), pruner(plan))


def run_here(plan: Plan, folder: Path, total: int) -> Study:
    """What a worker does, in this process; the trainings' state is in the folder "kept"."""
    study = opened(plan, folder)
    objective = Objective(plan, SweepData.read(plan), folder / "kept")
    worker.run_trials(Job(str(folder), "s", total), objective, TrialRecorder(None, plan), lambda: False)
    return study
