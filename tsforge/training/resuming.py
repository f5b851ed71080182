"""resume: a fit that was stopped goes on from its last checkpoint."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from tsforge.data.dataset import Dataset
from tsforge.errors import DataError
from tsforge.fitted import directory
from tsforge.training import checkpointer, fitting
from tsforge.training.checkpointer import Checkpointer
from tsforge.training.events import Report
from tsforge.training.fitting import Fit

log = logging.getLogger("tsforge")


def resume(folder: str | Path, data: Any = None, *, report: Report | None = None) -> Fit:
    """Go on with a fit that was stopped, to the weights that it would have had: bit for bit on a CPU.

    folder: of its model, or the checkpoint folder beside it.
    data: the table, where it is not at its path any more or was in memory.
    report: as for `fit`; what was reported before is reported again, marked.
    Raises ModelError where there is nothing to go on with, or it is damaged, of another version, or its fit still
    runs; DataError where the data have changed.
    """
    with checkpointer.take_up(Path(folder)) as keeper:
        if keeper.record.get("run"):
            here = keeper.folder
            log.warning("its run in MLflow stays as it is; `tsforge fit --resume %s` goes on with that too", here)
        return fitting.carry_out(keeper, prepare(keeper, data), report)


def prepare(keeper: Checkpointer, data: Any = None, began: float | None = None) -> Dataset:
    """The windows of a fit that goes on. began: when this process did, by `time.perf_counter`, if not now."""
    directory.check_target(keeper.folder)
    source = data if data is not None else keeper.source
    if source is None:
        text = f"the fit of {keeper.folder} began with a table in memory"
        raise DataError(text, "give it again: tsforge.resume(folder, table)")
    if isinstance(source, str) and data is None and not Path(source).exists():
        text = f"{source}: the data of the fit of {keeper.folder} are not there any more"
        raise DataError(text, "name where they lie now, beside `resume`")
    dataset = fitting.prepare(keeper.experiment, source)
    dataset = dataset if began is None else replace(dataset, began=began)
    keeper.check_data(dataset)
    return dataset
