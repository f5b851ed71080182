"""The views that an experiment has in MLflow's UI: which runs, which columns, which charts.

A view is what "Save view" of the UI keeps in a tag of the experiment: its name, and search, order, columns and cards by
the names of MLflow 3.17. The menu "Views" lists them.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

PRIMARY = "test/mase"
KIND, PARENT = "tags.tsforge.kind", "tags.mlflow.parentRunId"
FITS = f"{KIND} = 'fit' AND {PARENT} IS NULL"
ANY_FITS = f"{KIND} = 'fit'"  # for a server that does not know IS NULL
NAME, CREATED, DATASET = "attributes.`Run Name`", "runDateAndNestInfo", "attributes.`Dataset`"  # as the UI knows them
FIRST = (  # what is to be seen at 1,400 pixels, with the width of each
    ("params.`model.kind`", 105), (DATASET, 125), ("params.`data.horizon`", 105), (f"metrics.`{PRIMARY}`", 90),
    ("metrics.`test/skill`", 85), ("metrics.`test/coverage_80`", 128), ("metrics.`speed/fit_s`", 95),
)  # fmt: skip
_THEN = (
    "metrics.`test/mae`", "metrics.`test/wql`", "params.`data.context`", "params.`train.lr`", "params.`seed`"
)  # fmt: skip
_CHARTS = {  # what is drawn of a metric; a line runs over its steps
    "val/loss": "LINE", "test/mase": "BAR", "test/skill": "BAR", "test/coverage_80": "BAR", "test/mae_by_step": "LINE",
    "speed/fit_s": "BAR",
}  # fmt: skip
_FOLDED = ("test", "train", "val", "speed", "memory", "model", "auto")  # where the UI puts all other metrics


class View(NamedTuple):
    """A named view. fits: the filter that stands in the search box. order: the column, ascending or not."""

    name: str
    runs: str
    columns: tuple[str, ...]
    order: tuple[str, bool]


def views(fits: str = FITS) -> dict[str, str]:
    """Key to tag value of every view, the first of them the one that opens. fits: its filter."""
    first, best = tuple(column for column, _ in FIRST), (f"metrics.`{PRIMARY}`", True)
    trial = (
        first[0],
        first[2],
        "metrics.`val/mase`",
        "metrics.`val/mae`",
        first[-1],
        "tags.`tsforge.state`",
        *_THEN[2:],
    )
    made = {
        "tsforge": View("Fits", fits, first + _THEN, best),
        "tsforge-below": View("Fits below other runs", f"{ANY_FITS} AND {PARENT} LIKE '%'", first + _THEN, best),
        "tsforge-trials": View("Trials of sweeps", f"{KIND} = 'trial'", trial, ("metrics.`val/mase`", True)),
        "tsforge-all": View("Everything", "", ("tags.`tsforge.kind`", *first), ("attributes.start_time", False)),
    }
    # The menu has the newest first.
    return {key: _envelope(view, len(made) - place) for place, (key, view) in enumerate(made.items())}


def former() -> list[str]:
    """What earlier versions wrote: an experiment that has one of these was never arranged by anybody."""
    params = ("model.kind", "data.horizon", "data.context", "train.lr", "seed")
    first = ("test/mase", "test/mae", "test/wql", "test/coverage_80", "test/skill", "speed/fit_s", "model/parameters")
    second = ("test/mase", "test/mae", "test/wql", "test/skill", "speed/fit_s")
    return [
        json.dumps(
            {
                "orderByKey": "metrics.`test/mase`", "orderByAsc": True, "searchFilter": "", "startTime": "ALL",
                "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
                "selectedColumns": [*(f"params.`{p}`" for p in params), *(f"metrics.`{m}`" for m in metrics)],
            }
        )
        for metrics in (first, second)
    ]  # fmt: skip


def _envelope(view: View, at: int) -> str:
    state = json.dumps(_state(view), separators=(",", ":"))
    return json.dumps({"name": view.name, "createdAt": at, "updatedAt": at, "state": state})


def _state(view: View) -> dict[str, Any]:
    key, ascending = view.order
    sections = [_section("fits", "Fits", shown=True), *(_section(name, name, shown=False) for name in _FOLDED)]
    return {
        "searchFilter": view.runs, "orderByKey": key, "orderByAsc": ascending, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": list(view.columns), "columnOrder": [NAME, CREATED, *view.columns],
        "columnWidths": {NAME: 190, CREATED: 132, **dict(FIRST)},
        "compareRunCharts": [_chart(metric, drawn) for metric, drawn in _CHARTS.items()],
        "compareRunSections": sections, "isAccordionReordered": True, "hideEmptyCharts": True,
    }  # fmt: skip


def _chart(metric: str, drawn: str) -> dict[str, Any]:
    """A card, with what the UI does not fill in by itself."""
    own = {"uuid": metric, "type": drawn, "metricKey": metric, "metricSectionId": "fits"}
    shared = {"runsCountToCompare": 10, "deleted": False, "isGenerated": False}
    if drawn == "BAR":
        return own | shared
    line = {
        "xAxisKey": "step", "selectedXAxisMetricKey": "", "selectedMetricKeys": [metric], "lineSmoothness": 0,
        "scaleType": "linear", "xAxisScaleType": "linear", "useGlobalXaxisKey": False, "yAxisKey": "metric",
    }  # fmt: skip
    return own | shared | line


def _section(key: str, name: str, *, shown: bool) -> dict[str, Any]:
    return {"uuid": key, "name": name, "display": shown, "isReordered": shown, "columns": 3}
