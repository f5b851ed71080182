"""What a pretrained model makes of covariates: the forecast follows those that move the target, and no others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.data import dataset as datasets
from tsforge.errors import DataError
from tsforge.fitted import covariates, directory, starting
from tsforge.model.zero.network import ZeroNetwork

H, COLUMNS = 7, {"data.time": "ds", "data.target": "y", "data.season": 7}


def shop(seed: int = 0, n: int = 120, effect: float = 0.3, level: float = 100.0) -> pd.DataFrame:
    """A week's wave about a slow level, with noise; promotions of some days raise it, a lottery does not.

    plain: what it would be without any promotion.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(n + H)
    promo = np.repeat(rng.random(n + H) < 0.3, rng.integers(1, 4, n + H))[: n + H].astype(float)
    plain = level * (1 + 0.1 * np.sin(2 * np.pi * t / 7) + 0.03 * rng.normal(size=n + H) + 0.005 * t**0.5)
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=n + H), "y": plain + effect * level * promo})
    return frame.assign(promo=promo, lottery=rng.normal(size=n + H), plain=plain)


def before(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its last steps still to come, of which the covariates are known."""
    return frame.drop(columns="plain").assign(y=frame["y"].where(frame.index < len(frame) - H))


def predict(frame: pd.DataFrame, *future: str, **more: Any) -> Any:
    return tsforge.predict("zero", frame, horizon=H, settings=COLUMNS | {"data.future": future} | more)


def error(prediction: Any, frame: pd.DataFrame) -> float:
    return float(np.abs(prediction.point[0, :, 0] - frame["y"].to_numpy()[-H:]).mean())


@pytest.fixture(scope="module")
def shops() -> list[pd.DataFrame]:
    return [shop(seed) for seed in range(4)]


def test_the_forecast_follows_a_promotion(shops: list[pd.DataFrame]) -> None:
    """Prevents: a promotion of last week that is read as the level, and one of next week that is not forecast."""
    mine, without, oracle = [], [], []
    for table in shops:
        with_effect = predict(before(table), "promo")
        mine.append(error(with_effect, table))
        without.append(error(predict(before(table[["ds", "y", "plain"]])), table))
        told = tsforge.predict(
            "zero", table[["ds", "plain"]][:-H], horizon=H, settings=COLUMNS | {"data.target": "plain"}
        )
        told.point[0, :, 0] += (table["y"] - table["plain"]).to_numpy()[-H:]  # who knows the effect
        oracle.append(error(told, table))
        inside = with_effect.quantiles[0, :, 0]
        assert (np.diff(inside, axis=-1) >= 0).all()
    assert np.mean(mine) - np.mean(oracle) < 0.1 * (np.mean(without) - np.mean(oracle))


def test_what_explains_nothing_moves_nothing(shops: list[pd.DataFrame], caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: forecasts that are worse for every column of noise, and other ones where there is no effect."""
    caplog.set_level(logging.INFO, "tsforge")
    with_noise, without, same = [], [], 0
    for table in shops:
        first, second = predict(before(table), "lottery"), predict(before(table.drop(columns="lottery")))
        with_noise.append(error(first, table))
        without.append(error(second, table))
        same += np.array_equal(first.quantiles, second.quantiles)
    assert same >= 2  # to the last bit
    assert np.mean(with_noise) < 1.03 * np.mean(without)
    assert "'lottery': no effect of it is seen in the past" in caplog.text


def fitted(frame: pd.DataFrame, **more: Any) -> tuple[ZeroNetwork, Any]:
    experiment = tsforge.build(COLUMNS | {"model.kind": "zero", "data.horizon": H} | more)
    dataset = datasets.prepare(experiment.data, frame, experiment.model)
    network = experiment.network(dataset.source.shape).eval()
    assert isinstance(network, ZeroNetwork)
    starting.hand_over(directory.load(starting.WEIGHTS / "zero").network, network)
    covariates.tell(covariates.fit(network, dataset))
    return network, dataset


def weight(network: ZeroNetwork) -> np.ndarray[Any, np.dtype[np.float64]]:
    assert network.response is not None
    return network.response.weight.numpy()


def test_nothing_behind_the_training_part_is_read() -> None:
    """Prevents: an effect that knows the windows by which it is judged."""
    table = shop(3)
    network, dataset = fitted(table, **{"data.future": ("promo",)})
    later = table.index >= dataset.cuts.train[0]
    assert 0 < later.sum() < 60
    changed, _ = fitted(table.assign(y=table["y"].where(~later, 7.0)), **{"data.future": ("promo",)})
    np.testing.assert_array_equal(weight(network), weight(changed))
    earlier, _ = fitted(table.assign(y=table["y"] * np.where(later, 1, 1 + 0.2 * table["promo"])), **{"data.future": ("promo",)})  # fmt: skip  # noqa: E501
    assert weight(earlier)[0, 0] > weight(network)[0, 0]


def test_missing_values_tell_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a value that was filled in and counts as seen, and one that is missing without a word."""
    table = shop(4, n=200)
    gaps = np.random.default_rng(0).random(len(table)) < 0.2
    full, _ = fitted(table, **{"data.future": ("promo",)})
    network, _ = fitted(table.assign(promo=table["promo"].where(~gaps)), **{"data.future": ("promo",)})
    assert "values of 'promo' are missing" in caplog.text
    deviation = [table["promo"].std(), table["promo"].where(~gaps).std()]
    assert weight(network)[0, 0] / deviation[1] == pytest.approx(weight(full)[0, 0] / deviation[0], rel=0.1)
    ahead = before(table)
    ahead.loc[ahead.index[-2], "promo"] = np.nan
    with pytest.raises(DataError, match="'promo' is known in advance but has no value"):
        predict(ahead, "promo")


def test_columns_that_no_matrix_bears_are_borne() -> None:
    """Prevents: a constant, a copy or a rare category that no matrix can be solved with."""
    table = shop(5)
    days = np.where(table["promo"] > 0, "promo", "none").astype(object)
    days[17] = "flood"
    more = table.assign(constant=3.0, again=2 * table["promo"] + 1, day=days)
    plain, _ = fitted(more, **{"data.future": ("promo",)})
    several, _ = fitted(more, **{"data.future": ("promo", "again", "constant")})
    assert weight(several)[0, :2].sum() == pytest.approx(weight(plain)[0, 0], rel=0.05)
    assert weight(several)[0, 2] == 0
    named, dataset = fitted(more, **{"data.future": ("day",)})
    categories = dataset.encodings.future[0].categories
    effects = dict(zip(categories, weight(named)[0], strict=True))
    step = weight(plain)[0, 0] / table["promo"][: int(dataset.cuts.train[0])].std(ddof=0)
    assert effects["promo"] - effects["none"] == pytest.approx(step, rel=0.1)


def test_a_short_history_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: an effect by a handful of steps, or covariates that are not used and nobody is told."""
    table = shop(6, n=13)
    without = predict(before(table[["ds", "y", "plain"]]))
    np.testing.assert_array_equal(predict(before(table), "promo").quantiles, without.quantiles)
    assert "covariates are left out" in caplog.text


def test_series_share_an_effect_and_targets_do_not() -> None:
    """Prevents: an effect in units of one series, or of the first target for all."""
    parts = [shop(seed, 60, level=level).assign(id=str(seed)) for seed, level in enumerate((3.0, 100.0, 5000.0, 20.0))]
    whole = pd.concat(parts).assign(other=lambda t: 2 * t["plain"] - 0.5 * (t["y"] - t["plain"]))
    table = whole.drop(columns="plain").assign(
        **{
            name: whole[name].where(whole["ds"] < whole["ds"].max() - pd.Timedelta(days=H - 1))
            for name in ("y", "other")
        }
    )
    result = predict(table, "promo", **{"data.id": "id", "data.target": ("y", "other")})
    truth = np.stack([whole.loc[whole["id"] == i, ["y", "other"]].to_numpy()[-H:] for i in result.panel.ids[0]])
    usual = np.abs(truth).mean(axis=1, keepdims=True)
    assert (np.abs(result.point - truth) / usual).mean() < 0.05
    network = fitted(whole, **{"data.future": ("promo",), "data.id": "id", "data.target": ("y", "other")})[0]
    assert weight(network)[0, 0] > 0.08
    assert weight(network)[1, 0] < -0.02


@pytest.mark.parametrize("settings", [
    {"model.kind": "zero"},
    {"model.kind": "zero", "train.max_steps": 2},
    {"model.kind": "blend", "model.members": [{"model": {"kind": "zero"}}, {"model": {"kind": "theta"}}]},
    {"model.kind": "auto", "model.candidates": ("zero",)},
], ids=["alone", "trained", "blend", "auto"])  # fmt: skip
def test_a_model_keeps_the_effect(settings: dict[str, Any], tmp_path: Path) -> None:
    """Prevents: a directory that forecasts otherwise than what was saved, or a way to fit that forgets covariates."""
    table = shop(7)
    asked = COLUMNS | {"data.horizon": H, "data.future": ("promo",)} | settings
    whole = tsforge.fit(tsforge.build(asked), table.drop(columns="plain"), out=tmp_path / "m")
    effects = [name for name in whole.model.network.state_dict() if name.endswith("response.weight")]
    assert len(effects) == 1
    assert float(whole.model.network.state_dict()[effects[0]].abs().max()) > 0.05
    ahead = before(table)
    mine, theirs = (tsforge.predict(model, ahead).frame for model in (whole.model, tmp_path / "m"))
    pd.testing.assert_frame_equal(mine, theirs)
    assert whole.metrics[whole.model.experiment.model.kind]["mase"] < whole.metrics["seasonal-naive"]["mase"]


def test_other_weights_meet_other_columns(tmp_path: Path) -> None:
    """Prevents: the effect of one table's columns on another's, or weights that fit no table with columns."""
    table = shop(8).drop(columns="plain")
    first = tsforge.fit(tsforge.build(COLUMNS | {"model.kind": "zero", "data.horizon": H}), table, out=tmp_path / "m")
    more = {
        "data.horizon": H,
        "train.start": str(tmp_path / "m"),
        "train.max_steps": 1,
        "data.future": ("lottery", "promo"),
    }
    second = tsforge.fit(tsforge.build(COLUMNS | more), table)
    assert "response.weight" not in first.model.network.state_dict()
    found = second.model.network.state_dict()["response.weight"][0]
    assert float(found[1]) > 0.05
    assert abs(float(found[0])) < 0.01


def test_a_model_of_before_is_read_as_it_was() -> None:
    """Prevents: models that read no covariates, though their tables had some, and that no longer load."""
    table = shop(9).drop(columns="plain")
    asked = COLUMNS | {"model.kind": "zero", "data.horizon": H, "data.future": ("promo",)}
    model = tsforge.fit(tsforge.build(asked), table).model
    facts = model.facts.model_copy(update={"shape": model.facts.shape.model_copy(update={"covariates": 0})})
    facts.check(model.experiment.data)
    network = model.experiment.network(facts.window_shape)
    assert "response.weight" not in network.state_dict()
    wrong = model.facts.shape.model_copy(update={"covariates": 5})
    with pytest.raises(tsforge.errors.ConfigError, match=r"shape\.covariates is 5"):
        model.facts.model_copy(update={"shape": wrong}).check(model.experiment.data)
