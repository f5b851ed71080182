"""What an update is going to do: which rows are new, which of them are held out for the test, what begins the new fit.

What neither model has seen is the newest part of the rows after `facts.seen` of the old one: these the new fit leaves
out, and both forecast them. Axes: n series, H horizon.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.data import dataset as datasets
from tsforge.data import split, statistics, traits
from tsforge.data.dataset import Dataset
from tsforge.data.loader import pick_device
from tsforge.data.panel import Ints, Panel
from tsforge.data.table.piped import path_of
from tsforge.data.windows import Windows, cut
from tsforge.errors import ConfigError, ModelError, listing
from tsforge.evaluation.significance import LEAST, tellable
from tsforge.experiment import Experiment
from tsforge.fitted import directory, manifest
from tsforge.fitted.model import Model
from tsforge.model.baselines.forecaster import Baseline
from tsforge.settings import override

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Plan:
    """A model and new rows, before anything is trained.

    folder: of the old model. digest: of its files, to see whether somebody else replaces it meanwhile.
    experiment: of the new fit. seen: (n,) rows of the panel up to which the old model knows each series.
    new: rows of the series that has most after what the old model has seen of it. test: the newest of them, held out.
    least: new rows that there must be, to test and to learn from.
    dataset: the windows of the new fit; None where there are too few rows.
    """

    old: Model
    folder: Path
    digest: dict[str, str]
    experiment: Experiment
    panel: Panel
    seen: Ints
    new: int
    test: int
    least: int
    dataset: Dataset | None

    @property
    def series_new(self) -> int:
        """How many series of the table the old model does not know."""
        return len(self.panel) - len(self._known)

    @property
    def series_gone(self) -> int:
        """How many series of the old model the table does not have."""
        return len(self.old.facts.seen) - len(self._known)

    @cached_property
    def _known(self) -> set[str]:
        return {self.panel.key(i) for i in range(len(self.panel))} & self.old.facts.seen.keys()

    @property
    def until(self) -> str:
        """The last time that the new fit learns from or is calibrated by, of the series that goes furthest."""
        assert self.dataset is not None
        return _last(self.panel, self.dataset.cuts.validation)

    @property
    def tested(self) -> tuple[str, str]:
        """The first and the last time that both are compared on, of the series that goes furthest."""
        assert self.dataset is not None
        cuts = self.dataset.cuts
        i = int((self.panel.first + self.panel.lengths).argmax())
        first = int(self.panel.first[i] + cuts.origin[i] - self.panel.offsets[i])
        return self.panel.time(first, i), _last(self.panel, cuts.test)


def _last(panel: Panel, stops: Ints) -> str:
    ordinals = panel.first + stops - panel.offsets[:-1] - 1
    i = int(ordinals.argmax())
    return panel.time(int(ordinals[i]), i)


def prepare(folder: Path, data: Any, test: int | None = None, settings: Mapping[str, Any] | None = None) -> Plan:
    """Read a table with new rows and say what is new in it.

    folder: of the model. data: path of a table, name of a catalogued data set, or a pandas or Polars frame.
    test: newest rows of each series to hold out; half of the new ones where None.
    settings: of the training, by dotted path, as {"train.max_steps": 200}.
    Raises ConfigError for a setting that an update keeps, or a test that the new rows do not hold; ModelError and
    DataError for what does not fit together.
    """
    digest = manifest.read(folder).sha256  # before the model: if it is replaced in between, that is seen
    old = directory.load(folder)
    experiment = _experiment(old, folder, settings or {})
    if experiment.data.rows is not None:
        log.warning("data.rows = %d is left out: it would leave the new rows out", experiment.data.rows)
    config = experiment.data.model_copy(update={"rows": None})
    panel = datasets.read_like(data, config, old.facts.columns)
    seen, H = old.facts.unseen(panel), old.shape.horizon
    rows = panel.ends - seen
    known = np.array([panel.key(i) in old.facts.seen for i in range(len(panel))])
    new = int(rows[known].max(initial=0)) if known.any() else int(rows.max())
    rich = int((rows > H).sum()) >= LEAST
    least = (H if rich else LEAST * H) + 1
    if test is not None and (test < H or test >= new):
        problem = f"{test} rows cannot be held out: there are {new:,} new ones, and a window takes {H}"
        raise ConfigError(problem, f"ask for {H} or more and fewer than {new:,}, or leave `test` out")
    plan = Plan(old, folder, digest, experiment, panel, seen, new, test or 0, least, None)
    if new < least:
        return plan
    for length in [test] if test is not None else _lengths(new, H, rich=rich):
        windows, stride = tested(panel, np.maximum(seen, panel.ends - length), old)
        if tellable(windows.series, _time(panel, windows), H):
            return _planned(plan, config.model_copy(update={"path": path_of(data), "test": length}), stride)
    return plan


def _lengths(new: int, H: int, *, rich: bool) -> list[int]:
    """How many rows may be held out, the best first: half of the new ones; few horizons, where series are many."""
    several = [max(LEAST * H, new // 2)] if new > LEAST * H else []
    return [*several, *([H] if rich else [])]


def _experiment(old: Model, folder: Path, settings: Mapping[str, Any]) -> Experiment:
    """The old model's, beginning with its weights where it has any."""
    for name in settings:
        if not name.startswith("train.") or name in ("train.start", "train.start_member"):
            hint = "what an update may change is how long and how it trains, as train.max_steps; fit anew for the rest"
            raise ConfigError(f"an update keeps the model as it is: {name} cannot be changed", hint)
    experiment = override(old.experiment, dict(settings))
    learned = not isinstance(experiment.model, Baseline)
    return experiment.with_train({"start": str(folder.resolve()) if learned else None, "start_member": None})


