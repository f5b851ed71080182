"""tsforge runs"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.cli.hints import translated
from tsforge.cli.options import Flag, TrackOptions
from tsforge.cli.output import echo, print_json, print_notes, print_table, status
from tsforge.cli.recorded import ListOptions, awaited, delete, on_the_way, plain, print_link, print_tree, show
from tsforge.runtime import tables, terminal
from tsforge.runtime.numbers import amount, duration, figure, figures

if TYPE_CHECKING:
    from tsforge.tracking.runs import Recorded

WIDTH = 120  # columns of a listing in a pipe
SCORES = ("test/mase", "test/mae", "test/wql", "test/skill")


def runs(*, chosen: ListOptions | None = None, tracking_uri: str | None = None, json: Flag = False) -> int:
    """List the runs of an experiment, the best first, with the settings in which they differ.

    Parameters
    ----------
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    json
        Print one JSON document.
    """
    from tsforge.tracking import preset, store, view
    from tsforge.tracking import runs as recorded

    chosen = chosen or ListOptions()
    uri = store.address(tracking_uri)
    name = chosen.experiment or store.EXPERIMENT
    with awaited(uri):
        every = recorded.listing(store.reading(uri), name)
    records = recorded.chosen(every, chosen.kind, chosen.data, chosen.last)
    link = view.experiment_link(view.base(uri), every[0].experiment) if every else None
    if json:
        print_json({"experiment": name, "url": link, "runs": [plain(run) for run in records]})
        return 0
    if not records:
        others = f"such runs, but {len(every)} others" if every else "runs"
        echo(f"experiment '{name}' has no {others}")
        return 0
    if chosen.tree:
        print_tree(records)
    else:
        print_table(*_columns(records))
    echo()
    of = f" of {len(every)}" if len(records) < len(every) else ""
    order = "as they began" if chosen.tree or chosen.last else f"by {preset.PRIMARY}"
    count = f"{len(records):,}{of} run{'s' if len(every) > 1 else ''}"
    echo(f"{count} of '{name}', {order}")
    print_link(uri, link, records[0].id)
    if said := on_the_way(uri):
        status(f"note: {said}")
    return 0


def list_(*, chosen: ListOptions | None = None, tracking_uri: str | None = None, json: Flag = False) -> int:
    """List the runs of an experiment: what `tsforge runs` does.

    Parameters
    ----------
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    json
        Print one JSON document.
    """
    return runs(chosen=chosen, tracking_uri=tracking_uri, json=json)


def compare(*names: str, tracking_uri: str | None = None, json: Flag = False) -> int:
    """Set runs side by side: the settings in which they differ, and their scores.

    Parameters
    ----------
    names
        Runs by id, the beginning of one, or name.
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    json
        Print one JSON document.
    """
    from tsforge.errors import TrackingError
    from tsforge.tracking import runs as recorded
    from tsforge.tracking import store, view

    if len(names) < 2:
        raise TrackingError("compare needs two runs or more", "tsforge runs lists them")
    uri = store.address(tracking_uri)
    with awaited(uri):
        client = store.reading(uri)
        records = [recorded.get(client, name) for name in names]
    params = {name: [run.params.get(name) for run in records] for name in recorded.differing(records)}
    shared = dict.fromkeys(name for run in records for name in run.metrics)
    metrics = {name: [run.metrics.get(name) for run in records] for name in sorted(shared)}
    experiments = list(dict.fromkeys(run.experiment for run in records))
    link = view.compare_link(view.base(uri), experiments, [run.id for run in records])
    if json:
        print_json({"runs": [plain(run) for run in records], "params": params, "metrics": metrics, "url": link})
        return 0
    rows = [[name, *(value or "-" for value in values)] for name, values in params.items()]
    rows += [["", *[""] * len(records)]] if rows else []
    hidden = ("baseline/", "test/mae_by_step")  # a curve, of which the list has the last point
    rows += [_compared(name, values) for name, values in metrics.items() if not name.startswith(hidden)]
    print_table(["", *(run.name for run in records)], rows)
    echo()
    echo("* is best, where one direction is better; settings that are the same are left out")
    print_link(uri, link, records[0].id)
    return 0


def reproduce(
    run: str, data: str | None = None, /, *, record: TrackOptions | None = None, quiet: Flag = False, json: Flag = False
) -> int:
    """Run a recorded experiment again on the recorded data, and say whether the scores agree (exit code 3: no).

    Parameters
    ----------
    run
        A run by id, the beginning of one, or name.
    data
        Where its data lies now. (default: where it lay)
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document.
    """
    print_notes(quiet=quiet)
    record = record or TrackOptions()
    with record.tracker(wait=json) as tracker:
        from tsforge.tracking import reproduction

        result = reproduction.reproduce(run, data, uri=record.tracking_uri, tracker=tracker)
    if json:
        scores = {name: {"recorded": a, "again": b} for name, (a, b) in result.scores.items()}
        print_json(
            {"run": result.recorded.id, "name": result.recorded.name, "agrees": result.agrees,
             "largest_difference": result.largest, "scores": scores}
        )  # fmt: skip
        return 0 if result.agrees else 3
    rows = [[name, amount(a, 6), amount(b, 6), f"{abs(a - b):.1g}"] for name, (a, b) in result.scores.items()]
    print_table([result.recorded.name, "recorded", "again", "apart"], rows)
    echo()
    if not result.scores:
        echo("nothing to compare: the run has no scores")
    elif result.agrees:
        echo(f"the scores agree (largest relative difference {result.largest:.1g})")
    else:
        echo(f"the scores do not agree: largest relative difference {result.largest:.2g}")
        _print_versions(result.recorded)
    return 0 if result.agrees else 3


def sync(folder: str | None = None, /, *, json: Flag = False) -> int:
    """Deliver runs that wait because their store could not be reached.

    Parameters
    ----------
    folder
        Where the runs were made: the folder in which tsforge ran. (default: this one)
    json
        Print one JSON document.
    """
    from tsforge.errors import TrackingError
    from tsforge.tracking import journal, store
    from tsforge.tracking.tracker import sync as deliver

    root = Path(folder or ".")
    root = root if root.name == journal.ROOT.name and not (root / journal.ROOT).exists() else root / journal.ROOT
    if folder is not None and not root.exists():
        raise TrackingError(f"{folder}: no runs were made there", "name the folder in which tsforge ran")
    deliveries = deliver(root)
    left = {name: state for name, state in deliveries.items() if not state.done}
    if json:
        rows = {name: {"delivered": s.done, "run": s.run, "problem": s.problem} for name, s in deliveries.items()}
        print_json({"delivered": len(deliveries) - len(left), "waiting": len(left), "runs": rows})
        return 2 if left else 0
    for name, state in deliveries.items():
        why = f"still waits: {state.problem} ({store.shown(state.uri)})" if name in left else "delivered"
        echo(f"{name}  {why}")
        for problem in state.refused:
            echo(f"  MLflow refused part of it: {problem}")
    if not deliveries:
        echo("nothing waits to be delivered")
    for hint in dict.fromkeys(state.hint for state in left.values() if state.hint):
        status(f"hint: {translated(hint, 'runs')}")
    return 2 if left else 0


def register(run: str, name: str, /, *, alias: str | None = None, tracking_uri: str | None = None) -> int:
    """Give the model of a run a name in MLflow's registry: a new version of it.

    Parameters
    ----------
    run
        A run by id, the beginning of one, or name.
    name
        Name in the registry.
    alias
        Alias of that version, as champion.
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    """
    from tsforge.tracking import registry, store

    client = store.reading(store.address(tracking_uri))
    version = registry.register_run(client, run, name, alias)
    echo(f"{name}/{version}" + (f", now {name}@{alias}" if alias else ""))
    return 0


ACTIONS = (list_, show, compare, reproduce, delete, sync, register)


def _columns(records: list[Recorded]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: name, settings that differ, scores, time and date; of the settings as many as have room."""
    from tsforge.tracking.runs import differing

    names = [n for n in differing(records) if n != "data.path"]
    names = list({tuple(run.params.get(n) for run in records): n for n in reversed(names)}.values())  # no column twice
    names.sort(key=lambda n: (n != "model.kind", -sum(n in run.params for run in records), n))
    odd = any(run.status != "FINISHED" for run in records)
    scores = [n for n in SCORES if any(n in run.metrics for run in records)]
    header = ["run", *(["status"] if odd else []), *scores, "time", "started"]
    rows = [
        [run.name, *([run.status.lower()] if odd else []), *(figure(run.metrics.get(n)) for n in scores),
         duration(run.seconds) if run.seconds is not None else "-",
         time.strftime("%m-%d %H:%M", time.localtime(run.started))]
        for run in records
    ]  # fmt: skip
    room = terminal.columns(sys.stdout) or WIDTH
    for j, name in enumerate(scores, len(header) - 2 - len(scores)):
        for row, cell in zip(rows, _marked(name, [run.metrics.get(name) for run in records]), strict=True):
            row[j] = cell
    for place, name in enumerate(names, 1):
        column = [run.params.get(name, "-") for run in records]
        wide = [[row[0], *row[1:place], value, *row[place:]] for row, value in zip(rows, column, strict=True)]
        head = [*header[:place], name, *header[place:]]
        if len(tables.aligned(head, wide)[0]) > room:
            break
        header, rows = head, wide
    return header, rows


