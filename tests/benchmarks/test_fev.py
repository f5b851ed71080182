"""The comparison with published results: its cuts, its scores, and how models are ranked."""

from __future__ import annotations

import importlib
import json
import math
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import fev, holdout
from benchmarks.fev import Result
from benchmarks.holdout import ID, LEVELS, TARGET, TIME, Forecast, Holdout, Scores


def table(lengths: list[int], seed: int = 0) -> pd.DataFrame:
    """Series A, B, ... of some lengths, counted from 1."""
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({ID: chr(65 + i), TIME: np.arange(1, n + 1), TARGET: 50 + rng.normal(size=n).cumsum()})
        for i, n in enumerate(lengths)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_past_and_truth_are_the_two_ends_of_every_series() -> None:
    """A cut by time, not by series, would show a model the truth of the short ones."""
    frame = table([30, 12, 20])
    cut = Holdout(frame, 5, 4)
    for row, (key, values) in enumerate(frame.groupby(ID)[TARGET]):
        assert list(cut.series[key]) == list(values[:-5])
        assert list(cut.truth[row]) == list(values[-5:])


def test_scores_are_those_of_a_plain_loop() -> None:
    """An average in another order weighs series by their lengths or sizes."""
    cut, rng = Holdout(table([30, 12, 20]), 5, 4), np.random.default_rng(1)
    point = cut.truth + rng.normal(size=cut.truth.shape)
    quantiles = np.sort(cut.truth[..., None] + rng.normal(size=(*cut.truth.shape, len(LEVELS))), axis=-1)
    scaled, loss, size = [], 0.0, 0.0
    for row, past in enumerate(cut.series.values()):
        naive = [abs(past[t] - past[t - 4]) for t in range(4, len(past))]
        for step in range(5):
            truth = cut.truth[row, step]
            scaled.append(abs(truth - point[row, step]) / (sum(naive) / len(naive)))
            size += abs(truth)
            for q, level in enumerate(LEVELS):
                gap = truth - quantiles[row, step, q]
                loss += 2 * (level * gap if gap > 0 else (level - 1) * gap) / len(LEVELS)
    found = holdout.score(cut, Forecast(point, quantiles))
    assert found == pytest.approx((sum(scaled) / len(scaled), loss / size), rel=1e-12)


def test_a_series_without_an_error_in_sample_does_not_count_in_mase() -> None:
    """Division by nothing would make the mean infinite, or a constant series decide it."""
    frame = table([30, 20])
    frame.loc[frame[ID] == "B", TARGET] = 7.0
    frame.loc[frame.index[-1], TARGET] = 9.0  # seasonal naive errs where it held in sample
    both = holdout.score(cut := Holdout(frame, 5, 4), holdout.seasonal_naive(cut))
    alone = holdout.score(first := Holdout(frame[frame[ID] == "A"], 5, 4), holdout.seasonal_naive(first))
    assert both.mase == alone.mase
    assert both.wql != alone.wql


def test_a_forecast_that_is_no_number_is_refused() -> None:
    """Left out of the mean, it would count as if it were as good as the others."""
    cut = Holdout(table([30, 20]), 5, 4)
    naive = holdout.seasonal_naive(cut)
    naive.point[0, 0] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        holdout.score(cut, naive)


def test_seasonal_naive_of_the_project_is_that_of_the_script() -> None:
    """Series in another order, or a step too early, would be scored against other truths."""
    frame = table([40, 24, 33], seed=3)
    frame = pd.concat([frame[frame[ID] == key] for key in "CAB"], ignore_index=True)  # not in the order of their ids
    cut = Holdout(frame, 5, 4, {"data.freq": "1"})
    own = holdout.forecast(cut, {"model.kind": "seasonal-naive"})
    assert own.point == pytest.approx(holdout.seasonal_naive(cut).point, rel=1e-6)
    assert (np.diff(own.quantiles, axis=-1) >= 0).all()


