"""The data of a sweep: read and cut once per process, however many trials it runs; a frame is kept as a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tsforge.data import dataset as datasets
from tsforge.data import split
from tsforge.data.dataset import Dataset
from tsforge.data.loader import pick_device
from tsforge.data.panel import Panel
from tsforge.data.table.piped import Piped
from tsforge.errors import ConfigError, DataError
from tsforge.experiment import Experiment
from tsforge.runtime import files
from tsforge.sweeping.config import Plan

CUTS = 4  # that are held: one for each context that is tried
FRAME = "data-"  # begins the names of files that hold a frame


@dataclass
class SweepData:
    """The data of a sweep: read once, cut once for each context and kind of model that asks."""

    panel: Panel
    folds: int
    _cut: dict[tuple[object, ...], list[Dataset]] = field(default_factory=dict)

    @classmethod
    def read(cls, plan: Plan) -> SweepData:
        """The data that the plan's experiments name. Raises DataError where they are others than at the start."""
        _, panel = datasets.read(plan.first.data, None)
        if plan.digest and panel.digest() != plan.digest:
            text = f"{plan.first.data.path} has changed since the sweep began"
            raise DataError(text, "name another `out` for another sweep")
        return cls(panel, plan.sweep.folds)

    def datasets(self, experiment: Experiment) -> list[Dataset]:
        """The folds for an experiment, the newest first. Their validation parts end where the test part begins, and
        a validation part earlier each."""
        model = experiment.model
        least = model.least_context(2)
        key = (experiment.data.model_dump_json(), model.kind if least > 1 else "", least, model.any_history)
        if key not in self._cut:
            if len(self._cut) >= CUTS:
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
                text = f"the data are too short for {self.folds} folds: {problem.message}"
                raise ConfigError(text, f"ask for sweep.folds={k}") from None
        return folds


def write_frame(frame: Any, folder: Path, digest: str) -> Path:
    """Write a pandas or Polars frame as Parquet, where the workers of a sweep can read it; its path.

    What came from standard input is kept as it is.

    digest: of its content, which the file is named by, so that another start finds it and other data never replace it.
    Raises DataError where the frame cannot be written.
    """
    path = folder / f"{FRAME}{digest[:12]}{'.table' if isinstance(frame, Piped) else '.parquet'}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(frame, Piped):
        return files.write(path, frame.path.read_bytes())
    draft = path.with_suffix(".part")
    try:
        if hasattr(frame, "collect"):  # Polars' lazy one
            frame = frame.collect()
        elif hasattr(frame, "to_frame"):  # pandas' series
            frame = frame.to_frame()
        if hasattr(frame, "write_parquet"):
            frame.write_parquet(draft)
        else:
            frame.to_parquet(draft)
        draft.replace(path)
    except Exception as problem:
        raise DataError(f"the data frame cannot be written to {path}: {problem}", "name a file instead") from None
    finally:
        draft.unlink(missing_ok=True)
    return path
