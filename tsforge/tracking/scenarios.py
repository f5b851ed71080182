"""What MLflow remembers of several futures of one table: what was asked, by how much they differ, table and picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsforge.fitted.scenarios import Scenarios
from tsforge.plotting.captions import About
from tsforge.plotting.choosing import ALL, Subject, View
from tsforge.plotting.scenarios import Future, scenarios
from tsforge.runtime import numbers
from tsforge.tracking import asked
from tsforge.tracking.asked import Answer, Asked
from tsforge.tracking.journal import Run
from tsforge.tracking.tracker import Tracker


def record(result: Scenarios, model: str, data: str | None, tracker: Tracker, command: str) -> Run:
    """A run of the futures of one model and table: mean differences as metrics, the table and the picture as files."""
    params: dict[str, object] = {"horizon": result.planned.point.shape[1]}
    params |= {f"scenario.{number}": name for number, name in enumerate(result.others, start=1)}
    figures = numbers.rounded({
        f"scenario/{number}_difference": float(np.nanmean(made.point - result.planned.point))
        for number, made in enumerate(result.others.values(), start=1)
    })  # fmt: skip
    answer = Answer(result.planned.panel, params, figures, lambda: result.frame, lambda path: draw(result, path))
    return asked.record(Asked("scenarios", "scenarios", model, data, command), answer, tracker)


def draw(result: Scenarios, path: Path, view: View = ALL) -> None:
    """The picture of all futures."""
    planned = result.planned
    futures = {
        name: Future(made.point, made.point - planned.point, *result.spread(made))
        for name, made in result.others.items()
    }
    scenarios(Subject(planned.panel, About(planned.model), view), planned.point, futures, path)