def test_what_is_known_ahead_reaches_the_model_and_the_target_does_not() -> None:
    """Covariates cut off with the truth are refused; rows ahead that hold the target would give it away."""
    frame = table([60, 80]).assign(warm=np.random.default_rng(0).normal(size=140))
    cut = Holdout(frame, 6, 1, {"data.freq": "1", "data.future": ("warm",)})
    assert cut.ahead is not None
    assert list(cut.ahead.columns) == [ID, TIME, "warm"]
    assert list(cut.ahead["warm"]) == [*frame["warm"][54:60], *frame["warm"][134:]]
    assert holdout.forecast(cut, {"model.kind": "drift"}).point.shape == (2, 6)


def test_a_cut_that_is_not_the_published_one_stops_the_run() -> None:
    """Figures of another cut beside published ones look like a victory or a defeat."""
    naive = fev.TASKS["monash_m3_monthly"].naive
    fev.check("monash_m3_monthly", naive._replace(mase=naive.mase * 1.0003))  # rounded data
    with pytest.raises(SystemExit, match=r"monash_m3_monthly: mase of seasonal naive is 1\.1606, but 1\.1462"):
        fev.check("monash_m3_monthly", Scores(1.1606, naive.wql))
    with pytest.raises(SystemExit, match="wql"):
        fev.check("monash_m3_monthly", Scores(naive.mase, naive.wql + 0.001))


def test_comparisons_won_are_counted_pair_by_pair() -> None:
    """A tie that counts as a win, or a model compared with itself, shifts every rate."""
    errors = pd.DataFrame({"a": [0.8, 0.9, 1.0], "b": [0.7, 0.9, 1.1], "c": [0.9, 0.95, 0.9]})
    wins = dict.fromkeys(errors, 0.0)
    for _, row in errors.iterrows():
        for one, other in combinations(errors, 2):
            wins[one] += 1.0 if row[one] < row[other] else 0.5 if row[one] == row[other] else 0.0
            wins[other] += 1.0 if row[other] < row[one] else 0.5 if row[one] == row[other] else 0.0
    rates = fev.win_rates(errors)
    for name, won in wins.items():
        share, low, high = rates[name]
        assert share == pytest.approx(won / 6)
        assert 0 <= low <= share <= high <= 1
    assert fev.geometric(errors)["a"] == pytest.approx(math.prod(errors["a"]) ** (1 / 3))


def test_the_board_says_what_was_trained_on_what_and_holds_other_cuts_apart() -> None:
    """A task of another cut in the compared column, or a pretrained model shown as zero-shot, misleads."""
    one = Scores(1.0, 1.0)
    results = [
        Result("seasonal_naive", task, one, one, fev.ALONE) for task in ("same", "other")
    ] + [
        Result("ours", "same", Scores(0.5, 0.6), one, fev.TRAINED, 2.0, 0.25),
        Result("ours", "other", Scores(2.0, 2.0), one, fev.TRAINED, 3.0, 0.25),
        Result("theirs", "same", Scores(1.6, 1.4), Scores(2.0, 2.0), fev.SEEN),
        Result("theirs", "other", Scores(1.6, 1.4), Scores(2.0, 2.0), fev.ZERO_SHOT),
        Result("partly", "same", Scores(0.1, 0.1), one, fev.ZERO_SHOT),  # has no result for the other task
    ]  # fmt: skip
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in fev.board(results, ["same"]).splitlines()[2:]]
    assert [row[0] for row in rows] == ["ours", "theirs", "seasonal_naive"]
    assert rows[0][1:4] == [fev.TRAINED, "0.500", "0.600"]
    assert rows[0][5:] == ["1.000", "5", "0.5"]
    assert rows[1][1:4] == [f"{fev.SEEN} (1), {fev.ZERO_SHOT} (1)", "0.800", "0.700"]


