"""Other libraries beside tsforge: tables, environments that cannot be made, scores; none of them is needed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers import accuracy, environments, measure, tables
from benchmarks.peers.environments import PEERS, NotInstalled
from benchmarks.speed.options import Options
from tests.benchmarks.test_speed import FACTS


def saved(rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"machine": FACTS, "quick": False, "absent": {}, "rows": rows} | more


def cells(lines: list[str], first: str) -> list[str]:
    """The cells of the row that begins so."""
    (row,) = (line for line in lines if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_medians_of_rounds_stand_in_the_columns_of_their_programs() -> None:
    """Prevents: a program's figures under the name of another, where one has no such model."""
    rows = {
        "w1-lstm": {
            "tsforge": [{"share": 0.5, "predict": 0.1}, {"share": 0.9}, {"share": 0.8}],
            "darts": [{"share": 0.4}],
        },
        "w1-rnn": {"tsforge": [{"share": 1.25}], "gluonts": [{"missing": "it has no RNN"}]},
    }
    lines = tables.report(saved(rows))
    assert cells(lines, "work") == ["work", "tsforge", "Darts", "GluonTS"]
    assert cells(lines, "ETTh1, LSTM") == ["ETTh1, LSTM", "0.80", "0.40", "–"]
    assert cells(lines, "ETTh1, RNN") == ["ETTh1, RNN", "1.25", "–", "–"]
    assert any("it has no RNN" in line for line in lines)


def test_accuracy_has_a_row_for_each_model() -> None:
    """Prevents: only the last of tsforge's models, or a score of one beside the seconds of another."""
    result = {"metric": "mase", "seconds": 4.0, "score": 0.7}
    rows = {
        "electricity": {
            "tsforge": [{"models": {"linear": result, "gru": result | {"seconds": 60.0, "score": 0.6}}}],
            "neuralforecast": [result | {"seconds": 80.0, "score": 0.74, "settings": "NHITS, 1,000 steps"}],
        }
    }
    text = "\n".join(tables.report(saved(rows)))
    name = "electricity demand, last 14 days, MASE"
    assert f"| {name} | tsforge | `linear` | 4.0 | MASE | 0.700 |" in text
    assert f"| {name} | tsforge | `gru` | 60.0 | MASE | 0.600 |" in text
    assert f"| {name} | NeuralForecast | NHITS, 1,000 steps | 80.0 | MASE | 0.740 |" in text


def test_what_is_absent_is_named() -> None:
    """Prevents: a table in which a library that could not be installed is silently missing."""
    text = "\n".join(tables.report(saved({}, absent={"darts": "no matching\ndistribution"})))
    assert "Darts could not be installed: no matching distribution" in text


def test_a_library_that_cannot_be_installed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: one missing library that ends the run of all, and a half-made environment taken for a whole one."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        failed = "darts[torch]" in command
        return SimpleNamespace(returncode=int(failed), stderr="no network" if failed else "", stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    for place in ("darts", "gluonts"):
        (tmp_path / place).mkdir()
    for _ in range(2):
        interpreters, absent = peers.installed(["darts", "gluonts"], tmp_path)
        assert absent == {"darts": "no network"}
        assert interpreters == {"gluonts": str(tmp_path / "gluonts" / "bin" / "python")}
    assert "Darts is left out: no network" in capsys.readouterr().err
    assert sum("gluonts[torch]" in command for command in commands) == 1  # the second time it was there
    assert sum("darts[torch]" in command for command in commands) == 2
    installs = [command for command in commands if "install" in command]
    assert all(environments.TORCH in command for command in installs)
    with pytest.raises(NotInstalled):
        environments.python("darts", tmp_path)


def test_rows_that_a_program_cannot_have_are_no_failures(tmp_path: Path) -> None:
    """Prevents: closed forms that are asked for the steps of a training."""
    options = Options(tmp_path, quick=True)
    assert measure.measure("w1-lstm", "statsforecast", "python", options) is None
    assert measure.measure("read-csv", "statsforecast", "python", options) is None


def test_every_library_has_a_module() -> None:
    folder = Path(environments.__file__).parent
    for name, peer in PEERS.items():
        text = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert ("class Program:" in text) == peer.networks
        assert "\nACCURACY = {" in text


def test_m3_is_scored_in_the_order_of_the_series(tmp_path: Path) -> None:
    """Prevents: forecasts of one series beside the truth of another; a test part that a library sees."""
    lengths, months = {"N10": 70, "N2": 60, "N1": 50}, accuracy.MONTHS
    parts = [
        pd.DataFrame({"unique_id": key, "step": np.arange(1, n + 1), "value": float(n)}) for key, n in lengths.items()
    ]
    pd.concat(parts).to_csv(tmp_path / "m3.csv", index=False)

    def last(frame: pd.DataFrame, horizon: int, _share: float) -> Any:
        assert frame.groupby("unique_id").size().to_dict() == {key: n - months for key, n in lengths.items()}
        values = frame.sort_values(["unique_id", "ds"]).groupby("unique_id")["y"].last()
        return np.repeat(values.to_numpy()[:, None], horizon, axis=1)

    assert accuracy.m3(SimpleNamespace(m3=last), tmp_path / "m3.csv", 1.0) == 0.0


def test_tables_of_an_earlier_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "peers.json"
    file.write_text(json.dumps(saved({"w2-lstm": {"tsforge": [{"share": 0.93}]}})), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["peers", "--tables", str(file)])
    peers.main()
    assert "| M3 monthly, LSTM | 0.93 |" in capsys.readouterr().out
