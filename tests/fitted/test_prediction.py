"""predict: the input's own columns, a roll-out that feeds forecasts back, any table of the same kind."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tsforge
from tests.helpers.tables import daily
from tsforge.cli.main import run
from tsforge.data import tidy
from tsforge.fitted import directory
from tsforge.model.heads import LEVELS

NAMES = ("b", "a")  # not in the order of the alphabet


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("m") / "model"
    settings = {"data.horizon": 7, "data.context": 28, "model.kind": "gru", "model.width": 8, "train.max_steps": 30}
    tsforge.fit(tsforge.build(settings), daily(NAMES), out=out)
    return out


@pytest.fixture
def path(tmp_path: Path) -> Path:
    daily(NAMES).to_csv(tmp_path / "d.csv", index=False)
    return tmp_path / "d.csv"


def test_columns_types_and_order_of_the_input(model: Path) -> None:
    frame = tsforge.predict(model, daily(NAMES)).frame
    assert list(frame.columns) == ["item", "date", "forecast", *(f"q{level}" for level in LEVELS)]
    assert frame["item"].tolist() == ["b"] * 7 + ["a"] * 7
    assert frame["date"].tolist()[:7] == ["31/03/2024", *(f"{d:02d}/04/2024" for d in range(1, 7))]


def test_int_ids_and_datetimes_keep_their_types(tmp_path: Path) -> None:
    data = daily(NAMES)
    data["item"] = data["item"].map({"b": 7, "a": 3})
    data["date"] = pd.to_datetime(data["date"], format="%d/%m/%Y").dt.tz_localize("Europe/Berlin")
    data.to_parquet(tmp_path / "data.parquet")
    experiment = tsforge.build({"data.id": "item", "data.target": "sold", "data.horizon": 7, "model.kind": "naive"})
    fitted = tsforge.fit(experiment, tmp_path / "data.parquet", out=tmp_path / "m")
    assert fitted.model.facts.columns.frequency.name == "D"
    assert run(["predict", str(tmp_path / "m"), "--output", str(tmp_path / "f.parquet")]) == 0
    frame = pd.read_parquet(tmp_path / "f.parquet")
    assert frame["item"].dtype == np.int64
    assert str(frame["date"].dtype.tz) == "Europe/Berlin"  # type: ignore[union-attr]
    # Across the change to summer time on 31 March, midnight stays midnight.
    assert set(frame["date"].dt.hour) == {0}


def test_roll_out_equals_feeding_forecasts_back_by_hand(model: Path) -> None:
    data = daily(NAMES)
    rolled = tsforge.predict(model, data, horizon=17).frame
    fed, blocks = data, []
    for _ in range(3):
        blocks.append(tsforge.predict(model, fed).frame)
        fed = pd.concat([fed, blocks[-1].rename(columns={"forecast": "sold"})[["item", "date", "sold"]]])
    for item in ("b", "a"):
        by_hand = pd.concat([b[b["item"] == item] for b in blocks])["forecast"].to_numpy()[:17]
        np.testing.assert_allclose(rolled.loc[rolled["item"] == item, "forecast"], by_hand, rtol=1e-5)


def test_shorter_horizon_is_the_beginning_of_the_longer_one(model: Path) -> None:
    full, short = tsforge.predict(model, daily(NAMES)), tsforge.predict(model, daily(), horizon=3)
    np.testing.assert_array_equal(full.point[:, :3], short.point)


def test_a_series_never_seen_and_a_polars_frame(model: Path) -> None:
    data = daily(("new",), n=40)
    from_pandas = tsforge.predict(model, data).frame
    from_polars = tsforge.predict(model, pl.DataFrame(data.to_dict(orient="list"))).frame
    pd.testing.assert_frame_equal(from_pandas, from_polars.to_pandas(), check_dtype=False)
    assert from_pandas["forecast"].notna().all()


def test_forecast_of_one_series_does_not_depend_on_the_others(model: Path) -> None:
    both = tsforge.predict(model, daily(NAMES)).frame
    alone = tsforge.predict(model, daily(("b",))).frame
    np.testing.assert_allclose(both.loc[both["item"] == "b", "forecast"], alone["forecast"], rtol=1e-5)


def test_series_end_where_their_own_data_ends(model: Path) -> None:
    data = daily(NAMES)
    data = data.drop(data[data["item"] == "a"].index[-10:])
    frame = tsforge.predict(model, data).frame
    assert frame.loc[frame["item"] == "a", "date"].iloc[0] == "21/03/2024"
    assert frame.loc[frame["item"] == "b", "date"].iloc[0] == "31/03/2024"


def test_quantiles_ascend_and_the_middle_one_is_the_forecast(model: Path) -> None:
    result = tsforge.predict(model, daily(NAMES))
    assert (np.diff(result.quantiles, axis=-1) >= 0).all()  # a corrected level may stop at its neighbour
    assert (np.diff(result.quantiles[..., [0, 5, 10]], axis=-1) > 0).all()
    np.testing.assert_array_equal(result.quantiles[..., result.levels.index(0.5)], result.point)


def test_chosen_quantiles_are_columns_of_all_of_them(model: Path) -> None:
    """Prevents: levels cut before intervals are corrected in pairs, columns in another order than their names."""
    full = tsforge.predict(model, daily(NAMES)).frame
    few = tsforge.predict(model, daily(NAMES), quantiles=[0.9, 0.1, 0.1]).frame
    pd.testing.assert_frame_equal(few, full[["item", "date", "forecast", "q0.1", "q0.9"]])
    assert list(tsforge.predict(model, daily(NAMES), quantiles=[]).frame.columns) == ["item", "date", "forecast"]


def test_quantiles_on_the_command_line(
    model: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(model), str(path), "--quantiles", "0.5,0.95", "--output", str(tmp_path / "f.csv")]) == 0
    assert list(pd.read_csv(tmp_path / "f.csv").columns) == ["item", "date", "forecast", "q0.5", "q0.95"]
    capsys.readouterr()
    for wrong, said in (("0.5,0.01", "no quantile 0.01"), ("0.5,0.99", "0.025 and 0.975"), ("0.5;0.9", "0.1")):
        assert run(["predict", str(model), str(path), "--quantiles", wrong]) == 2
        err = capsys.readouterr().err
        assert said in err


def test_a_shown_frame_is_its_csv() -> None:
    """Prevents: the digits of a double behind a float32, times in another spelling, NaN where JSON has no word."""
    times = pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin")
    values = np.array([0.1, np.nan, 1234567.9], dtype=np.float32)
    frame = pd.DataFrame({"id": [7, 8, 9], "time": times, "forecast": values})
    shown = tidy.plain(frame)
    written = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert shown["time"].tolist() == written["time"].tolist()
    assert shown["id"].tolist() == [7, 8, 9]
    assert shown["forecast"].tolist() == [0.1, None, written["forecast"][2]]
    np.testing.assert_array_equal(shown["forecast"].astype(np.float32), values)


def test_quantiles_are_the_networks_own_apart_by_the_corrections(model: Path) -> None:
    """Prevents: corrections in other units than they were learned in, of another step, or not applied at all."""
    loaded = directory.load(model)
    assert loaded.calibration is not None
    assert loaded.calibration.moved is not None
    found, raw = (tsforge.predict(m, daily(NAMES)) for m in (loaded, replace(loaded, calibration=None)))
    np.testing.assert_array_equal(found.point, raw.point)
    sold = daily(NAMES)["sold"].to_numpy().reshape(2, 90)
    least = 0.01 * float(loaded.network.scaler.least[0])
    moved = 0
    for i in range(2):
        unit = np.sqrt(sold[i, -28:].var() + least**2)
        for h in range(7):
            low, high = raw.quantiles[i, h, 0].astype(float), raw.quantiles[i, h, 0].astype(float)
            for p in range(5):
                low[p] -= unit * loaded.calibration.moved[h][0][p]
                high[10 - p] += unit * loaded.calibration.moved[h][0][p]
            for p in range(4, -1, -1):  # none passes the one nearer the median
                low[p], high[10 - p] = min(low[p], low[p + 1]), max(high[10 - p], high[9 - p])
            expected = [*low[:5], raw.quantiles[i, h, 0, 5], *high[6:]]
            np.testing.assert_allclose(found.quantiles[i, h, 0], expected, rtol=1e-4)
            moved += np.abs(found.quantiles[i, h, 0] - raw.quantiles[i, h, 0]).max() > 0.1
    assert moved


def test_every_block_of_a_roll_out_is_corrected(model: Path) -> None:
    """Prevents: corrected intervals that end where the trained horizon does."""
    loaded = directory.load(model)
    found, raw = (tsforge.predict(m, daily(NAMES), horizon=14) for m in (loaded, replace(loaded, calibration=None)))
    np.testing.assert_array_equal(found.point, raw.point)
    apart = np.abs(found.quantiles - raw.quantiles)[..., [0, 10]].max(axis=(0, 2, 3))
    assert (apart[:7] > 0).all()
    assert (apart[7:] > 0).all()


def test_a_point_forecast_comes_with_ranges() -> None:
    """Prevents: a table without quantiles although held-out errors say how wide they should be."""
    experiment = tsforge.build({
        "data.horizon": 7, "data.context": 28, "model.kind": "rnn", "model.width": 4, "train.max_steps": 3,
        "model.head.type": "point",
    })  # fmt: skip
    model = tsforge.fit(experiment, daily(NAMES)).model
    found = tsforge.predict(model, daily(NAMES))
    assert found.levels == LEVELS
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    np.testing.assert_array_equal(found.quantiles[..., LEVELS.index(0.5)], found.point)
    assert list(found.frame.columns[2:]) == ["forecast", *(f"q{level}" for level in LEVELS)]
    assert tsforge.predict(replace(model, calibration=None), daily(NAMES)).levels == ()


def test_json_is_one_document_on_stdout(model: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", str(model), str(path), "--json", "--horizon", "2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["series"] == 2
    assert [r["item"] for r in document["forecast"]] == ["b", "b", "a", "a"]


def test_csv_output_reads_back_to_the_same_numbers(model: Path, path: Path, tmp_path: Path) -> None:
    assert run(["predict", str(model), str(path), "--output", str(tmp_path / "f.csv")]) == 0
    written = pd.read_csv(tmp_path / "f.csv")
    expected = tsforge.predict(model, path).frame
    np.testing.assert_array_equal(written["forecast"].astype(np.float32), expected["forecast"].astype(np.float32))
    assert written["date"].tolist() == expected["date"].tolist()


def test_past_covariates_are_held_where_a_roll_out_reaches_beyond_them() -> None:
    """Prevents: zeros, or another series' value, as the covariate of steps that nobody knows yet."""
    data = daily(NAMES)
    data["rain"] = np.arange(len(data), dtype=float)
    data.loc[data["item"] == "b", "rain"] = np.where(np.arange(90) == 88, 5.0, np.nan)
    experiment = tsforge.build({
        "data.target": "sold", "data.past": "rain", "data.horizon": 4, "data.context": 8, "model.kind": "rnn",
        "model.width": 4, "train.max_steps": 5, "data.calendar": False,
    })  # fmt: skip
    model = tsforge.fit(experiment, data).model
    rolled = tsforge.predict(model, data, horizon=8).frame
    first = rolled.groupby("item", sort=False).head(4)
    fed = pd.concat([data, first.rename(columns={"forecast": "sold"})[["item", "date", "sold"]]])
    rain = fed.groupby("item", sort=False)["rain"]
    fed["rain"] = rain.transform(lambda r: r.where(np.arange(len(r)) < 90, r.iloc[:90].dropna().iloc[-1]))
    by_hand = tsforge.predict(model, fed).frame
    later = rolled.groupby("item", sort=False).tail(4)
    np.testing.assert_allclose(later["forecast"].to_numpy(), by_hand["forecast"].to_numpy(), rtol=1e-5)
