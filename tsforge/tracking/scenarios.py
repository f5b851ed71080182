"""What MLflow remembers of several futures of one table: what was asked, by how much they differ, table and picture."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tsforge.data import tidy
from tsforge.fitted.scenarios import Scenarios
from tsforge.plotting.scenarios import Future, scenarios
from tsforge.runtime import numbers
from tsforge.runtime.timing import stage
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, described, tags
from tsforge.tracking.tracker import Tracker


def record(result: Scenarios, model: str, data: str | None, tracker: Tracker, command: str) -> Run:
    """A run of the futures of one model and table: mean differences as metrics, the table and the picture as files."""
    params: dict[str, object] = {"model": model, "horizon": result.planned.point.shape[1]}
    params |= {f"scenario.{number}": name for number, name in enumerate(result.others, start=1)}
    options = RunOptions(command, tags=(("tsforge.model", str(Path(model).absolute())),))
    with tracker.run(f"scenarios-{Path(model).name}", params, tags("scenarios", options)) as run:
        if run.folder is not None:
            _write(run, result, data)
    return run


@stage("delivery")
def _write(run: Run, result: Scenarios, data: str | None) -> None:
    run.dataset(described(result.planned.panel, data))
    run.metrics(numbers.rounded({
        f"scenario/{number}_difference": float(np.nanmean(made.point - result.planned.point))
        for number, made in enumerate(result.others.values(), start=1)
    }))  # fmt: skip
    with TemporaryDirectory() as place:
        tidy.write(result.frame, Path(place) / "scenarios.csv")
        draw(result, Path(place) / "scenarios.png")
        run.file(Path(place) / "scenarios.csv")
        run.file(Path(place) / "scenarios.png", "plots")


def draw(result: Scenarios, path: Path) -> None:
    """The picture of all futures."""
    planned = result.planned
    futures = {
        name: Future(made.point, made.point - planned.point, *result.spread(made))
        for name, made in result.others.items()
    }
    scenarios(planned.panel, planned.point, futures, path)
