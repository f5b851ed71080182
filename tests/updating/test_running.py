"""update: what is held out is seen by neither model, the better one is in charge, and what became of it is said."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.tables import daily, hourly
from tsforge.cli.main import run
from tsforge.cli.tables.update import lines
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.tracking import journal, registry, updates
from tsforge.tracking.tracker import Tracker
from tsforge.training import ensemble, single
from tsforge.updating import drift, running
from tsforge.updating.plan import prepare
from tsforge.updating.running import Decision, Update

H = 6
OLD = 480  # rows that the first fit is given; of all there are
GRU = {"model.kind": "gru", "model.width": 8, "train.max_steps": 6}
TWO = {"model.members": [{"model": {"kind": "gru", "width": 8}}, {"model": "seasonal-naive"}]}


def fitted(folder: Path, table: pd.DataFrame, **more: Any) -> Path:
    settings = {"data.horizon": H, "data.context": 24, "data.season": 24} | more
    directory.save(tsforge.fit(tsforge.build(settings), table).model, folder, lambda _: None)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of the first rows: of one network, of two alike, of a blend, of none."""
    place, table = tmp_path_factory.mktemp("models"), hourly(28)[:OLD]
    kinds: dict[str, dict[str, Any]] = {
        "gru": GRU, "ensemble": GRU | {"ensemble": 2}, "blend": {"model.kind": "blend", "train.max_steps": 6} | TWO,
        "linear": {"model.kind": "linear"},
    }  # fmt: skip
    return {name: fitted(place / name, table, **settings) for name, settings in kinds.items()}


