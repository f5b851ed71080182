"""Half-hourly electricity demand, a day ahead, the last 14 days: the pipeline beside statistical methods, in one run.

    pip install -e '.[bench]' -c constraints.txt
    python benchmarks/electricity.py [--seeds 1,2,3]

pipelines/electricity-demand.toml as it is, once for each seed, fitted once on what lies before the 14 days (two weeks
of it choose the weights). AutoETS (season 48) and MSTL (seasons 48 and 336, AutoETS for the trend) of statsforecast are
fitted anew at each of the 14 origins, on all that came before it; auto without networks, and the models that it chooses
among, are fitted once, as the pipeline is. MASE: season 336, scaled by all before the 14 days.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tsforge.backtesting.result import Backtest
from tsforge.backtesting.rolling import backtest
from tsforge.config import parse
from tsforge.evaluation.scores import score
from tsforge.experiment import Experiment
from tsforge.settings import groups

FILE = "pipelines/electricity-demand.toml"
CLOSED = ("auto", "mstl", "shape-ridge", "theta", "ets")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1,2,3")
    seeds = [int(seed) for seed in parser.parse_args().seeds.split(",")]
    logging.disable(logging.WARNING)
    print("| method | MASE | seconds |\n|---|--:|--:|", flush=True)
    tests = [backtest(groups({"seed": seed}, FILE)[""]) for seed in seeds]
    model, *baselines = tests[0].outcomes
    own = [score(test.outcomes[model], "mase") for test in tests]
    spread = f" ± {statistics.stdev(own):.2g}" if len(own) > 1 else ""
    _row(f"tsforge: {FILE}, {len(own)} seeds", f"{statistics.mean(own):.4g}{spread}", tests[0].seconds)
    for name in baselines:
        _row(name, f"{score(tests[0].outcomes[name], 'mase'):.4g}", 0.0)
    for kind in CLOSED:
        test = backtest(_fitted_once(kind))
        _row(f"tsforge: {kind}", f"{score(test.outcomes[kind], 'mase'):.4g}", test.seconds)
    for name, fit in _statistical().items():
        start = time.perf_counter()
        value = f"{_mase(tests[0], fit):.4g}"
        _row(name, value, time.perf_counter() - start)


def _fitted_once(kind: str) -> Experiment:
    """A model with the pipeline's data and backtest, and the context that it reads by itself."""
    pipeline = groups({}, FILE)[""].plain()
    data = {name: value for name, value in pipeline["data"].items() if name not in ("context", "history", "calendar")}
    return parse(Experiment, {"model": kind, "data": data, "backtest": pipeline["backtest"]}, FILE)


def _row(name: str, value: str, seconds: float) -> None:
    print(f"| {name} | {value} | {f'{seconds:.0f}' if seconds else ''} |", flush=True)


def _statistical() -> dict[str, Callable[[], Any]]:
    from statsforecast.models import MSTL, AutoETS

    return {
        "AutoETS (statsforecast)": lambda: AutoETS(season_length=48),
        "MSTL (statsforecast)": lambda: MSTL(season_length=[48, 336]),
    }


def _mase(test: Backtest, fit: Callable[[], Any]) -> float:
    """The error at the origins of a backtest, of a model that is fitted anew at each of them."""
    values = test.panel.values[:, 0].astype(np.float64)
    outcome = next(iter(test.outcomes.values()))
    H, errors = outcome.truth.shape[1], []
    for origin in test.forecasts.windows.origins:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = fit().forecast(y=values[:origin], h=H)["mean"]
        errors.append(np.abs(said - values[origin : origin + H]).mean())
    return float(np.mean(errors) / outcome.scale[0, 0])


if __name__ == "__main__":
    main()
