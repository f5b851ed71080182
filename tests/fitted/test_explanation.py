"""explain: the window that was asked for, its own past and nothing later, times and lags that are the table's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.stattools import acf

import tsforge
from tests.helpers.tables import daily
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.fitted import explanation
from tsforge.plotting import explanation as maps

H, L = 7, 28
SMALL = {"data.horizon": H, "data.context": L, "model.width": 8, "model.backbone.heads": 2, "train.max_steps": 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("m") / "model"
    tsforge.fit(tsforge.build({"model.kind": "transformer", **SMALL}), daily(), out=out)
    return out


@pytest.fixture(scope="module")
def two_targets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    out = tmp_path_factory.mktemp("m") / "model"
    frame = daily(("north",)).drop(columns="item")
    frame["bought"] = frame["sold"].shift(1)
    kinds = {"model.kind": "transformer-encoder", "data.target": ["sold", "bought"], "model.tokens.channels": "shared"}
    tsforge.fit(tsforge.build({**kinds, **SMALL}), frame, out=out)
    return out, frame


def test_it_explains_the_forecast_that_predict_makes(model: Path) -> None:
    """Another series, another window, another unit."""
    found, predicted = tsforge.explain(model, daily()), tsforge.predict(model, daily()).frame
    first = predicted[predicted["item"] == "north"]
    assert found.panel.label(0) == "north"
    np.testing.assert_allclose(found.point[:, 0], first["forecast"], rtol=1e-5)
    assert found.times[1].tolist() == first["date"].tolist()
    second = tsforge.explain(model, daily(), series="south")
    np.testing.assert_allclose(second.point[:, 0], predicted.loc[predicted["item"] == "south", "forecast"], rtol=1e-5)


def test_an_earlier_origin_is_a_table_that_ends_there(model: Path) -> None:
    """A value after the origin that is looked at, or that moves the autocorrelation."""
    when = "15/03/2024"
    cut = daily()
    cut = cut[pd.to_datetime(cut["date"], format="%d/%m/%Y") < "2024-03-15"]
    found, expected = tsforge.explain(model, daily(), origin=when), tsforge.explain(model, cut)
    assert found.times[1].iloc[0] == when
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    for name, values in expected.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], values)


def test_the_table_of_pairs(model: Path) -> None:
    """Rows whose time, lag and value belong to different steps."""
    data = daily()
    found = tsforge.explain(model, data, series="south")
    frame = found.frame
    assert list(frame.columns) == [
        "item", "date", "step", "past_date", "lag", "value", "attention", "saliency", "autocorrelation"
    ]  # fmt: skip
    assert len(frame) == H * L
    ahead, past = (pd.to_datetime(frame[name], format="%d/%m/%Y") for name in ("date", "past_date"))
    assert ((ahead - past).dt.days == frame["lag"]).all()
    south = data[data["item"] == "south"].set_index("date")["sold"]
    np.testing.assert_allclose(frame["value"], south[frame["past_date"]].to_numpy(), rtol=1e-6)
    repeats = acf(south.to_numpy(), nlags=L + H - 1, fft=False)
    np.testing.assert_allclose(frame["autocorrelation"], repeats[frame["lag"]], atol=1e-5)
    row = frame[(frame["step"] == 3) & (frame["lag"] == 9)].iloc[0]
    assert row["saliency"] == found.saliency[2, 0, L + 2 - 9, 0]
    assert row["attention"] == pytest.approx(found.attention["cross"][:, 0, :, 2, L + 2 - 9].mean())
    np.testing.assert_allclose(frame.groupby("step")["attention"].sum(), 1, rtol=1e-5)


def test_means_along_the_past_and_by_lag(model: Path) -> None:
    """Means over pairs of another lag, or over steps that a lag does not have."""
    found = tsforge.explain(model, daily())
    for step in (None, 3):
        rows = range(H) if step is None else [step - 1]
        along, by_lag = found.along("gradient", step=step)
        size = np.abs(found.saliency[:, 0, :, 0])
        np.testing.assert_allclose(along, size[list(rows)].mean(axis=0), rtol=1e-6)
        for lag in range(L + H):
            pairs = [size[h, L + h - lag] for h in rows if 0 <= L + h - lag < L]
            assert by_lag[lag] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)
    for step in (0, H + 1):
        with pytest.raises(ConfigError, match=f"no forecast step {step}"):
            found.along(step=step)


def test_several_targets_each_with_its_own_attention(two_targets: tuple[Path, pd.DataFrame]) -> None:
    """Targets that share a map, or one that counts only its own past where the network sees both."""
    found = tsforge.explain(*two_targets)
    assert found.attention["joint"].shape == (2, 2, 2, H, L + H)
    assert found.saliency.shape == (H, 2, L, 2)
    assert not np.array_equal(found.map("attention", 0), found.map("attention", 1))
    frame = found.frame
    assert frame["target"].unique().tolist() == ["sold", "bought"]
    bought = frame[frame["target"] == "bought"]
    np.testing.assert_array_equal(bought["saliency"].to_numpy().reshape(H, L), found.saliency[:, 1].sum(axis=-1))
    np.testing.assert_allclose(bought["attention"].to_numpy().reshape(H, L), found.map("attention", 1))
    assert np.isnan(found.values[:, 1]).sum() == 0
    assert found.target("bought") == 1
    with pytest.raises(ConfigError) as problem:
        found.target("bougth")
    assert "'bought'" in problem.value.hint


def test_a_series_shorter_than_the_context(model: Path) -> None:
    """Times before the first row, and lags that the series does not have."""
    found = tsforge.explain(model, daily(("new",), n=12))
    assert np.isnan(found.values[: L - 12]).all()
    assert not np.isnan(found.values[L - 12 :]).any()
    assert (found.saliency[:, :, : L - 12] == 0).all()
    assert found.times[0].iloc[L - 12] == "01/01/2024"
    assert np.isnan(found.autocorrelation[12:]).all()


@pytest.mark.parametrize(("arguments", "said", "hint"), [
    ({"series": "nroth"}, "no series 'nroth'", "'north'"),
    ({"series": "x"}, "no series 'x'", "north, south"),
    ({"origin": "15/03/2034"}, "from 02/01/2024 to 31/03/2024", "'31/03/2024'"),
    ({"origin": "soon"}, "'soon' does not read as a time", "31/03/2024"),
])  # fmt: skip
def test_what_is_not_there_is_named_with_what_is(model: Path, arguments: dict[str, str], said: str, hint: str) -> None:
    with pytest.raises(DataError, match=said) as problem:
        tsforge.explain(model, daily(), **arguments)
    assert hint in problem.value.hint


def test_a_window_without_any_value(model: Path) -> None:
    data = daily()
    dates = pd.to_datetime(data["date"], format="%d/%m/%Y")
    data.loc[(dates >= "2024-01-25") & (dates < "2024-03-10"), "sold"] = np.nan
    with pytest.raises(DataError, match="nothing is observed in the 28 steps"):
        tsforge.explain(model, data, origin="05/03/2024")


@pytest.mark.parametrize("kind", ["lstm", "naive"])
def test_models_without_attention_have_gradients(kind: str, tmp_path: Path) -> None:
    settings = {"data.horizon": H, "data.context": L, "model.kind": kind, "train.max_steps": 2}
    fitted = tsforge.fit(tsforge.build(settings), daily(), out=tmp_path / "m")
    found = tsforge.explain(fitted.model, daily())
    assert found.methods == ("gradient",)
    assert "attention" not in found.frame.columns
    assert found.map().shape == (H, L)
    if kind == "naive":
        assert found.map().argmax(axis=1).tolist() == [L - 1] * H
    with pytest.raises(ModelError, match="no attention"):
        found.map("attention")


def test_arrays_are_saved_without_objects(model: Path, tmp_path: Path) -> None:
    """An archive that only a reader which executes what it names could open."""
    found = tsforge.explain(model, daily())
    np.savez(tmp_path / "a.npz", **found.arrays())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert read["past_time"].tolist() == found.times[0].tolist()
        np.testing.assert_array_equal(read["attention_cross"], found.attention["cross"])
        assert set(read) == set(found.arrays())


@pytest.mark.parametrize("method", ["attention", "gradient"])
@pytest.mark.parametrize("step", [None, 2])
def test_pictures(model: Path, tmp_path: Path, method: explanation.Method, step: int | None) -> None:
    """Axes of times and steps that do not fit together."""
    for found in (tsforge.explain(model, daily()), tsforge.explain(model, daily(("new",), n=12))):
        maps.draw(found, tmp_path / "a.png", method=method, step=step)
        assert (tmp_path / "a.png").stat().st_size > 20_000


def test_a_picture_of_one_step_on_numbered_times(tmp_path: Path) -> None:
    """A map of one row that has no height, or times that must be dates."""
    frame = pd.DataFrame({"t": np.arange(60), "y": np.random.default_rng(0).normal(size=60)})
    settings = {"data.horizon": 1, "data.context": 12, "model.kind": "gru", "train.max_steps": 2, "data.target": "y"}
    fitted = tsforge.fit(tsforge.build({**settings, "data.time": "t"}), frame, out=tmp_path / "m")
    found = tsforge.explain(fitted.model, frame, origin=50)
    assert found.times[0].tolist() == list(range(38, 50))
    maps.draw(found, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 20_000


def test_what_is_known_in_advance_reaches_over_the_horizon(tmp_path: Path) -> None:
    """An origin in the middle of a table has its covariates; after the end they must be there."""
    frame = daily(("north",)).drop(columns="item")
    frame["price"] = np.arange(len(frame)) % 5.0
    settings = {"model.kind": "transformer-decoder", "data.future": "price", "data.target": "sold", **SMALL}
    fitted = tsforge.fit(tsforge.build(settings), frame, out=tmp_path / "m")
    assert tsforge.explain(fitted.model, frame, origin="20/03/2024").point.shape == (H, 1)
    with pytest.raises(DataError, match="'price' is known in advance"):
        tsforge.explain(fitted.model, frame)
