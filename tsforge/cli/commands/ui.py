"""tsforge ui"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tsforge.cli import pulse
from tsforge.cli.output import echo, print_notes, status


def ui(
    *, experiment: str | None = None, tracking_uri: str | None = None, port: int | None = None,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> int:  # fmt: skip
    """Open the MLflow UI on the fits of an experiment, with the columns that matter, the best first.

    Trials, trainings of comparisons and other runs are behind a filter that stands in its search box: clear it there.

    It answers on this machine alone (127.0.0.1). Ctrl-C ends it.

    Parameters
    ----------
    experiment
        MLflow experiment. (default: tsforge)
    tracking_uri
        MLflow store; of a server only the link is opened. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    port
        Port to answer on. (default: 5000, or the next free one)
    browser
        Whether to open a browser.
    """
    print_notes(quiet=False)
    from tsforge.tracking import store, ui_server, view

    uri = store.address(tracking_uri)
    client = store.reading(uri)
    number = store.existing(client, experiment or store.EXPERIMENT)
    view.renew(client, number)
    if store.is_server(uri):
        _open(view.experiment_link(view.base(uri), number), browser=browser)
        return 0
    with ui_server.serving(uri, port) as root:
        _open(view.experiment_link(root, number), browser=browser)
        status("Ctrl-C ends it")
        pulse.stop()
        ui_server.wait()
    return 0


def _open(link: str, *, browser: bool) -> None:
    import webbrowser

    echo(link)
    if browser:
        webbrowser.open(link)
