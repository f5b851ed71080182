"""A fit that was stopped at a validation goes on to the same model, bit for bit, as one that never was."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import tsforge
from tests.helpers.tables import hourly
from tsforge.errors import DataError, ModelError
from tsforge.fitted import naming
from tsforge.runtime import drafts
from tsforge.training import checkpointer, resuming
from tsforge.training.auto import tournament
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.checkpointer import Checkpointer
from tsforge.training.events import Event, Round, Standing, Tick
from tsforge.training.fitting import Fit
from tsforge.training.monitor import Monitor, State


class KilledError(BaseException):
    """What a test does to a fit."""


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every validation is kept, however short the fit."""
    monkeypatch.setattr(checkpointer, "EVERY", 0.0)
    monkeypatch.setattr(checkpointer, "SHARE", float("inf"))
    monkeypatch.setattr(tournament, "MOST_AGAIN", 2)


def experiment(**settings: object) -> tsforge.Experiment:
    """60 steps, validated every third."""
    quick: dict[str, object] = {
        "model.kind": "lstm", "model.width": 8, "data.horizon": 6, "data.context": 24, "train.max_steps": 60,
        "train.batch_size": 16, "train.patience": 99, "train.threads": 1,
    }  # fmt: skip
    own = ("model.kind", "model.width") if "model" in settings else ()
    return tsforge.build({k: v for k, v in quick.items() if k not in own} | settings)


def auto(**settings: object) -> tsforge.Experiment:
    """Three candidates with more time than they need, so that their steps decide."""
    values = {"model": {"kind": "auto", "candidates": ["nlinear", "gru", "rnn"]}, "data.horizon": 6}
    return tsforge.build(values | {"train.max_steps": 120, "train.max_time": 900.0, "train.threads": 1} | settings)


def at(step: int, member: int = 1) -> Callable[[Event], None]:
    """Stops a fit at the first validation from a step of a member on that was not reported before."""

    def report(event: Event) -> None:
        if isinstance(event, Round) and (event.member, event.step) >= (member, step) and not event.again:
            raise KilledError

    return report


def after(trainings: int, step: int) -> Callable[[Event], None]:
    """Stops a tournament within a training that comes after so many."""
    done = [0]

    def report(event: Event) -> None:
        done[0] += isinstance(event, Standing) and event.rung > 0
        if isinstance(event, Tick) and done[0] == trainings and event.step >= step:
            raise KilledError

    return report


def same(a: Fit, b: Fit) -> None:
    """All numbers but those of clocks."""
    left, right = a.model.network.state_dict(), b.model.network.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(value, right[name]) for name, value in left.items())
    assert [str(r._replace(seconds=0)) for r in a.rounds] == [str(r._replace(seconds=0)) for r in b.rounds]  # with NaN
    assert [s._replace(seconds=0) for s in a.standings] == [s._replace(seconds=0) for s in b.standings]
    assert (a.stop, a.metrics) == (b.stop, b.metrics)
    assert a.model.experiment == b.model.experiment


def stopped(asked: tsforge.Experiment, folder: Path, report: Callable[[Event], None]) -> None:
    with pytest.raises(KilledError):
        tsforge.fit(asked, hourly(12, seed=3), out=folder, report=report)
    assert naming.checkpoint(folder).is_dir()
    assert not folder.exists()


DROPOUT = {"model.kind": "transformer", "model.backbone.dropout": 0.2}
MEMBERS = [
    {"model": {"kind": "gru", "width": 8}, "weight": 1.0}, {"model": "theta", "weight": 1.0},
    {"model": {"kind": "rnn", "width": 8}, "weight": 1.0},
]  # fmt: skip
BLEND = {"model": {"kind": "blend", "members": MEMBERS}}


@pytest.mark.parametrize(
    ("settings", "step", "member"),
    [
        ({}, 6, 1),
        ({"train.patience": 2, "train.lr": 0.05}, 9, 1),
        (DROPOUT, 31, 1),
        ({"ensemble": 3}, 21, 2),
        (BLEND, 31, 3),
    ],
)
def test_a_stopped_fit_ends_as_if_it_had_not_been(
    settings: dict[str, object], step: int, member: int, tmp_path: Path
) -> None:
    """Prevents: windows seen twice, other dropout, members trained again with other numbers, a state left behind."""
    asked, folder = experiment(**settings), tmp_path / "m"
    stopped(asked, folder, at(step, member))
    heard: list[Event] = []
    again = tsforge.resume(folder, hourly(12, seed=3), report=heard.append)
    same(tsforge.fit(asked, hourly(12, seed=3)), again)
    assert not naming.checkpoint(folder).exists()
    assert tsforge.load(folder).experiment == again.model.experiment
    assert all((e.member, e.step) >= (member, step - 3) for e in heard if isinstance(e, Tick))


