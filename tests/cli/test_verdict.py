"""The line under a table of scores: which of all shown is best, and whether that can be believed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, document
from tsforge.cli.main import run

SIMPLE = ("naive", "seasonal-naive")
SALES = np.array([3.0, 2.8, 3.0, 3.2, 3.4, 3.3, 2.2, 1.7, 3.6, 4.5, 6.5, 9.0])  # of a year, with its holidays
TABLES = {  # steps, horizon, and whether one window is held out
    "months": ("MS", 72, 12, True),
    "years": ("YS", 40, 6, True),
    "days": ("D", 300, 7, False),
    "hours": ("h", 500, 24, False),
}


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest, home: Path) -> str:
    freq, n, _, _ = TABLES[request.param]
    t, rng = np.arange(n), np.random.default_rng(4)
    wave = {"MS": np.resize(SALES, n), "D": 3 + np.sin(2 * np.pi * t / 7), "h": 3 + np.sin(2 * np.pi * t / 24)}
    y = 100 * wave.get(freq, 1 + t / 40) + t + 5 * rng.normal(size=n)
    pd.DataFrame({"t": pd.date_range("1980-01-01", periods=n, freq=freq), "y": y}).to_csv(home / "t.csv", index=False)
    return str(request.param)


@pytest.mark.parametrize("command", ["fit", "backtest"])
@pytest.mark.parametrize("kind", ["naive", "linear", "theta"])
def test_the_best_is_named_and_believed_where_it_may_be(table: str, command: str, kind: str, capsys: Capsys) -> None:
    """Prevents: a forecast that is recommended beside a better one, and a claim from a single window."""
    _, _, horizon, single = TABLES[table]
    argv = [command, "t.csv", "--horizon", str(horizon), "--model", kind, "--no-track"]
    found = document(capsys, *argv, "--quiet")
    errors = {name: values[found["primary"]] for name, values in found["scores"].items()}
    best = min(errors.values())
    assert run(argv) == 0
    out = capsys.readouterr().out
    (line,) = re.findall(r"^ *verdict:? (.+)$", out, flags=re.MULTILINE)
    judged = found["judgement"]
    assert errors[judged["best"]] == best
    assert judged["loses"] == line.startswith(f"{kind} loses to {judged['best']}, the best here")
    assert line.startswith((f"{judged['best']} is best", f"{kind} loses to {judged['best']}", f"{kind} and "))
    if judged["best"] != kind and errors[kind] > 1.1 * best:
        assert judged["loses"]
    windows = found.get("test_windows", found.get("windows"))
    assert not single or command == "backtest" or windows == 1
    assert ("nothing can be told from one window" in line) == (windows == 1)
    if command == "fit":
        following = next(text for text in out.splitlines() if text.startswith("next"))
        assert following.split()[2] == ("fit" if judged["loses"] else "predict")
        assert not judged["loses"] or following.endswith(f"--model {judged['best']}")
        assert not judged["loses"] or "--model auto" in out.splitlines()[-1]


@pytest.mark.parametrize("kind", ["drift", "theta", "linear"])
def test_skill_stands_against_the_better_of_two(table: str, kind: str, capsys: Capsys) -> None:
    """Prevents: a skill of +18.8 % against a seasonal naive that is no better than naive, where it is 7.3 %."""
    argv = ["fit", "t.csv", "--horizon", str(TABLES[table][2]), "--model", kind, "--no-track", "--quiet"]
    found = document(capsys, *argv)
    errors = {name: values[found["primary"]] for name, values in found["scores"].items()}
    assert errors[found["best_simple"]] == min(errors[name] for name in SIMPLE)
    assert found["skill"] == pytest.approx(100 * (1 - errors[kind] / min(errors[name] for name in SIMPLE)))
