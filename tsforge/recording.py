"""What MLflow remembers of a fit."""

from __future__ import annotations

import time
from pathlib import Path

from tsforge import tracking
from tsforge.metrics import by_step, skill
from tsforge.training import Fit


def record(result: Fit, folder: Path, uri: str | None = None, experiment: str | None = None) -> str | None:
    """Remember a saved fit in MLflow; the id of its run, None where the store cannot be reached.

    uri, experiment: None for MLFLOW_TRACKING_URI (or mlflow.db in this folder) and the experiment "tsforge".
    """
    name = result.model.experiment.model.kind
    metrics = {f"test/{metric}": value for metric, value in result.scores.get(name, {}).items()}
    reference = result.scores.get("seasonal-naive")
    if reference:
        metrics |= {f"baseline/{metric}": value for metric, value in reference.items()}
        metrics["test/skill"] = skill(metrics["test/mase"], reference["mase"])
    metrics |= {"speed/fit_s": result.seconds, "model/parameters": float(result.parameters)}
    if result.rounds and result.seconds > 0:
        metrics["speed/windows_per_s"] = result.rounds[-1].windows / result.seconds
    curves = {
        "train/loss": [(r.step, result.started + r.seconds, r.train) for r in result.rounds],
        "val/loss": [(r.step, result.started + r.seconds, r.validation) for r in result.rounds],
    }
    if result.outcomes:
        steps = by_step(next(iter(result.outcomes.values())), "mae")
        curves["test/mae_by_step"] = [(h + 1, time.time(), float(v)) for h, v in enumerate(steps)]
    run = tracking.Record(
        name=result.prepared.title, started=result.started, params=result.model.experiment.flat(),
        metrics=metrics, curves=curves, tags={"stop": result.stop}, folder=folder,
        finished=result.stop != "interrupt",
    )  # fmt: skip
    return tracking.record(run, tracking.tracking_uri(uri), experiment or tracking.EXPERIMENT)
