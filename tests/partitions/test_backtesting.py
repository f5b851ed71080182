"""Backtests over folders: the scores of one table, kept with the forecasts, and nothing done twice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.partitions.conftest import collected, table, write_hive
from tsforge.backtesting.scoreboard import Scoreboard, document
from tsforge.backtesting.tally import Tally
from tsforge.errors import ConfigError
from tsforge.experiment import BacktestConfig
from tsforge.partitions import running
from tsforge.partitions.running import Report, Request

ROLLED = {"windows": 3, "stride": 2, "intervals": "static", "metrics": ("mase", "wql", "coverage_80")}


def run(model: Path, data: Path, output: Path | None, **more: Any) -> tuple[Report, Tally]:
    rolled = ROLLED | more.pop("rolled", {})
    request = Request(str(model), str(data), str(output) if output else None, workers=1, rolled=rolled, **more)
    return running.backtest(request)


def alike(found: Any, wanted: Any, at: str = "") -> None:
    """Raises AssertionError where plain values differ by more than rounding."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), at
        for name, value in wanted.items():
            alike(found[name], value, f"{at}/{name}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-6, nan_ok=True), at
    else:
        assert found == wanted, at


@pytest.mark.parametrize(
    ("kind", "rolled"),
    [("theta", {}), ("gru", {"average": "series"}), ("theta", {"windows": 1}), ("theta", {"units": "standard"})],
)
def test_scores_of_partitions_are_those_of_one_table(
    kind: str, rolled: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:  # fmt: skip
    """Prevents: scores, verdicts or forecasts that depend on how a table is divided."""
    model, data = request.getfixturevalue(kind), table()
    data.loc[(data["shop"] == 1) & (data["day"] > "2024-01-27"), "sold"] = np.nan  # truths that are missing
    data.loc[data["shop"] == 2, "sold"] = 7.0  # no scale
    report, tally = run(model, write_hive(tmp_path / "d", data), tmp_path / "f", rolled=rolled)
    whole = tsforge.backtest(model, data, config=BacktestConfig(**ROLLED | rolled))
    found, wanted = document(Scoreboard({"": tally})), document(Scoreboard({"": whole}))
    for values in wanted["coverage"].values():  # partitions have no adaptive ones
        for kinds in values.values():
            kinds.pop("adaptive")
    for name in ("seconds",):
        found.pop(name), wanted.pop(name)
    alike(found, wanted)
    assert math.isfinite(found["scores"][kind]["mase"])
    assert report.written == len(whole.frame)
    keys = ["model", "region", "shop", "origin", "day"]
    one, other = (f.sort_values(keys, ignore_index=True) for f in (collected(tmp_path / "f"), whole.frame))
    pd.testing.assert_frame_equal(one[other.columns], other, check_dtype=False, rtol=1e-6)


def test_what_is_there_is_not_scored_again(theta: Path, tmp_path: Path) -> None:
    """Prevents: scores of a second run that lack what the first one did; those of another way to roll."""
    data, out = write_hive(tmp_path / "d", table()), tmp_path / "f"
    with pytest.raises(ConfigError, match="shard 9/9 has none of its 3 partitions"):
        run(theta, data, out, shard="9/9")
    shards = [run(theta, data, out, shard=f"{k}/2") for k in (1, 2)]
    assert sum(report.done for report, _ in shards) == 3
    report, tally = run(theta, data, out)
    assert (report.done, report.there) == (0, 3)
    _, fresh = run(theta, data, None)
    alike(document(Scoreboard({"": tally})) | {"seconds": 0}, document(Scoreboard({"": fresh})) | {"seconds": 0})
    other = {"metrics": ("wql", "mase"), "average": "series"}
    again = run(theta, data, out, rolled=other)[0].again  # of wql, by which they are judged now, nothing is known yet
    assert again == {"scored by other metrics": 3}
    report, tally = run(theta, data, out, rolled=other | {"average": "points", "metrics": ("wql", "mae")})
    assert (report.done, report.there) == (0, 3)
    assert document(Scoreboard({"": tally}))["primary"] == "wql"
    assert run(theta, data, out, rolled={"windows": 1})[0].again == {"rolled otherwise": 3}


def test_baselines_that_were_not_kept_have_points_alone(theta: Path, tmp_path: Path) -> None:
    """Prevents: a baseline that learns from one partition, and so scores otherwise in another."""
    rolled = {"baselines": ["ets"]}
    _, tally = run(theta, write_hive(tmp_path / "d", table()), None, rolled=rolled)
    (tmp_path / "one").mkdir()
    table().to_parquet(tmp_path / "one" / "all.parquet", index=False)
    _, undivided = run(theta, tmp_path / "one", None, rolled=rolled)
    scores = Scoreboard({"": tally}).scores
    assert scores["ets"]["mase"] == pytest.approx(Scoreboard({"": undivided}).scores["ets"]["mase"], rel=1e-6)
    assert math.isnan(scores["ets"]["wql"])
    assert math.isfinite(scores["naive"]["wql"])


def test_a_pretrained_model_is_fitted_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="by a fitted model"):
        run(Path("zero"), write_hive(tmp_path / "d", table()), None)
