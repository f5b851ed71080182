"""`tsforge compare` as a user meets it: the table, its files, and what MLflow remembers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.stores import query
from tests.helpers.tables import hourly
from tsforge.cli.main import run

SMALL = """
name = "two"
[data]
horizon = 4
context = 12
season = 24
[train]
max_steps = 12
[compare]
models = ["gru", "transformer"]
seeds = 2
parameters = 6000
optional = ["away"]
[compare.probes]
parameters = 6000
lengths = [8, 16]
tokens = 64
repeats = 1
sequences = 2
lags = [4, 8]
seeds = 1
steps = 20
reach = 8
[[groups]]
name = "load"
data.path = "load.csv"
[[groups]]
name = "away"
data.path = "m3-yearly"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    place = tmp_path_factory.mktemp("compare")
    shutil.copyfile(empty_store, place / "mlflow.db")
    hourly(20).to_csv(place / "load.csv", index=False)
    (place / "two.toml").write_text(SMALL)
    return place


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("TSFORGE_DATA", str(folder))
    monkeypatch.setattr("tsforge.data.catalog.cache", lambda: folder / "cache")
    return folder


def _document(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["compare", *argv, "--json", "--quiet"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def _values(document: dict[str, Any], key: str) -> dict[str, float]:
    (row,) = [row for row in document["rows"] if row["key"] == key]
    return {model: cell["value"] for model, cell in row["cells"].items()}


def _check_what_is_written(found: dict[str, Any], here: Path) -> None:
    """Files, and in the store a parent with a run for each training."""
    assert list(found["verdicts"]) == [
        "Parallelisation", "Long-range dependencies", "Training speed", "Memory", "Accuracy",
    ]  # fmt: skip
    assert found["models"] == ["gru", "transformer"]
    files = {path.name for path in (here / "first").iterdir()}
    assert {"comparison.md", "comparison.csv", "comparison.json", "comparison.html", "overview.png"} <= files
    database = here / "mlflow.db"
    runs = dict(query(database, "select run_uuid, name from runs"))
    parent = found["run"]
    assert runs[parent].startswith("two")
    children = {
        run_id for (run_id,) in query(
            database, "select run_uuid from tags where key = 'mlflow.parentRunId' and value = ?", parent
        )
    }  # fmt: skip
    assert children == set(runs) - {parent}
    assert len(children) == 4
    place = Path(query(database, "select artifact_uri from runs where run_uuid = ?", parent)[0][0][len("file://") :])
    table = json.loads((place / "figures.json").read_text())
    assert table["columns"][:4] == ["aspect", "figure", *found["models"]]
    for (_, title, *cells), row in zip(table["data"], found["rows"], strict=True):
        assert title == row["title"]
        for model, cell in zip(table["columns"][2:], cells, strict=True):
            assert cell.startswith(row["cells"][model]["text"] if model in row["cells"] else ""), (title, model)
    assert query(database, "select count(*) from latest_metrics where run_uuid = ?", parent) == [(0,)]
    for child in children:
        figures = dict(query(database, "select key, value from latest_metrics where run_uuid = ?", child))
        assert {"test/mase", "speed/windows_per_s"} <= set(figures)
        assert {key.partition("/")[0] for key in figures} == {"test", "train", "val", "speed", "memory", "model"}
    assert (place / "comparison.html").read_bytes() == (here / "first" / "comparison.html").read_bytes()


@pytest.mark.usefixtures("forked")
def test_a_comparison_is_recorded_and_comes_to_the_same_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a table in the UI that is not the one on the terminal, or another table the next time."""
    found = _document(capsys, "two.toml", "--out", "first")
    _check_what_is_written(found, here)
    other = _document(capsys, "two.toml", "--no-track", "--out", "second")
    same = [row["key"] for row in found["rows"] if row["aspect"] == "Accuracy"]
    assert "load/mase" in same
    for key in (*same, "memory/saved_bytes", "parallel/chain", "reach/recall_lag", "reach/half_life_trained"):
        assert _values(found, key) == _values(other, key)


@pytest.mark.usefixtures("here")
def test_the_terminal_shows_it_and_explains_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "two.toml", "--no-track", "--definitions", "--out", "shown"]) == 0
    shown = capsys.readouterr()
    assert "away is left out" in shown.err
    assert "training 4 of 4: transformer-load-seed2" in shown.err
    for text in ("Parallelisation", "✓", "MASE", "seasonal-naive", "textbook", "comparison.html"):
        assert text in shown.out
    assert "the longest chain of operations" in " ".join(shown.out.split())
    assert run(["compare", "load.csv", "--models", "gru", "--seeds", "1", "--horizon", "4", "--max-steps", "4",
                "--no-probes", "--no-track", "--quiet", "--out", "plain"]) == 0  # fmt: skip
    plain = capsys.readouterr().out
    assert "the longest chain of operations" not in " ".join(plain.split())
    assert "MASE" in plain


@pytest.mark.parametrize(("argv", "said"), [
    ([], "no data is named"),
    (["load.csv", "--model", "lstm"], "a comparison has several models"),
    (["load.csv", "--models", "lstmm,gru"], "there is no model 'lstmm'"),
    (["load.csv", "--budget", "time"], "a budget of time needs the time"),
    (["lod.csv"], "lod.csv"),
    (["two.toml", "--config", "two.toml"], "one file or one table"),
])  # fmt: skip
def test_refusals(here: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    assert run(["compare", *argv, "--no-track", "--quiet"]) == 2
    assert said in capsys.readouterr().err
    assert not (here / "comparisons").exists()