@pytest.fixture
def copied(models: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """The same, to be replaced."""
    return {name: Path(shutil.copytree(path, tmp_path / name)) for name, path in models.items()}


def weights(model: Model) -> list[torch.Tensor]:
    return [p.detach() for p in model.network.state_dict().values()]


@pytest.mark.parametrize("kind", ["gru", "linear"])
def test_rows_held_out_change_no_weight(copied: dict[str, Path], kind: str, tmp_path: Path) -> None:
    """Prevents: a new model that has seen what it is compared on."""
    table = hourly(28)
    spoiled = table.assign(load=np.where(np.arange(len(table)) < len(table) - 40, table["load"], 500.0))
    made = [tsforge.update(copied[kind], t, out=tmp_path / "new", test=40) for t in (table, spoiled)]
    first, second = (weights(result.fit.model) for result in made if result.fit is not None)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert made[0].scores["new"]["mae"] != pytest.approx(made[1].scores["new"]["mae"])


@pytest.mark.parametrize("kind", ["linear", "blend"])
def test_both_are_scored_by_what_predict_says(copied: dict[str, Path], kind: str) -> None:
    """Prevents: other windows, other forecasts, or scores of the two models exchanged."""
    table = hourly(28)
    old = tsforge.load(copied[kind])
    result = tsforge.update(copied[kind], table, test=30)
    assert result.fit is not None
    errors: dict[str, list[float]] = {"new": [], "old": []}
    stride = result.plan.dataset.cuts.stride if result.plan.dataset else 1
    for origin in range(len(table) - H, len(table) - 31, -stride):
        for name, model in (("new", result.fit.model), ("old", old)):
            point = tsforge.predict(model, table[:origin]).point[0, :, 0]
            errors[name].append(float(np.abs(point - table["load"][origin : origin + H]).mean()))
    for name, values in errors.items():
        assert result.scores[name]["mae"] == pytest.approx(np.mean(values), rel=1e-4)
    assert min(old.facts.seen.values()) - result.plan.panel.first[0] <= len(table) - 30


def test_members_begin_with_their_own_weights(models: dict[str, Path]) -> None:
    """Prevents: all members of an ensemble begun with those of the first, or a blend trained from chance."""
    for name in ("gru", "ensemble", "blend"):
        plan = prepare(models[name], hourly(28))
        assert plan.dataset is not None
        network = plan.old.network
        for number, part in enumerate(ensemble.members(plan.experiment)):
            there = network.members[number] if name != "gru" else network
            if part.model.kind == "seasonal-naive":
                assert part.train.start is None
                continue
            here = single.untrained(part, plan.dataset)
            assert all(torch.equal(a, b) for a, b in zip(there.parameters(), here.parameters(), strict=True))


def regimes() -> pd.DataFrame:
    """A day's wave that stands upside down for a while in the new rows, and then is as before."""
    table = hourly(36)
    there = slice(OLD, OLD + 190)
    table.loc[there, "load"] = 100 - table["load"][there]
    return table


def test_a_model_that_is_worse_does_not_take_the_place(copied: dict[str, Path]) -> None:
    """Prevents: a model spoiled by rows that were a mishap, in the place of a good one."""
    folder, table = copied["linear"], regimes()
    before = tsforge.predict(folder, table).point
    result = tsforge.update(folder, table, test=120)
    assert result.decision == Decision.KEPT
    assert result.scores["new"]["mase"] > 1.05 * result.scores["old"]["mase"]
    np.testing.assert_array_equal(tsforge.predict(folder, table).point, before)
    beside = folder.with_name(folder.name + ".candidate")
    assert result.written == beside
    assert not np.array_equal(tsforge.predict(beside, table).point, before)
    assert result.folder == folder


def test_the_new_model_is_in_place_and_knows_what_it_has_seen(copied: dict[str, Path]) -> None:
    """Prevents: rows that chose a model counted as unseen by the next update or backtest; a start in its settings."""
    table, folder = hourly(28), copied["gru"]
    result = tsforge.update(folder, table)
    assert result.decision == Decision.REPLACED
    assert result.fit is not None
    now = tsforge.load(folder)
    assert all(torch.equal(a, b) for a, b in zip(weights(now), weights(result.fit.model), strict=True))
    assert list(now.facts.seen.values()) == [int(result.plan.panel.first[0]) + len(table)]
    assert now.experiment.train.start is None
    assert now.calibration is not None
    assert now.calibration.moved is not None
    assert (folder / running.PICTURE).stat().st_size > 10_000
    record = json.loads((folder / running.RECORD).read_text())
    assert record["learned_until"] == str(table["time"].iloc[len(table) - result.plan.test - 1])
    assert record["tested_until"] == str(table["time"].iloc[-1])
    again = tsforge.update(folder, table)
    assert again.decision == Decision.TOO_FEW
    assert repr(again) == f"<update of {folder}: too few new rows, {folder} is in charge>"


@pytest.mark.parametrize(("more", "decision"), [(4 * H, Decision.TOO_FEW), (4 * H + 1, Decision.REPLACED)])
def test_how_many_new_rows_make_a_test(copied: dict[str, Path], more: int, decision: Decision) -> None:
    """Prevents: a verdict from fewer windows than a test takes, or rows that are asked for in vain."""
    tsforge.update(copied["linear"], hourly(28)[:OLD])  # by now it has seen all of these
    result = tsforge.update(copied["linear"], hourly(28)[: OLD + more])
    assert (result.decision, result.plan.new, result.plan.least) == (decision, more, 4 * H + 1)


def test_several_series_some_of_them_new_or_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a series that is new counted as seen, or one that is gone forgotten."""
    old = daily(("a", "b", "c", "d", "gone"), n=100)
    names = ("a", "b", "c", "d", "new")
    folder = fitted(tmp_path / "m", old, **{"model.kind": "linear", "data.id": "item", "data.season": 7})
    result = tsforge.update(folder, daily(names, n=120))
    assert result.decision == Decision.REPLACED
    assert (result.plan.series_new, result.plan.series_gone) == (1, 1)
    assert "gone" in caplog.text
    seen = tsforge.load(folder).facts.seen
    assert set(seen) == {*names, "gone"}
    assert seen["a"] == seen["new"] == seen["gone"] + 20 + 10  # whose last rows were held out by the first fit
    assert tsforge.predict(folder, old).point.shape[0] == 5


def test_many_series_need_one_horizon(tmp_path: Path) -> None:
    """Prevents: five years of months before a model of many series can be brought up to date."""
    names = ("a", "b", "c", "d")
    settings = {"model.kind": "naive", "data.id": "item", "data.season": 7, "data.test": 0}
    folder = fitted(tmp_path / "m", daily(names, n=100), **settings)
    plan = prepare(folder, daily(names, n=100 + H + 1))
    assert (plan.new, plan.least, plan.test) == (H + 1, H + 1, H)
    assert plan.dataset is not None
    assert len(plan.dataset.parts.test) == 4


def test_drift_is_told_from_none(copied: dict[str, Path]) -> None:
    """Prevents: a training each day though nothing has changed, or none when the errors have doubled."""
    table = hourly(36)
    assert tsforge.update(copied["linear"], table, when="drift").decision == Decision.NO_DRIFT
    noise = np.random.default_rng(5).normal(size=len(table)) * (np.arange(len(table)) >= OLD)
    result = tsforge.update(copied["linear"], table.assign(load=table["load"] + 3 * noise), when="drift")
    assert result.drift is not None
    assert result.drift.missed > result.drift.before
    assert result.fit is not None
    assert tsforge.load(copied["linear"]).facts.held_out == result.plan.test
    later = np.concatenate([noise, np.random.default_rng(6).normal(size=240)])
    again = hourly(46).assign(load=lambda t: t["load"] + 3 * later)
    assert tsforge.update(copied["linear"], again, when="drift").decision == Decision.NO_DRIFT


@pytest.mark.parametrize("horizon", [1, 2, H])
def test_a_hint_of_drift_can_be_followed(horizon: int, tmp_path: Path) -> None:
    """Prevents: a job that asks for rows again and again, where the model has too few windows to compare with."""
    table, rows = hourly(28), drift.least(horizon)
    few, enough = (
        fitted(
            tmp_path / str(n), table[:OLD], **{"model.kind": "linear", "data.horizon": horizon, "data.validation": n}
        )
        for n in (rows - 1, rows)
    )
    measured = drift.measure(prepare(enough, table))
    assert measured is not None
    assert measured.origins > 0
    with pytest.raises(DataError, match="calibrated by") as problem:
        drift.measure(prepare(few, table))
    assert f"data.validation = {rows} or more" in problem.value.hint


def test_too_few_new_rows_to_tell_of_drift_are_no_fault(tmp_path: Path) -> None:
    """Prevents: a job that a scheduler shows as broken each day until enough rows have come."""
    names = ("a", "b", "c", "d")
    settings = {"model.kind": "linear", "data.id": "item", "data.season": 7, "data.validation": drift.least(H)}
    folder = fitted(tmp_path / "m", daily(names, n=160), **settings, **{"data.test": 0})
    later = daily(names, n=160 + H + 1)
    result = tsforge.update(folder, later, when="drift")
    assert (result.decision, result.fit) == (Decision.TOO_FEW, None)
    assert "drift" not in lines(result, "m")[0]
    assert f"{drift.least(H)} new rows" in lines(result, "m")[0]
    assert tsforge.update(folder, later).decision != Decision.TOO_FEW


def test_a_model_replaced_while_it_is_read_is_seen(copied: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a model of somebody else overwritten by one that began with the weights before."""
    folder, load = copied["linear"], directory.load

    def slow(place: Path) -> Model:
        old = load(place)
        monkeypatch.setattr(directory, "load", load)
        tsforge.update(folder, hourly(27))
        return old

    monkeypatch.setattr(directory, "load", slow)
    with pytest.raises(ModelError, match="replaced by somebody else"):
        running.carry_out(prepare(folder, hourly(28)))


def test_a_model_replaced_meanwhile_is_left_alone(copied: dict[str, Path]) -> None:
    """Prevents: two updates at once, of which the slower one undoes the other."""
    plan = prepare(copied["linear"], hourly(28))
    tsforge.update(copied["linear"], hourly(27))
    with pytest.raises(ModelError, match="replaced by somebody else"):
        running.carry_out(plan)


def test_what_an_update_cannot_do_is_refused(copied: dict[str, Path], tmp_path: Path) -> None:
    """Prevents: a new model of another kind under the old name; a test of no rows."""
    table = hourly(28)
    with pytest.raises(ConfigError, match=r"model\.width cannot be changed"):
        tsforge.update(copied["gru"], table, settings={"model.width": 16})
    with pytest.raises(ConfigError, match="cannot be held out"):
        tsforge.update(copied["linear"], table, test=1000)
    with pytest.raises(ConfigError, match="is in the registry"):
        tsforge.update("models:/demand@champion", table)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("kept")
    with pytest.raises(ModelError, match="not a model directory"):
        tsforge.update(copied["linear"], table, out=tmp_path / "other")


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["update", *argv, "--quiet", "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("home")
def test_exit_codes_of_the_command_line(copied: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a job that cannot tell a model that was replaced from one that was not."""
    regimes().to_csv("spoiled.csv", index=False)
    hourly(28).to_csv("all.csv", index=False)
    model = str(copied["linear"])
    assert document(capsys, model, "spoiled.csv", "--test", "120", "--no-track")[0] == 3
    assert run(["update", model, "all.csv", "--no-track", "--test", str(2 * H)]) == 4
    assert f"ask for {4 * H} or more" in capsys.readouterr().out
    assert run(["update", model, "all.csv", "--no-track"]) == 0
    assert "verdict" in capsys.readouterr().out
    code, found = document(capsys, model, "all.csv", "--no-track")
    assert (code, found["decision"], found["run"]) == (4, "too few new rows", None)
    assert run(["update", model, "all.csv", "--alias", "champion"]) == 2
    assert "--register" in capsys.readouterr().err
    assert run(["update", "zero", "all.csv"]) == 2


class Journals(Tracker):
    """Runs that stay on disk."""

    @contextlib.contextmanager
    def run(self, name: str, params: Any, tags: Any, parent: Any = None, earlier: Any = None) -> Iterator[Any]:
        assert parent is None
        made = journal.begin(Path("runs").absolute(), name, {"tags": tags}, earlier)
        made.params(params)
        yield made
        made.end("FINISHED")


@pytest.mark.usefixtures("home")
def test_the_alias_goes_to_a_model_that_is_not_worse(copied: dict[str, Path]) -> None:
    """Prevents: an alias on a model that was worse, one left behind, or a run that lacks the decision."""
    found = {}
    for name, table in (("kept", regimes()), ("replaced", hourly(28))):
        to = updates.target("models:/demand@champion", f"new-{name}", None, None)
        plan = prepare(copied["linear"], table, 120)
        _, made = updates.carry_out(plan, to, Journals(on=False), "the command")
        assert made.folder is not None
        lines = [json.loads(line) for line in (made.folder / journal.LINES).read_text().splitlines()]
        (model,) = (line for line in lines if "model" in line)
        assert (made.folder / model["model"] / "manifest.json").is_file()
        tags = {key: value for line in lines for key, value in line.get("tags", {}).items()}
        values = {key: value for line in lines for key, value in line.get("metrics", {}).items()}
        assert {"old/mase", "test/mase", "update/gain"} <= values.keys()
        found[name] = (tags["tsforge.decision"], model["register"], model["alias"])
    assert found["kept"] == ("kept", "demand", None)
    assert found["replaced"] == ("replaced", "demand", "champion")


@pytest.mark.parametrize(("word", "name"), [
    ("models:/demand@champion", ("demand", "champion")), ("models:/demand/2", ("demand", None)),
    ("models:/demand", ("demand", None)), ("runs:/abc", (None, None)), ("models/demand", (None, None)),
    ("models:/m-0123456789abcdef0123456789abcdef", (None, None)),
])  # fmt: skip
def test_names_in_the_registry(word: str, name: tuple[str | None, str | None]) -> None:
    """Prevents: a folder or a run taken for a name, and an alias for part of it."""
    assert registry.named(word) == name


def test_update_has_everything_as_plain_values(copied: dict[str, Path]) -> None:
    """Prevents: a document that cannot be written as JSON."""
    result = tsforge.update(copied["linear"], hourly(28))
    assert isinstance(result, Update)
    text = json.dumps(running.record(result))
    assert {"new", "old"} <= json.loads(text)["scores"].keys()
