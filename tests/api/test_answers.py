"""Results in Python draw what they hold, of the series that are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsforge
from tests.helpers import tables
from tsforge.plotting import axes


def test_paths_and_detections_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a result that is a bare object where `predict` gives a picture; a picture of another series."""
    figures: list[Any] = []
    monkeypatch.setattr(axes, "save", lambda figure, path: (figures.append(figure), path.touch()))
    table = tables.daily(("north", "south"), n=160)
    table.loc[table.index[150], "sold"] = 500.0
    fitted = tsforge.fit(table, horizon=7, model="theta", progress=False)
    drawn = tsforge.sample(fitted, samples=20)
    drawn.rounded().plot(tmp_path / "a.png", probability="> 50", series="south", last=30)
    above, below = figures[0].axes
    assert (above.get_title("left"), below.get_ylabel()) == ("south", "chance, > 50")
    assert len(next(line for line in above.get_lines() if line.get_label() == "observed").get_ydata()) == 30
    assert figures[0].get_suptitle() == "theta on a data frame: 20 paths of 7 steps"
    found = tsforge.detect(fitted, everything=True)
    found.plot(tmp_path / "b.png")
    assert repr(found) == f"<{found.found:,} of {found.judged:,} values are unusual: .frame, .events, .plot()>"
    marked = [line for axis in figures[1].axes for line in axis.get_lines() if line.get_label() == "outlier"]
    assert 500.0 in np.concatenate([line.get_ydata() for line in marked])
    assert (tmp_path / "b.png").exists()