def _compared(name: str, values: list[float | None]) -> list[str]:
    """A metric of all runs, the best with a star, which pipes show too."""
    cells = _marked(name, values)
    plain = "  " if any(isinstance(cell, tables.Best) for cell in cells) else ""  # so that points stay below each other
    return [name, *(tables.Best(f"{cell} *") if isinstance(cell, tables.Best) else cell + plain for cell in cells)]


def _marked(name: str, values: list[float | None]) -> list[str]:
    """A metric of all runs, the best marked where one direction is better."""
    from tsforge.tracking.view import direction

    better = direction(name)
    known = [value for value in values if value is not None]
    best = None if better is None or len(set(known)) < 2 else (min(known) if better < 0 else max(known))
    cells = zip(figures(values), values, strict=True)
    return [tables.Best(cell) if value is not None and value == best else cell for cell, value in cells]


def _print_versions(run: Recorded) -> None:
    """Versions and hardware that differ from the recorded ones: the first place to look."""
    from tsforge.tracking import provenance

    now = {f"versions.{k}": v for k, v in provenance.versions().items()}
    now |= {f"hardware.{k}": v for k, v in provenance.hardware().items()}
    for name, value in now.items():
        if run.tags.get(name, value) != value:
            echo(f"  {name}: then {run.tags[name]}, now {value}")
