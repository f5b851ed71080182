"""The picture of a table: the season it shows is the one that a slow loop finds, and gaps are where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers import tables
from tests.helpers.commands import Capsys, document, fails
from tsforge.cli.main import run
from tsforge.plotting import tables as pictures


@pytest.mark.parametrize("season", [7, 4])
def test_profile_is_the_median_difference_from_the_mean_of_a_season(season: int) -> None:
    """Prevents: a season that is shifted by a step, or that a trend tilts."""
    n, random = 70, np.random.default_rng(0)
    values = np.arange(n) * 2.0 + random.normal(size=n) + 10 * (np.arange(n) % season == 2)
    values[[20, 50]] = np.nan
    days = pd.date_range("2024-01-03", periods=n, freq="D")  # a Wednesday
    panel = tables.lay(pd.DataFrame({"t": days, "y": values}), time="t", target=["y"])
    found = pictures.profile(panel, (0, 0), season)
    by_day: dict[Any, list[float]] = {}
    for k in range(n):
        half = season // 2
        around = values[k - half : k + half + 1] if half <= k < n - half else np.full(5, np.nan)
        mean = around.mean() if season % 2 else (around[:-1].mean() + around[1:].mean()) / 2
        key = days[k].strftime("%a") if season == 7 else (int(panel.first[0]) + k) % season
        if not np.isnan(values[k] - mean):
            by_day.setdefault(key, []).append(values[k] - mean)
    order = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] if season == 7 else range(4)
    np.testing.assert_allclose(found.quartiles[1], [np.median(by_day[key]) for key in order], atol=1e-4)
    assert found.names == (list(order) if season == 7 else ["1", "2", "3", "4"])


def test_inspect_draws_a_table(tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: an option that goes nowhere; a picture of one series that shows another; notes that come twice."""
    figures: list[Any] = []
    monkeypatch.setattr(pictures, "save", lambda figure, _path: figures.append(figure))
    frame = tables.daily(("north", "south", "west"))
    frame = frame.drop(index=frame.index[[100, 101, 130]])
    frame.to_csv(tmp_path / "t.csv", index=False)
    plot = str(tmp_path / "t.png")
    assert (
        document(capsys, "inspect", str(tmp_path / "t.csv"), "--plot", plot, "--series", "south,west")["plot"] == plot
    )
    first, second, *_ = figures[0].axes
    assert first.get_title("left") == "south: 3 of 90 values missing, shaded"
    assert (second.get_title("left"), first.get_ylabel()) == ("west", "sold")
    assert figures[0].get_suptitle() == "t.csv: 3 series, 270 steps of D, season of 7 steps"
    assert run(["inspect", str(tmp_path / "t.csv"), "--plot", plot]) == 0
    said = capsys.readouterr()
    assert "steps of 'sold' are missing" in said.out
    assert "missing" not in said.err
    assert "--series is of a picture" in fails(capsys, "inspect", str(tmp_path / "t.csv"), "--series", "south")
    assert "no series 'east'" in fails(capsys, "inspect", str(tmp_path / "t.csv"), "--plot", plot, "--series", "east")
