"""What MLflow remembers of something that a model was asked: settings, data, figures, a table and a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tsforge.data import tidy
from tsforge.data.panel import Panel
from tsforge.runtime.timing import stage
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, described, tags
from tsforge.tracking.tracker import Tracker


class Asked(NamedTuple):
    """Of which model, on which table, both as they were named, by which command.

    kind: of the run. name: what it and its files begin with.
    """

    kind: str
    name: str
    model: str
    data: str | None
    command: str


class Answer(NamedTuple):
    """What came out. frame: makes the table. draw: the picture, to a path; None where there is none."""

    panel: Panel
    params: dict[str, object]
    figures: dict[str, float]
    frame: Callable[[], tidy.Frame]
    draw: Callable[[Path], None] | None


def record(asked: Asked, answer: Answer, tracker: Tracker) -> Run:
    """A run with the settings as parameters, the figures as metrics, the table and the picture as files."""
    options = RunOptions(asked.command, tags=(("tsforge.model", str(Path(asked.model).absolute())),))
    params = {"model": asked.model, **answer.params}
    with tracker.run(f"{asked.name}-{Path(asked.model).name}", params, tags(asked.kind, options)) as run:
        if run.folder is not None:
            write(run, asked, answer)
    return run


@stage("delivery")
def write(run: Run, asked: Asked, answer: Answer) -> None:
    """Into a run: the data, the figures, the table and the picture."""
    run.dataset(described(answer.panel, asked.data))
    run.metrics(answer.figures)
    with TemporaryDirectory() as place:
        table, picture = (Path(place) / f"{asked.name}.{ending}" for ending in ("csv", "png"))
        tidy.write(answer.frame(), table)
        run.file(table)
        if answer.draw is not None:
            answer.draw(picture)
            run.file(picture, "plots")
