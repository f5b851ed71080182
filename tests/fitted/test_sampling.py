"""Sample paths: step by step the quantiles of the forecast, together the errors that were seen; sums of them cover."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

import tsforge
from tests.helpers import commands
from tsforge.cli.main import run
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.evaluation.quantiles import Floats
from tsforge.fitted import directory, sampling
from tsforge.fitted.model import Model
from tsforge.fitted.sampling import Samples

H = 12


def autocorrelated(n: int, T: int, phi: float, common: float = 0.0, seed: int = 0) -> Floats:
    """Series about a level of their own, (n, T): a part of the noise is the same in all of them."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(n + 1, T))
    noise = np.sqrt(1 - common) * noise[1:] + np.sqrt(common) * noise[0]
    values = np.zeros((n, T))
    for t in range(1, T):
        values[:, t] = phi * values[:, t - 1] + noise[:, t]
    return values + np.linspace(40, 90, n)[:, None]


def table(values: Floats, names: tuple[str, ...] = ("y",)) -> pd.DataFrame:
    """Months of each series. values: (n, T), or (targets, n, T)."""
    values = values if values.ndim == 3 else values[None]
    months = pd.date_range("2010-01-01", periods=values.shape[2], freq="MS")
    return pd.concat([
        pd.DataFrame({"shop": f"s{i:03}", "month": months, **dict(zip(names, values[:, i], strict=True))})
        for i in range(values.shape[1])
    ], ignore_index=True)  # fmt: skip


