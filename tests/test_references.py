"""What version 0.1 wrote, read by today's code: models, a study that was killed, a store with runs, and every number.

references/make.py says how each of these files came about. Numbers are the same to the last digit where torch, NumPy
and the processor's instructions are those that wrote them; elsewhere they are near.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import runpy
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import tsforge
from tests.helpers.stores import wait_for
from tsforge.cli.main import run

HERE = Path(__file__).parent / "references"
MADE = runpy.run_path(str(HERE / "make.py"))
SAME = MADE["machine"]() == json.loads((HERE / "machine.json").read_text())  # whether the last digits can be
SINCE: tuple[str, ...] = (  # settings, tags and metrics that later versions have added: to be named here, each
    "duplicates", "resample", "aggregate", "resampling", "snap", "time_format", "dayfirst", "category", "decimal",
    "dense", "phases", "fallback", "time_parts", "ending", "usual", "negative", "bounds", "level", "known_level",
    "data.aggregate", "data.duplicates", "data.snap", "model.bounds", "adjust", "model.adjust", "baselines", "threads",
    "train.threads", "tsforge.threads", "mapped", "cache", "data.mapped", "data.cache",
    "holidays", "holiday_window", "events", "data.holidays", "data.holiday_window", "occasions", "decided",
    "hierarchy", "reconcile", "data.hierarchy", "data.reconcile",
    "devices", "nodes", "engine", "train.devices", "train.nodes", "train.engine", "covariates",
    "held_out", "mlflow.loggedArtifacts", "tsforge.folder",
)  # fmt: skip
# Models that forecast otherwise since, by table: where a window ends in missing values, drift and linear forgot them;
# where it hardly varies beside its series, it counts as varying by half of what the series does. Beside a model that
# reads many seasons, as naive2, baselines read no more than beside a network.
OTHERWISE = {"single.csv": ("drift", "linear", "transformer-decoder"), "sizes.csv": ("drift", "linear", "growth-gru")}
RESIZED = ("sizes.csv",)  # tables of which baselines measure errors otherwise since, in the units of such windows
# Few held-out windows count as fewer since, and the intervals of a test part move on with it: scores of intervals.
INTERVALS = (
    "wql", "crps", "coverage_80", "coverage_90", "width_80", "width_90", "winkler_80", "winkler_90",
)  # fmt: skip
ELSEWHERE = ("hardware.gpu", "memory/gpu_peak_mb", "mlflow.source.git.commit")  # what not every machine has to say
PROBES = ("parallel/", "reach/", "memory/saved_")  # and KEY/MODEL: figures of a comparison are its figures.json since

# rnn, lstm and gru read the features of a step as they are since, and decode all steps at once; LSTM cells are trained
# in brain floats where that is faster. What they were then are settings, which model directories of then hold.
PRECISION = {"train.precision": "32"}
AS_THEN = {"model.tokens.type": "point", "model.backbone.decode": "sequence"}
NAMED = ("rnn", "lstm", "gru")
CLOSED = ("linear", "naive2")
# Steps of training round otherwise since: gradients of quantiles are one product, and their norm is that of one vector.
# What comes of it in so few steps is near, but for long chains of a GRU in brief trainings, which are only finite.
NEAR, FAR = {"rel": 5e-3, "abs": 1e-4}, ("ensemble",)

pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def here(home: Path) -> Path:
    """A folder with the tables, the models and the study, and the user in it."""
    for name in ("tables", "models", "study"):
        shutil.copytree(HERE / name, home / name)
    return home


@pytest.fixture
def store(here: Path) -> Iterator[Path]:
    """The store in that folder, as if it had been moved there, brought up to today's MLflow where that is newer."""
    _extract("store.tar.gz", here)
    text = (here / "store.sql").read_text().replace(str(MADE["PLACE"]), str(here))
    with contextlib.closing(sqlite3.connect(here / "mlflow.db")) as connection:
        connection.executescript(text)
    if f"'versions.mlflow','{version('mlflow')}'" not in text:
        words = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{here / 'mlflow.db'}"]
        subprocess.run(words, check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "160")
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield here / "mlflow.db"
    time.tzset()


def _extract(name: str, into: Path) -> None:
    with tarfile.open(HERE / name) as archive:
        archive.extractall(into, filter="data")


