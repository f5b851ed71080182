"""fit: the same command gives the same numbers, learns from the past alone, and keeps the best."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import tsforge
from tests.helpers.tables import hourly
from tsforge.experiment import TrainConfig
from tsforge.model.heads import LEVELS
from tsforge.training.events import Round
from tsforge.training.fitting import prepare
from tsforge.training.loop import rate

NAMES = (
    "rnn", "lstm", "gru", "min-gru", "min-lstm", "transformer", "transformer-encoder", "transformer-decoder", "naive",
    "seasonal-naive", "drift", "naive2", "theta", "ets", "mstl", "shape-ridge", "croston", "tsb", "linear",
)  # fmt: skip


def small(kind: str = "gru", **settings: object) -> tsforge.Experiment:
    values = {"model.kind": kind, "data.horizon": 6, "data.context": 24, "train.max_steps": 12}
    if kind in NAMES[:6]:
        values["model.width"] = 16
    return tsforge.build(values | settings)


@pytest.mark.parametrize("kind", NAMES)
def test_every_named_model_fits_saves_and_predicts_the_same_bits(kind: str, tmp_path: Path) -> None:
    """Prevents: weights or settings lost on the way to disk, and a model tied to the place it was written to."""
    data = hourly(20, gap=True)
    fitted = tsforge.fit(small(kind), data, out=tmp_path / "model")
    before = tsforge.predict(fitted.model, data)
    shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    after = tsforge.predict(tmp_path / "elsewhere", data)
    assert np.isfinite(before.point).all()
    np.testing.assert_array_equal(before.point, after.point)
    np.testing.assert_array_equal(before.quantiles, after.quantiles)
    pd.testing.assert_frame_equal(before.frame, after.frame)
    assert set(fitted.metrics) >= {kind, "seasonal-naive"}


@pytest.mark.parametrize("context", [None, 30])
@pytest.mark.parametrize("kind", NAMES)
def test_an_experiment_that_is_settled_stays_as_it_is(kind: str, context: int | None) -> None:
    """Prevents: another context, and other scores, from the experiment that a model or a run keeps."""
    experiment = small(kind, **{"data.context": context} if context else {})
    if context is None:
        experiment = experiment.model_copy(update={"data": experiment.data.model_copy(update={"context": None})})
    settled = experiment.on(prepare(experiment, hourly(14, gap=True)).config)
    assert settled.on(prepare(settled, hourly(14, gap=True)).config) == settled


def test_same_seed_same_bits_other_seed_other_bits() -> None:
    data = hourly(20, gap=True)
    a, b = (tsforge.fit(small(), data) for _ in range(2))
    c = tsforge.fit(small(seed=2), data)
    assert a.metrics == b.metrics
    assert [r[:3] for r in a.rounds] == [r[:3] for r in b.rounds]
    for left, right in zip(a.model.network.parameters(), b.model.network.parameters(), strict=True):
        assert torch.equal(left, right)
    assert a.metrics["gru"] != c.metrics["gru"]


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tsforge.fit(small(), hourly(20, gap=True))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kind", ["gru", "transformer", "naive", "linear"])
def test_changing_the_future_changes_nothing_learned(kind: str) -> None:
    """Prevents: scalers, season, categories, or weights that have seen the test part."""
    data = hourly(20, gap=True)
    other = data.copy()
    fixed = {"data.validation": 48, "data.test": 48}
    other.loc[len(data) - 48 :, "load"] = 1e4 + np.arange(48) ** 2
    a, b = tsforge.fit(small(kind, **fixed), data), tsforge.fit(small(kind, **fixed), other)
    assert a.model.experiment == b.model.experiment
    assert a.model.facts.encodings == b.model.facts.encodings
    for (name, left), (_, right) in zip(
        a.model.network.state_dict().items(), b.model.network.state_dict().items(), strict=True
    ):
        assert torch.equal(left, right), name
    for left, right in zip(a.dataset.in_sample, b.dataset.in_sample, strict=True):
        np.testing.assert_array_equal(left, right)
    before, after = (m.calibration and m.calibration.model_copy(update={"moved": None}) for m in (a.model, b.model))
    assert before == after
    assert a.metrics[kind] != b.metrics[kind]


def test_best_weights_are_put_back() -> None:
    """Prevents: the last weights instead of the best. A rate that explodes makes the last ones the worst."""
    rounds: list[Round] = []
    settings = {"train.schedule": "constant", "train.lr": 1.0, "train.max_steps": 20, "train.patience": 20}
    fitted = tsforge.fit(
        small("transformer", **settings),
        hourly(20, seed=1, gap=True),
        report=lambda r: rounds.append(r) if isinstance(r, Round) else None,
    )
    best = min(r.validation for r in rounds)
    assert rounds[-1].validation > best  # otherwise this test shows nothing
    assert [r for r in rounds if r.best][-1].validation == best
    source, windows = fitted.dataset.source, fitted.dataset.parts.validation
    batch = source.gather(source.starts(windows), torch.from_numpy(windows.series))
    with torch.no_grad():
        loss = float(fitted.model.network(batch.context).loss(batch.truth))
    assert loss == pytest.approx(best, rel=1e-4)


def test_patience_stops_early() -> None:
    fitted = tsforge.fit(
        small("lstm", **{"train.lr": 1.0, "train.patience": 1, "train.max_steps": 200}), hourly(20, gap=True)
    )
    assert fitted.stop == "patience"
    assert fitted.rounds[-1].step < 200
    assert not fitted.rounds[-1].best


def test_max_time_stops() -> None:
    fitted = tsforge.fit(small("lstm", **{"train.max_time": 0.5, "train.max_steps": 100_000}), hourly(20, gap=True))
    assert fitted.stop == "time"


def test_epochs_bound_the_steps() -> None:
    fitted = tsforge.fit(small("rnn", **{"train.epochs": 1, "train.max_steps": 10_000}), hourly(20, gap=True))
    windows = len(fitted.dataset.parts.train.origins)
    assert fitted.rounds[-1].step == -(-windows // TrainConfig().batch_size)


def test_divergence_is_an_error_not_a_model_of_nan() -> None:
    """Prevents: NaN that trains to NaN without a word."""
    with pytest.raises(tsforge.TsforgeError, match="diverged") as caught:
        tsforge.fit(
            small("rnn", **{"train.lr": 1e30, "train.warmup": 0.0, "model.scaling": "none"}), hourly(20, gap=True)
        )
    assert "train.lr" in caught.value.hint


def test_rate_rises_then_falls_like_a_cosine() -> None:
    factor = rate(TrainConfig(warmup=0.1), 100)
    assert [factor(s) for s in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(55) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0.0, abs=1e-12)


def test_rate_falls_in_stages() -> None:
    """Prevents: stages that begin an epoch early or late, or that depend on the number of steps."""
    config = TrainConfig(schedule="step", decay=0.5, stages=6, warmup=0.0)
    table = [1, 1, 1, 0.5, 0.25, 0.125]  # constant for three epochs of six, then halved each epoch
    for per_epoch in (1, 4, 50):
        factor = rate(config, 6 * per_epoch)
        assert [factor(s) for s in range(6 * per_epoch)] == [table[s // per_epoch] for s in range(6 * per_epoch)]
    few = rate(config, 3)  # fewer steps than stages: each step is at the beginning of one
    assert [few(s) for s in range(3)] == [1, 1, 0.25]
    factor = rate(TrainConfig(schedule="step"), 3000)
    assert [factor(s) for s in (0, 74, 149, 150, 299)] == pytest.approx([1 / 150, 0.5, 1, 1, 1])
    assert [factor(s) for s in (300, 399, 400, 2999)] == pytest.approx([0.8, 0.8, 0.64, 0.8**27])


def test_rate_stays_constant() -> None:
    factor = rate(TrainConfig(schedule="constant", warmup=0.1), 50)
    assert [factor(s) for s in (0, 2, 4, 5, 49)] == pytest.approx([0.2, 0.6, 1, 1, 1])


def test_multivariate_panel_with_covariates_end_to_end(tmp_path: Path) -> None:
    """Several series of different length, two targets, all kinds of covariates, gaps, an unseen category."""
    rng = np.random.default_rng(3)
    parts = []
    for name, n, region in (("b", 120, "north"), ("a", 200, "south"), ("c", 19, "north")):
        times = pd.date_range("2023-01-01", periods=n, freq="D")
        parts.append(
            pd.DataFrame({
                "shop": name, "day": times, "sold": rng.poisson(20, n).astype(float), "visits": rng.normal(size=n),
                "rain": rng.normal(size=n), "promo": rng.choice(["none", "half"], n), "region": region,
            })
        )  # fmt: skip
    data = pd.concat(parts).sample(frac=1, random_state=1)
    data.loc[data.index[:20], "sold"] = np.nan
    experiment = tsforge.build({
        "data.target": ["sold", "visits"], "data.past": ["rain"], "data.future": ["promo"], "data.static": ["region"],
        "data.horizon": 5, "data.context": 30, "model.kind": "gru", "model.width": 8, "train.max_steps": 5,
    })  # fmt: skip
    fitted = tsforge.fit(experiment, data, out=tmp_path / "m")
    ahead = []
    for name, group in data.groupby("shop"):
        times = pd.date_range(group["day"].max(), periods=6, freq="D")[1:]
        ahead.append(pd.DataFrame({"shop": name, "day": times, "promo": "double", "region": group["region"].iloc[0]}))
    known = pd.concat([data, *ahead])
    frame = tsforge.predict(tmp_path / "m", known).frame
    assert list(frame.columns) == ["shop", "day", "target", "forecast", *(f"q{level}" for level in LEVELS)]
    assert list(dict.fromkeys(frame["shop"])) == list(dict.fromkeys(data["shop"]))  # in the order of the input
    assert len(frame) == 3 * 5 * 2
    assert frame["forecast"].notna().all()
    for name, group in frame.groupby("shop"):
        end = data.loc[data["shop"] == name, "day"].max()
        assert group["day"].min() == end + pd.Timedelta(days=1)
    assert len(fitted.metrics["gru"]) == len(fitted.metrics["seasonal-naive"])


@pytest.mark.parametrize(("request_", "words"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_request_to_stop_keeps_the_best_weights_and_says_so(
    request_: signal.Signals, words: str, tmp_path: Path
) -> None:
    """Prevents: hours of training lost to the time limit of a batch queue."""
    path = tmp_path / "data.csv"
    hourly(20, gap=True).to_csv(path, index=False)
    command = [
        sys.executable, "-m", "tsforge", "fit", str(path), "--horizon", "6", "--context", "24", "--model", "lstm",
        "--max-steps", "200000", "--set", "train.patience=100000", "--out", str(tmp_path / "m"), "--no-track",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if "validation 0" in line:
            break
    os.kill(process.pid, request_)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + request_, err
    assert f"stopped by {words}" in out
    assert re.search(r"kept: .*best weights", out)
    assert "Traceback" not in err
    assert np.isfinite(tsforge.predict(tmp_path / "m", path).point).all()
    assert load_file(tmp_path / "m" / "weights.safetensors")


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "scaled-mae", "scaled-pinball"])
def test_intervals_are_calibrated_whatever_the_loss(loss: str, tmp_path: Path) -> None:
    """Prevents: a model without intervals, or one whose loss is lost on the way to disk."""
    data = hourly(40, gap=True)
    settings = {"model.head.loss": loss, "train.max_steps": 150, "model.backbone.decode": "parallel"}
    fitted = tsforge.fit(small("lstm", **settings), data, out=tmp_path / "model")
    assert fitted.model.levels == LEVELS
    assert fitted.metrics["lstm"]["coverage_80"] == pytest.approx(0.8, abs=0.12)
    after = tsforge.load(tmp_path / "model")
    assert after.experiment == fitted.model.experiment
    assert tsforge.predict(after, data).quantiles.shape == (1, 6, 1, len(LEVELS))


@pytest.mark.parametrize("kind", ["linear", "gru", "seasonal-naive"])
def test_the_unit_of_a_series_does_not_matter(kind: str) -> None:
    """Prevents: small series flattened because others in the table are a million times larger."""
    parts = []
    for name, unit in (("large", 1e6), ("middle", 1.0), ("small", 1e-4)):
        frame = hourly(20, seed=7, gap=True)
        parts.append(frame.assign(name=name, load=frame["load"] * unit))
    data = pd.concat(parts, ignore_index=True)
    result = tsforge.predict(tsforge.fit(small(kind, **{"data.id": "name", "data.target": "load"}), data).model, data)
    for i, unit in ((0, 1e6), (2, 1e-4)):
        np.testing.assert_allclose(result.point[i] / unit, result.point[1], rtol=2e-3)
        np.testing.assert_allclose(result.quantiles[i] / unit, result.quantiles[1], rtol=2e-3)


def test_time_up_before_the_first_validation_still_keeps_validated_weights() -> None:
    """Prevents: a --max-time too short for a validation that ends with weights nobody looked at."""
    fitted = tsforge.fit(small("gru", **{"train.max_time": 1e-6, "train.max_steps": 1000}), hourly(20, gap=True))
    assert fitted.stop == "time"
    assert [(r.step, r.best) for r in fitted.rounds] == [(1, True)]


def test_the_last_steps_are_validated_too() -> None:
    """Prevents: a number of steps that is no multiple of the interval leaving the last ones unjudged."""
    fitted = tsforge.fit(small("rnn", **{"train.max_steps": 43, "train.patience": 99}), hourly(20, gap=True))
    assert [r.step for r in fitted.rounds][-2:] == [42, 43]


def test_ctrl_c_while_the_data_is_read_says_that_nothing_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    hourly(20, gap=True).to_csv(path, index=False)
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in what a shell runs behind itself
        "import tsforge.data.dataset as p\n"
        "p.build = lambda *_: signal.raise_signal(signal.SIGINT)\n"  # os.kill may reach another thread, later
        "from tsforge.cli.main import main\n"
        f"main(['fit', {str(path)!r}, '--horizon', '3', '--no-track'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 130
    assert "nothing was kept" in done.stderr
    assert "Traceback" not in done.stderr
