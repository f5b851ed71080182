"""Recorded runs as a user meets them: fits at once, a server that dies, runs listed, compared, reproduced, used."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsforge
from tests.helpers import forked
from tests.helpers.stores import Server, content, environment, history, query, runs, wait_for
from tests.helpers.tables import hourly
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.cli.main import run
from tsforge.runtime import processes

QUICK = ["--horizon", "6", "--max-steps", "40", "--set", "model.width=8"]

# `tsforge` that goes on after its third validation once there is a file "go".
GATED = """
import sys, time
from pathlib import Path
from tsforge.tracking import recording
from tsforge.cli.main import main
from tsforge.training.events import Round
plain = recording.watching
def watching(run, report, options):
    watch, seen = plain(run, report, options), []
    def gated(event):
        watch(event)
        if isinstance(event, Round):
            seen.append(event)
            while len(seen) == 3 and not Path("go").exists():
                time.sleep(0.05)
    return gated
recording.watching = watching
main(sys.argv[1:])
"""

# `tsforge` several times at once, by processes that have imported it already.
AT_ONCE = 3  # each with a courier that imports MLflow; the tests of the store open one ten times at once
SEVERAL = f"""
import multiprocessing, sys
import tsforge.cli.commands.fit, tsforge.tracking.recording, tsforge.training.fitting, pytorch_lightning
from tsforge.cli.main import main
fork = multiprocessing.get_context("fork")
processes = [fork.Process(target=main, args=([*sys.argv[1:], "--out", "m" + str(i)],)) for i in range({AT_ONCE})]
for process in processes:
    process.start()
for process in processes:
    process.join()
print(*(process.exitcode for process in processes))
"""


@dataclass(frozen=True)
class Recorded:
    """A folder in which a gru was fitted and registered, a naive model fitted, and a linear one backtested."""

    folder: Path
    gru: dict[str, Any]
    naive: dict[str, Any]
    backtest: dict[str, Any]

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    def name(self, document: dict[str, Any]) -> str:
        return str(query(self.database, "select name from runs where run_uuid = ?", document["run"])[0][0])


@pytest.fixture(scope="module")
def recorded(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(processes, "start", forked.start)
        hourly(10).to_csv(folder / "data.csv", index=False)
        yield Recorded(
            folder,
            _first("fit", "data.csv", "--model", "gru", *QUICK, "--register", "shop", "--alias", "champion"),
            _first("fit", "data.csv", "--model", "naive", "--horizon", "6"),
            _first("backtest", "data.csv", "--model", "linear", "--horizon", "6", "--windows", "4", "--metrics", "owa"),
        )


def _first(*argv: str) -> dict[str, Any]:
    """The document of a command, outside of a test's own capture."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([*argv, "--json", "--quiet"])
    assert (code, err.getvalue()) == (0, "")
    return dict(json.loads(out.getvalue()))