def _said(*words: str, codes: tuple[int, ...] = (0,)) -> str:
    """What a command prints; it has to succeed, or end with another of some codes."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(list(words)) in codes
    return out.getvalue()


def _agree(path: Path, reference: Path, rel: float = 1e-5) -> None:
    """The same text; on another machine the same but for rounding."""
    if SAME:
        assert path.read_text() == reference.read_text()
    pd.testing.assert_frame_equal(pd.read_csv(path), pd.read_csv(reference), rtol=rel, atol=rel)


def _agree_scores(scores: Any, reference: Any, *, exact: bool) -> None:
    if SAME and exact:
        assert json.dumps(scores) == json.dumps(reference)
    for model, values in reference.items():
        assert scores[model] == pytest.approx(values, rel=1e-12 if SAME else 1e-3, nan_ok=True), model


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MADE["FITS"])
def test_a_model_of_then_forecasts_as_then(name: str) -> None:
    """Prevents: a model directory that a later version cannot read, or reads as another model."""
    _said(*MADE["predicting"](name), "forecast.csv")
    for path in (Path("forecast.csv"), copied := Path("then.csv")):
        source = path if path.exists() else HERE / "forecasts" / f"{name}.csv"
        frame = pd.read_csv(source, dtype=str)
        quantiles = [column for column in frame if column.startswith("q0.")]
        keys = [column for column in ("region", "item", "target") if column in frame]
        step = frame.groupby(keys).cumcount() if keys else pd.Series(range(len(frame)))
        frame.loc[step >= MADE["HORIZON"], quantiles] = ""  # intervals of a roll-out grow since
        frame.to_csv(path, index=False)
    _agree(Path("forecast.csv"), copied)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MADE["FITS"])
def test_a_fit_learns_what_it_learned_then(name: str) -> None:
    """Prevents: a number of training, calibration or scoring that is no longer the same, or a file of the directory."""
    before = HERE / "models" / name
    fitted = tsforge.fit(
        tsforge.build(_as_then(MADE["settings"](name))), f"tables/{MADE['FITS'][name]['table']}", out="again"
    )
    for file in ("experiment.json", "schema.json"):
        assert _plain(Path("again", file)) == _plain(before / file), file
    assert tsforge.build({}, "again/experiment.toml") == fitted.model.experiment
    assert (
        tsforge.build({"data.path": fitted.model.experiment.data.path}, before / "experiment.toml")
        == fitted.model.experiment
    )
    pictures = {"forecast.png", "loss.png"} if (before / "history.csv").exists() else {"forecast.png"}
    pictures |= {"dependence.safetensors"}  # kept since
    assert {path.name for path in Path("again").iterdir()} - pictures == {path.name for path in before.iterdir()}
    others = OTHERWISE.get(MADE["FITS"][name]["table"], ())
    scores = json.loads((before / "scores.json").read_text())
    kept = [
        {m: {k: v for k, v in values.items() if k not in INTERVALS} for m, values in s.items() if m not in others}
        for s in (fitted.metrics, scores)
    ]
    if name in CLOSED:
        _agree_scores(*kept, exact=True)
    else:
        assert kept[0].keys() == kept[1].keys()
        for model in () if name in FAR else kept[1]:
            assert kept[0][model] == pytest.approx(kept[1][model], **NEAR, nan_ok=True), model
    for file in ("weights.safetensors", "baselines.safetensors"):
        weights, known = load_file(Path("again", file)), load_file(before / file)
        assert weights.keys() == known.keys()
        same = [key for key in known if name not in others and key.split(".")[0] not in others]
        assert {key: weights[key].shape for key in same} == {key: known[key].shape for key in same}
        if MADE["FITS"][name]["table"] in RESIZED:
            same = [key for key in same if not key.endswith("errors")]
        for key in same:
            if name in CLOSED or file == "baselines.safetensors":
                assert not SAME or torch.equal(weights[key], known[key]), key
            elif name not in FAR:
                torch.testing.assert_close(weights[key], known[key], rtol=NEAR["rel"], atol=NEAR["abs"])
    if name not in others and (before / "calibration.json").exists():
        now, then = (json.loads((f / "calibration.json").read_text()) for f in (Path("again"), before))
        same_unit = {key: now[key] for key in ("levels", "unit", "windows", "pooled")}
        resized = MADE["FITS"][name]["table"] in RESIZED
        assert same_unit == {key: then[key] for key in same_unit} or name not in CLOSED or not SAME or resized


def _as_then(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a fit with its recurrent networks as they were."""
    settings = settings | PRECISION
    if settings.get("model.kind") in NAMED:
        return settings | AS_THEN
    if "model" not in settings:
        return settings
    members = [
        member | {"model": member["model"] | {"tokens": {"type": "point"}, "backbone": {"decode": "sequence"}}}
        if member["model"]["kind"] in NAMED else member
        for member in settings["model"]["members"]
    ]  # fmt: skip
    return settings | {"model": settings["model"] | {"members": members}}


