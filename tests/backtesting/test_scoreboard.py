"""The scoreboard against the scores of each outcome by itself."""

from __future__ import annotations

import numpy as np
import pytest

import tsforge
from tests.backtesting.test_rolling import experiment, table
from tsforge.backtesting import forecasts
from tsforge.backtesting.scoreboard import INTERVALS, Scoreboard
from tsforge.evaluation.scores import Average, by_step, score
from tsforge.experiment import BacktestConfig

ASKED = ("mae", "wql", "winkler_80", "owa")


@pytest.mark.parametrize("average", ["points", "series"])
def test_every_score_is_that_of_its_own_outcome(average: Average) -> None:
    """Sums of another kind of intervals, metric, model, group or average, which were kept for a later table."""
    config = BacktestConfig(windows=5, stride=3, average=average, metrics=ASKED)
    tests = {
        name: tsforge.backtest(experiment(), table((240, 230), seed), config=config) for seed, name in enumerate("ab")
    }
    board = Scoreboard(tests)
    for _ in range(2):
        for group, test in tests.items():
            for model, o in test.outcomes.items():
                for name in ("mae", "wql", "winkler_80", "coverage_80"):
                    assert board.score(model, name, group) == score(o, name, average)
        for model in board.models:
            for kind in INTERVALS:
                steps = np.mean([by_step(test.outcome(model, kind), "coverage_80") for test in tests.values()], axis=0)
                np.testing.assert_allclose(board.coverage_by_step(model, kind, 80), steps)
    own, naive2 = ({n: board.score(m, n) for n in ("smape", "mase")} for m in ("linear", "naive2"))
    assert board.score("linear", "owa") == pytest.approx(np.mean([own[n] / naive2[n] for n in own]))


def test_intervals_adapt_once_for_all_metrics_shown_and_not_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass over time for every cell of a table, or one for a metric that does not look at intervals."""
    adapted = []
    adapt = forecasts.adapt
    monkeypatch.setattr(forecasts, "adapt", lambda *given: adapted.append(given) or adapt(*given))
    configs = (BacktestConfig(windows=5, stride=3, metrics=names) for names in (("mae", "rmse"), ()))
    plain, usual = (Scoreboard({"": tsforge.backtest(experiment(), table(), config=config)}) for config in configs)
    for board in (plain, usual):
        for name in board.shown:
            board.table([name])
        board.against()
        board.left_out()
        assert len(adapted) == (0 if board is plain else len(board.models))