def fitted(data: pd.DataFrame, **settings: Any) -> Model:
    """A model of a table, of closed form where nothing else is said."""
    own = {"data.horizon": H, "data.id": "shop", "data.target": [c for c in data if c not in ("shop", "month")]}
    return tsforge.fit(tsforge.build({**own, "model.kind": "linear", "model.bounds": "none", **settings}), data).model


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Three shops, two targets, 150 months: gaps in one, a target that another never has."""
    values = np.stack([autocorrelated(3, 150, 0.8, 0.6, seed) for seed in (1, 2)])
    frame = table(values, ("sold", "visits"))
    frame.loc[20:28, "sold"] = np.nan
    frame.loc[frame["shop"] == "s002", "visits"] = np.nan
    return frame


@pytest.fixture(scope="module")
def model(data: pd.DataFrame) -> Model:
    """Of this table."""
    return fitted(data)


@pytest.fixture(scope="module")
def samples(model: Model, data: pd.DataFrame) -> Samples:
    """Of this table."""
    return tsforge.sample(model, data, 2000)


def test_totals_cover_what_they_promise_and_sums_of_quantiles_do_not() -> None:
    """Prevents: intervals of sums as if steps were independent, or as if all of them failed together."""
    values = autocorrelated(250, 132, 0.6)
    truth = values[:, -H:].sum(axis=1)
    drawn = tsforge.sample(fitted(table(values[:, :-H])), table(values[:, :-H]), 500)
    low, high = drawn.total(quantiles=[0.1, 0.9]).quantiles()[:, 0].T
    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.8, abs=0.05)
    levels, quantiles = drawn.prediction.levels, drawn.prediction.quantiles[:, :, 0].sum(axis=1)
    low, high = quantiles[:, levels.index(0.1)], quantiles[:, levels.index(0.9)]
    assert np.mean((low <= truth) & (truth <= high)) > 0.9
    alone = np.random.default_rng(0).permuted(drawn.values[..., 0], axis=0).sum(axis=2)  # each step by itself
    low, high = np.quantile(alone, [0.1, 0.9], axis=0)
    assert np.mean((low <= truth) & (truth <= high)) < 0.7


def test_steps_alone_have_the_quantiles_of_the_forecast(model: Model, data: pd.DataFrame, samples: Samples) -> None:
    """Prevents: coverage of single steps that is lost where paths are drawn."""
    made = tsforge.predict(model, data, quantiles=[0.025, 0.05, 0.25, 0.5, 0.8, 0.975])
    assert samples.values.shape == (2000, *made.point.shape)
    for q, level in enumerate(made.levels):
        share = (samples.values <= made.quantiles[..., q]).mean(axis=0)
        there = ~np.isnan(made.point)
        np.testing.assert_allclose(share[there], level, atol=1.5 / 2000)
    assert np.isnan(samples.values[:, 2, :, 1]).all()
    assert np.isnan(samples.values[..., 0]).sum() == 0


def test_what_comes_together_is_as_the_model_says(model: Model, samples: Samples) -> None:
    """Prevents: fields on other axes than their tables; errors of shops that come together drawn apart."""
    how = model.dependence
    assert how is not None
    ranks = np.argsort(np.argsort(samples.values[:, :2], axis=0), axis=0).reshape(2000, -1)
    expected = np.kron(how.series[:2, :2], np.kron(how.steps, how.targets))
    gaussian = 6 / np.pi * np.arcsin(expected / 2)  # Spearman's of a normal copula (Kruskal 1958)
    np.testing.assert_allclose(np.corrcoef(ranks.T), gaussian, atol=0.09)
    assert how.series[0, 1] > 0.3
    assert how.steps[0, 1] > how.steps[0, 4]


def test_shops_the_model_does_not_know_share_what_all_share() -> None:
    """Prevents: new series without intervals of sums, or independent of all others where none of the known ones is."""
    values = autocorrelated(8, 120, 0.5, 0.7)
    model = fitted(table(values))
    new = table(values).assign(shop=lambda frame: frame["shop"].replace({"s006": "n6", "s007": "n7"}))
    drawn = tsforge.sample(model, new, 3000).values[:, :, 0, 0]
    names = sorted(new["shop"].unique())
    at = [names.index("n6"), names.index("n7"), names.index("s000")]
    found = np.corrcoef(drawn[:, at].T)
    assert model.dependence is not None
    common = model.dependence.common
    assert common > 0.4
    np.testing.assert_allclose(found[np.triu_indices(3, 1)], common, atol=0.12)


def test_a_line_says_what_they_are(samples: Samples) -> None:
    """Prevents: a notebook full of the table that was sampled."""
    assert repr(samples) == "<2,000 paths of 3 series x 12 steps x 2 targets: .frame, .total(), .probability('> 10')>"
    assert repr(samples.total()) == "<3 sums x 2 targets of 2,000 paths: .frame, .probability('> 10')>"


def test_seeds_and_order(model: Model, data: pd.DataFrame, samples: Samples) -> None:
    """Prevents: paths that change from run to run, or never."""
    again, other = (tsforge.sample(model, data, 2000, seed=seed).values for seed in (1, 2))
    np.testing.assert_array_equal(samples.values, again)
    assert np.nanmax(np.abs(samples.values - other)) > 0
    np.testing.assert_allclose(np.sort(other, axis=0), np.sort(again, axis=0))


def test_sums_add_up(samples: Samples) -> None:
    """Prevents: months in another quarter or year, steps that are summed twice, chances that are not those of paths."""
    whole = samples.total()
    np.testing.assert_allclose(whole.values[:, :, 0], samples.values.sum(axis=2)[..., 0], rtol=1e-5)
    dates = pd.date_range("2022-07-01", periods=H, freq="MS")
    for period, letter in (("month", "M"), ("quarter", "Q"), ("year", "Y")):
        sums = samples.total(period)
        assert list(sums.names[: len(sums.names) // 3]) == [str(p) for p in dates.to_period(letter).unique()]
        joint = [sums.values[:, sums.series == i].sum(axis=1) for i in range(3)]
        np.testing.assert_allclose(np.stack(joint, axis=1), whole.values, rtol=1e-6)
        frame = sums.frame
        assert frame["steps"].sum() == 3 * 2 * H
        means = frame[frame["target"] == "sold"].groupby("shop")["forecast"].sum()
        np.testing.assert_allclose(means, whole.forecast[:, 0], rtol=1e-5)
    days = samples.total("week").frame
    assert (pd.to_datetime(days["period"]).dt.dayofweek == 0).all()
    frame = whole.table("> 600")
    np.testing.assert_allclose(
        frame["probability"], [*(whole.values > 600).mean(axis=0).reshape(-1)[:5].tolist(), np.nan]
    )


def test_chances_are_those_of_paths(samples: Samples) -> None:
    """Prevents: a chance of a step that is that of the horizon; what has no forecast with a chance of 0."""
    above, not_above = samples.probability("> 45"), samples.probability("<= 45")
    shown = above["probability"].notna()
    assert (~shown).sum() == H
    np.testing.assert_allclose(above["probability"][shown] + not_above["probability"][shown], 1)
    for (_, target), part in above.groupby(["shop", "target"]):
        assert (part["ever"].dropna().diff().dropna() >= 0).all(), target
    last = above[(above["shop"] == "s000") & (above["target"] == "sold")].iloc[-1]
    assert last["ever"] == pytest.approx((samples.values[:, 0, :, 0] > 45).any(axis=1).mean())
    frame = samples.frame
    assert len(frame) == samples.values.size
    path = frame[(frame["shop"] == "s001") & (frame["sample"] == 7) & (frame["target"] == "visits")]
    np.testing.assert_allclose(path["value"], samples.values[6, 1, :, 1], rtol=1e-6)


def test_chances_of_counts_are_those_of_counts() -> None:
    """Prevents: a good sold every third day whose sale tomorrow is as good as sure, as no path is exactly at 0."""
    random, n, T = np.random.default_rng(5), 60, 120
    sold = random.negative_binomial(2, 2 / 3, size=(n, T)).astype(float)  # 0 with a chance of 4/9
    drawn = tsforge.sample(fitted(table(sold)), table(sold), 300)
    more, one = drawn.probability("> 0"), drawn.probability(">= 1")
    pd.testing.assert_frame_equal(more, one)
    assert more["probability"].mean() == pytest.approx(5 / 9, abs=0.1)  # 0.85 of paths as they are
    sums = drawn.total()
    np.testing.assert_array_equal(sums.probability("> 11"), sums.probability(">= 12"))
    frame = table(sold + np.where(np.arange(n) < n // 2, 0, 0.5)[:, None])  # half of them are no counts
    halves = tsforge.sample(fitted(frame), frame, 300)
    two, more = (halves.probability(level)["probability"].to_numpy().reshape(n, H) for level in (">= 1", "> 0"))
    assert (two == more)[: n // 2].all()
    assert (two < more)[n // 2 :].any()


def test_a_roll_out_goes_on_from_the_errors_before(model: Model, data: pd.DataFrame) -> None:
    """Prevents: blocks that are independent of each other, whose totals would be too sure."""
    drawn = tsforge.sample(model, data, 2000, horizon=30)
    made = tsforge.predict(model, data, horizon=30, quantiles=[0.1, 0.9])
    assert drawn.values.shape[2] == 30
    share = (drawn.values[..., 0] <= made.quantiles[:, :, 0, 0]).mean(axis=0)
    np.testing.assert_allclose(share, 0.1, atol=1.5 / 2000)
    assert model.calibration is not None
    unit = np.array(model.calibration.unit)[:, 0]
    ranks = np.corrcoef(drawn.values[:, 0, 11, 0], drawn.values[:, 0, 23, 0])[0, 1]
    assert ranks == pytest.approx(unit[-1] / np.sqrt(2 * unit[-1] ** 2), abs=0.08)


def test_a_model_directory_keeps_it_and_one_of_before_takes_it_from_the_table(
    model: Model, data: pd.DataFrame, samples: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Prevents: other paths after a load; a model of before that can be sampled no more, or without a word."""
    directory.save(model, tmp_path / "m", lambda _: None)
    again = tsforge.sample(tmp_path / "m", data, 2000)
    np.testing.assert_allclose(np.nan_to_num(again.values), np.nan_to_num(samples.values), rtol=1e-4)
    with caplog.at_level(logging.WARNING, "tsforge"):
        before = tsforge.sample(replace(model, dependence=None), data, 100)
    assert "the table at hand" in caplog.text
    assert before.values.shape == (100, *samples.values.shape[1:])
    with pytest.raises(DataError, match="too short to see how errors"):
        tsforge.sample(replace(model, dependence=None), data.groupby("shop").tail(14), 100)


