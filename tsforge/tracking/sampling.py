"""What MLflow remembers of sample paths: what was asked, the table that came out, and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsforge.data import tidy
from tsforge.fitted.sampling import Samples
from tsforge.fitted.totals import Totals, chances
from tsforge.plotting import samples as pictures
from tsforge.plotting.captions import About
from tsforge.plotting.choosing import ALL, Subject, View
from tsforge.runtime import numbers
from tsforge.tracking import asked
from tsforge.tracking.asked import Answer, Asked
from tsforge.tracking.journal import Run
from tsforge.tracking.tracker import Tracker


class Picture(NamedTuple):
    """What is to be seen of paths: themselves, their sums, or chances to pass a level."""

    drawn: Samples
    sums: Totals | None = None
    level: str | None = None


def record(picture: Picture, frame: tidy.Frame, of: tuple[str, str | None], tracker: Tracker, command: str) -> Run:
    """A run of what was made of paths: the mean sum of a path as a metric, the table and the picture as files.

    of: the model and the data, as they were named.
    """
    drawn = picture.drawn
    S, _, H, _ = drawn.values.shape
    params: dict[str, object] = {"horizon": H, "samples": S, "seed": drawn.seed}
    params |= {} if picture.level is None else {"probability": picture.level}
    figures = numbers.rounded({"samples/mean_total": float(np.nanmean(drawn.values.sum(axis=2)))})
    answer = Answer(drawn.panel, params, figures, lambda: frame, lambda path: draw(picture, path))
    return asked.record(Asked("samples", "samples", *of, command), answer, tracker)


def draw(picture: Picture, path: Path, view: View = ALL) -> None:
    """The picture of what was asked for: sums by period, the running total of the horizon, chances, or paths."""
    drawn, sums, level = picture
    subject = Subject(drawn.panel, About(drawn.prediction.model), view)
    if sums is not None and any(sums.names):
        rows = pictures.Sums(sums.series, sums.names, sums.forecast, sums.values)
        pictures.by_period(subject, rows, path)
    elif sums is not None:
        pictures.running(subject, np.cumsum(drawn.values, axis=2), path)
    else:
        chance = None if level is None else pictures.Chance(level, *chances(drawn.panel, drawn.values, level))
        pictures.paths(subject, drawn.values, chance, path)