def document(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*argv, "--json"]) == code
    return dict(json.loads(capsys.readouterr().out))


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Exit code 2, nothing on stdout, an error and a hint."""
    capsys.readouterr()
    assert run(list(argv)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], err
    return "\n".join(lines)


def test_a_fit_is_recorded_with_all_that_belongs_to_it(recorded: Recorded) -> None:
    """Prevents: a run that lacks what it takes to judge, find or repeat it."""
    found = content(recorded.database, recorded.gru["run"])
    scores = recorded.gru["scores"]["gru"]
    metrics = {key: value for key, value, *_ in found["latest"]}
    assert metrics["test/mase"] == pytest.approx(scores["mase"], rel=1e-5)
    assert metrics["test/coverage_80"] == pytest.approx(scores["coverage_80"], rel=1e-5)
    assert metrics["test/skill"] == pytest.approx(recorded.gru["skill"], rel=1e-4)
    assert metrics["model/parameters"] == recorded.gru["parameters"]
    steps = [step for step, _ in history(recorded.database, recorded.gru["run"], "test/mae_by_step")]
    assert steps == [1, 2, 3, 4, 5, 6]
    params, tags = dict(found["params"]), dict(found["tags"])
    assert (params["model.kind"], params["data.horizon"], params["model.width"]) == ("gru", "6", "8")
    assert tags["tsforge.command"].startswith("tsforge fit data.csv --model gru")
    assert tags["tsforge.command"] in tags["mlflow.note.content"]
    assert {"versions.torch", "versions.python", "hardware.threads", "mlflow.user", "tsforge.folder"} <= set(tags)
    assert found["run"][0][1] == "FINISHED"
    assert found["data"][0][0] == "data.csv"
    assert json.loads(found["data"][0][3]) == {"uri": str(recorded.folder / "data.csv")}
    assert {"experiment.toml", "scores.json", "history.csv"} <= set(found["files"])
    assert any(name.startswith("plots/") for name in found["files"])
    weights = (recorded.folder / recorded.gru["model"] / "weights.safetensors").read_bytes()
    assert found["model files"][0]["artifacts/model/weights.safetensors"] == weights
    assert found["aliases"] == [("champion", 1)]
    assert ("test/mase", metrics["test/mase"], 0) in found["of model"]


def test_a_backtest_is_recorded_with_its_scores(recorded: Recorded) -> None:
    """Prevents: a backtest whose result is on the terminal alone."""
    found = content(recorded.database, recorded.backtest["run"])
    metrics = {key: value for key, value, *_ in found["latest"]}
    assert metrics["test/mae"] == pytest.approx(recorded.backtest["scores"]["linear"]["mae"], rel=1e-5)
    table = json.loads(found["files"]["baselines.json"])
    beside = {model: dict(zip(table["columns"][1:], row, strict=True)) for model, *row in table["data"]}
    assert beside["naive"]["mae"] == pytest.approx(recorded.backtest["scores"]["naive"]["mae"], rel=1e-5)
    assert not [key for key in metrics if key.startswith("baseline/")]
    assert dict(found["tags"])["tsforge.kind"] == "backtest"
    assert {"plots/forecasts.png", "plots/by-step.png", "scores.json", "experiment.toml"} <= set(found["files"])
    assert found["run"][0][1] == "FINISHED"


def test_runs_lists_the_best_first(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a list in another order than it says, or that lacks what the runs differ in."""
    found = document(capsys, "runs")
    mase = [each["metrics"]["test/mase"] for each in found["runs"]]
    assert mase == sorted(mase)
    assert {each["id"] for each in found["runs"]} >= {
        recorded.gru["run"], recorded.naive["run"], recorded.backtest["run"]
    }  # fmt: skip
    assert found["experiment"] == "tsforge"
    assert "workflowType=machine_learning" in found["url"]
    assert run(["runs"]) == 0
    out = capsys.readouterr().out
    names = [recorded.name(each) for each in (recorded.gru, recorded.naive, recorded.backtest)]
    assert all(name in out for name in names)
    assert "model.kind" in out
    assert "tsforge ui opens it" in out