def _plain(file: Path) -> Any:
    """What is written, without what has been added since, the table as if it still lay where it did."""

    def known(values: dict[str, Any]) -> dict[str, Any]:
        listed = {"time": [values["time"]]} if isinstance(values.get("time"), str) else {}  # one column, then a text
        return {name: value for name, value in (values | listed).items() if name not in SINCE}

    return json.loads(file.read_text().replace(str(Path.cwd()), str(MADE["PLACE"])), object_hook=known)


@pytest.mark.usefixtures("here")
def test_a_model_of_then_is_judged_and_explained_as_then() -> None:
    """Prevents: baselines, corrections or attention of an older model that are lost or read as others."""
    for name, scores in json.loads((HERE / "backtested.json").read_text()).items():
        words = ["backtest", f"models/{name}", f"tables/{MADE['FITS'][name]['table']}", "--no-track", "--quiet"]
        summed = json.loads(_said(*words, "--json"))["scores"]  # window by window: 0.1 went in the order of time
        _agree_scores(summed, scores, exact=False)
    _said("explain", "models/transformer-encoder", "tables/pair.csv", "--output", "explained.csv", "--quiet")
    explained, reference = (pd.read_csv(path) for path in ("explained.csv", HERE / "explained.csv"))
    pd.testing.assert_frame_equal(explained, reference, rtol=1e-5, atol=1e-5)  # gradients round otherwise since


def test_a_study_killed_then_is_finished_now(here: Path) -> None:
    """Prevents: trials lost, run again or counted twice where a later version goes on with a sweep."""
    journal = here / "study" / "study.journal"
    journal.write_text(journal.read_text().replace('"host":"host"', f'"host":{json.dumps(socket.gethostname())}'))
    before = _trials(journal)
    killed = [trial for trial in before if trial.state.name == "RUNNING"]
    finished = [trial for trial in before if trial.state.name == "COMPLETE"]
    assert (len(finished), len(killed)) == (2, 1)
    assert run([*MADE["STUDY"], "--json"]) != 0  # of other networks: their trials are not mixed
    words = [
        *MADE["STUDY"],
        *(word for setting in (AS_THEN | PRECISION).items() for word in ("--set", "=".join(setting))),
    ]
    rows = {row["trial"]: row for row in json.loads(_said(*words, "--json"))["leaderboard"]}
    assert [row["state"] for row in rows.values()] == ["COMPLETE"] * 4
    for trial in finished:
        assert (rows[trial.number]["params"], rows[trial.number]["values"]) == (trial.params, trial.values)
    assert killed[0].number not in rows
    assert killed[0].params in [row["params"] for row in rows.values()]
    assert [trial.params for trial in _trials(journal)[: len(before)]] == [trial.params for trial in before]


def _trials(journal: Path) -> Any:
    """As Optuna alone reads them."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    return optuna.load_study(study_name=None, storage=storage).trials


def _cells(table: str) -> list[list[str]]:
    """Of a table on the terminal, without the marks of what is best."""
    return [line.replace(" *", "").split() for line in table.splitlines() if line.startswith("  ") and line.strip()]


def _agree_cells(said: list[list[str]], then: list[list[str]]) -> None:
    """The same words; numbers may be shown with other digits."""
    assert [len(line) for line in said] == [len(line) for line in then]
    for cell, reference in zip(itertools.chain(*said), itertools.chain(*then), strict=True):
        if cell != reference:
            assert float(cell.replace(",", "")) == pytest.approx(float(reference), rel=2e-3, abs=1e-4)


@pytest.mark.usefixtures("store")
def test_runs_of_then_are_listed_compared_and_reproduced() -> None:
    """Prevents: a store whose runs are no longer found, or are said to be something else."""
    listed, compared = (HERE / "runs.txt").read_text(), (HERE / "compared.txt").read_text()
    _agree_cells(_cells(_said("runs")), _cells(listed))
    names = compared.partition("\n")[0].split()
    then = [line for line in _cells(compared) if line[0] != "test/mae_by_step"]  # the last point of a curve
    _agree_cells(_cells(_said("runs", "compare", *names)), then)
    same = [name for name in names if not name.startswith(OTHERWISE["single.csv"])]
    assert same
    for name in same:
        again = _said("runs", "reproduce", name, "tables/single.csv", "--no-track", "--quiet", "--json", codes=(0, 3))
        for score, values in json.loads(again)["scores"].items():
            alike = values["again"] == pytest.approx(values["recorded"], rel=1e-5)
            assert alike or score.rpartition("/")[2] in INTERVALS, score


def test_a_model_recorded_then_forecasts_as_then(store: Path) -> None:
    """Prevents: a registered model that today's tsforge, or MLflow with it, cannot load."""
    _said("predict", "models:/demand@best", "tables/single.csv", "--output", "registered.csv", "--quiet")
    _agree(Path("registered.csv"), HERE / "registered.csv")
    import mlflow

    places = list((store.parent / "mlartifacts" / "tsforge" / "models").glob("*/artifacts"))
    assert len(places) == 5
    for place in places:
        served = mlflow.pyfunc.load_model(str(place)).predict(pd.read_csv("tables/single.csv"))
        _said("predict", str(place / "artifacts" / "model"), "tables/single.csv", "--output", "plain.csv", "--quiet")
        plain = pd.read_csv("plain.csv")
        assert list(served) == list(plain)
        np.testing.assert_allclose(served.iloc[:, 1:].to_numpy(float), plain.iloc[:, 1:], rtol=1e-6)


