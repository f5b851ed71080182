"""What makes runs comparable in the UI: columns and their order, colours, and links that open the right page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from tsforge.tracking import store

PORT = 5000  # of the UI on this machine
LOOK = 1.0  # seconds that it may take to see whether somebody serves a page
PRIMARY = "test/mase"
PARAMS = ("model.kind", "data.horizon", "data.context", "train.lr", "seed")
METRICS = ("test/mase", "test/mae", "test/wql", "test/skill", "speed/fit_s")
_SHARED = "tsforge"  # the name of the prepared view
_ABOUT = "Forecasts by tsforge: `test/...` are scores on the held-out end, `test/skill` is per cent better than the best simple forecaster."  # noqa: E501


def prepare(client: Any, experiment: str) -> None:
    """Columns, order and primary metric of an experiment; tags that somebody has set stay as they are."""
    tags = client.get_experiment(experiment).tags
    shared = {
        "orderByKey": f"metrics.`{PRIMARY}`", "orderByAsc": True, "searchFilter": "", "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": [*(f"params.`{p}`" for p in PARAMS), *(f"metrics.`{m}`" for m in METRICS)],
    }  # fmt: skip
    defaults = {
        f"mlflow.sharedViewState.{_SHARED}": json.dumps(shared),
        "mlflow.experiment.primaryMetric.name": PRIMARY,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "False",
        "mlflow.note.content": _ABOUT,
    }
    for name, value in defaults.items():
        if name not in tags:
            client.set_experiment_tag(experiment, name, value)


def direction(name: str) -> int | None:
    """-1 where a lower figure of a run is better, 1 where a higher one is, None where neither."""
    from tsforge.evaluation.metrics import find, lower_is_better

    metric = name.rpartition("/")[2]
    if metric == "skill" or metric.endswith("windows_per_s"):
        return 1
    if name.startswith(("speed/", "memory/")) or metric == "loss":
        return -1
    known = metric == "owa" or find(metric) is not None
    return -1 if known and lower_is_better(metric) else None


def base(uri: str) -> str:
    """Where the UI of a store answers: a server's own address, else that of `tsforge ui`."""
    return uri.rstrip("/") if store.is_server(uri) else f"http://127.0.0.1:{PORT}"


def is_served(root: str, run: str) -> bool:
    """Whether the page of a run opens now; a server behind a password is believed."""
    where = urlsplit(root)
    connect = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = connect(where.hostname or "", where.port, timeout=LOOK)
    try:
        connection.request("GET", f"{where.path}/api/2.0/mlflow/runs/get?run_id={run}")
        return connection.getresponse().status in (200, 401, 403)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def how_to_open(uri: str) -> str:
    """What to say behind a link that needs somebody to serve it."""
    return "" if store.is_server(uri) else "  (tsforge ui opens it)"


def experiment_link(root: str, experiment: str) -> str:
    """The table of an experiment's runs with our columns."""
    return f"{root}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={_SHARED}"


def run_link(root: str, experiment: str, run: str) -> str:
    """The page of one run."""
    return f"{root}/#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"


def compare_link(root: str, experiments: Sequence[str], runs: Sequence[str]) -> str:
    """The page that sets runs side by side."""
    ids, of = (quote(json.dumps(list(names), separators=(",", ":"))) for names in (runs, experiments))
    return f"{root}/#/compare-runs?runs={ids}&experiments={of}&workflowType=machine_learning"
