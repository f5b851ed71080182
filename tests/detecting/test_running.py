"""detect: what was put in is found, normal times are left alone, rows one by one get the verdicts of all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import commands
from tsforge.cli.main import run
from tsforge.detecting.lane import LEVEL_SHIFT, OUTLIER, SHIFT
from tsforge.errors import ConfigError, DataError, ModelError, TsforgeError
from tsforge.fitted import directory
from tsforge.fitted.model import Model

OLD = 600  # rows that models are fitted on


def hours(n: int = 2000, seed: int = 0, *, size: float = 1.0) -> pd.DataFrame:
    """A day's wave with noise of deviation 1."""
    noise = size * np.random.default_rng(seed).normal(size=n)
    load = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 24) + noise
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=n, freq="h"), "load": load})


def fitted(table: pd.DataFrame, **more: Any) -> Model:
    return tsforge.fit(tsforge.build({"model.kind": "linear", "data.horizon": 12} | more), table).model


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted(hours()[:OLD])


def spoiled() -> pd.DataFrame:
    """An outlier in row 900, one below in row 1000, and another level from row 1400 on."""
    table = hours()
    table.loc[900, "load"] += 9
    table.loc[1000, "load"] -= 9
    table.loc[1400:, "load"] += 12
    return table


def test_what_was_put_in_is_found_and_told_apart(model: Model) -> None:
    """Prevents: an outlier missed, alarms behind it that it caused, or a new level that alarms for ever."""
    result = tsforge.detect(model, spoiled())
    kind = result.verdicts.kind[:, 0]
    assert kind[900] == kind[1000] == OUTLIER
    assert (kind[1400 : 1400 + SHIFT] == LEVEL_SHIFT).all()
    rest = np.delete(kind, [900, 1000, *range(1400, 1400 + SHIFT)])
    assert (rest > 0).sum() <= 6  # a thousand and more values at 0.001
    shift = next(event for event in result.events if event.kind == "level shift")
    assert (shift.first, shift.last, shift.values) == (1400, 1400 + SHIFT - 1, SHIFT)
    frame = result.frame.set_index("time")
    row = frame.loc[spoiled()["time"][900]]
    assert row["value"] == pytest.approx(spoiled()["load"][900], rel=1e-6)
    assert row["expected"] == pytest.approx(50 + 10 * np.sin(900 * 2 * np.pi / 24), abs=1.5)
    assert row["low"] < row["expected"] < row["high"] < row["value"]
    assert row["severity"] == pytest.approx((row["value"] - row["expected"]) / (row["high"] - row["expected"]))
    assert row["p"] < 0.001


@pytest.mark.parametrize(("kind", "rate"), [("linear", 0.01), ("seasonal-naive", 0.01), ("naive", 0.01)])
def test_normal_times_raise_as_few_alarms_as_asked_for(kind: str, rate: float) -> None:
    """Prevents: a rate that is stated and not kept; alarms that come of alarms, in a model of the last value."""
    found = judged = 0
    for seed in range(3):
        table = hours(3000, seed)
        if kind == "naive":
            table["load"] = 50 + np.random.default_rng(seed).normal(size=len(table)).cumsum()
        result = tsforge.detect(fitted(table[:OLD], **{"model.kind": kind}), table, rate=rate)
        found, judged = found + result.found, judged + result.judged
        assert (result.verdicts.p[result.verdicts.kind > 0] < rate).all()
    assert judged > 7000
    assert 0.4 * rate < found / judged < 2 * rate


def test_rows_one_by_one_have_the_verdicts_of_all_at_once(model: Model) -> None:
    """Prevents: verdicts that know what came later; a state that forgets what was replaced, moved or counted."""
    table = spoiled()[:1460]
    whole = tsforge.detect(model, table).verdicts
    made = tsforge.detect(model, table[:880])
    p, kind = made.verdicts.p, made.verdicts.kind
    done = 880
    for end in (*range(881, 910), 1390, *range(1391, 1412), 1460):
        state = json.loads(json.dumps(made.state))  # as a file has it
        begin, done = done - 300, end
        made = tsforge.detect(model, table[begin:end], state=state)
        new = ~np.isnan(made.verdicts.p[:, 0])
        rows = np.flatnonzero(new) + begin
        assert made.found == (made.verdicts.kind[new] > 0).sum() == len(made.frame)
        np.testing.assert_allclose(made.verdicts.p[new], whole.p[rows], rtol=2e-3)
        np.testing.assert_array_equal(made.verdicts.kind[new] > 0, whole.kind[rows] > 0)
        p = np.concatenate([p[: rows[0]], made.verdicts.p[new]])
        kind = np.concatenate([kind[: rows[0]], made.verdicts.kind[new]])
    assert np.isnan(p).sum() == np.isnan(whole.p[: len(p)]).sum()
    assert kind[1400 + SHIFT - 1] == LEVEL_SHIFT  # it is known with the fifth value; the first four were outliers then
    assert (kind[1400 : 1400 + SHIFT - 1] == OUTLIER).all()
    again = tsforge.detect(model, table, state=made.state)
    assert (again.judged, again.found) == (0, 0)


