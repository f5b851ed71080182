"""Models of tables whose rows are joined, resampled, or partly without any value: from fit to forecast and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import walk
from tsforge.cli.main import run
from tsforge.data.schema import DataConfig
from tsforge.data.survey import survey
from tsforge.errors import DataError
from tsforge.fitted.directory import load
from tsforge.tracking.serving import ServedModel

# --- resampled ----------------------------------------------------------------------------------------------------


def readings(start: str, n: int, freq: str, form: str) -> pd.DataFrame:
    times = pd.date_range(start, periods=n, freq=freq)
    y = 20 + 5 * np.sin(np.arange(n) / 7) + np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"when": times.strftime(form), "y": y.round(3)})


TABLES = {
    "hours to days": ("2024-02-27 05:00", 2000, "h", "%d.%m.%Y %H:%M", "D", "sum"),
    "days to weeks": ("2022-01-04", 500, "D", "%Y-%m-%d", "W", "mean"),
    "days to months": ("2019-11-11", 1500, "D", "%m/%d/%Y", "MS", "sum"),
    "minutes to hours": ("2024-05-01 00:17", 6000, "min", "%Y%m%d%H%M", "h", "mean"),
}


def by_hand(frame: pd.DataFrame, form: str, rule: str, aggregate: str) -> pd.DataFrame:
    """What pandas makes of it, without the first and the last period, which these tables do not fill."""
    series = frame.set_index(pd.to_datetime(frame["when"], format=form))["y"]
    values = getattr(series.resample(rule), aggregate)().iloc[1:-1]
    return pd.DataFrame({"when": values.index.strftime(form), "y": values.to_numpy()})


@pytest.mark.parametrize("kind", ["seasonal-naive", "drift"])
@pytest.mark.parametrize("name", TABLES)
def test_a_resampled_table_is_the_one_resampled_by_hand(tmp_path: Path, name: str, kind: str) -> None:
    """Prevents: forecasts of other steps, in another spelling, or of rows in place of periods; also of later tables."""
    start, n, freq, form, rule, aggregate = TABLES[name]
    if "%Y%m%d%H%M" in form:
        form = "%Y-%m-%d %H:%M"
    frame = readings(start, n, freq, form)
    settings = {"data.horizon": 3, "data.season": 4, "model.kind": kind}
    longer = settings | {"data.resample": rule, "data.aggregate": aggregate}
    plain = tsforge.fit(tsforge.build(settings), by_hand(frame, form, rule, aggregate), out=tmp_path / "plain")
    fitted = tsforge.fit(tsforge.build(longer), frame, out=tmp_path / "longer")
    assert fitted.metrics[kind] == pytest.approx(plain.metrics[kind], nan_ok=True, rel=1e-4)
    assert fitted.model.experiment.data.freq == pd.tseries.frequencies.to_offset(freq).freqstr
    for rows in (frame, frame[: n - n // 10]):
        got = tsforge.predict(tmp_path / "longer", rows).frame
        expected = tsforge.predict(tmp_path / "plain", by_hand(rows, form, rule, aggregate)).frame
        pd.testing.assert_frame_equal(got, expected, rtol=1e-4)


@pytest.mark.usefixtures("home")
def test_a_resampled_model_is_judged_explained_and_fitted_again() -> None:
    """Prevents: a verb that reads the rows of a table for the steps of the model."""
    form = "%Y-%m-%d %H:%M"
    readings("2024-01-01", 24 * 90, "h", form).to_csv("h.csv", index=False)
    words = ["--horizon", "7", "--model", "linear", "--no-track", "--quiet", "--set", "data.resample=D"]
    assert run(["fit", "h.csv", *words, "--out", "m"]) == 0
    schema = load("m").facts.columns
    assert schema.resampling is not None
    assert (schema.frequency.name, schema.resampling.source.name) == ("D", "h")  # type: ignore[union-attr]
    back = tsforge.backtest("m", "h.csv")
    assert back.panel.schema.frequency.name == "D"
    assert tsforge.explain("m", "h.csv", origin="2024-03-20 00:00").times[1].iloc[0] == "2024-03-20 00:00"
    again = tsforge.fit(tsforge.build({}, "m/experiment.toml"))
    assert again.metrics["linear"] == pytest.approx(json.loads(Path("m/scores.json").read_text())["linear"])
    assert again.model.facts.columns == schema


@pytest.mark.usefixtures("home")
def test_the_command_line_says_what_became_of_rows(capsys) -> None:
    """Prevents: a table of hours that is forecast in days without a word about it."""
    readings("2024-01-01 05:00", 1000, "h", "%Y-%m-%d %H:%M").to_csv("h.csv", index=False)
    words = ["--horizon", "5", "--model", "drift", "--no-track", "--out", "m"]
    assert run(["fit", "h.csv", *words, "--set", "data.resample=D", "--set", "data.aggregate=sum"]) == 0
    said = capsys.readouterr().err
    assert "note: 1,000 rows become 42 steps of D: the sum of each" in said
    assert "note: 2 incomplete steps of D are left out: the rows begin or end within them" in said
    assert "1 series, 40 steps of D" in said
    assert run(["predict", "m", "h.csv"]) == 0
    assert "1,000 rows become 42 steps of D" in capsys.readouterr().err


@pytest.mark.parametrize(("year", "rule"), [("2042", "D"), ("1924", "W"), ("2424", "MS")])
def test_a_mistyped_year_is_asked_about(year: str, rule: str) -> None:
    """Prevents: decades of steps without a row, and a forecast behind them, because of one wrong row."""
    frame = readings("2023-01-01", 24 * 300, "h", "%Y-%m-%d %H:%M")
    frame.loc[5000, "when"] = year + frame.loc[5000, "when"][4:]
    with pytest.raises(DataError, match=f"steps have no row: the usual step is {rule}, and the largest gap") as caught:
        tsforge.fit(tsforge.build({"data.resample": rule, "data.horizon": 2, "model.kind": "drift"}), frame)
    assert year in caught.value.message
    assert "pass a longer data.resample" in caught.value.hint


# --- nothing in them ----------------------------------------------------------------------------------------------


def with_empty(names: tuple[str, ...]) -> pd.DataFrame:
    frame = walk((60, 50, 70, 60)).assign(price=1.0)
    frame.loc[frame["item"].isin(names), "y"] = np.nan
    return frame


@pytest.mark.parametrize("names", [("s1",), ("s0", "s3"), ("s1", "s2")])
@pytest.mark.parametrize("kind", ["seasonal-naive", "drift"])
def test_series_without_any_value_change_nothing(caplog, names: tuple[str, ...], kind: str) -> None:
    """Prevents: empty series that are counted, scored, or forecast at the start of the table."""
    frame = with_empty(names)
    settings = {"data.target": "y", "data.horizon": 4, "model.kind": kind}
    fitted = tsforge.fit(tsforge.build(settings), frame)
    assert f"no observed target and {'is' if len(names) == 1 else 'are'} left out: {', '.join(names)}" in caplog.text
    rest = frame[~frame["item"].isin(names)]
    alone = tsforge.fit(tsforge.build(settings), rest)
    assert fitted.metrics == alone.metrics
    assert fitted.model.facts.series == 4 - len(names)
    caplog.clear()
    got, expected = (tsforge.predict(alone.model, table).frame for table in (frame, rest))
    pd.testing.assert_frame_equal(got, expected)
    assert "left out" in caplog.text


@pytest.mark.usefixtures("home")
def test_counts_leave_empty_series_out(capsys) -> None:
    """Prevents: a plan, a survey or a table of scores with a series that has nothing in it."""
    with_empty(("s1", "s2")).drop(columns="price").to_csv("t.csv", index=False)
    assert run(["fit", "t.csv", "--horizon", "4", "--model", "drift", "--no-track", "--out", "m"]) == 0
    said = capsys.readouterr().err
    assert "note: 2 series have no observed target and are left out: s1, s2" in said
    assert "drift on y: 2 series, 120 steps of D" in said
    assert run(["predict", "m", "t.csv", "--output", "f.csv", "--quiet"]) == 0
    assert pd.read_csv("f.csv")["item"].unique().tolist() == ["s0", "s3"]
    capsys.readouterr()
    assert run(["backtest", "m", "t.csv", "--no-track", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["series"] == 2
    assert survey("t.csv", DataConfig())["series"]["count"] == 2


# --- targets that a series never had ------------------------------------------------------------------------------


def never(kind: str) -> pd.DataFrame:
    """Two or three targets, of which some series never have one."""
    frame = walk((70, 60, 80)).assign(z=lambda f: f["y"] + 100, w=lambda f: -f["y"])
    gone = {"z": ["s1"]} if kind == "one" else {"z": ["s0", "s2"]} if kind == "most" else {"z": ["s0"], "w": ["s1"]}
    for name, items in gone.items():
        frame.loc[frame["item"].isin(items), name] = np.nan
    return frame


@pytest.mark.parametrize("model", ["seasonal-naive", "drift", "gru"])
@pytest.mark.parametrize("kind", ["one", "most", "mixed"])
def test_targets_never_observed_are_empty(caplog, kind: str, model: str) -> None:
    """Prevents: the mean of all series as the forecast of what a series never had; rolled out too."""
    frame = never(kind)
    settings = {"data.target": "y,z,w", "data.horizon": 5, "model.kind": model, "train.max_steps": 3}
    fitted = tsforge.fit(tsforge.build(settings), frame)
    assert "has no observed value: its forecasts there are empty" in caplog.text
    for horizon in (5, 13):
        rows = tsforge.predict(fitted.model, frame, horizon=horizon).frame
        has = frame.groupby("item")[["y", "z", "w"]].count() > 0
        expected = np.array([has.loc[item, target] for item, target in zip(rows["item"], rows["target"], strict=True)])
        numbers = rows.drop(columns=["item", "ds", "target"])
        assert numbers.notna().all(axis=1).to_numpy().tolist() == expected.tolist()
        assert numbers[~expected].isna().all(axis=None)
    served = ServedModel()
    served.model = fitted.model
    shown = json.loads(json.dumps(served.predict(frame, {"horizon": 5}).to_dict(orient="records")))
    cells = [[v for name, v in row.items() if name not in ("item", "ds", "target")] for row in shown]
    assert [row[0] is None for row in cells] == [all(v is None for v in row) for row in cells]
    assert sum(row[0] is None for row in cells) == 5 * int((~has).to_numpy().sum())
    assert all(np.isfinite(v) for name, v in fitted.metrics[model].items() if name in ("mae", "rmse"))


def test_a_series_alone_is_forecast_as_among_others() -> None:
    """Prevents: an error about an empty column where a model of two targets meets a series that has one of them."""
    frame = never("one")
    settings = {"data.target": "y,z", "data.horizon": 5, "model.kind": "drift"}
    fitted = tsforge.fit(tsforge.build(settings), frame.drop(columns="w"))
    whole = tsforge.predict(fitted.model, frame).frame
    alone = tsforge.predict(fitted.model, frame[frame["item"] == "s1"]).frame
    pd.testing.assert_frame_equal(alone, whole[whole["item"] == "s1"].reset_index(drop=True))


@pytest.mark.usefixtures("home")
def test_pictures_scores_and_explanations_without_them(capsys) -> None:
    """Prevents: a line in a picture, a score or a map for a target that is not there."""
    never("one").drop(columns="w").to_csv("t.csv", index=False)
    words = ["--target", "y,z", "--horizon", "5", "--model", "linear", "--no-track", "--quiet"]
    assert run(["fit", "t.csv", *words, "--out", "m"]) == 0
    assert run(["predict", "m", "t.csv", "--plot", "f.png", "--quiet"]) == 0
    assert run(["backtest", "m", "t.csv", "--no-track", "--quiet", "--plot", "b.png"]) == 0
    assert all(Path(name).stat().st_size for name in ("f.png", "b.png"))
    capsys.readouterr()
    assert run(["explain", "m", "t.csv", "--series", "s1", "--target", "z", "--quiet"]) == 2
    assert "'z' of series s1 has no observed value" in capsys.readouterr().err
    explanation = tsforge.explain("m", "t.csv", series="s1")
    assert np.isnan(explanation.point[:, 1]).all()
    assert np.isfinite(explanation.point[:, 0]).all()