def test_a_refit_does_not_train_the_first_time_again(tmp_path: Path) -> None:
    asked, folder, seen = experiment(**{"ensemble": 2, "train.refit": "all"}), tmp_path / "m", set[int]()

    def refitting(event: Event) -> None:
        if isinstance(event, Tick):
            seen.add(event.member)
            if seen == {1, 2} and event.member == 1:
                raise KilledError

    stopped(asked, folder, refitting)
    ticks: list[Tick] = []
    again = tsforge.resume(
        folder, hourly(12, seed=3), report=lambda e: ticks.append(e) if isinstance(e, Tick) else None
    )
    whole: list[Tick] = []
    same(
        tsforge.fit(asked, hourly(12, seed=3), report=lambda e: whole.append(e) if isinstance(e, Tick) else None), again
    )
    assert [t.step for t in ticks] == [t.step for t in whole][6:]


@pytest.fixture(scope="module")
def whole_tournament() -> Fit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tournament, "MOST_AGAIN", 2)
        return tsforge.fit(auto(), hourly(12, seed=3))


@pytest.mark.parametrize(("trainings", "step"), [(0, 20), (3, 40), (6, 80)])
def test_a_stopped_tournament_ends_as_if_it_had_not_been(
    trainings: int, step: int, whole_tournament: Fit, tmp_path: Path
) -> None:
    """Prevents: candidates trained twice, other slots after a restart, candidates that come back into earlier rungs."""
    folder = tmp_path / "m"
    stopped(auto(), folder, after(trainings, step))
    heard: list[Event] = []
    again = tsforge.resume(folder, hourly(12, seed=3), report=heard.append)
    same(whole_tournament, again)
    assert sum(s.rung > 0 for s in again.standings) > trainings
    assert len([e for e in heard if isinstance(e, Standing) and e.again and e.rung]) == trainings


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint folder of a fit of a file that was stopped."""
    home = tmp_path_factory.mktemp("state")
    hourly(12, seed=3).to_csv(home / "data.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpointer, "EVERY", 0.0)
        patch.setattr(checkpointer, "SHARE", float("inf"))
        with pytest.raises(KilledError):
            tsforge.fit(experiment(**{"train.max_steps": 9}), str(home / "data.csv"), out=home / "m", report=at(9))
    return naming.checkpoint(home / "m")


@pytest.fixture
def folder(state: Path, tmp_path: Path) -> Path:
    """The folder of a model, with a copy of that state beside it."""
    shutil.copytree(state, naming.checkpoint(tmp_path / "m"))
    return tmp_path / "m"


def test_by_either_folder_and_with_the_table_elsewhere(folder: Path, state: Path) -> None:
    moved = folder.with_name("moved.csv")
    shutil.copy(state.with_name("data.csv"), moved)
    found = tsforge.resume(naming.checkpoint(folder), moved)
    assert found.rounds[-1].step == 9
    assert tsforge.load(folder).experiment.data.path == str(moved)


def changed(place: Path, name: str, old: bytes, new: bytes) -> None:
    content = (place / name).read_bytes()
    assert old in content
    (place / name).write_bytes(content.replace(old, new))


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (shutil.rmtree, "nothing to resume: there is no"),
    "a version": (lambda p: changed(p, "fit.json", b'"tsforge": "', b'"tsforge": "9.'), "damaged"),
    "a setting": (lambda p: changed(p, "fit.json", b'"max_steps": 9', b'"max_steps": 8'), "damaged"),
    "half": (lambda p: (p / "fit.json").write_text((p / "fit.json").read_text()[:99]), "damaged"),
    "a bit": (lambda p: flipped(p / "training.safetensors"), "damaged: its sha256"),
    "no tensors": (lambda p: (p / "training.safetensors").write_bytes(b"x" * 99), "damaged"),
}


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", HARMS)
def test_what_cannot_be_gone_on_with_is_said(harm: str, folder: Path) -> None:
    """Prevents: a damaged state that is trained on, and one that is silently begun anew."""
    do, problem = HARMS[harm]
    do(naming.checkpoint(folder))
    with pytest.raises(ModelError, match=problem) as raised:
        tsforge.resume(folder)
    assert raised.value.hint
    assert not folder.exists()


def test_another_version_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "__version__", "9.0")
    with pytest.raises(ModelError, match=r"written by tsforge .*; this is tsforge 9.0"):
        tsforge.resume(folder)


def test_changed_data_are_refused(folder: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: weights that half of the training drew from other values."""
    lines = state.with_name("data.csv").read_text().splitlines(keepends=True)
    other = folder.with_name("data.csv")
    other.write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match="they have changed"):
        tsforge.resume(folder, other)
    monkeypatch.setattr(Checkpointer, "source", str(folder / "gone.csv"))
    with checkpointer.take_up(folder) as keeper, pytest.raises(DataError, match="not there any more") as raised:
        resuming.prepare(keeper)
    assert "`resume`" in raised.value.hint


def test_a_fit_that_runs_is_left_alone(folder: Path) -> None:
    """Prevents: two processes that write one state."""
    with checkpointer.take_up(folder), pytest.raises(ModelError, match="still runs"):
        tsforge.resume(folder)
    assert tsforge.resume(folder).rounds[-1].step == 9


