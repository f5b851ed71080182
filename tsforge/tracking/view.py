"""What makes runs comparable in the UI: the view that it opens with, colours, and links that open the right page."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from tsforge.tracking import preset, store
from tsforge.tracking.preset import PRIMARY

PORT = 5000  # of the UI on this machine
LOOK = 1.0  # seconds that it may take to see whether somebody serves a page
_SHARED = "tsforge"  # the view that opens
_VIEW = "mlflow.sharedViewState."
_NOTE = "Forecasts by tsforge: `test/...` are scores on the held-out end, `test/skill` is per cent better than {}."


def prepare(client: Any, experiment: str) -> None:
    """The views of an experiment, its primary metric and its note.

    A tag that somebody has set or changed stays as it is; one that an earlier version has set becomes today's. Views
    come with the one that opens, so that those that somebody has deleted do not come back.
    """
    tags = client.get_experiment(experiment).tags
    earlier = {_VIEW + _SHARED: preset.former(), "mlflow.note.content": [_NOTE.format("seasonal naive")]}
    defaults = {
        "mlflow.experiment.primaryMetric.name": PRIMARY,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "False",
        "mlflow.note.content": _NOTE.format("the best simple forecaster"),
    }
    if tags.get(_VIEW + _SHARED) in (None, *preset.former()):
        defaults |= {_VIEW + key: value for key, value in preset.views(_fits(client, experiment)).items()}
    for name, value in defaults.items():
        if tags.get(name) in (None, *earlier.get(name, ())):
            client.set_experiment_tag(experiment, name, value)


def renew(client: Any, experiment: str) -> None:
    """Prepare an experiment that was recorded before; as it is where somebody may only read it."""
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException):
        prepare(client, experiment)


def _fits(client: Any, experiment: str) -> str:
    """The filter of fits that the server of an experiment understands, which may be older than the client."""
    from mlflow.exceptions import MlflowException

    try:
        client.search_runs([experiment], preset.FITS, max_results=1)
    except MlflowException as problem:
        if problem.error_code != "INVALID_PARAMETER_VALUE":
            raise
        return preset.ANY_FITS
    return preset.FITS


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
