"""explain as a user meets it: what is printed, what is written, and what is said about a mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import document, fails
from tsforge.cli.main import run

H, L = 6, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two series, and a small Transformer and an LSTM fitted on it."""
    place = tmp_path_factory.mktemp("explain")
    n = 24 * 8
    wave = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 24)
    times = pd.date_range("2024-03-01", periods=n, freq="h")
    parts = [pd.DataFrame({"site": s, "time": times, "load": wave.round(2)}) for s in ("north", "south")]
    pd.concat(parts).to_csv(place / "data.csv", index=False)
    for kind in ("transformer", "lstm"):
        fit = ["fit", str(place / "data.csv"), "--target", "load", "--id", "site", "--horizon", str(H)]
        fit += ["--context", str(L), "--model", kind, "--max-steps", "3", "--set", "model.width=8", "--no-track"]
        assert run([*fit, "--out", str(place / kind), "--quiet"]) == 0
    return place


def test_what_it_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(folder / "transformer"), str(folder / "data.csv"), "--series", "south"]) == 0
    out = capsys.readouterr().out
    assert "series south, load: forecast from 2024-03-09 00:00:00, 24 steps back" in out
    assert "attention, mean over 2 layers x 4 heads; mean over 6 steps" in out
    assert "autocorrelation" in out
    assert run(["explain", str(folder / "lstm"), "--step", "2", "--origin", "2024-03-05 12:00"]) == 0
    out = capsys.readouterr().out
    assert "forecast from 2024-03-05 12:00:00" in out
    assert "gradient x input, absolute, in units of the forecast; step 2" in out


def test_files_and_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document on stdout, and files that hold what it says."""
    for name in ("a.csv", "a.npz", "a.parquet"):
        places = ["--output", str(tmp_path / name), "--plot", str(tmp_path / "a.png")]
        found = document(capsys, "explain", str(folder / "transformer"), "--quiet", *places)
    assert found["method"] == "attention"
    assert found["attention"] == {"past": [2, 1, 4, L, L], "future": [2, 1, 4, H, H], "cross": [2, 1, 4, H, L]}
    assert [row["lag"] for row in found["lags"]] == list(range(1, L + H))
    assert sum(row["mean"] for row in found["past"]) == pytest.approx(1, abs=1e-4)
    frame, same = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")
    assert len(frame) == len(same) == H * L
    mean = frame.groupby("past_time", sort=False)["attention"].mean()
    assert mean.tolist() == pytest.approx([row["mean"] for row in found["past"]], rel=1e-4)
    assert mean.index.tolist() == [row["time"] for row in found["past"]]
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["attention_cross"].shape == (2, 1, 4, H, L)
        assert arrays["saliency"].shape == (H, 1, L, 1)
    assert (tmp_path / "a.png").stat().st_size > 20_000


@pytest.mark.parametrize(("argv", "expected"), [
    (["--series", "nroth"], ["'nroth'", "'north'"]),
    (["--origin", "2024-03-05 12:20"], ["2024-03-05 12:20", "2024-03-05 12:00:00"]),
    (["--target", "laod"], ["'laod'", "'load'"]),
    (["--step", "7"], ["step 7", "1 to 6"]),
    (["--output", "a.txt"], [".npz", ".csv", ".parquet"]),
    (["--plot", "a.txt"], [".png"]),
    (["--method", "attention"], ["no attention", "gradient"]),
])  # fmt: skip
def test_mistakes(folder: Path, argv: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, "explain", str(folder / "lstm"), str(folder / "data.csv"), *argv)
    for word in expected:
        assert word in said


def test_the_table_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(folder / "data.csv")
    assert run(["explain", str(folder / "lstm"), data, "--output", data]) == 2
    assert "is the file that is read" in capsys.readouterr().err