def tested(panel: Panel, begin: Ints, model: Model) -> tuple[Windows, int]:
    """The windows of a model with their truth behind `begin` (n,), and the steps between them.

    Every origin, where these are enough for a test of windows that overlap; else such as lie beside each other.
    """
    H, L = model.shape.horizon, model.shape.context
    for stride in (1, H):
        windows = cut(panel, begin, panel.ends, L, H, stride=stride)
        enough = len(windows) and tellable(windows.series, _time(panel, windows), H)
        if enough and len(windows) <= split.MOST_TEST:
            break
    return windows, stride


def _time(panel: Panel, windows: Windows) -> Ints:
    """The grid position of each origin."""
    series = windows.series.astype(np.int64)
    return np.asarray(panel.first[series] + windows.origins - panel.offsets[series])


def _planned(plan: Plan, config: Any, stride: int) -> Plan:
    """With the windows of the new fit: parts by time, encodings and sizes of the old model."""
    old, panel, starts = plan.old, plan.panel, plan.panel.offsets[:-1]
    origin = np.maximum(panel.ends - config.test, plan.seen)
    short = panel.ends - origin < old.shape.horizon  # for a window: such rows are learned from
    origin = np.where(short, panel.ends, origin)
    validation = config.validation or old.shape.horizon
    train = np.maximum(origin - validation, starts)
    cuts = split.Split(starts, train, origin, origin, panel.ends, validation + config.test, stride)
    shape, model = old.shape, plan.experiment.model
    narrow = min((network.shape.context for network, _ in old.baselines.values()), default=shape.context)
    history = datasets.least_history(config, model, shape.season)
    sizes = datasets.Sizes(
        shape.context, shape.horizon, shape.season, validation, config.test, history, shape.fallback, narrow
    )
    parts = split.parts(panel, cuts, shape.context, shape.horizon, history)
    moments = statistics.moments(panel, train, starts)
    own = traits.fit(panel, shape.context, train, starts, moments)
    estimates = datasets.Estimates(old.facts.encodings, own, moments)
    layout = datasets.Layout(config, sizes, cuts, model.bounds)
    dataset = datasets.encode(panel, layout, parts, estimates, pick_device(plan.experiment.train.device))
    if dataset.source.shape != shape:
        raise ModelError(f"{plan.folder}: its windows are not those of the table", "fit the table anew")
    dataset = replace(dataset, parts=split.affordable(dataset.parts, shape.context + shape.horizon))
    _warn(plan)
    return replace(plan, test=config.test, dataset=dataset)


def _warn(plan: Plan) -> None:
    if plan.series_gone:
        keys = {plan.panel.key(i) for i in range(len(plan.panel))}
        names = [key.replace("\x1f", " ") for key in plan.old.facts.seen if key not in keys]
        log.warning("%d series of the model are not in the table: %s", len(names), listing(names))
    if plan.series_new:
        log.warning("%d series of the table are new to the model", plan.series_new)
