"""A journal arrives in MLflow whole and once, wherever its delivery is cut off, and whatever the store refuses."""

from __future__ import annotations

import json
import math
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from tests.helpers.stores import content, history, query
from tsforge.tracking import delivery, export, journal, registry, store
from tsforge.tracking.delivery import Delivered, Delivery
from tsforge.tracking.journal import Run

Runs = Callable[..., Run]
AT = 1_700_000_000.0
EXPORT = export.export


@pytest.fixture(autouse=True)
def _any_folder_is_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an export makes of a model has tests of its own."""
    monkeypatch.setattr(export, "export", lambda folder, into: shutil.copytree(folder, into / registry.FOLDER))


@pytest.fixture(scope="module")
def client(database: Path) -> Any:
    return store.connect(f"sqlite:///{database}")


@pytest.fixture
def begin(database: Path, tmp_path: Path) -> Runs:
    """begin(name, experiment) -> a run to be delivered to the store of this file."""

    def make(name: str = "run", experiment: str = "tsforge", tags: dict[str, str] | None = None) -> Run:
        start = {"uri": f"sqlite:///{database}", "experiment": experiment, "tags": tags or {"mlflow.user": "me"}}
        return journal.begin(tmp_path / "runs", name, start)

    return make


def write(run: Run, place: Path, register: str) -> None:
    """Everything that can be recorded of a run."""
    model = place / "model"
    if not model.exists():
        model.mkdir()
        (model / "weights").write_bytes(bytes(range(256)))
        (place / "scores.json").write_text("{}")
        (place / "curve.png").write_bytes(b"\x89PNG")
    run.params({"train.lr": 0.1, "data.target": ("load",), "model.kind": "lstm"})
    run.tags({"mlflow.note.content": "**0.5**", "tsforge.stop": "steps"})
    about = {"schema": '{"mlflow_colspec": []}', "profile": '{"num_rows": 3}'}
    run.dataset({"name": "load", "digest": "d" * 32, "source": "/data/load.csv", **about})
    for step in (5, 10):
        run.metrics({"train/loss": 1 / step, "val/loss": 2 / step}, step, at=AT + step)
    run.text("experiment.toml", "seed = 1\n")
    run.model(model, register, "champion")
    run.metrics({"test/mae": 0.25}, at=AT + 20, of_model=True)
    run.file(place / "scores.json")
    run.file(place / "curve.png", "plots")
    run.end("FAILED", "ValueError: no")


def delivered(run: Run, deliveries: Delivery | None = None) -> Delivered:
    assert run.folder is not None
    return (deliveries or Delivery()).deliver(run.folder)


def finished(run: Run) -> Delivered:
    run.end("FINISHED")
    state = delivered(run)
    assert state.done
    return state


def lines(run: Run) -> list[dict[str, Any]]:
    assert run.folder is not None
    return [json.loads(line) for line in (run.folder / journal.LINES).read_text(encoding="utf-8").splitlines()]


def test_every_event_arrives(begin: Runs, database: Path, tmp_path: Path) -> None:
    """Prevents: something that is written of a run and is not in MLflow, or under another time, step or name."""
    run = begin()
    write(run, tmp_path, "everything")
    written = lines(run)
    state = delivered(run)
    assert state.done
    assert state.problem is None
    assert state.refused == ()
    assert state.version == "everything/1"
    assert run.folder is not None
    assert not run.folder.exists()
    assert state.run is not None
    stored = content(database, state.run)
    assert stored["run"] == [(run.name, "FAILED", written[0]["at"], written[-1]["at"], "active")]
    assert stored["params"] == [("data.target", "load"), ("model.kind", "lstm"), ("train.lr", "0.1")]
    tags = dict(stored["tags"])
    assert tags.pop("mlflow.log-model.history", None) is None
    assert tags == {
        "mlflow.note.content": "**0.5**", "mlflow.runName": run.name, "mlflow.user": "me",
        "tsforge.reason": "ValueError: no", "tsforge.stop": "steps",
    }  # fmt: skip
    ms = int(AT * 1000)
    assert stored["metrics"] == [
        ("test/mae", 0.25, ms + 20_000, 0, 0),
        ("train/loss", 0.2, ms + 5_000, 5, 0), ("train/loss", 0.1, ms + 10_000, 10, 0),
        ("val/loss", 0.4, ms + 5_000, 5, 0), ("val/loss", 0.2, ms + 10_000, 10, 0),
    ]  # fmt: skip
    newest = [(key, step) for key, _, _, step, _ in stored["latest"]]
    assert newest == [("test/mae", 0), ("train/loss", 10), ("val/loss", 10)]
    assert [(row[0], row[1], json.loads(row[3]), *row[-2:]) for row in stored["data"]] == [
        ("load", "d" * 32, {"uri": "/data/load.csv"}, "mlflow.data.context", "training")
    ]
    assert stored["files"] == {"experiment.toml": b"seed = 1\n", "plots/curve.png": b"\x89PNG", "scores.json": b"{}"}
    assert stored["of model"] == [("test/mae", 0.25, 0)]
    assert stored["aliases"] == [("champion", 1)]
    assert stored["model files"][0]["artifacts/model/weights"] == bytes(range(256))
    plain = MlflowClient(f"sqlite:///{database}").get_run(state.run)  # what a user's own script sees
    assert plain.info.status == "FAILED"
    assert plain.data.metrics["test/mae"] == 0.25
    assert len(plain.outputs.model_outputs) == 1


class Cut(BaseException):
    """A process that is killed: nothing gets to handle it."""


class Failing:
    """A client that fails at its nth call: before the store has it, or when it has it and nobody was told."""

    def __init__(self, client: Any, at: int, problem: BaseException, *, after: bool) -> None:
        self.client, self.at, self.problem, self.after = client, at, problem, after
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if not callable(method):
            return method

        def call(*args: Any, **named: Any) -> Any:
            self.calls.append(name)
            failing = len(self.calls) == self.at
            if failing and not self.after:
                raise self.problem
            value = method(*args, **named)
            if failing:
                raise self.problem
            return value

        return call


def comparable(database: Path, state: Delivered, run: Run) -> dict[str, Any]:
    """What must be the same however the delivery went."""
    assert state.run is not None
    assert state.refused == ()
    stored = content(database, state.run)
    text = repr(stored).replace(run.name, "RUN").replace(state.run, "ID").replace(str(state.model), "MODEL")
    return {"text": text, "metrics": stored["metrics"], "versions": stored["versions"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.fixture
def copies(begin: Runs, written: Path, tmp_path: Path) -> Runs:
    """copies() -> the same journal, of another run."""
    model = begin("same")
    write(model, written, "REGISTER")
    assert model.folder is not None
    text = (model.folder / journal.LINES).read_text(encoding="utf-8")
    start = json.loads(text.splitlines()[0])["start"]

    def make() -> Run:
        name = f"same-{secrets.token_hex(4)}"
        folder = tmp_path / "copies" / name
        assert model.folder is not None
        shutil.copytree(model.folder, folder)
        (folder / journal.STATE).unlink(missing_ok=True)
        new = text.replace(start["name"], name).replace(start["journal"], secrets.token_hex(16))
        (folder / journal.LINES).write_text(new.replace("REGISTER", name), encoding="utf-8")
        run = Run(None)
        run.folder = folder
        return run

    return make


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_cut_off_at_every_call_and_gone_on_with(after: bool, copies: Runs, client: Any, database: Path) -> None:
    """Prevents: points, models or versions that are lost or there twice after a crash between any two calls."""
    counting = Failing(client, 0, Cut(), after=after)
    run = copies()
    expected = comparable(database, delivered(run, with_client(counting, database)), run)
    assert expected["versions"] == [(1, "READY")]
    calls = counting.calls
    assert {"create_run", "log_batch", "log_inputs", "log_artifact", "create_logged_model", "log_model_artifacts",
            "finalize_logged_model", "log_outputs", "create_registered_model", "create_model_version",
            "set_registered_model_alias", "set_terminated"} <= set(calls)  # fmt: skip
    for at in range(1, len(calls) + 1):
        run = copies()
        problem = Cut() if after else ConnectionError("Connection refused")
        failing = with_client(Failing(client, at, problem, after=after), database)
        try:
            state = delivered(run, failing)
            assert state.problem is not None
            assert not state.done
        except Cut:
            pass
        state = delivered(run, with_client(client, database))
        assert state.done, calls[at - 1]
        assert comparable(database, state, run) == expected, calls[at - 1]


def with_client(client: Any, database: Path) -> Delivery:
    deliveries = Delivery()
    deliveries._clients[f"sqlite:///{database}"] = client
    return deliveries


def test_any_older_note_of_how_far_it_came_gives_the_same(
    copies: Runs, client: Any, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: doubles when the note on disk is behind what the store has, or damaged."""
    run = copies()
    assert run.folder is not None
    shutil.copytree(run.folder, tmp_path / "kept")
    notes: list[bytes] = [b"", b'{"uri": "sql', b"{}"]
    note = delivery._note

    def noting(folder: Path, now: Delivered) -> Delivered:
        note(folder, now)
        notes.append((folder / journal.STATE).read_bytes())
        return now

    monkeypatch.setattr(delivery, "_note", noting)
    first = delivered(run, with_client(client, database))
    monkeypatch.undo()
    expected = comparable(database, first, run)
    assert len(notes) > 12
    for old in notes[:-1]:
        shutil.copytree(tmp_path / "kept", run.folder)
        (run.folder / journal.STATE).write_bytes(old)
        again = delivered(run, with_client(client, database))
        assert again.done
        assert again.run == first.run
        assert comparable(database, again, run) == expected, old


