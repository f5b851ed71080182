"""--timings: where the time of a command goes."""

from __future__ import annotations

import time

import pytest

from tests.helpers.commands import Capsys, document
from tests.helpers.tables import hourly
from tsforge.cli.main import run

GRU = ["--model", "gru", "--max-steps", "4", "--set", "model.width=8"]


@pytest.mark.parametrize(("argv", "stages"), [
    (["fit", "data.csv", "--horizon", "6", *GRU],
     ["reading", "preparing", "training", "validation", "calibration", "baselines", "scoring", "saving", "pictures"]),
    (["fit", "data.csv", "--horizon", "6"], ["reading", "training", "validation", "scoring", "pictures"]),
    (["backtest", "data.csv", "--horizon", "6", "--model", "theta", "--windows", "3"],
     ["reading", "preparing", "training", "calibration", "baselines", "forecasting", "scoring"]),
])  # fmt: skip
@pytest.mark.usefixtures("home")
def test_the_parts_are_the_whole(argv: list[str], stages: list[str], capsys: Capsys) -> None:
    """Prevents: time that no stage names, or that two do, so that what is shown is not what the command took."""
    hourly(12).to_csv("data.csv", index=False)
    start = time.perf_counter()
    timings = document(capsys, *argv, "--no-track", "--timings", "--quiet")["timings"]
    whole = time.perf_counter() - start
    assert set(stages) <= set(timings)
    assert {"imports", "other"} <= set(timings)
    assert min(timings.values()) >= 0
    assert sum(timings.values()) <= whole + 0.001 * len(timings)


@pytest.mark.usefixtures("home")
def test_a_forecast_says_it_too(capsys: Capsys) -> None:
    """Prevents: a table without its sum, or stages that the next command in the process goes on with."""
    hourly(12).to_csv("data.csv", index=False)
    assert run(["fit", "data.csv", "--horizon", "6", "--model", "naive", "--out", "m", "--no-track"]) == 0
    assert "seconds  share" not in capsys.readouterr().out
    assert run(["predict", "m", "--output", "f.csv", "--timings"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert rows[0] == ["time", "seconds", "share"]
    assert [row[0] for row in rows[1:]] == ["imports", "loading", "reading", "forecasting", "saving", "other", "whole"]
    parts, whole = sum(float(row[1]) for row in rows[1:-1]), float(rows[-1][2])
    assert parts == pytest.approx(whole, abs=0.005 * len(rows))
    assert run(["predict", "m", "--output", "f.csv"]) == 0
    assert "share" not in capsys.readouterr().out
