"""The data of a sweep: read and cut once per process, however many trials it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from tsforge.data import dataset as datasets
from tsforge.data import split
from tsforge.data.dataset import Dataset
from tsforge.data.loader import pick_device
from tsforge.data.panel import Panel
from tsforge.errors import ConfigError, DataError
from tsforge.experiment import Experiment
from tsforge.sweeping.config import Plan

KEPT = 4  # cuts of the data that are held: one for each context that is tried


@dataclass
class Table:
    """The data of a sweep: read once, cut once for each context and kind of model that asks."""

    panel: Panel
    folds: int
    _cut: dict[tuple[str, str], list[Dataset]] = field(default_factory=dict)

    @classmethod
    def read(cls, plan: Plan) -> Table:
        """The data that the plan's experiments name. Raises DataError where they are others than at the start."""
        base = next(iter(plan.bases.values()))
        _, panel = datasets.read(base.data, None)
        if plan.digest and panel.digest() != plan.digest:
            raise DataError(
                f"{base.data.path} has changed since the sweep began", "name another `out` for another sweep"
            )
        return cls(panel, plan.sweep.folds)

    def datasets(self, experiment: Experiment) -> list[Dataset]:
        """The folds for an experiment, the newest first. Their validation parts end where the test part begins, and
        a validation part earlier each."""
        kind: str = experiment.model.kind
        key = (experiment.data.model_dump_json(), kind if experiment.model.least_context(2) > 1 else "")
        if key not in self._cut:
            if len(self._cut) >= KEPT:
                self._cut.pop(next(iter(self._cut)))
            self._cut[key] = self._folds(experiment)
        return self._cut[key]

    def _folds(self, experiment: Experiment) -> list[Dataset]:
        layout = datasets.resolve(experiment.data, self.panel, experiment.model)
        sizes, device = layout.sizes, pick_device(experiment.train.device)
        folds = []
        for k in range(self.folds):
            rolling = split.Rolling(later=k * sizes.validation)
            cuts = split.split(self.panel, sizes.validation, sizes.test, rolling)
            try:
                folds.append(datasets.arrange(self.panel, layout._replace(cuts=cuts), device))
            except DataError as problem:
                if k == 0:
                    raise
                raise ConfigError(
                    f"the data are too short for {self.folds} folds: {problem.message}", f"ask for sweep.folds={k}"
                ) from None
        return folds