def test_the_command_reads_files_scores_and_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From files of targets and of published results to the tables and every score as JSON."""
    hours = pd.date_range("2020-01-01", periods=240, freq="h")
    rng, wave = np.random.default_rng(0), np.sin(np.arange(240) * 2 * np.pi / 24)
    for number in (1, 2):
        columns = {"date": hours, "OT": wave + rng.normal(0, 0.1, 240), "HUFL": 3 - wave + rng.normal(0, 0.1, 240)}
        pd.DataFrame(columns).to_csv(tmp_path / f"{number}.csv", index=False)
    cut = holdout.targets([str(tmp_path / "1.csv"), str(tmp_path / "2.csv")], 24, 24, "h")
    assert list(cut.series) == ["1_OT", "1_HUFL", "2_OT", "2_HUFL"]
    task = fev.TASKS["ETTh"]._replace(naive=holdout.score(cut, holdout.seasonal_naive(cut)))
    monkeypatch.setitem(fev.TASKS, "ETTh", task)
    published = pd.DataFrame({
        "model": ["big", "seasonal_naive"], "task": "ETTh", "MASE": [0.9 * task.naive.mase, 9.0],
        "WQL": [0.8 * task.naive.wql, 9.0], "training_s": [None, None], "inference_s": [3.0, 1.0],
        "trained_on_this_dataset": [False, False],
    })  # fmt: skip
    published.to_csv(tmp_path / "published.csv", index=False)
    words = ["--tasks", "ETTh", "--models", "seasonal-naive", "--published", str(tmp_path / "published.csv")]
    files = [
        "--etth1",
        str(tmp_path / "1.csv"),
        "--etth2",
        str(tmp_path / "2.csv"),
        "--json",
        str(tmp_path / "all.json"),
    ]
    monkeypatch.setattr(sys, "argv", ["fev.py", *words, *files])
    fev.main()
    shown = capsys.readouterr().out
    assert "| ETTh | 4 | 24 | 24 |" in shown
    assert f"| big | {fev.ZERO_SHOT} | 0.900 | 0.800 |" in shown
    scores = {row["model"]: row for row in json.loads((tmp_path / "all.json").read_text())}
    assert scores["seasonal-naive"]["mase"] == pytest.approx(scores["seasonal_naive"]["mase"], rel=1e-5)
    assert scores["seasonal-naive"]["wql"] < scores["seasonal_naive"]["wql"]  # it has intervals


def test_scores_are_those_of_the_package_fev() -> None:
    """Figures stand beside published ones: another definition by the same name would make the table worthless."""
    metrics = importlib.import_module("fev.metrics")
    frame = table([30, 12, 20])
    frame.loc[frame[ID] == "B", TARGET] = 7.0  # no error in sample
    cut, rng = Holdout(frame, 5, 4), np.random.default_rng(1)
    point = cut.truth + rng.normal(size=cut.truth.shape)
    quantiles = np.sort(point[..., None] + rng.normal(size=(*cut.truth.shape, len(LEVELS))), axis=-1)
    arrays = {
        "y_true": cut.truth[..., None], "y_pred": point[..., None], "q_pred": quantiles[:, :, None],
        "y_past": np.concatenate(list(cut.series.values()))[:, None], "seasonality": 4, "quantile_levels": list(LEVELS),
        "y_past_lengths": np.array([len(values) for values in cut.series.values()]),
    }  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs = [metrics.get_metric(name).compute(**arrays) for name in ("MASE", "WQL")]
    assert holdout.score(cut, Forecast(point, quantiles)) == pytest.approx(theirs, rel=1e-12)


def test_comparisons_are_counted_as_the_package_fev_counts_them() -> None:
    """The share won is read beside that of its leaderboards."""
    analysis = importlib.import_module("fev.analysis")
    errors = pd.DataFrame(np.random.default_rng(0).uniform(0.5, 1.5, size=(9, 4)).round(1), columns=list("abcd"))
    shares = analysis.bootstrap(errors.to_numpy(), analysis._win_rate, n_resamples=fev.DRAWS, seed=fev.SEED)
    for i, name in enumerate(errors):
        assert fev.win_rates(errors)[name] == pytest.approx([part[i] for part in shares])
