"""Before they are compared: every architecture searches settings of its own, on validation windows, in as many trials.

What makes a comparison equal is not searched: the width, whatever else changes the number of parameters beyond what
still counts as alike, and the windows of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.comparison import widths
from tsforge.comparison.config import CompareConfig
from tsforge.comparison.results import Tuned
from tsforge.comparison.trainings import Setup, experiment_of
from tsforge.config import Choice
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError, TrainingError, listing
from tsforge.experiment import Experiment
from tsforge.settings import override
from tsforge.sweeping import running
from tsforge.sweeping.config import FILE, Plan, SweepConfig, checked, load
from tsforge.sweeping.data import write_frame
from tsforge.sweeping.place import Workspace
from tsforge.sweeping.running import Progress, Sweep
from tsforge.sweeping.space import Setting, space
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.tracker import Tracker

TERMS = ("model.width", "train.batch_size")  # solved for, and what a budget of steps or time is counted in


@dataclass(frozen=True)
class Bench:
    """Where the searches on a data set take place.

    folder: theirs, by model.
    fixed: dotted settings that the user has fixed.
    watch: told what is searched; gives who follows its trials.
    say: told what is not searched.
    frame: the data, where they come from no file.
    """

    folder: Path
    tracker: Tracker
    options: RunOptions
    fixed: tuple[str, ...]
    watch: Callable[[str], Progress | None]
    say: Callable[[str], None]
    frame: Any = None


def tune(setup: Setup, config: CompareConfig, bench: Bench) -> dict[str, Tuned]:
    """The best settings of each model on one data set, after `config.tune` trials of each; empty where that is 0.

    The same call goes on with searches that were stopped. Raises KeyboardInterrupt where one is, and TsforgeError.
    """
    if not config.tune:
        return {}
    plans = {model: _plan(setup, config, model, bench) for model in config.models}
    fixed = dict.fromkeys(path for plan in plans.values() for path in _fixed(plan))
    bench.say(f"tuning on {setup.name}: {config.tune} trials each; not varied: {listing(fixed, 20)}")
    return {model: _search(plan, bench, config.threads) for model, plan in plans.items()}


def _search(plan: Plan, bench: Bench, threads: int) -> Tuned:
    """One model's search, from its beginning or from where it was stopped."""
    (model,) = plan.bases
    workspace = Workspace(bench.folder / model, threads=threads)
    done, _ = running.run(plan, workspace, bench.tracker, bench.options, bench.watch(f"tuning {plan.title}"))
    if done.stopped:
        raise KeyboardInterrupt
    return _tuned(done, model)


def _tuned(done: Sweep, model: str) -> Tuned:
    """Of the first so many trials, where an earlier start has made more of them."""
    plan, made = done.plan, done.plan.search_space
    rows = sorted(done.rows, key=lambda row: row.number)[: plan.sweep.trials]
    best = min((row for row in rows if row.good), key=lambda row: row.values[0], default=None)
    if best is None:
        hint = f"read {done.folder / 'logs'}, or raise compare.tune"
        raise TrainingError(f"no trial of {plan.title} was completed", hint)
    varied = [setting for setting in made.settings if not setting.fixed]
    # Settings that a range leaves out are no trial's: then nothing is known of where it started.
    begins = next((row for row in rows if row.default and row.good), None)
    whole = len(made.defaults(model)) == len(varied)
    flat = made.experiment(best.params).flat()
    return Tuned(
        model, len(rows), plan.sweep.objectives[0], best.values[0],
        begins.values[0] if begins is not None and whole else math.nan,
        {s.path: flat[s.path] for s in varied}, _fixed(plan), sum(row.seconds or 0.0 for row in rows), str(done.folder),
    )  # fmt: skip


def _plan(setup: Setup, config: CompareConfig, model: str, bench: Bench) -> Plan:
    """A sweep over one model. Its experiment is the one that is compared, to the number of steps."""
    title = f"{model}-{setup.name}"
    sweep = SweepConfig(trials=config.tune, objectives=(_objective(setup.dataset),), refit=0, study=title)
    empty = Plan(bases={model: setup.experiment}, sweep=sweep, digest=setup.dataset.panel.digest())
    base = experiment_of(setup, config, model, _steps_before(bench.folder / model, model))
    if base.data.path is None:
        path = write_frame(bench.frame, bench.folder, empty.digest)
        base = override(base, {"data.path": str(path)})
    ranges = {}
    for setting in space({model: base}, {}).settings:
        values = _values(setting, base, setup)
        if setting.path in bench.fixed or not values:
            values = [base.flat()[setting.path]]
        if isinstance(setting.values, Choice) or len(values) == 1:
            ranges[setting.path] = values
    plan = empty.model_copy(update={"bases": {model: base}, "space": ranges})
    try:
        return checked(plan)
    except ConfigError as problem:
        hint = "fix fewer settings, or leave out compare.tune"
        raise ConfigError(f"{model} cannot be tuned: {problem.message}", hint) from None


def _values(setting: Setting, base: Experiment, setup: Setup) -> list[Any]:
    """Those of a choice, or the ends of a range, with which the models are still alike; none of a range that has not
    both."""
    values = setting.values
    ends = list(values.values) if isinstance(values, Choice) else [values.low, values.high]
    if setting.path in TERMS:
        return []
    if not setting.path.startswith("model."):
        return ends
    held = [value for value in ends if _alike(override(base, {setting.path: value}), setup)]
    return held if isinstance(values, Choice) or len(held) == len(ends) else []


def _alike(experiment: Experiment, setup: Setup) -> bool:
    """Whether a model has as many parameters as the others, whatever these choose."""
    counts = [count for _, count in setup.sizes.values()]
    middle, room = math.sqrt(min(counts) * max(counts)), math.sqrt(1 + widths.WITHIN)
    model: Any = experiment.model
    try:
        count = widths.of_windows(model, setup.dataset.source.shape)(model.width)
    except ConfigError:  # a width that is no multiple of so many heads
        return False
    return middle / room <= count <= middle * room


def _fixed(plan: Plan) -> tuple[str, ...]:
    """What a plan does not vary."""
    return tuple(setting.path for setting in plan.search_space.settings if setting.fixed)


def _objective(dataset: Dataset) -> str:
    """What the comparison is decided by, on the validation windows."""
    scale = dataset.in_sample.mean
    return "val/mase" if bool(np.any(np.isfinite(scale) & (scale > 0))) else "val/mae"


def _steps_before(folder: Path, model: str) -> int | None:
    """Steps that an earlier start found to fit into the time: measured again they would be others."""
    if not (folder / FILE).is_file():
        return None
    base = load(folder).bases.get(model)
    return base.train.max_steps if base else None
