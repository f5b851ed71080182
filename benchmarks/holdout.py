"""Tables whose last steps are held out: what a model is fitted on, what it is asked for, and how that is scored.

The scores are those of the package fev: MASE is the mean over all series and steps of |error| over the in-sample error
of seasonal naive, without the series that have none or none above zero; WQL is the mean over levels of the pinball loss
of all series and steps, times two, over the sum of |truth|.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsforge
from tsforge.data.catalog import find

LEVELS = tuple(round(0.1 * step, 1) for step in range(1, 10))
ID, TIME, TARGET = "unique_id", "step", "value"
Floats = NDArray[np.float64]


class Scores(NamedTuple):
    """Of a forecast of everything that is held out."""

    mase: float
    wql: float


class Forecast(NamedTuple):
    """Point forecasts (n, H), quantiles (n, H, Q) at LEVELS, and the seconds that training and inference took."""

    point: Floats
    quantiles: Floats
    training: float = 0.0
    inference: float = 0.0


@dataclass(frozen=True)
class Holdout:
    """A table in long form, of one target, whose last `horizon` rows of each series are held out.

    frame: columns ID, TIME and TARGET, and covariates; the rows of a series in order.
    settings: dotted, that every model on it gets: its frequency, which columns are covariates.
    """

    frame: pd.DataFrame
    horizon: int
    season: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Which rows are the last of their series."""
        left = self.frame.groupby(ID, sort=False).cumcount(ascending=False)
        return np.asarray(left < self.horizon)

    @property
    def past(self) -> pd.DataFrame:
        """The rows that a model may see."""
        return self.frame[~self.held_out]

    @property
    def ahead(self) -> pd.DataFrame | None:
        """What is known of the steps held out; None where nothing is."""
        names = self.settings.get("data.future", ())
        return self.frame.loc[self.held_out, [ID, TIME, *names]] if names else None

    @property
    def truth(self) -> Floats:
        """(n, H), series in the order of the table."""
        return self.frame.loc[self.held_out, TARGET].to_numpy(np.float64).reshape(-1, self.horizon)

    @property
    def series(self) -> dict[Any, Floats]:
        """The past of each series by its id."""
        return {key: rows.to_numpy(np.float64) for key, rows in self.past.groupby(ID, sort=False)[TARGET]}


def catalogued(name: str, horizon: int, season: int) -> Holdout:
    """A competition's table by the name of its card."""
    return Holdout(pd.read_csv(find(name)), horizon, season, {"data.freq": "1"})


def targets(paths: list[str], horizon: int, season: int, freq: str) -> Holdout:
    """Files of a first column of times and targets else, every target as a series of its own."""
    parts = []
    for number, path in enumerate(paths, start=1):
        wide = pd.read_csv(path)
        long = wide.melt(id_vars=wide.columns[0], var_name=ID, value_name=TARGET)
        parts.append(long.rename(columns={wide.columns[0]: TIME}).assign(**{ID: f"{number}_" + long[ID].astype(str)}))
    return Holdout(pd.concat(parts, ignore_index=True), horizon, season, {"data.freq": freq})


def forecast(holdout: Holdout, settings: dict[str, Any]) -> Forecast:
    """Fit a model on the past of a table and forecast the horizon, as its user would. settings: dotted."""
    columns = {"data.time": TIME, "data.id": ID, "data.target": TARGET}
    sizes = {"data.horizon": holdout.horizon, "data.season": holdout.season, "data.test": 0}
    experiment = tsforge.build({**columns, **sizes, **holdout.settings, **settings})
    past, begin = holdout.past, time.perf_counter()
    fitted = tsforge.fit(experiment, past)
    trained = time.perf_counter()
    prediction = tsforge.predict(fitted.model, past, quantiles=LEVELS, future_data=holdout.ahead)
    done = time.perf_counter()
    place = {str(key): i for i, key in enumerate(prediction.panel.ids[0])}
    order = [place[str(key)] for key in holdout.series]
    point, quantiles = (np.asarray(part[order, :, 0], np.float64) for part in (prediction.point, prediction.quantiles))
    return Forecast(point, quantiles, trained - begin, done - trained)


def seasonal_naive(holdout: Holdout) -> Forecast:
    """The last season again and again, at every level; the last value where a series is shorter than a season."""
    rows = []
    for values in holdout.series.values():
        period = holdout.season if len(values) >= holdout.season else 1
        rows.append(np.resize(values[-period:], holdout.horizon))
    point = np.array(rows)
    return Forecast(point, np.repeat(point[..., None], len(LEVELS), axis=-1))


def score(holdout: Holdout, forecast: Forecast) -> Scores:
    """As in the package fev, see above. Raises ValueError for a forecast that is no number."""
    truth = holdout.truth
    if not (np.isfinite(forecast.point).all() and np.isfinite(forecast.quantiles).all()):
        raise ValueError("a forecast is not a number")
    scaled = np.abs(truth - forecast.point) / in_sample(holdout)[:, None]
    gap = truth[..., None] - forecast.quantiles
    pinball = np.maximum(np.array(LEVELS) * gap, (np.array(LEVELS) - 1) * gap)
    return Scores(
        float(scaled[np.isfinite(scaled)].mean()), float(2 * pinball.mean(axis=(0, 1)).mean() / np.abs(truth).mean())
    )


def in_sample(holdout: Holdout) -> Floats:
    """The mean of |y_t - y_(t - season)| of each past; NaN where there is none, or it is 0."""
    m, errors = holdout.season, []
    for values in holdout.series.values():
        error = np.abs(values[m:] - values[:-m]).mean() if len(values) > m else np.nan
        errors.append(error if error > 0 else np.nan)
    return np.array(errors)