def test_a_half_written_line_waits_for_its_other_half(copies: Runs, client: Any, database: Path) -> None:
    """Prevents: a line read while it is written, taken for the end or for damage."""
    run = copies()
    assert run.folder is not None
    path = run.folder / journal.LINES
    whole = path.read_bytes()
    deliveries = with_client(client, database)
    for size in range(40, len(whole), len(whole) // 17):
        path.write_bytes(whole[:size])
        state = deliveries.deliver(run.folder)
        assert state.problem is None
        assert not state.done
        assert state.offset == whole[:size].rfind(b"\n") + 1
    path.write_bytes(whole)
    state = deliveries.deliver(run.folder)
    assert state.done
    assert len(history(database, str(state.run), "val/loss")) == 2


def test_many_metrics_arrive_in_calls_that_the_store_takes(begin: Runs, database: Path) -> None:
    """Prevents: a long training whose curve is refused as too much at once."""
    run = begin()
    for step in range(2500):
        run.metrics({"val/loss": step / 7}, step, at=AT)
    run.metrics({f"many/{i}": float(i) for i in range(1100)})
    state = finished(run)
    assert history(database, str(state.run), "val/loss") == [(step, step / 7) for step in range(2500)]
    count = query(database, "select count(*) from metrics where run_uuid = ? and key like 'many/%'", state.run)
    assert count == [(1100,)]


def test_values_that_are_no_numbers(begin: Runs, database: Path) -> None:
    """Prevents: a diverged training whose run cannot be delivered; MLflow shows infinity as the largest float."""
    run = begin()
    run.metrics({"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.0}, 3)
    state = finished(run)
    assert state.refused == ()
    rows = query(database, "select key, value, is_nan from metrics where run_uuid = ? order by key", state.run)
    assert [(key, nan) for key, _, nan in rows] == [("a", 1), ("b", 0), ("c", 0), ("d", 0)]
    assert rows[1][1] > 1e308
    assert rows[2][1] < -1e308
    assert rows[3][1] == 1


@pytest.mark.parametrize(
    ("name", "alias"), [("a/b", None), ("a:b", None), ("fine-1", "latest"), ("fine-2", "v1"), ("it's", "best")]
)
def test_a_name_the_registry_refuses(name: str, alias: str | None, begin: Runs, database: Path, tmp_path: Path) -> None:
    """Prevents: a slip in --register that keeps a whole run from arriving, or is passed over in silence."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"w")
    run = begin()
    run.model(tmp_path / "model", name, alias)
    run.metrics({"test/mae": 1.0}, of_model=True)
    state = finished(run)
    if name == "it's":  # no reason to refuse it, and none to fail
        assert state.refused == ()
        assert state.version == "it's/1"
    else:
        assert len(state.refused) == 1
    stored = content(database, str(state.run))
    assert stored["run"][0][1] == "FINISHED"
    assert [model for model, _ in stored["models"]] == [run.name]
    assert stored["of model"] == [("test/mae", 1.0, 0)]


def test_a_damaged_model_costs_itself_alone(
    begin: Runs, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a run that never arrives because its copy of the model was damaged on disk."""
    monkeypatch.setattr(export, "export", EXPORT)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text("{")
    run = begin()
    run.model(tmp_path / "model")
    run.metrics({"test/mae": 1.0}, of_model=True)
    state = finished(run)
    assert len(state.refused) == 1
    assert "damaged" in state.refused[0]
    stored = content(database, str(state.run))
    assert stored["run"][0][1] == "FINISHED"
    assert stored["models"] == []
    assert [row[0] for row in stored["latest"]] == ["test/mae"]


def test_one_bad_name_costs_itself_alone(begin: Runs, database: Path) -> None:
    """Prevents: a hundred settings lost, or a run that never ends, because one name holds a character."""
    run = begin()
    run.params({"good.a": 1, "bad=name": 2, "good.b": 3})
    run.tags({"good": "1", "bad\tname": "2"})
    run.metrics({"good/a": 1.0, "bad=name": 2.0, "good/b": 3.0}, 1)
    run.metrics({"good/a": 1.5, "bad=name": 2.0}, 2)
    state = finished(run)
    assert any("bad=name" in text for text in state.refused)
    stored = content(database, str(state.run))
    assert stored["params"] == [("good.a", "1"), ("good.b", "3")]
    assert ("good", "1") in stored["tags"]
    assert [(key, step) for key, _, _, step, _ in stored["metrics"]] == [("good/a", 1), ("good/a", 2), ("good/b", 1)]
    assert stored["run"][0][1] == "FINISHED"


def test_long_and_foreign_words(begin: Runs, database: Path, tmp_path: Path) -> None:
    """Prevents: a run that is refused for the length of a setting, of a command, or of what went wrong in it."""
    (tmp_path / "größe – 尺寸.txt").write_text("ß")
    run = begin("größe-尺寸", "Versuch Ä/1", {"tsforge.command": "x" * 20_000, "mlflow.user": "Jürgen"})
    run.params({"data.past": "p" * 7000, "größe": "尺寸"})
    run.tags({"wörter": "w" * 20_000})
    run.metrics({"größe/尺寸": 1.0}, 1)
    run.file(tmp_path / "größe – 尺寸.txt", "ordner ü")
    run.end("FAILED", "E" * 20_000)
    state = delivered(run)
    assert state.problem is None
    assert state.refused == ()
    assert state.done
    stored = content(database, str(state.run))
    params, tags = dict(stored["params"]), dict(stored["tags"])
    assert params["data.past"] == "p" * 6000
    assert params["größe"] == "尺寸"
    assert set(tags["tsforge.reason"]) == {"E"}
    assert history(database, str(state.run), "größe/尺寸") == [(1, 1.0)]
    assert stored["files"] == {"ordner ü/größe – 尺寸.txt": "ß".encode()}
    assert stored["run"][0][:2] == (run.name, "FAILED")


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_deleted_experiment_is_no_loss(when: str, begin: Runs, client: Any, database: Path, tmp_path: Path) -> None:
    """Prevents: settings taken for refused, and a run that never ends, since its experiment is in the bin."""
    number = store.experiment(client, f"sqlite:///{database}", f"deleted {when}")
    run = begin("run", f"deleted {when}")
    deliveries = with_client(client, database)
    assert run.folder is not None
    if when == "between":
        assert deliveries.deliver(run.folder).problem is None
    client.delete_experiment(number)
    write(run, tmp_path, f"deleted-{when}")
    for _ in range(2):
        state = deliveries.deliver(run.folder)
        assert "active" in str(state.problem)
        assert "restore" in str(state.hint)
        assert not state.done
        assert state.refused == ()
    client.restore_experiment(number)
    state = deliveries.deliver(run.folder)
    assert state.done
    assert state.problem is None
    stored = content(database, str(state.run))
    assert len(stored["params"]) == 3
    assert len(stored["metrics"]) == 5
    assert stored["versions"] == [(1, "READY")]
    assert stored["run"][0][1] == "FAILED"


def test_two_deliverers_at_one_journal(copies: Runs, client: Any, database: Path) -> None:
    """Prevents: `runs sync` beside a courier that makes a second run, or an empty folder left behind."""
    alone = copies()
    expected = comparable(database, delivered(alone, with_client(client, database)), alone)
    for _ in range(3):
        run = copies()
        assert run.folder is not None
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(with_client(client, database).deliver, run.folder) for _ in range(2)]
        states = [each.result() for each in both]
        assert all(state.done for state in states)
        first = next(state for state in states if state.run)
        assert comparable(database, first, run) == expected
        assert not run.folder.exists()
    names = [name for (name,) in query(database, "select name from runs where name like 'same-%'")]
    assert len(names) == len(set(names))


@pytest.fixture(autouse=True, scope="module")
def _sound(database: Path) -> Iterator[None]:
    yield
    assert query(database, "pragma integrity_check") == [("ok",)]


def test_a_run_is_shown_under_its_parent(begin: Runs, client: Any, tmp_path: Path, database: Path) -> None:
    """Prevents: the runs of a comparison that lie about, and a run that is lost since its parent is."""
    parent = begin("parent")
    start = {"uri": f"sqlite:///{database}", "experiment": "tsforge", "tags": {}}
    above = {"name": parent.name, "journal": parent.key}
    child = journal.begin(tmp_path / "runs", "child", start | {"parent": above})
    orphan = journal.begin(tmp_path / "runs", "orphan", start | {"parent": {"name": "lost", "journal": "0" * 32}})
    folders = [run.folder for run in (child, parent, orphan) if run.folder is not None]
    early = Delivery().deliver(folders[0])
    assert early.run is None
    assert parent.name in (early.problem or "")
    parent.metrics({"a": 1.0})  # the last to be written, still the first to be delivered
    for run in (child, orphan, parent):
        run.end("FINISHED")
    assert journal.waiting(tmp_path / "runs") == [folders[1], folders[0], folders[2]]
    above_run, shown, alone = (Delivery().deliver(folder) for folder in journal.waiting(tmp_path / "runs"))
    assert shown.done
    assert alone.done
    assert client.get_run(shown.run).data.tags["mlflow.parentRunId"] == above_run.run
    assert "mlflow.parentRunId" not in client.get_run(alone.run).data.tags