def test_runs_are_recorded_as_then(store: Path, empty_store: Path) -> None:
    """Prevents: a parameter, tag or metric that a dashboard or a query of then no longer finds under its name."""
    known = _recorded(store)
    shutil.copyfile(empty_store, store)
    for words in MADE["RECORDED"]:
        _said(*words)
    waiting = store.parent / ".tsforge" / "runs"  # what a busy machine delivers after the prompt is back
    wait_for(lambda: not list(waiting.glob("*/journal.jsonl")), "the delivery of all runs")
    runs = _recorded(store)
    assert [key for key, _ in runs] == [key for key, _ in known]
    for (key, names), (_, before) in zip(runs, known, strict=True):
        assert names.keys() - before.keys() - {*ELSEWHERE, *SINCE} == set(), f"new in {key}"
        tabled = {n for n in before if n.startswith(PROBES) or ("-vs-" in key and n.count("/") > 1)}
        assert before.keys() - names.keys() - {*ELSEWHERE, *tabled} == set(), f"missing in {key}"
        numbers = {name: value for name, value in before.items() if name.startswith(("test/", "val/", "baseline/"))}
        if any(model in key for model in (*OTHERWISE["single.csv"], *NAMED, "trial")):
            continue
        numbers = {
            n: v for n, v in numbers.items() if not n.removeprefix("baseline/").startswith(OTHERWISE["single.csv"])
            and not n.endswith(INTERVALS)
        }  # fmt: skip
        assert {name: names[name] for name in numbers} == pytest.approx(numbers, rel=0 if SAME else 1e-3), key


def test_a_run_that_waited_is_delivered(store: Path, empty_store: Path) -> None:
    """Prevents: runs of then that a later version leaves on the disk, or delivers in part."""
    ((_, known),) = [run for run in _recorded(store) if run[0] == "linear-load-h6"]
    shutil.copyfile(empty_store, store)
    _extract("waiting.tar.gz", store.parent)
    (lines,) = store.parent.glob(".tsforge/runs/*/journal.jsonl")
    lines.write_text(lines.read_text().replace(MADE["NOWHERE"], f"sqlite:///{store}"))
    assert _said("runs", "sync") == f"{lines.parent.name}  delivered\n"
    assert not lines.parent.exists()
    ((_, delivered),) = _recorded(store)
    assert delivered.keys() == known.keys()
    assert delivered["test/mase"] == known["test/mase"]


def _recorded(database: Path) -> list[tuple[str, dict[str, Any]]]:
    """By what it is, every name that a run has a tag, a parameter or a metric under; in order.

    Three scores of each baseline were metrics then; since, the table baselines.json has all of them.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        runs = connection.execute("select run_uuid, name, artifact_uri from runs order by start_time").fetchall()
        rows = [
            {
                name: value
                for table in ("tags", "params", "latest_metrics")
                for name, value in connection.execute(f"select key, value from {table} where run_uuid = ?", [run])
            }
            | _beside(Path(place.removeprefix("file://")) / "baselines.json")
            for run, _, place in runs
        ]
    return [(name.rpartition("-")[0], row) for (_, name, _), row in zip(runs, rows, strict=True)]


def _beside(path: Path) -> dict[str, float]:
    """Scores of baselines in a table, under the names that they had as metrics."""
    table = json.loads(path.read_text()) if path.exists() else {"columns": [], "data": []}
    return {
        f"baseline/{model}_{name}": value
        for model, *values in table["data"][1:]
        for name, value in zip(table["columns"][1:], values, strict=True)
        if name in ("mase", "mae", "wql") and value is not None
    }
