"""Outcomes: each window's forecast beside its own truth, time and scale; z-scores as scikit-learn makes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler

import tsforge
from tsforge.data import statistics
from tsforge.data.dataset import Dataset, prepare
from tsforge.data.windows import Windows
from tsforge.evaluation import conformal, forecasting
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_series, score
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.heads import LEVELS

H, C, STARTS, LENGTHS = 3, 2, (0, 40), (90, 61)


def table(seed: int = 0, missing: float = 0.1) -> pd.DataFrame:
    """Two series of two targets that begin at different times; "flat" never changes in the second."""
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({
            "id": name, "t": np.arange(start, start + n), "y": 50 + 10 * rng.normal(size=n).cumsum(),
            "z": rng.normal(3, 2, n) if name == "a" else 5.0,
        })
        for name, start, n in zip("ab", STARTS, LENGTHS, strict=True)
    ]  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[rng.random(len(frame)) < missing, "y"] = np.nan
    return frame


def prepared(**settings: object) -> Dataset:
    fixed = {
        "data.target": "y,z", "data.id": "id", "data.time": "t", "data.horizon": H, "data.context": 12,
        "data.season": 4, "data.validation": 12, "data.test": 15, "model.kind": "naive",
    }  # fmt: skip
    experiment = tsforge.build(fixed | settings)
    return prepare(experiment.data, table(), experiment.model)


def raw_outcome(network: forecasting.Network, made: Dataset, windows: Windows) -> Outcome:
    return forecasting.outcomes({"": forecasting.Reader(network, made.source)}, made, windows)[""]


def test_an_outcome_against_a_loop_over_its_windows() -> None:
    """Truths, forecasts or scales of another window; positions counted from each series' own start."""
    made = prepared()
    network = Baseline(kind="drift").build(made.source.shape)
    forecasting.fit_baseline(network, made.source, made)
    windows = made.parts.test
    found = raw_outcome(network, made, windows)
    assert len(found.truth) == len(windows) == 2 * (15 - H + 1)
    frame = table().set_index(["id", "t"])
    for w, (origin, series) in enumerate(zip(windows.origins, windows.series, strict=True)):
        when = STARTS[series] + int(origin - made.panel.offsets[series])
        assert (found.series[w], found.time[w]) == (series, when)
        truth = frame.loc["ab"[series]].loc[when : when + H - 1].to_numpy(np.float32)
        np.testing.assert_array_equal(found.observed[w], ~np.isnan(truth))
        np.testing.assert_allclose(found.truth[w][found.observed[w]], truth[~np.isnan(truth)])
        batch = made.source.gather(made.source.starts(windows)[w : w + 1], torch.tensor([series]))
        with torch.no_grad():
            alone = network(batch.context)
        np.testing.assert_allclose(found.point[w], alone.point[0].numpy(), rtol=1e-5)
        np.testing.assert_allclose(found.quantiles[w], alone.quantiles()[0].numpy(), rtol=1e-5)
        np.testing.assert_allclose(found.spread[w], alone.scaling.scale[0, 0].numpy(), rtol=1e-5)
        # In-sample is all that lies before the test part, seen in the table itself.
        gap = frame.loc["ab"[series]].loc[: STARTS[series] + LENGTHS[series] - 15 - 1].diff(4)
        np.testing.assert_allclose(found.scale[w], gap.abs().mean(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.square[w], (gap**2).mean(), rtol=1e-5, atol=1e-6)


def test_many_batches_are_one_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """A last batch that is cut off, or one that is written over another."""
    made = prepared()
    network = Baseline(kind="naive").build(made.source.shape)
    forecasting.fit_baseline(network, made.source, made)
    whole = raw_outcome(network, made, made.parts.train)
    monkeypatch.setattr(forecasting, "BATCH", 7)
    parts = raw_outcome(network, made, made.parts.train)
    for name in ("truth", "observed", "point", "quantiles", "spread", "series", "time"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-6)


def test_intervals_are_corrected_by_the_validation_windows() -> None:
    """Corrections learned from the windows that are scored with them, or learned and not applied."""
    made = prepared()
    judged = forecasting.baselines(("naive",), made)["naive"]
    validation, test = (
        forecasting.outcomes({"": judged.reader}, made, w)[""] for w in (made.parts.validation, made.parts.test)
    )
    expected = conformal.fit(validation, LEVELS)
    assert judged.calibration == expected
    assert expected is not None
    found = judged.outcome(made, made.parts.test)
    np.testing.assert_array_equal(found.quantiles, expected.apply(test).quantiles)
    assert not np.array_equal(found.quantiles, test.quantiles)
    np.testing.assert_array_equal(found.point, test.point)


@pytest.mark.parametrize(
    ("kind", "season", "context"),
    [("naive", 4, 12), ("drift", 4, 12), ("seasonal-naive", 20, 20), ("naive2", 2, 64), ("linear", 4, 12)],
)
def test_a_baseline_sees_as_much_as_it_needs(kind: str, season: int, context: int) -> None:
    """A seasonal naive forecast beside a model of short context that is only naive."""
    made = prepared(**{"data.season": season})
    judged = forecasting.baselines((kind,), made)[kind]  # type: ignore
    assert judged.reader.source.shape.context == context
    assert made.source.shape.context == 12
    assert np.isfinite(score(judged.outcome(made, made.parts.test), "mae"))


def test_networks_read_together_as_alone() -> None:
    """Forecasts of one network kept under another's name, or cut from windows of another context."""
    made = prepared()
    kinds = ("naive2", "linear", "drift", "naive")
    found = forecasting.baselines(kinds, made)
    together = forecasting.outcomes({kind: found[kind].reader for kind in kinds}, made, made.parts.test)
    assert tuple(together) == tuple(found) == kinds
    for kind in kinds:
        alone = forecasting.baselines((kind,), made)[kind]
        assert alone.calibration == found[kind].calibration
        own = forecasting.outcomes({kind: alone.reader}, made, made.parts.test)[kind]
        for name in ("truth", "observed", "point", "quantiles", "spread", "scale", "square", "series", "time"):
            np.testing.assert_array_equal(getattr(together[kind], name), getattr(own, name))
    assert not np.array_equal(together["drift"].point, together["naive"].point)


# --- standard units ---------------------------------------------------------------------------------------------


def test_standard_units_are_those_of_scikit_learn() -> None:
    """Deviations of the sample or of the test part, one series' or target's for another, quantiles left behind."""
    made = prepared()
    network = Baseline(kind="drift").build(made.source.shape)
    forecasting.fit_baseline(network, made.source, made)
    o = raw_outcome(network, made, made.parts.test)
    found = forecasting.standardise({"": o}, statistics.moments(made.panel, made.cuts.train))[""]
    frame = table()
    for i, name in enumerate("ab"):
        part = frame[frame["id"] == name][["y", "z"]].to_numpy()[: LENGTHS[i] - 27]
        scaler = StandardScaler().fit(part)  # leaves out what is missing, and divides a constant by 1
        here = np.flatnonzero(o.series == i)
        for h in range(H):
            for values, given in ((found.point, o.point), (found.truth, o.truth)):
                seen = o.observed[here, h] if values is found.truth else np.ones((len(here), C), dtype=bool)
                expected = scaler.transform(given[here, h].astype(float))
                np.testing.assert_allclose(values[here, h][seen], expected[seen], rtol=1e-4, atol=1e-5)
            for q in range(len(LEVELS)):
                expected = scaler.transform(o.quantiles[here, h, :, q].astype(float))
                np.testing.assert_allclose(found.quantiles[here, h, :, q], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.spread[here], o.spread[here] / scaler.scale_, rtol=1e-4)
        np.testing.assert_allclose(found.scale[here], o.scale[here] / scaler.scale_, rtol=1e-4)
        np.testing.assert_allclose(found.square[here], o.square[here] / scaler.scale_**2, rtol=1e-4)


def test_what_has_no_unit_is_the_same_in_standard_units() -> None:
    """MASE, coverage or skill of a table that depend on the unit it was scored in."""
    made = prepared()
    judged = forecasting.baselines(("naive",), made)["naive"]
    o = judged.outcome(made, made.parts.test)
    units = statistics.moments(made.panel, made.cuts.train)
    found = forecasting.standardise({"": o}, units)[""]
    for name in ("mase", "rmsse", "coverage_80", "coverage_90"):
        assert score(found, name) == pytest.approx(score(o, name), rel=1e-4)
    for name, power in (("mae", 1), ("rmse", 1), ("width_80", 1), ("crps", 1), ("mse", 2)):
        expected = by_series(o, name) / np.where(units.deviation > 0, units.deviation, 1) ** power
        np.testing.assert_allclose(by_series(found, name), expected, rtol=1e-3, atol=1e-6)


def test_truths_that_are_shared_are_not_scaled_twice() -> None:
    """Baselines whose truths were already turned into z-scores with those of the model."""
    made = prepared()
    found = forecasting.baselines(("naive", "drift"), made)
    o, other = forecasting.outcomes({k: f.reader for k, f in found.items()}, made, made.parts.test).values()
    truth = o.truth.copy()
    units = statistics.moments(made.panel, made.cuts.train)
    a, b = forecasting.standardise({"a": o, "b": other}, units).values()
    np.testing.assert_array_equal(a.truth, b.truth)
    np.testing.assert_array_equal(o.truth, truth)
