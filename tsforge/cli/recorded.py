"""Recorded runs on the terminal: which are listed, one with all that is known of it, and how some are deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_json, print_table
from tsforge.errors import TrackingError, listing
from tsforge.runtime.numbers import duration, figure, figures

if TYPE_CHECKING:
    from tsforge.tracking.runs import Recorded


@Parameter(name="*")
@dataclass
class ListOptions:
    """Which runs are listed."""

    experiment: str | None = None
    "MLflow experiment. (default: tsforge)"
    kind: str | None = None
    "Only runs of a kind: fit, backtest, sweep, trial, comparison, update, ..."
    data: str | None = None
    "Only runs on a table whose path or name has this in it."
    last: int | None = None
    "Only so many, the newest."
    tree: Flag = False
    "Show runs below those that they belong to, as trials below their sweep."


def show(run: str, /, *, tracking_uri: str | None = None, json: Flag = False) -> int:
    """Show a run: what it was, its scores beside those of the baselines, its settings, and the command that made it.

    Parameters
    ----------
    run
        A run by id, the beginning of one, or name.
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    json
        Print one JSON document.
    """
    from tsforge.tracking import runs as recorded
    from tsforge.tracking import store, view

    uri = store.address(tracking_uri)
    with awaited(uri):
        client = store.reading(uri)
        found = recorded.get(client, run)
    data, link = recorded.dataset(client, found), view.run_link(view.base(uri), found.experiment, found.id)
    beside = recorded.baselines(client, found)
    if json:
        print_json(plain(found) | {"baselines": beside, "tags": found.tags, "data": data, "url": link})
        return 0
    for name, value in _facts(found, data).items():
        if value:
            echo(f"{name:<9}{value}")
    scores = {
        n.removeprefix("test/"): v
        for n, v in sorted(found.metrics.items())
        if n.startswith("test/") and n != "test/mae_by_step"
    }
    if scores:
        echo()
        rows = [
            [name, *figures([value, *(of.get(name) for of in beside.values())])]
            for name, value in scores.items()
        ]  # fmt: skip
        print_table(["", found.params.get("model.kind", "run"), *beside], rows)
    echo()
    print_table(["setting", "value"], [[name, value] for name, value in sorted(found.params.items())], left=(0, 1))
    echo()
    print_link(uri, link, found.id)
    return 0


def on_the_way(uri: str) -> str:
    """What is to be said of runs that were made here and are not in their store yet; nothing where all are."""
    from tsforge.tracking import journal

    names = [folder.name for folder in journal.waiting(journal.ROOT) if journal.address(folder) == uri]
    if not names:
        return ""
    what = f"run {names[0]} is" if len(names) == 1 else f"{len(names):,} runs ({listing(names)}) are"
    return f"{what} on the way to MLflow: look again in a moment, or bring what waits with tsforge runs sync"


@contextmanager
def awaited(uri: str) -> Iterator[None]:
    """A store, or a run, that is not found: what is on its way there is a better hint than a name that is like it."""
    try:
        yield
    except TrackingError as problem:
        if said := on_the_way(uri):
            raise TrackingError(problem.message, said) from None
        raise


def print_link(uri: str, link: str | None, run: str) -> None:
    """Print the address of a page of the UI where somebody serves it, else how to have it served."""
    from tsforge.tracking import store, view

    if link is not None and (store.is_server(uri) or view.is_served(view.base(uri), run)):
        echo(f"in the UI: {link}")
    else:
        echo("MLflow's UI has them too: tsforge ui opens it")


def delete(*names: str, yes: Flag = False, tracking_uri: str | None = None, json: Flag = False) -> int:
    """Delete runs, and those below them; MLflow keeps them until `mlflow gc`, and gives them back until then.

    Parameters
    ----------
    names
        Runs by id, the beginning of one, or name.
    yes
        Delete; without it only what would be deleted is shown.
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    json
        Print one JSON document.
    """
    from tsforge.errors import TrackingError
    from tsforge.tracking import runs as recorded
    from tsforge.tracking import store

    if not names:
        raise TrackingError("no run is named", "tsforge runs lists them")
    client = store.reading(store.address(tracking_uri))
    found = {run.id: run for name in names for run in recorded.family(client, recorded.get(client, name))}
    if yes:
        for run in found.values():
            client.delete_run(run.id)
    if json:
        print_json({"deleted": yes, "runs": [{"id": run.id, "name": run.name} for run in found.values()]})
        return 0
    for run in found.values():
        echo(f"{'deleted' if yes else 'would delete'}  {run.name}  {run.id}")
    if not yes:
        echo("--yes deletes them")
    return 0


def print_tree(records: list[Recorded]) -> None:
    """Runs in the order in which they began, those that belong to another one below it."""
    names = {run.id for run in records}
    below: dict[str, list[Recorded]] = {}
    for run in sorted(records, key=lambda run: run.started):
        parent = run.tags.get("mlflow.parentRunId", "")
        below.setdefault(parent if parent in names else "", []).append(run)
    rows: list[list[str]] = []

    def walk(parent: str, depth: int) -> None:
        for run in below.get(parent, []):
            mase = figure(run.metrics.get("test/mase"), figure(run.metrics.get("val/mase"), ""))
            took = duration(run.seconds) if run.seconds is not None else "-"
            rows.append(["  " * depth + run.name, run.tags.get("tsforge.kind", ""), mase, took, run.status.lower()])
            walk(run.id, depth + 1)

    walk("", 0)
    print_table(["run", "kind", "mase", "time", "status"], rows, left=(0, 1, 4))


def plain(run: Recorded) -> dict[str, Any]:
    """A run as plain values."""
    return {
        "id": run.id, "name": run.name, "status": run.status, "reason": run.reason or None, "started": run.started,
        "seconds": run.seconds, "kind": run.tags.get("tsforge.kind"), "params": run.params, "metrics": run.metrics,
    }  # fmt: skip


def _facts(run: Recorded, data: dict[str, str]) -> dict[str, str]:
    """What is known of a run beside its settings and scores."""
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    took = f", {duration(run.seconds)}" if run.seconds is not None else ""
    return {
        "run": f"{run.name}  {run.id}", "kind": run.tags.get("tsforge.kind", ""), "began": f"{began}{took}",
        "status": run.status.lower() + (f": {run.reason}" if run.reason else ""),
        "data": " ".join(filter(None, (data.get("source", ""), data.get("digest", "")))),
        "model": run.tags.get("tsforge.folder", run.tags.get("tsforge.model", "")),
        "command": run.tags.get("tsforge.command", ""),
    }  # fmt: skip
