"""What MLflow remembers of a detection: what was asked, how much was found, the table and the picture."""

from __future__ import annotations

from tsforge.detecting.running import Detection
from tsforge.plotting.anomalies import anomalies
from tsforge.plotting.captions import About
from tsforge.tracking import asked
from tsforge.tracking.asked import Answer, Asked
from tsforge.tracking.journal import Run
from tsforge.tracking.tracker import Tracker


def record(result: Detection, model: str, data: str | None, tracker: Tracker, command: str) -> Run:
    """A run of one detection: counts as metrics, the unusual values and the picture as files."""
    return asked.record(Asked("detect", "anomalies", model, data, command), answer(result), tracker)


def answer(result: Detection) -> Answer:
    """What a run holds of a detection; without a picture where no value was judged."""
    shifts = sum(event.kind == "level shift" for event in result.events)
    figures = {
        "anomalies/values": float(result.found), "anomalies/judged": float(result.judged),
        "anomalies/events": float(len(result.events)), "anomalies/level_shifts": float(shifts),
    }  # fmt: skip
    draw = (lambda path: anomalies(result, About(result.model), path)) if result.judged else None
    return Answer(result.panel, {"rate": result.rate}, figures, lambda: result.frame, draw)
