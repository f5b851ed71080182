"""resume: a fit that was stopped goes on from its last checkpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tsforge.config import parse
from tsforge.data.dataset import Dataset
from tsforge.data.table import piped
from tsforge.errors import DataError
from tsforge.fitted import directory, naming
from tsforge.training import checkpointer, fitting
from tsforge.training.checkpointer import Checkpointer, Plan
from tsforge.training.distributed import team, torchrun
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
    if (there := torchrun.place()) is not None and there.rank > 0:
        plan = heard()
        with team.opened(plan.experiment.train):
            dataset = fitting.prepare(plan.experiment, plan.data if data is None else data)
            return fitting.finish(fitting.train(plan.experiment, dataset, report), dataset)
    with announced(lambda: checkpointer.take_up(Path(folder))) as keeper, team.opened(keeper.experiment.train):
        if keeper.record.get("run"):
            here = keeper.folder
            log.warning("its run in MLflow stays as it is; `tsforge fit --resume %s` goes on with that too", here)
        return fitting.carry_out(keeper, prepare(keeper, data), report)


def announced(work: Callable[[], Checkpointer]) -> Checkpointer:
    """The checkpoint of a fit that goes on; under torchrun the other processes, which need not see it, hear of it."""
    return torchrun.announced(work, lambda keeper: keeper.plan.model_copy(update={"record": {}}).model_dump_json())


def heard() -> Plan:
    """What goes on, in a process of torchrun but the first."""
    return parse(Plan, json.loads(torchrun.heard()), naming.PLAN)


def prepare(keeper: Checkpointer, data: Any = None, began: float | None = None) -> Dataset:
    """The windows of a fit that goes on. began: when this process did, by `time.perf_counter`, if not now."""
    directory.check_target(keeper.folder)
    source = data if data is not None else keeper.source
    if source is None:
        if keeper.record.get("data") == piped.NAME:
            text = f"the fit of {keeper.folder} began with a table from standard input, which cannot be read again"
            raise DataError(text, f"pipe it in again: tsforge fit - `resume` {keeper.folder}")
        text = f"the fit of {keeper.folder} began with a table in memory"
        raise DataError(text, "give it again: tsforge.resume(folder, table)")
    if isinstance(source, str) and data is None and not Path(source).exists():
        text = f"{source}: the data of the fit of {keeper.folder} are not there any more"
        raise DataError(text, "name where they lie now, beside `resume`")
    dataset = fitting.prepare(keeper.experiment, source)
    dataset = dataset if began is None else replace(dataset, began=began)
    keeper.check_data(dataset)
    return dataset
