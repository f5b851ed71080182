"""statsforecast: no networks to time, but the accuracy of its closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsforecast import StatsForecast
from statsforecast.models import MSTL, DynamicOptimizedTheta

ACCURACY = {
    "electricity": "MSTL, seasons 48 and 336, fitted anew every day",
    "m3": "DynamicOptimizedTheta, season 12, all cores",
}


def electricity(frame: Any, horizon: int, origins: int, _share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (origins, horizon) of the last days, each from all that lies before it."""
    forecaster = StatsForecast(models=[MSTL(season_length=[48, 336])], freq="30min")
    table = forecaster.cross_validation(df=frame, h=horizon, n_windows=origins, step_size=horizon)
    return table.sort_values(["cutoff", "ds"])["MSTL"].to_numpy().reshape(origins, horizon)


def m3(frame: Any, horizon: int, _share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (series, horizon) behind every series."""
    forecaster = StatsForecast(models=[DynamicOptimizedTheta(season_length=12)], freq="MS", n_jobs=-1)
    table = forecaster.forecast(df=frame, h=horizon)
    return table.sort_values(["unique_id", "ds"])["DynamicOptimizedTheta"].to_numpy().reshape(-1, horizon)