def test_a_new_fit_says_so_and_takes_the_place(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    tsforge.fit(experiment(**{"train.max_steps": 6}), hourly(12, seed=3), out=folder)
    assert f"tsforge fit --resume {folder}" in caplog.text
    assert not naming.checkpoint(folder).exists()


def test_a_folder_without_a_name_is_left_to_its_fit(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: hours of training lost to the same command, given again."""
    with naming.reserved(folder) as place:
        assert place == folder.with_name("m-2")
    assert f"tsforge fit --resume {folder}" in caplog.text


@pytest.mark.parametrize("problem", ["full", "taken"])
def test_a_state_that_cannot_be_written_is_no_reason_to_stop(
    problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "m"
    naming.checkpoint(folder).mkdir()
    held = drafts.lock(naming.checkpoint(folder)) if problem == "taken" else None
    if problem == "full":
        monkeypatch.setattr(Checkpointer, "_note", lambda _self: (_ for _ in ()).throw(OSError(28, "no space left")))
    tsforge.fit(experiment(**{"train.max_steps": 6}), hourly(12, seed=3), out=folder)
    assert caplog.text.count("no checkpoint:") == 1
    assert naming.checkpoint(folder).exists() == (problem == "taken")
    if held is not None:
        os.close(held)


def test_writes_take_a_hundredth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a large network that writes more than it trains, a small one that waits for the disk."""
    now, written = [100.0], list[float]()
    monkeypatch.setattr(checkpointer, "EVERY", 5.0)
    monkeypatch.setattr(checkpointer, "SHARE", 0.01)
    monkeypatch.setattr(checkpointer.time, "perf_counter", lambda: now[0])
    keeper = Checkpointer(tmp_path / "m", experiment())

    def put(_self: Checkpoint, _state: State) -> None:
        written.append(now[0])
        now[0] += 0.2

    monkeypatch.setattr(Checkpoint, "put", put)
    monkeypatch.setattr(Checkpointer, "_note", lambda _self: None)
    for _ in range(600):
        now[0] += 0.1
        keeper.keep(keeper.checkpoint, State({}, {}))
    assert written[0] == pytest.approx(105, abs=0.2)
    assert [round(b - a) for a, b in pairwise(written)] == [20, 20]


def test_fine_tuning_goes_on(folder: Path, tmp_path: Path) -> None:
    """Prevents: weights that are taken from the start again, and a start that is validated twice."""
    start = str(folder)
    tsforge.resume(folder)
    asked = experiment(**{"train.start": start})
    stopped(asked, tmp_path / "tuned", at(30))
    same(tsforge.fit(asked, hourly(12, seed=3)), tsforge.resume(tmp_path / "tuned", hourly(12, seed=3)))


@pytest.mark.parametrize("count", [1, 2])
def test_the_time_that_was_used_counts(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a time limit that begins anew with each start. More than a member's share is noted before the stop."""
    asked, state = experiment(**{"train.max_time": 900.0, "ensemble": count}), Monitor.state
    seconds = 900.0 / count + 10

    def late(monitor: Monitor) -> State:
        return State(state(monitor).tensors, state(monitor).facts | {"seconds": seconds})

    monkeypatch.setattr(Monitor, "state", late)
    stopped(asked, tmp_path / "m", at(9))
    monkeypatch.undo()
    found = tsforge.resume(tmp_path / "m", hourly(12, seed=3))
    assert found.stop == "time"
    first = [r for r in found.rounds if r.member == 1]
    assert [r.step for r in first] == [3, 6, 7]
    assert first[-1].seconds > seconds
    if count == 2:
        assert found.rounds[-1].step == 60  # within what the first has left


def test_ctrl_c_leaves_a_model_and_goes_on(tmp_path: Path) -> None:
    asked, folder = experiment(), tmp_path / "m"

    def interrupt(event: Event) -> None:
        if isinstance(event, Tick) and event.step == 40:
            signal.raise_signal(signal.SIGINT)

    first = tsforge.fit(asked, hourly(12, seed=3), out=folder, report=interrupt)
    assert first.stop == "interrupt"
    assert tsforge.load(folder)
    same(tsforge.fit(asked, hourly(12, seed=3)), tsforge.resume(folder, hourly(12, seed=3)))


def test_a_fit_leaves_the_checkpoint_of_another_that_runs(tmp_path: Path) -> None:
    """Prevents: a short fit, which writes no state, that removes what a long one beside it has kept."""
    mine, other = (Checkpointer(tmp_path / "m", experiment()) for _ in range(2))
    place = naming.checkpoint(tmp_path / "m")
    place.mkdir()
    (place / naming.PLAN).write_text("of the other")
    other.claim()
    mine.remove()
    assert (place / naming.PLAN).read_text() == "of the other"
    with other:
        pass  # it ends
    mine.remove()
    assert not place.exists()