@pytest.mark.parametrize(("name", "change"), [
    ("steps", 1.5), ("series", np.nan), ("targets", 0.3), ("steps", None),
])  # fmt: skip
def test_a_damaged_file_is_refused(model: Model, tmp_path: Path, name: str, change: float | None) -> None:
    """Prevents: paths of correlations that are none, under digests that are right."""
    directory.save(model, tmp_path / "m", lambda _: None)
    path = tmp_path / "m" / "dependence.safetensors"
    with path.open("rb") as file:
        texts = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    tables = load_file(path)
    if change is None:
        tables[name] = tables[name][:-1]
    else:
        tables[name][0, -1] = change
    save_file(tables, path, texts)
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    manifest["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "m" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"dependence\.safetensors"):
        directory.load(tmp_path / "m")


def test_what_cannot_be_drawn_is_said(model: Model, data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: memory filled, paths of a model without intervals, periods of times that are numbers."""
    for count in (3, 10**9):
        with pytest.raises(ConfigError, match="samples"):
            tsforge.sample(model, data, count)
    monkeypatch.setattr(sampling, "MOST_VALUES", 3 * 2 * H * 500)
    with pytest.raises(ConfigError, match="too many to hold") as problem:
        tsforge.sample(model, data, 1000)
    assert "500 samples at most" in problem.value.hint
    with pytest.raises(ModelError, match="no intervals to draw from"):
        sampling.check(
            replace(
                model,
                calibration=None,
                experiment=tsforge.build({"model.kind": "gru", "model.head": {"type": "point"}}),
            )
        )
    plain = data.assign(month=data.groupby("shop").cumcount())
    with pytest.raises(DataError, match="no month"):
        tsforge.sample(fitted(plain), plain, 20).total("month")


@pytest.mark.usefixtures("store_at_home", "forked")
def test_of_the_command_line(model: Model, data: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: what is asked for that is not written, drawn, recorded or in the document; flags that do not fit."""
    data.to_csv("sales.csv", index=False)
    directory.save(model, Path("m"), lambda _: None)
    found = commands.document(
        capsys, "predict", "m", "sales.csv", "--total", "quarter", "--samples", "200", "--probability", "> 250",
        "--quantiles", "0.2,0.8", "--output", "t.csv", "--track", "--quiet",
    )  # fmt: skip
    frame = pd.read_csv("t.csv")
    columns = ["shop", "target", "period", "from", "to", "steps", "forecast", "q0.2", "q0.8", "probability"]
    assert list(frame) == columns
    assert (found["samples"], found["total"], found["rows"], len(frame)) == (200, "quarter", 24, 24)
    assert found["run"]
    for words in (["--total"], ["--samples", "50"], ["--probability", "< 50", "--seed", "3", "--plot", "p.png"]):
        assert run(["predict", "m", "sales.csv", *words]) == 0
        assert "paths of 3 series x 12 steps x 2 targets" in capsys.readouterr().out
    assert Path("p.png").stat().st_size > 10_000
    for words, said in {
        ("--seed", "2"): "--seed is that of sample paths", ("--samples", "50", "--quantiles", "0.5"): "no quantiles",
        ("--total", "mnoth"): "there is no period 'mnoth'", ("--probability", "1000"): "no level to pass",
        ("--total", "--scenario", "price*2"): "planned future", ("--total", "sales.csv"): "takes the words",
    }.items():  # fmt: skip
        assert run(["predict", "m", *([] if words[-1] == "sales.csv" else ["sales.csv"]), *words]) == 2
        assert said in capsys.readouterr().err


def test_paths_of_counts_are_whole_where_asked_for() -> None:
    """Prevents: intervals taken from paths of counts that miss every 0, as paths lie a little above it."""
    random = np.random.default_rng(5)
    counts = table(random.poisson(0.7, (3, 120)).astype(float))
    model = fitted(counts, **{"model.kind": "tsb", "model.bounds": "auto"})
    drawn = sampling.sample(model, counts, 400)
    whole = drawn.rounded()
    assert (whole.values == np.rint(whole.values)).all()
    assert (whole.values >= 0).all()
    assert (np.abs(whole.values - drawn.values) <= 0.5 + 1e-6).all()
    assert (whole.prediction.point == np.rint(whole.prediction.point)).all()


def test_paths_are_those_of_all_series_at_once(data: pd.DataFrame) -> None:
    """Prevents: series drawn one by one that no longer hang together, or other values than the quantiles'."""
    model = fitted(data)
    drawn = sampling.sample(model, data, 300, seed=3)
    panel = drawn.panel
    assert model.dependence is not None
    order = sampling.ranks(model.dependence, panel, 1, model.calibration, (300, 3))
    slow = np.take_along_axis(sampling.spread_out(drawn.prediction.quantiles, drawn.prediction.levels, 300), order, -1)
    np.testing.assert_array_equal(np.moveaxis(drawn.values, 0, -1), slow)