def test_runs_compare(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: settings shown as different that are not, or scores under the wrong run."""
    names = [recorded.name(recorded.gru), recorded.naive["run"][:8]]
    found = document(capsys, "runs", "compare", *names)
    assert found["params"]["model.kind"] == ["gru", "naive"]
    assert "data.horizon" not in found["params"]
    expected = [recorded.gru["scores"]["gru"]["mae"], recorded.naive["scores"]["naive"]["mae"]]
    assert found["metrics"]["test/mae"] == pytest.approx(expected, rel=1e-5)
    assert recorded.gru["run"] in found["url"]
    assert run(["runs", "compare", *names]) == 0
    out = capsys.readouterr().out
    assert "test/mase" in out
    assert "baseline/" not in out
    (best,) = re.findall(r"^  test/mae  .*?([\d.,]+) \*", out, flags=re.MULTILINE)
    assert float(best.replace(",", "")) == pytest.approx(min(expected), rel=1e-3)
    assert "needs two runs" in refused(capsys, "runs", "compare", names[0])


def test_runs_show_and_delete(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a run whose command nobody finds again; runs that are gone before somebody has said yes."""
    shown = document(capsys, "runs", "show", recorded.gru["run"])
    assert shown["kind"] == "fit"
    assert shown["metrics"]["test/mase"] == pytest.approx(recorded.gru["scores"]["gru"]["mase"], rel=1e-5)
    assert run(["runs", "show", recorded.gru["run"]]) == 0
    assert "command  tsforge fit" in capsys.readouterr().out
    before = len(document(capsys, "runs", "list")["runs"])
    planned = document(capsys, "runs", "delete", recorded.gru["run"])
    assert (planned["deleted"], planned["runs"][0]["id"]) == (False, recorded.gru["run"])
    assert len(document(capsys, "runs", "--kind", "fit", "--last", "9")["runs"]) <= before
    assert run(["runs", "list", "--tree"]) == 0
    assert recorded.name(recorded.gru) in capsys.readouterr().out


def test_runs_reproduce(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a run that cannot be made again from what is recorded, or that is made again on other data."""
    name = recorded.name(recorded.gru)
    found = document(capsys, "runs", "reproduce", name, "--no-track", "--quiet")
    assert found["agrees"]
    assert found["scores"]["test/mase"]["again"] == pytest.approx(recorded.gru["scores"]["gru"]["mase"], rel=1e-5)
    assert set(found["scores"]) >= {"test/mase", "test/mae", "test/wql", "test/coverage_80"}
    data, moved = recorded.folder / "data.csv", recorded.folder / "moved.csv"
    data.rename(moved)
    try:
        gone = refused(capsys, "runs", "reproduce", name, "--no-track", "--quiet")
        assert str(data) in gone
        assert "tsforge runs reproduce RUN DATA" in gone
        assert run(["runs", "reproduce", name, str(moved), "--no-track", "--quiet"]) == 0
        assert "the scores agree" in capsys.readouterr().out
        hourly(10, seed=1).to_csv(data, index=False)
        changed = refused(capsys, "runs", "reproduce", name, "--no-track", "--quiet")
        digest = query(recorded.database, "select digest from datasets where name = 'data.csv'")[0][0]
        assert f"recorded is {digest}" in changed
        backtest = recorded.name(recorded.backtest)
        assert "digest" in refused(capsys, "runs", "reproduce", backtest, "--no-track", "--quiet")
    finally:
        moved.replace(data)
    assert run(["runs", "reproduce", backtest, "--no-track", "--quiet"]) == 0
    assert "the scores agree" in capsys.readouterr().out


def test_scores_that_do_not_agree_end_with_3(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a difference that a script does not notice."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{recorded.database}")
    client.log_metric(recorded.naive["run"], "test/mae", 1e6, step=1)
    found = document(capsys, "runs", "reproduce", recorded.naive["run"], "--no-track", "--quiet", code=3)
    assert not found["agrees"]
    assert found["largest_difference"] > 0.9


def test_a_recorded_model_forecasts_as_its_folder(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a model in the store that is not the model that was fitted."""
    plain = document(capsys, "predict", recorded.gru["model"], "--quiet")["forecast"]
    assert len(plain) == 6
    name = recorded.name(recorded.gru)
    for word in (f"runs:/{name}", f"runs:/{recorded.gru['run']}/model", "models:/shop@champion", "models:/shop/1",
                 "models:/shop"):  # fmt: skip
        assert document(capsys, "predict", word, "--quiet")["forecast"] == plain, word
    exact = tsforge.predict(recorded.gru["model"])
    for word in ("models:/shop@champion", f"runs:/{name}"):
        np.testing.assert_array_equal(tsforge.predict(word).point, exact.point)
        np.testing.assert_array_equal(tsforge.predict(tsforge.load(word)).point, exact.point)
        np.testing.assert_array_equal(tsforge.explain(word).point, exact.point[0])
    judged = [
        Scoreboard({"": tsforge.backtest(word)}).scores for word in ("models:/shop@champion", recorded.gru["model"])
    ]
    assert judged[0] == judged[1]
    scores = [
        document(capsys, "backtest", word, "--windows", "3", "--no-track", "--quiet")["scores"]
        for word in ("models:/shop@champion", recorded.gru["model"])
    ]
    assert scores[0] == scores[1]


def test_runs_register(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a second version for the same run, or an alias that stays behind."""
    name = recorded.name(recorded.naive)
    assert run(["runs", "register", name, "bar", "--alias", "best"]) == 0
    assert capsys.readouterr().out == "bar/1, now bar@best\n"
    assert run(["runs", "register", recorded.gru["run"], "bar", "--alias", "best"]) == 0
    assert capsys.readouterr().out == "bar/2, now bar@best\n"
    assert run(["runs", "register", recorded.gru["run"], "bar"]) == 0
    assert capsys.readouterr().out == "bar/2\n"
    rows = query(recorded.database, "select alias, version from registered_model_aliases where name = 'bar'")
    assert rows == [("best", 2)]
    assert "has no model" in refused(capsys, "runs", "register", recorded.name(recorded.backtest), "bar")


def test_refusals(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a traceback, or a refusal that does not say what there is."""
    name = recorded.name(recorded.gru)
    near = refused(capsys, "runs", "reproduce", f"{name[:-1]}x")
    assert f"did you mean '{name}'?" in near
    assert "there is no run 'nothing-like-it'" in refused(capsys, "runs", "compare", "nothing-like-it", name)
    assert "no runs are recorded there" in refused(capsys, "runs", "--tracking-uri", "sqlite:///other/mlflow.db")
    assert not (recorded.folder / "other").exists()
    assert "connection refused" in refused(capsys, "runs", "--tracking-uri", "http://127.0.0.1:9")
    assert "did you mean 'tsforge'?" in refused(capsys, "runs", "--experiment", "tsfroge")
    assert "--register" in refused(capsys, "fit", "data.csv", "--alias", "champion")
    assert "--no-track" in refused(capsys, "fit", "data.csv", "--register", "shop", "--no-track")
    assert "shop@champion" in refused(capsys, "predict", "models:/shpo@champion")
    assert "shop@champion" in refused(capsys, "predict", "models:/shop@chamption")
    assert "there is no run 'nowhere'" in refused(capsys, "predict", "runs:/nowhere")
    assert "no runs were made there" in refused(capsys, "runs", "sync", "nowhere")
    assert "there is no experiment" in refused(capsys, "ui", "--experiment", "nothing", "--no-browser")


def test_nothing_waits(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: journals that stay behind although all is delivered."""
    assert list((recorded.folder / ".tsforge" / "runs").iterdir()) == []
    assert run(["runs", "sync"]) == 0
    assert capsys.readouterr().out == "nothing waits to be delivered\n"
    assert document(capsys, "runs", "sync") == {"delivered": 0, "waiting": 0, "runs": {}}


def test_not_tracked_leaves_no_trace(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a database or a journal that nobody asked for."""
    hourly(10).to_csv("data.csv", index=False)
    argv = ["data.csv", "--model", "naive", "--horizon", "6", "--no-track", "--quiet"]
    found = document(capsys, "fit", *argv, "--out", "m")
    assert (found["run"], found["url"]) == (None, None)
    assert document(capsys, "backtest", *argv, "--windows", "3")["run"] is None
    assert sorted(p.name for p in home.iterdir()) == ["data.csv", "m"]


@pytest.mark.usefixtures("store_at_home")
def test_ctrl_c_ends_the_run_as_killed(tmp_path: Path) -> None:
    """Prevents: an interrupted fit that MLflow shows as finished, or one that loses its best weights."""
    hourly(10).to_csv(tmp_path / "data.csv", index=False)
    argv = ["fit", "data.csv", "--model", "gru", *QUICK, "--out", "m"]
    with subprocess.Popen(
        [sys.executable, "-c", GATED, *argv], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True,
        stderr=subprocess.STDOUT, preexec_fn=_take_ctrl_c,
    ) as process:  # fmt: skip
        database = tmp_path / "mlflow.db"
        wait_for(lambda: _points(database, 3), "three points of the curve")
        process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        out, _ = process.communicate()
    assert process.returncode == 130, out
    wait_for(lambda: runs(database)[0][2] == "KILLED", "the end of the run")
    number = runs(database)[0][0]
    assert dict(content(database, number)["tags"])["tsforge.reason"].startswith("stopped by Ctrl-C")
    assert (tmp_path / "m" / "manifest.json").is_file()


def _take_ctrl_c() -> None:
    """As a terminal's job does; a background job, as of `make &`, is started deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _points(database: Path, count: int) -> bool:
    if not database.exists():
        return False
    return bool(query(database, "select count(*) >= ? from metrics where key = 'val/loss'", count)[0][0])


def test_fits_at_once_in_a_new_folder(tmp_path: Path) -> None:
    """Prevents: fits that fail, or runs that are lost, because they begin together where no database is yet."""
    hourly(10).to_csv(tmp_path / "data.csv", index=False)
    argv = ["fit", "data.csv", "--model", "naive", "--horizon", "6", "--quiet"]
    command = [sys.executable, "-c", SEVERAL, *argv]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["0"] * AT_ONCE, done.stderr
    database = tmp_path / "mlflow.db"
    wait_for(lambda: not list((tmp_path / ".tsforge" / "runs").iterdir()), "the end of the deliveries")
    assert [status for _, _, status in runs(database)] == ["FINISHED"] * AT_ONCE
    assert query(database, "select count(*) from metrics where key = 'test/mae'") == [(AT_ONCE,)]
    assert query(database, "select count(*) from logged_models where status = 2") == [(AT_ONCE,)]


def test_a_server_that_is_killed_in_the_middle_of_a_fit(tmp_path: Path) -> None:
    """Prevents: a training lost with its server, points of its curve lost, or there twice once it is back."""
    hourly(10).to_csv(tmp_path / "data.csv", index=False)
    server = Server(tmp_path / "server")
    server.start()
    argv = ["fit", "data.csv", "--model", "gru", *QUICK, "--out", "m", "--tracking-uri", server.uri, "--json"]
    try:
        with subprocess.Popen(
            [sys.executable, "-c", GATED, *argv], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            wait_for(lambda: _points(server.database, 2), "points of the curve")
            server.kill()
            (tmp_path / "go").touch()
            out, _ = process.communicate()
        assert process.returncode == 0, out
        assert "tsforge runs sync" in out
        assert (tmp_path / "m" / "manifest.json").is_file()
        ((number, _, status),) = runs(server.database)
        assert status == "RUNNING"
        assert len(history(server.database, number, "val/loss")) < 20
        server.start()
        command = [sys.executable, "-m", "tsforge", "runs", "sync", "--json"]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    finally:
        server.kill()
    assert json.loads(done.stdout)["waiting"] == 0
    ((number, _, status),) = runs(server.database)
    assert status == "FINISHED"
    with (tmp_path / "m" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    for key, column in (("val/loss", "validation_loss"), ("train/loss", "train_loss")):
        found = history(server.database, number, key)
        assert [step for step, _ in found] == [int(row["step"]) for row in rows]
        assert [value for _, value in found] == pytest.approx([float(row[column]) for row in rows], rel=1e-5)
    scores = json.loads((tmp_path / "m" / "scores.json").read_text())["gru"]
    for name in ("mase", "mae", "wql"):
        ((_, value),) = history(server.database, number, f"test/{name}")
        assert value == pytest.approx(scores[name], rel=1e-5)
    assert query(server.database, "select status from logged_models") == [(2,)]
    assert list((tmp_path / ".tsforge" / "runs").iterdir()) == []


@pytest.mark.usefixtures("home")
def test_runs_on_their_way_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: "no runs are recorded there" a moment after a fit has said that its run will be."""
    from tsforge.tracking import journal, store

    start = {"uri": store.address(None), "experiment": "tsforge", "tags": {}, "parent": None}
    made = [journal.begin(journal.ROOT.absolute(), name, start, None) for name in ("gru-demand", "lstm-demand")]
    for each in made:
        each.end("FINISHED")
    for words in (["runs"], ["runs", "show", "gru-demand"]):
        said = refused(capsys, *words)
        assert all(each.name in said for each in made)
        assert "on the way" in said
        assert "tsforge runs sync" in said
