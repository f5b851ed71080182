"""A model as sktime asks for it: a forecaster that is fitted, asked for steps, intervals and quantiles, and cloned.

    from tsforge.adapters.sktime import Forecaster
    forecaster = Forecaster("theta").fit(y, fh=[1, 2, 3])
    forecaster.predict_interval(coverage=0.9)

One table with several series (a MultiIndex) is one fit over all of them. X is known in advance. Nothing is kept back to
test on, as sktime does that itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

import tsforge
from tsforge.errors import ConfigError

try:
    from sktime.forecasting.base import BaseForecaster
except ImportError as problem:
    hint = "pip install 'tsforge-toolkit[sktime]', in an environment of its own: sktime 1.2 takes no pandas from 3.1 on"
    raise ConfigError("tsforge.adapters.sktime needs the package sktime", hint) from problem

if TYPE_CHECKING:
    from tsforge.fitted.prediction import Prediction

TIME = "time"  # the columns of the table that a model reads; sktime's own names may be anything


class Forecaster(BaseForecaster):  # type: ignore[misc]
    """A forecaster of sktime with a model of tsforge inside.

    kind: of the model by name, as "theta", "gru", "zero" or "auto"; the default one where None.
    settings: further dotted ones, as {"train.max_time": "60s", "data.holidays": "DE"}.
    After `fit`, `model_` is the fitted model, which `tsforge.predict` and `tsforge.export` take.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from tsforge.adapters.sktime import Forecaster
    >>> forecaster = Forecaster("theta").fit(load_airline(), fh=[1, 2, 3])  # doctest: +SKIP
    >>> forecaster.predict_interval(coverage=0.9)  # doctest: +SKIP
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["tsforge"], "maintainers": ["tsforge"],
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "capability:multivariate": True, "capability:exogenous": True, "capability:missing_values": True,
        "capability:pred_int": True, "capability:pred_int:insample": False, "capability:insample": False,
        "capability:categorical_in_X": False, "capability:non_contiguous_X": False,
        "requires-fh-in-fit": True, "X-y-must-have-same-index": True,
    }  # fmt: skip

    def __init__(self, kind: str | None = None, settings: dict[str, Any] | None = None) -> None:
        self.kind = kind
        self.settings = settings
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any) -> Forecaster:
        """Fit one model to all series. fh: steps, of which the last is the horizon of the model."""
        self._own, self._table = y, _table(y, X)
        ids, names = _ids(y), [f"y{c}" for c in range(y.shape[1])]
        asked = {
            "data.time": (TIME,), "data.id": tuple(ids), "data.target": tuple(names), "data.test": 0,
            "data.future": tuple(f"x{c}" for c in range(0 if X is None else X.shape[1])),
            "data.horizon": int(max(self._steps(fh))),
        }  # fmt: skip
        own = ({} if self.kind is None else {"model.kind": self.kind}) | (self.settings or {})
        self.model_ = tsforge.fit(tsforge.build(asked | own), self._table).model
        return self

    def _predict(self, fh: Any, X: pd.DataFrame | None) -> pd.DataFrame:
        """The point forecast of the steps asked for, in the columns of y."""
        made, rows = self._forecast(fh, X, ())
        return pd.DataFrame(made.point[rows], index=self._index(fh), columns=self._own.columns)

    def _predict_quantiles(self, fh: Any, X: pd.DataFrame | None, alpha: list[float]) -> pd.DataFrame:
        """Quantiles, a column for each variable and level; ConfigError for a level beyond the model's reach."""
        made, rows = self._forecast(fh, X, tuple(alpha))
        place = [int(np.abs(np.subtract(made.levels, level)).argmin()) for level in alpha]  # as 0.1 of 0.1 + 1e-17
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        values = made.quantiles[rows][..., place]
        return pd.DataFrame(values.reshape(len(values), -1), index=self._index(fh), columns=columns)

    def _forecast(self, fh: Any, X: pd.DataFrame | None, levels: tuple[float, ...]) -> tuple[Prediction, Any]:
        """A forecast far enough for every series, and where in it the rows of an answer lie: series and step.

        Steps count from the cutoff, where the longest series ends: one that ends before is forecast over the gap.
        """
        steps = self._steps(fh)
        gaps = self._gaps()
        ahead = None
        if X is not None:
            future = _table(X, X).drop(columns=[f"y{c}" for c in range(X.shape[1])])
            ahead = pd.concat([self._table[future.columns], future], ignore_index=True)
            ahead = ahead.drop_duplicates([c for c in ahead if not str(c).startswith("x")], keep="last")
        horizon = int(max(steps) + max(gaps.values()))
        made = tsforge.predict(self.model_, self._table, horizon=horizon, quantiles=levels, future_data=ahead)
        keys = [made.panel.key(i) for i in range(len(made.panel))]
        order = sorted(range(len(keys)), key=lambda i: list(gaps).index(keys[i]))
        rows = [(i, gaps[keys[i]] + step - 1) for i in order for step in steps]
        return made, tuple(np.array(rows).T)

    def _gaps(self) -> dict[str, int]:
        """Steps between the last row of each series and that of the longest, by its key, in the order of an answer."""
        grid = self.model_.facts.columns.frequency
        table = self._table.assign(**{TIME: _stamps(self._table[TIME])})
        ids = [c for c in table if str(c).startswith("id")]
        ends = table.groupby(ids, sort=True)[TIME].max() if ids else pd.Series({"": table[TIME].max()})
        last, _ = grid.ordinals(ends.to_numpy())
        names = [key if isinstance(key, tuple) else (key,) for key in ends.index]
        return {"\x1f".join(map(str, k)): int(last.max() - o) for k, o in zip(names, last, strict=True)}

    def _index(self, fh: Any) -> pd.Index:
        index: pd.Index = fh.get_expected_pred_idx(y=self._own, cutoff=self.cutoff)
        return index

    def _steps(self, fh: Any) -> list[int]:
        """Steps behind the cutoff, from 1."""
        return [int(step) for step in fh.to_relative(self.cutoff)]

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:  # noqa: ARG003
        """Two closed forms that need few steps, for sktime's own tests."""
        return [{"kind": "naive"}, {"kind": "drift", "settings": {"data.season": 1}}]


def _ids(y: pd.DataFrame) -> list[str]:
    """The columns of ids that the levels of an index become, but the last, which is the time."""
    return [f"id{level}" for level in range(y.index.nlevels - 1)]


def _table(y: pd.DataFrame, X: pd.DataFrame | None) -> pd.DataFrame:
    """A long table: ids as texts, time, y0, y1, ..., x0, x1, ...; a row for each of y."""
    parts: dict[str, Any] = {
        f"id{level}": y.index.get_level_values(level).astype(str) for level in range(y.index.nlevels - 1)
    }
    times = y.index.get_level_values(-1)
    parts[TIME] = times.to_timestamp() if isinstance(times, pd.PeriodIndex) else times
    parts |= {f"y{c}": y.iloc[:, c].to_numpy() for c in range(y.shape[1])}
    if X is not None:
        parts |= {f"x{c}": X.iloc[:, c].to_numpy() for c in range(X.shape[1])}
    return pd.DataFrame(parts)


def _stamps(times: pd.Series) -> pd.Series:
    """As a `Frequency` counts them: microseconds since 1970 of dates, else the numbers themselves."""
    return times if times.dtype.kind in "iuf" else times.astype("datetime64[us]").astype("int64")