def test_what_is_known_in_advance_is_known_for_one_step() -> None:
    """Prevents: a verdict that reads tomorrow's promotion from the table, which nobody had when the value came."""
    table = hours(700)
    table["promo"] = (np.random.default_rng(1).random(len(table)) < 0.2).astype(float)
    table["load"] += 8 * table["promo"]
    settings = {"model.kind": "gru", "model.width": 8, "train.max_steps": 15, "data.future": "promo"}
    own = fitted(table[:OLD], **settings)
    whole, part = tsforge.detect(own, table), tsforge.detect(own, table[:660])
    np.testing.assert_allclose(part.verdicts.p[:660], whole.verdicts.p[:660], rtol=2e-3)


def test_several_series_and_targets_with_gaps() -> None:
    """Prevents: a find in the wrong series or target; a gap that is judged, or that ends a series."""
    parts = []
    for number, name in enumerate(("a", "b", "c")):
        table = hours(900, number).assign(item=name, other=hours(900, 10 + number)["load"] * 2)
        parts.append(table[table.index != 850] if name == "b" else table)
    table = pd.concat(parts, ignore_index=True)
    settings = {"data.id": "item", "data.target": ["load", "other"], "data.test": 0}
    own = fitted(table[table["time"] < table["time"][OLD]], **settings)
    place = (table["item"] == "b") & (table["time"] == table["time"][800])
    table.loc[place, "other"] += 30
    table.loc[(table["item"] == "c") & (table["time"] == table["time"][810]), ["load", "other"]] = np.nan
    result = tsforge.detect(own, table)
    found = result.frame
    hit = found[(found["item"] == "b") & (found["time"] == table["time"][800])]
    assert hit["target"].tolist() == ["other"]
    assert len(found) <= 1 + 8
    assert result.judged == 3 * 2 * 300 - 4
    assert sum(event.values for event in result.events) == len(found)
    alone = tsforge.detect(own, table[table["item"] != "b"], state=result.state)
    assert alone.judged == 0
    assert alone.state["series"].keys() == result.state["series"].keys()


def test_everything_judges_what_was_learned_from_too(model: Model) -> None:
    """Prevents: the history of a table that cannot be looked at."""
    table = spoiled()
    table.loc[300, "load"] += 9
    assert tsforge.detect(model, table).verdicts.kind[300, 0] == 0
    assert tsforge.detect(model, table, everything=True).verdicts.kind[300, 0] == OUTLIER


def test_what_cannot_be_judged_is_an_error(model: Model) -> None:
    """Prevents: no alarm from a table in which nothing was looked at."""
    with pytest.raises(DataError, match="no row lies after"):
        tsforge.detect(model, hours()[:500])
    with pytest.raises(DataError, match="too few rows"):
        tsforge.detect(model, hours()[OLD + 10 : OLD + 60])
    with pytest.raises(ConfigError, match="rate of 0"):
        tsforge.detect(model, hours(), rate=0)
    with pytest.raises(ConfigError, match="another model"):
        tsforge.detect(model, hours(), state=tsforge.detect(fitted(hours()[:500]), hours()).state)
    blunt = Model(model.experiment, model.facts, model.network)
    with pytest.raises(ModelError, match="no intervals"):
        tsforge.detect(blunt, hours())
    named = hours().rename(columns={"time": "p"})
    with pytest.raises(TsforgeError, match="has a column 'p'"):
        _ = tsforge.detect(fitted(named[:OLD]), named).frame


@pytest.mark.usefixtures("home")
def test_of_the_command_line(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: finds that are not written, drawn or in the document; rows judged twice, or never."""
    directory.save(model, Path("m"), lambda _: None)
    spoiled()[:1200].to_csv("early.csv", index=False)
    spoiled().to_csv("all.csv", index=False)
    asked = ["--quiet", "--state", "state.json"]
    first = commands.document(capsys, "detect", "m", "early.csv", *asked)
    found = commands.document(capsys, "detect", "m", "all.csv", *asked, "--output", "a.csv", "--plot", "a.png")
    assert first["judged"] + found["judged"] == tsforge.detect(model, spoiled()).judged
    assert {900, 1000} <= {int(np.flatnonzero(spoiled()["time"] == e["from"])[0]) for e in first["events"]}
    frame = pd.read_csv("a.csv")
    assert len(frame) == found["unusual"]
    assert "level shift" in set(frame["kind"])
    assert Path("a.png").stat().st_size > 10_000
    assert run(["detect", "m", "all.csv"]) == 0
    out = capsys.readouterr().out
    assert "level shift" in out
    assert "false alarms to be expected" in out
    assert run(["detect", "m", "all.csv", *asked]) == 0
    assert "no row is new" in capsys.readouterr().out
    Path("state.json").write_text("[")
    assert "not the state" in commands.fails(capsys, "detect", "m", "all.csv", *asked)
    assert "fit" in commands.fails(capsys, "detect", "zero", "all.csv")


def test_a_detection_is_recorded(model: Model, home: Path) -> None:
    """Prevents: a run without what was found."""
    from tsforge.tracking import asked, detections, journal
    from tsforge.tracking.tracker import Tracker

    result = tsforge.detect(model, spoiled())
    run = journal.begin(home / "runs", "anomalies", {})
    asked.write(run, asked.Asked("detect", "anomalies", "m", None, ""), detections.answer(result))
    run.end("FINISHED")
    lines = [json.loads(line) for line in (home / "runs" / run.name / journal.LINES).read_text().splitlines()]
    values = {key: value for line in lines for key, value in line.get("metrics", {}).items()}
    assert values["anomalies/values"] == result.found
    assert sum("file" in line for line in lines) == 2
    assert detections.record(result, "m", None, Tracker(on=False), "").folder is None
