"""backtest as a user meets it: tables, files, pictures, one JSON document, refusals."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

import tsforge
from tests.helpers import commands
from tests.helpers.tables import hourly
from tsforge.cli.main import run
from tsforge.evaluation.metrics import METRICS
from tsforge.evaluation.scores import score

pytestmark = pytest.mark.usefixtures("folder")

QUICK = ["--max-steps", "4", "--set", "model.width=8"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder with two hourly series, and the user in it."""
    monkeypatch.chdir(tmp_path)
    pd.concat([hourly(12, seed).assign(shop=f"s{seed}") for seed in range(2)]).to_csv("data.csv", index=False)
    return tmp_path


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> dict:
    return commands.document(capsys, "backtest", *argv, "--quiet", "--no-track")


def test_the_document_holds_every_score_by_the_names_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Scores under other names than `--model` takes, or other values than the library gives."""
    found = document(capsys, "data.csv", "--model", "gru", "--horizon", "12", "--windows", "3", *QUICK)
    assert list(found["scores"]) == ["gru", "seasonal-naive", "naive", "drift", "linear"]
    assert set(METRICS) <= set(found["scores"]["gru"])
    experiment = tsforge.build({"data.horizon": 12, "model.kind": "gru", "train.max_steps": 4, "model.width": 8})
    test = tsforge.backtest(experiment, "data.csv", config=tsforge.experiment.BacktestConfig(windows=3))
    for model in ("gru", "linear"):
        for metric in ("mase", "wql", "coverage_80"):
            assert found["scores"][model][metric] == pytest.approx(score(test.outcomes[model], metric), rel=1e-4)
    assert (found["windows"], found["origins"], found["series"], found["stride"]) == (6, 3, 2, 12)
    assert found["skill"]["seasonal-naive"] == 0
    assert set(found["coverage"]["gru"]["80"]) == {"raw", "static", "adaptive"}
    assert set(found["against"]) == {"seasonal-naive", "naive", "drift", "linear"}


def test_a_model_a_table_and_a_protocol_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """Three ways to ask that come to three answers."""
    assert run(["fit", "data.csv", "--horizon", "12", "--model", "gru", *QUICK, "--no-track", "--out", "m"]) == 0
    capsys.readouterr()
    protocol = '[data]\npath = "data.csv"\nhorizon = 12\n[model]\nkind = "gru"\nwidth = 8\n[train]\nmax_steps = 4\n'
    Path("p.toml").write_text(protocol, encoding="utf-8")
    asked = (["m"], ["m", "data.csv"], ["data.csv", "--horizon", "12", "--model", "gru", *QUICK], ["p.toml"])
    scores = [document(capsys, *argv)["scores"] for argv in asked]
    for other in scores[1:]:
        for model, values in scores[0].items():
            assert other[model] == pytest.approx(values, rel=1e-4, nan_ok=True)


def test_tables_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A score that does not say what it is an average of; a flag without its table."""
    argv = ["data.csv", "--model", "naive", "--horizon", "6", "--windows", "4"]
    assert run(["backtest", *argv, "--by", "series", "--coverage", "--average", "series", "--quiet", "--no-track"]) == 0
    out = capsys.readouterr().out
    for text in (
        "mean over series",
        "mase by series",
        "s0",
        "s1",
        "90 static",
        "drift",
        "Diebold-Mariano",
        "season 24",
    ):
        assert text in out
    argv = [*argv, "--quiet", "--no-track"]
    assert run(["backtest", *argv, "--by", "step", "--metrics", "mae", "pinball_0.9,coverage_90"]) == 0
    out = capsys.readouterr().out
    assert "pooled over points" in out
    assert "mae by step" in out
    assert "pinball_0.9" in out
    assert "mase" not in out


