"""What MLflow remembers of a detection: what was asked, how much was found, the table and the picture."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tsforge.data import tidy
from tsforge.detecting.running import Detection
from tsforge.plotting.anomalies import anomalies
from tsforge.runtime.timing import stage
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, described, tags
from tsforge.tracking.tracker import Tracker


def record(result: Detection, model: str, data: str | None, tracker: Tracker, command: str) -> Run:
    """A run of one detection: counts as metrics, the unusual values and the picture as files."""
    options = RunOptions(command, tags=(("tsforge.model", str(Path(model).absolute())),))
    params: dict[str, object] = {"model": model, "rate": result.rate}
    with tracker.run(f"anomalies-{Path(model).name}", params, tags("detect", options)) as run:
        if run.folder is not None:
            _write(run, result, data)
    return run


@stage("delivery")
def _write(run: Run, result: Detection, data: str | None) -> None:
    run.dataset(described(result.panel, data))
    shifts = sum(event.kind == "level shift" for event in result.events)
    run.metrics({
        "anomalies/values": float(result.found), "anomalies/judged": float(result.judged),
        "anomalies/events": float(len(result.events)), "anomalies/level_shifts": float(shifts),
    })  # fmt: skip
    with TemporaryDirectory() as place:
        tidy.write(result.frame, Path(place) / "anomalies.csv")
        run.file(Path(place) / "anomalies.csv")
        if result.judged:
            anomalies(result, Path(place) / "anomalies.png")
            run.file(Path(place) / "anomalies.png", "plots")