def test_files_and_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    """Files that lack the rows of the table, and pictures too small to read."""
    argv = ["backtest", "data.csv", "--model", "linear", "--horizon", "6", "--windows", "4", "--no-track", "--quiet"]
    assert run([*argv, "--output", "s.csv", "--plot", "p.png"]) == 0
    assert run([*argv, "--output", "steps.csv", "--by", "step"]) == 0
    assert run([*argv, "--output", "s.md"]) == 0
    capsys.readouterr()
    found = document(capsys, *argv[1:-2])
    with Path("s.csv").open(encoding="utf-8") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert float(rows["linear"]["mase"]) == pytest.approx(found["scores"]["linear"]["mase"])
    steps = pd.read_csv("steps.csv")
    assert len(steps) == 6 * 4  # linear is judged, so it is no baseline
    assert steps.groupby("model")["mae"].mean()["linear"] == pytest.approx(found["scores"]["linear"]["mae"], rel=1e-6)
    assert "| mase |" in Path("s.md").read_text(encoding="utf-8")
    for name in ("p.png", "p-by-step.png"):
        head = Path(name).read_bytes()[:24]
        assert int.from_bytes(head[16:20], "big") == 1200


@pytest.mark.parametrize(("argv", "words"), [
    ([], "no data is named"),
    (["data.csv", "--metrics", "maes"], "there is no metric 'maes'"),
    (["data.csv", "--output", "s.xlsx"], "ends in .csv or .md"),
    (["data.csv", "other.csv"], "data.csv: no such folder of a model"),
    (["nowhere.csv"], "nowhere.csv"),
    (["data.csv", "--windows", "0"], "must be 1 or more"),
    (["data.csv", "--horizon", "6", "--windows", "60"], "too short"),
    (["m", "--model", "gru"], "a fitted model keeps its experiment: model.kind"),
    (["m", "--refit", "2"], "a fitted model is not trained again"),
    (["folder"], "not a model directory"),
])  # fmt: skip
def test_refusals(capsys: pytest.CaptureFixture[str], argv: list[str], words: str) -> None:
    """A traceback, or a flag that is taken and ignored."""
    Path("folder").mkdir()
    if "m" in argv:
        fit = ["fit", "data.csv", "--horizon", "12", "--model", "naive", "--no-track", "--out", "m", "--quiet"]
        assert run(fit) == 0
        capsys.readouterr()
    assert words in commands.fails(capsys, "backtest", *argv)


@pytest.mark.parametrize("flag", ["--output", "--plot"])
def test_results_never_replace_the_data(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """A table overwritten by its scores."""
    before = Path("data.csv").read_bytes()
    name = "data.csv" if flag == "--output" else "data.png"
    Path("data.png").write_bytes(before)
    assert run(["backtest", name, "--model", "naive", "--horizon", "6", flag, name]) == 2
    assert "is the file that is read" in capsys.readouterr().err
    assert Path(name).read_bytes() == before


def test_owa_by_step_and_series(capsys: pytest.CaptureFixture[str]) -> None:
    """A metric of two models that is dropped, or crashes, where it is taken apart."""
    argv = ["data.csv", "--model", "linear", "--horizon", "6", "--windows", "4", "--metrics", "owa"]
    rows = document(capsys, *argv, "--by", "step")["by"]["step"]
    assert len(rows) == 6 * 5
    assert all(row["owa"] == 1 for row in rows if row["model"] == "naive2")
    rows = document(capsys, *argv, "--by", "series")["by"]["series"]
    assert {row["series"] for row in rows} == {"s0", "s1"}
    assert all(row["owa"] == 1 for row in rows if row["model"] == "naive2")


def test_groups_that_differ_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The facts of the first group said of all."""
    Path("p.toml").write_text(
        '[data]\npath = "data.csv"\n[[groups]]\nname = "once"\ndata = { horizon = 6, test = 6 }\n'
        '[[groups]]\nname = "often"\ndata = { horizon = 4, test = 40 }\n',
        encoding="utf-8",
    )
    found = document(capsys, "p.toml", "--model", "naive")
    assert found["horizon"] == {"once": 6, "often": 4}
    assert found["intervals"] == {"once": "static", "often": "adaptive"}
    assert run(["backtest", "p.toml", "--model", "naive", "--group", "often", "--quiet", "--no-track"]) == 0
    assert "horizon 4" in capsys.readouterr().out
    assert run(["backtest", "p.toml", "--model", "naive", "--group", "oftne"]) == 2
    assert "did you mean 'often'?" in capsys.readouterr().err
